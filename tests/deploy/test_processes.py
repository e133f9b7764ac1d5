"""Two processes over one Redis behind Caddy, as deploy/compose has them; and one with the settings of each other example."""

import base64
import hashlib
import os
import re
import secrets
import shlex
import tempfile
import time
import unittest
import urllib.request
from pathlib import Path
from urllib.error import URLError
from urllib.parse import parse_qs, urlencode, urlsplit

import examples
from place import Place, free_port, replaced, wait
from web import Browser, Page, Proxy

RESOURCE = "https://notes.example.com/mcp"
CALLBACK = "http://127.0.0.1:51234/callback"
PASSWORD = "correct horse battery staple"


class Processes(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory(prefix="portcullis-deploy-")
        cls.addClassCleanup(folder.cleanup)
        cls.place = place = Place(Path(folder.name))
        cls.addClassCleanup(place.close)
        place.start_redis()
        for name in place.names:
            place.start_portcullis(name)
        for name in place.names:
            place.wait_until_well(name, "--ready")
        place.start_caddy()
        issuer = place.settings(place.names[0])["PORTCULLIS_ISSUER"]
        cls.proxy = Proxy(urlsplit(issuer).netloc, place.ports["https"], place.authority)
        wait("an answer through the proxy", lambda: cls.is_answered("/health"))
        registered = cls.proxy.ask(
            "POST",
            "/api/servers",
            (
                {
                    "name": "Notes",
                    "resource_url": RESOURCE,
                    "scopes": [{"name": "notes:read", "description": "Read your notes", "default": True}],
                    "owner_email": "operator@example.com",
                },
            ),
            {"Authorization": f"Bearer {place.admin_key}"},
        )
        assert registered.status == 201, registered
        cls.server_key = registered.json()["api_key"]
        cls.tokens = cls.log_in()

    @classmethod
    def tearDownClass(cls):
        """They end when they are told to, know every setting, and log no secret."""
        logs = {name: cls.place.processes[name].log for name in cls.place.names}
        for name in cls.place.names:
            status = cls.place.stop(name)
            assert status == 0, f"{name} ended with {status}"
        password = (cls.place.folder / "compose/secrets/redis.conf").read_text().split()[-1]
        for name, log in logs.items():
            said = log.read_text()
            assert "portcullis: " not in said, said
            tokens = (cls.tokens["access_token"], cls.tokens["refresh_token"])
            for secret in (cls.place.admin_key, password, cls.server_key, PASSWORD, *tokens):
                assert secret not in said, f"{name} logs a secret"

    @classmethod
    def is_answered(cls, path):
        try:
            return cls.proxy.ask("GET", path).status == 200
        except OSError:
            return False

    @classmethod
    def log_in(cls):
        """A new client and a new person, from the registration to the first tokens. Its requests go to all processes in turn."""
        metadata = cls.proxy.ask("GET", "/.well-known/oauth-authorization-server").json()
        paths = {name: urlsplit(url).path for name, url in metadata.items() if name.endswith("_endpoint")}
        cls.paths = paths
        client = {"client_name": "Desk", "redirect_uris": [CALLBACK], "token_endpoint_auth_method": "none"}
        registered = cls.proxy.ask("POST", paths["registration_endpoint"], (client,))
        assert registered.status == 201, registered
        cls.client_id = registered.json()["client_id"]

        verifier = secrets.token_urlsafe(48)
        asked = {
            "response_type": "code",
            "client_id": cls.client_id,
            "redirect_uri": CALLBACK,
            "code_challenge": base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("="),
            "code_challenge_method": "S256",
            "state": secrets.token_urlsafe(8),
            "resource": RESOURCE,
        }
        person = Browser(cls.proxy)
        page = person.open(f"{paths['authorization_endpoint']}?{urlencode(asked)}")
        [sign_up] = [link for link in page.links if "/signup?" in link]
        form = person.open(sign_up).form_with("password")
        consent = person.submit(form, name="Ada", email=f"ada-{secrets.token_hex(8)}@example.com", password=PASSWORD)
        assert isinstance(consent, Page), consent
        arrived = person.submit(consent.form_with("decision"), decision="allow")
        answer = parse_qs(urlsplit(arrived).query)
        assert answer["state"] == [asked["state"]], arrived
        return cls.redeem(
            grant_type="authorization_code", code=answer["code"][0], redirect_uri=CALLBACK, code_verifier=verifier, resource=RESOURCE
        )

    @classmethod
    def redeem(cls, **fields):
        answer = cls.proxy.ask("POST", cls.paths["token_endpoint"], {"client_id": cls.client_id, **fields})
        assert answer.status == 200, answer
        return answer.json()

    def introspect(self):
        bearer = {"Authorization": f"Bearer {self.server_key}"}
        return self.proxy.ask("POST", self.paths["introspection_endpoint"], {"token": self.tokens["access_token"]}, bearer)

    def assert_active(self):
        answer = self.introspect()
        self.assertEqual(answer.status, 200, answer)
        self.assertIs(answer.json()["active"], True)

    def test_a_token_of_the_one_is_good_at_the_other(self):
        def asked(name):
            line = rf'"message":"answered".*"path":"{self.paths["introspection_endpoint"]}"'
            return len(re.findall(line, self.place.processes[name].said()))

        before = {name: asked(name) for name in self.place.names}
        for _ in range(4):
            self.assert_active()
        for name, count in before.items():
            self.assertGreater(asked(name), count, f"{name} was asked nothing")

    def test_requests_go_on_when_a_process_is_killed(self):
        for name in self.place.names:
            self.place.kill(name)
            for _ in range(20):
                answer = self.proxy.ask("GET", "/.well-known/oauth-authorization-server")
                self.assertEqual(answer.status, 200, answer)
            if not self.place.caddy_sends_again_what_has_a_body:
                time.sleep(self.place.health_known_after)
            for _ in range(20):
                self.assert_active()
            self.place.start_portcullis(name)
            self.place.wait_until_well(name, "--ready")

    def test_without_redis_the_proxy_hands_on_503_with_retry_after(self):
        self.place.kill("redis")
        # One that starts meanwhile waits for it as the others do.
        late = self.place.names[-1]
        self.place.kill(late)
        self.place.start_portcullis(late)
        self.place.wait_until_well(late)
        # Longer than the proxy needs to find out who is alive.
        end = time.monotonic() + 2 * self.place.health_known_after
        while time.monotonic() < end:
            answer = self.introspect()
            self.assertEqual(answer.status, 503, answer)
            self.assertGreaterEqual(int(answer.headers.get("Retry-After", 0)), 1, answer)
            self.assertEqual(answer.json()["error"], "temporarily_unavailable")
            time.sleep(0.2)
        self.assertEqual(self.proxy.ask("GET", "/ready").status, 503)
        self.assertEqual(self.proxy.ask("GET", "/health").status, 200)

        self.place.start_redis()
        for name in self.place.names:
            self.place.wait_until_well(name, "--ready")
        # Nothing of before is lost.
        for _ in range(4):
            self.assert_active()
        type(self).tokens = self.redeem(grant_type="refresh_token", refresh_token=self.tokens["refresh_token"])
        self.assert_active()

    def test_one_that_does_not_come_up_takes_no_requests(self):
        name = self.place.names[-1]
        elsewhere = self.place.folder / "elsewhere"
        elsewhere.write_text(f"redis://127.0.0.1:{free_port()}")
        self.place.kill(name)
        self.place.start_portcullis(name, PORTCULLIS_STORE_FILE=str(elsewhere))
        self.place.wait_until_well(name)
        time.sleep(self.place.health_known_after)
        for _ in range(20):
            self.assert_active()
        self.place.kill(name)
        self.place.start_portcullis(name)
        self.place.wait_until_well(name, "--ready")

    def test_without_any_process_the_proxy_says_when_to_come_back(self):
        for name in self.place.names:
            self.place.kill(name)
        time.sleep(self.place.health_known_after)
        for method, path in (("GET", "/.well-known/oauth-authorization-server"), ("POST", self.paths["token_endpoint"])):
            answer = self.proxy.ask(method, path)
            self.assertEqual(answer.status, 503, answer)
            self.assertGreaterEqual(int(answer.headers.get("Retry-After", 0)), 1, answer)
            self.assertEqual(answer.json()["error"], "temporarily_unavailable")
        for name in self.place.names:
            self.place.start_portcullis(name)
        for name in self.place.names:
            self.place.wait_until_well(name, "--ready")
        wait("an answer through the proxy", lambda: self.is_answered("/health"))

    def test_limits_count_the_address_that_the_proxy_saw(self):
        body = ({"email": "nobody@example.com", "password": "a wrong password"},)

        def guess(source, claimed):
            return self.proxy.ask("POST", "/auth/login", body, {"X-Forwarded-For": claimed}, source).status

        statuses = [guess("127.0.0.1", f"203.0.113.{number}") for number in range(11)]
        self.assertEqual(statuses, [401] * 10 + [429], "a stranger chooses the address that is counted")
        self.assertEqual(guess("127.0.0.2", "203.0.113.1"), 401, "all are one address")


class Settings(unittest.TestCase):
    """One process with the settings of an example, over what `Processes` uses."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="portcullis-deploy-")
        self.addCleanup(folder.cleanup)
        self.place = Place(Path(folder.name))
        self.addCleanup(self.place.close)
        self.port = free_port()

    def assert_ready(self, command, environment):
        process = self.place.start("portcullis", [os.environ["PORTCULLIS_BIN"], *command], environment)

        def is_ready():
            assert process.child.poll() is None, process.said()
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/ready") as answer:
                    return answer.status == 200
            except URLError:
                return False

        wait("it is ready", is_ready)
        self.assertEqual(self.place.stop("portcullis"), 0)
        # A name that it does not know.
        self.assertNotIn("portcullis: ", process.said())
        return process.said()

    def test_a_server_starts_as_the_pod_of_kubernetes(self):
        self.place.start_redis()
        pod = examples.kubernetes("Deployment")["spec"]["template"]["spec"]
        [container] = pod["containers"]
        self.assertEqual(container["envFrom"], [{"configMapRef": {"name": examples.kubernetes("ConfigMap")["metadata"]["name"]}}])
        [volume] = container["volumeMounts"]
        secret = set(re.findall(r"--from-literal=([a-z.]+)=", examples.read("kubernetes/portcullis.yaml")))
        settings = {**self.place.image.environment, **examples.kubernetes("ConfigMap")["data"]}
        folder = self.place.secrets(self.place.names[0])
        for variable, value in settings.items():
            if variable.endswith("_FILE"):
                self.assertIn(Path(value).name, secret)
                settings[variable] = replaced(value, volume["mountPath"], str(folder))
        self.assert_ready(container["args"], {**settings, **self.place.here(self.port, settings)})

    def test_a_server_starts_as_the_unit_of_systemd(self):
        said = self.assert_ready(*self.of_unit(examples.unit("portcullis.service")))
        # What is printed ends in the journal, and stays there.
        self.assertNotIn(self.place.admin_key, said)
        self.assertNotRegex(said, r"\badm_")

    def test_a_server_starts_as_the_unit_of_systemd_with_redis(self):
        self.place.start_redis()
        unit = examples.unit("portcullis.service", "portcullis.service.d/redis.conf")
        self.assert_ready(*self.of_unit(unit))

    def of_unit(self, unit):
        [start] = unit["ExecStart"]
        start = replaced(start, "/etc/portcullis/", f"{examples.DEPLOY}/systemd/")
        environment = dict(setting.split("=", 1) for setting in unit["Environment"])
        environment["PORTCULLIS_DATA"] = replaced(environment["PORTCULLIS_DATA"], "/var/lib", str(self.place.folder))
        credentials = self.place.folder / "credentials"
        credentials.mkdir()
        for credential in unit["LoadCredential"]:
            name, _ = credential.split(":", 1)
            (credentials / name).write_bytes((self.place.secrets(self.place.names[0]) / name).read_bytes())
        environment = {name: value.replace("%d", str(credentials)) for name, value in environment.items()}
        program, *arguments = shlex.split(start)
        self.assertEqual(program, examples.PROGRAM)
        return arguments, {**environment, "PORTCULLIS_LISTEN": f"127.0.0.1:{self.port}"}


if __name__ == "__main__":
    unittest.main()
