"""One machine in the place of the containers: each program of the examples as a process here, on a port of 127.0.0.1."""

import os
import re
import shutil
import signal
import socket
import subprocess
import time

import examples

PATIENCE = 30


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def replaced(text, old, new):
    """What must be there is exchanged for what it is here."""
    assert old in text, f"{old!r} is not in {text!r}"
    return text.replace(old, new)


def wait(what, is_so, patience=PATIENCE):
    """Asks until it is so."""
    end = time.monotonic() + patience
    while not is_so():
        assert time.monotonic() < end, f"{what}: not within {patience} seconds"
        time.sleep(0.05)


class Process:
    """A program that runs with these settings alone, and writes what it has to say into a file."""

    def __init__(self, command, environment, folder, name):
        self.log = folder / f"{name}.log"
        home = {"PATH": os.environ["PATH"], "HOME": str(folder)}
        with self.log.open("ab") as log:
            self.child = subprocess.Popen(
                list(map(str, command)), env={**home, **environment}, cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    def said(self):
        return self.log.read_text(errors="replace")

    def kill(self):
        self.child.kill()
        self.child.wait()

    def stop(self):
        """Asks it to end, as every supervisor does; answers its status."""
        if self.child.poll() is None:
            self.child.send_signal(signal.SIGTERM)
        try:
            return self.child.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.kill()
            raise


class Place:
    """The processes of deploy/compose, each with its settings from there; only names, addresses and folders are those of here."""

    def __init__(self, folder):
        self.folder = folder
        self.file = examples.compose()
        self.image = examples.Image()
        self.names = list(examples.portcullis_services(self.file))
        self.ports = {name: free_port() for name in [*self.names, "redis", "http", "https"]}
        self.processes = {}

        shutil.copytree(examples.DEPLOY / "compose", folder / "compose", ignore=shutil.ignore_patterns("secrets"))
        subprocess.run([folder / "compose/make-secrets"], check=True, capture_output=True)
        store = folder / "compose/secrets/store"
        store.write_text(replaced(store.read_text(), "@redis:6379", f"@127.0.0.1:{self.ports['redis']}"))
        self.admin_key = (folder / "compose/secrets/admin.key").read_text().strip()

    def close(self):
        for process in self.processes.values():
            process.kill()

    def secrets(self, service):
        """The folder that stands for /run/secrets in a container of `service`: what is named there, and no more."""
        folder = self.folder / "run-secrets" / service
        if folder.exists():
            return folder
        folder.mkdir(parents=True)
        for name in self.file["services"][service]["secrets"]:
            shutil.copy(self.folder / "compose" / self.file["secrets"][name]["file"], folder / name)
        return folder

    def start(self, name, command, environment):
        self.processes[name] = Process(command, environment, self.folder, name)
        return self.processes[name]

    def stop(self, name):
        return self.processes.pop(name).stop()

    def kill(self, name):
        self.processes.pop(name).kill()

    def start_redis(self):
        service = self.file["services"]["redis"]
        data = self.folder / "redis"
        data.mkdir(exist_ok=True)
        command = [word.replace("/run/secrets", str(self.secrets("redis"))) for word in service["command"]]
        self.start("redis", [*command, "--bind", "127.0.0.1", "--port", self.ports["redis"], "--dir", data], {})
        kind, check = service["healthcheck"]["test"]
        assert kind == "CMD-SHELL"
        check = replaced(check, "redis-cli ", f"redis-cli -p {self.ports['redis']} ")
        wait("the health check of Redis", lambda: subprocess.run(["sh", "-c", check], capture_output=True, check=False).returncode == 0)

    def settings(self, name):
        """The environment of a container of the service `name`."""
        settings = {**self.image.environment, **self.file["services"][name]["environment"]}
        for variable, value in settings.items():
            if variable.endswith("_FILE"):
                settings[variable] = replaced(value, "/run/secrets", str(self.secrets(name)))
        proxy = self.file["services"]["proxy"]["networks"]["inside"]["ipv4_address"]
        trusted = replaced(settings["PORTCULLIS_TRUSTED_PROXIES"], proxy, "127.0.0.1")
        return {**settings, **self.here(self.ports[name], settings), "PORTCULLIS_TRUSTED_PROXIES": trusted}

    def here(self, port, settings):
        """Where it listens and writes, in the place of the address and the folder in a container."""
        listen = replaced(settings["PORTCULLIS_LISTEN"], "0.0.0.0:8414", f"127.0.0.1:{port}")
        return {"PORTCULLIS_LISTEN": listen, "PORTCULLIS_DATA": str(self.folder / f"data-{port}")}

    def start_portcullis(self, name, **settings):
        """Starts the container of the service `name`, with other `settings` in the place of its own."""
        self.start(name, self.command(self.image.entrypoint + self.image.arguments), {**self.settings(name), **settings})

    def wait_until_well(self, name, *question):
        """Until the health check of the image finds the container of the service `name` alive; with `--ready`, able to work."""
        settings = {"PATH": os.environ["PATH"], **self.settings(name)}

        def is_well():
            process = self.processes[name]
            assert process.child.poll() is None, f"{name} has ended:\n{process.said()}"
            command = self.command([*self.image.health, *question])
            return subprocess.run(command, env=settings, capture_output=True, check=False).returncode == 0

        wait(f"the health check of {name}", is_well)

    def command(self, words):
        assert words[0] == examples.PROGRAM, words
        return [os.environ["PORTCULLIS_BIN"], *words[1:]]

    def start_caddy(self):
        caddyfile = (self.folder / "compose/Caddyfile").read_text()
        for name in self.names:
            caddyfile = replaced(caddyfile, f"{name}:8414", f"127.0.0.1:{self.ports[name]}")
        # Nobody vouches for the name here, so Caddy does itself; and it touches nothing else of this machine.
        options = f"""{{
    admin off
    local_certs
    skip_install_trust
    http_port {self.ports["http"]}
    https_port {self.ports["https"]}
}}
"""
        file = self.folder / "Caddyfile"
        file.write_text(options + caddyfile)
        home = {"XDG_DATA_HOME": str(self.folder), "XDG_CONFIG_HOME": str(self.folder)}
        self.start("caddy", ["caddy", "run", "--adapter", "caddyfile", "--config", file], home)
        self.authority = self.folder / "caddy/pki/authorities/local/root.crt"
        wait("the certificate authority of Caddy", self.authority.exists)
        # "invalid Read on closed Body": caddyserver/caddy, issue 7546 and pull request 7715.
        version = subprocess.run(["caddy", "version"], text=True, capture_output=True, check=True).stdout
        number = tuple(map(int, re.match(r"v?(\d+)\.(\d+)\.(\d+)", version).groups()))
        self.caddy_sends_again_what_has_a_body = number >= (2, 11, 3)
        # Within this time it has found out who is alive.
        interval, timeout = (re.search(rf"health_{name} (\d+)s", caddyfile)[1] for name in ("interval", "timeout"))
        self.health_known_after = int(interval) + int(timeout)
