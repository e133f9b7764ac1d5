"""Each file by the program or the schema that reads it."""

import ipaddress
import os
import re
import subprocess
import tempfile
import tomllib
import unittest
from pathlib import Path

import examples


def check(*command, **options):
    """Runs a checker, which must find nothing. Answers what it prints."""
    done = subprocess.run(command, text=True, capture_output=True, check=False, **options)
    assert done.returncode == 0, f"{' '.join(map(str, command))} ended with {done.returncode}:\n{done.stdout}{done.stderr}"
    return done.stdout + done.stderr


def installed(program):
    return examples.ROOT / "tests/deploy/.venv/bin" / program


class Files(unittest.TestCase):
    def test_caddy_reads_the_caddyfile(self):
        file = examples.DEPLOY / "compose/Caddyfile"
        with tempfile.TemporaryDirectory() as folder:
            home = {**os.environ, "HOME": folder, "XDG_DATA_HOME": folder, "XDG_CONFIG_HOME": folder}
            check("caddy", "validate", "--adapter", "caddyfile", "--config", file, env=home)
            adapted = check("caddy", "adapt", "--adapter", "caddyfile", "--config", file, env=home)
        # It warns about a file that `caddy fmt` would write otherwise.
        self.assertNotIn('"level":"warn"', adapted)

    def test_the_compose_file_follows_the_specification(self):
        check(installed("check-jsonschema"), "--builtin-schema", "vendor.compose-spec", examples.DEPLOY / "compose/compose.yaml")

    def test_no_container_is_given_the_address_of_the_proxy(self):
        file = examples.compose()
        [network] = file["networks"]["inside"]["ipam"]["config"]
        subnet = ipaddress.ip_network(network["subnet"])
        automatic = ipaddress.ip_network(network["ip_range"])
        fixed = ipaddress.ip_address(file["services"]["proxy"]["networks"]["inside"]["ipv4_address"])
        self.assertTrue(automatic.subnet_of(subnet))
        self.assertIn(fixed, subnet)
        self.assertNotIn(fixed, automatic)
        self.assertNotEqual(network["gateway"], str(fixed))
        for service in examples.portcullis_services(file).values():
            self.assertEqual(service["environment"]["PORTCULLIS_TRUSTED_PROXIES"], str(fixed))

    def test_letters_find_a_way_out_and_nobody_another_way_in(self):
        file = examples.compose()
        internal = {name for name, network in file["networks"].items() if (network or {}).get("internal")}
        processes = examples.portcullis_services(file)
        out = set.intersection(*(set(service["networks"]) for service in processes.values())) - internal
        self.assertEqual(len(out), 1, "a process cannot reach a mail server")
        for name, service in file["services"].items():
            if name not in processes:
                self.assertFalse(out & set(service["networks"]), f"{name} reaches the processes past the proxy's network")
        self.assertTrue(set(file["services"]["redis"]["networks"]) <= internal, "Redis reaches the internet")
        for service in processes.values():
            self.assertNotIn("ports", service)
        # What is written there for letters has the names of settings.
        written = set(re.findall(r"# (PORTCULLIS_[A-Z_]+):", examples.read("compose/compose.yaml")))
        self.assertEqual(written, {"PORTCULLIS_SIGN_UP", "PORTCULLIS_SMTP_URL_FILE", "PORTCULLIS_MAIL_FROM"})

    def test_who_comes_over_ipv6_has_an_address_of_their_own(self):
        file = examples.compose()
        self.assertIs(file["networks"]["outside"]["enable_ipv6"], True)
        self.assertIn("outside", file["services"]["proxy"]["networks"])
        for service in examples.portcullis_services(file).values():
            self.assertNotIn("outside", service["networks"])

    def test_in_kubernetes_only_the_ingress_can_say_who_sent_a_request(self):
        policy = examples.kubernetes("NetworkPolicy")["spec"]
        self.assertEqual(policy["policyTypes"], ["Ingress"])
        ingress, prometheus = policy["ingress"]
        [container] = examples.kubernetes("Deployment")["spec"]["template"]["spec"]["containers"]
        for rule, selectors in ((ingress, ["namespaceSelector"]), (prometheus, ["namespaceSelector", "podSelector"])):
            [source] = rule["from"]
            self.assertEqual(list(source), selectors)
            self.assertTrue(all(selector["matchLabels"] for selector in source.values()))
            self.assertEqual([port["port"] for port in rule["ports"]], [port["name"] for port in container["ports"]])
        # A pod that comes in beside the ingress could write the address that is let in, so a key is asked of it.
        self.assertNotIn("PORTCULLIS_METRICS_FROM", examples.kubernetes("ConfigMap")["data"])
        self.assertIn("key create prometheus --read-only", examples.read("kubernetes/portcullis.yaml"))

    def test_each_example_says_who_may_sign_up_and_shows_how_letters_go_out(self):
        settings = {
            "systemd/portcullis.toml": ["sign_up", "mail_from", "metrics_from"],
            "systemd/portcullis.service": ["PORTCULLIS_SMTP_URL_FILE"],
            "compose/compose.yaml": ["PORTCULLIS_SIGN_UP", "PORTCULLIS_SMTP_URL_FILE", "PORTCULLIS_MAIL_FROM"],
            "kubernetes/portcullis.yaml": ["PORTCULLIS_SIGN_UP", "PORTCULLIS_SMTP_URL_FILE", "PORTCULLIS_MAIL_FROM"],
        }
        serve = check(os.environ["PORTCULLIS_BIN"], "serve", "--help")
        for file, names in settings.items():
            for name in names:
                self.assertRegex(examples.read(file), rf"(?m)^ *#? ?(Environment=)?{name}\b ?[=:]", file)
                self.assertIn(f"PORTCULLIS_{name.upper().removeprefix('PORTCULLIS_')}]", serve)

    def test_systemd_reloads_what_can_be_read_again(self):
        self.assertEqual(examples.unit("portcullis.service")["ExecReload"], ["/bin/kill -HUP $MAINPID"])

    def test_traffic_follows_the_process_and_rollouts_follow_redis(self):
        self.assertIn("health_uri /started\n", examples.read("compose/Caddyfile"))
        [container] = examples.kubernetes("Deployment")["spec"]["template"]["spec"]["containers"]
        health = examples.Image().health
        asked = {probe: container[probe]["exec"]["command"] for probe in ("startupProbe", "readinessProbe", "livenessProbe")}
        self.assertEqual(asked, {"startupProbe": [*health, "--ready"], "readinessProbe": health, "livenessProbe": health})
        for probe in asked:
            self.assertGreater(container[probe]["timeoutSeconds"], 5, "it says within five seconds why")

    def test_kubernetes_knows_every_member_of_the_manifests(self):
        file = examples.DEPLOY / "kubernetes/portcullis.yaml"
        oldest = re.search(r"Kubernetes (\S+) or newer", file.read_text())[1]
        for version in ([], ["--kubernetes-version", oldest]):
            check(installed("kubernetes-validate"), "--strict", *version, file)

    def test_the_objects_of_kubernetes_find_each_other(self):
        pod = examples.kubernetes("Deployment")["spec"]["template"]
        for kind in ("Service", "PodDisruptionBudget", "Deployment", "NetworkPolicy"):
            spec = examples.kubernetes(kind)["spec"]
            selector = spec.get("selector") or spec["podSelector"]
            labels = selector.get("matchLabels", selector)
            self.assertEqual(labels, {**pod["metadata"]["labels"], **labels}, kind)
        [container] = pod["spec"]["containers"]
        user = pod["spec"]["securityContext"]
        self.assertEqual(f"{user['runAsUser']}:{user['runAsGroup']}", examples.Image().user)
        [port] = container["ports"]
        self.assertTrue(examples.Image().environment["PORTCULLIS_LISTEN"].endswith(f":{port['containerPort']}"))

    def test_systemd_knows_every_setting_of_the_unit(self):
        with tempfile.TemporaryDirectory() as folder:
            folder = Path(folder)
            unit = folder / "portcullis.service"
            # The program must be there.
            unit.write_text(examples.read("systemd/portcullis.service").replace(examples.PROGRAM, os.environ["PORTCULLIS_BIN"]))
            drop_in = folder / "portcullis.service.d/redis.conf"
            drop_in.parent.mkdir()
            drop_in.write_text(examples.read("systemd/portcullis.service.d/redis.conf"))
            said = check("systemd-analyze", "verify", "--man=no", unit)
            self.assertNotIn("portcullis", said)
            # 0 is the safest, 10 nothing at all.
            exposure = check("systemd-analyze", "security", "--no-pager", "--offline=true", "--threshold=20", unit)
        print(exposure.strip().splitlines()[-1], end=" ")

    def test_the_image_is_built_from_all_of_the_workspace(self):
        sent = [line[1:] for line in examples.read("Dockerfile.dockerignore").splitlines() if line.startswith("!")]
        workspace = tomllib.loads((examples.ROOT / "Cargo.toml").read_text())["workspace"]["members"]
        for member in workspace:
            self.assertTrue(any(f"{member}/Cargo.toml".startswith(f"{path}/") or f"{member}/Cargo.toml" == path for path in sent), member)

    def test_shellcheck_finds_no_fault_in_any_script(self):
        files = check("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", cwd=examples.ROOT).split("\0")
        scripts = [name for name in files if name and is_shell(examples.ROOT / name)]
        self.assertIn("deploy/compose/make-secrets", scripts)
        self.assertIn("tests/run", scripts)
        check("shellcheck", *scripts, cwd=examples.ROOT)


def is_shell(file):
    if not file.is_file():
        return False
    with file.open("rb") as content:
        return re.match(rb"#!.*\b(ba)?sh\b", content.readline()) is not None


if __name__ == "__main__":
    unittest.main()
