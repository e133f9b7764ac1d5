"""Starts a server with something in it, and asks it with a key that writes and with one that reads."""

import base64
import hashlib
import json
import os
import re
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "deploy"))

from web import Browser, Direct  # noqa: E402

PATIENCE = 30
RESOURCE = "https://notes.example.com/mcp"
PASSWORD = "correct horse battery staple"
OF_EACH = 6
CALLBACK = "http://127.0.0.1:51234/callback"
# A fixed seed: what fails once fails again.
SCHEMATHESIS = ["--seed", "1", "--no-color", "--continue-on-failure", "--warnings", "off"]


class Server:
    """A server over a folder of its own, on a free port."""

    def __init__(self, folder):
        self.key = secrets.token_urlsafe(24)
        self.said, self.log = folder / "said", folder / "log"
        environment = {
            "PATH": os.environ["PATH"],
            "PORTCULLIS_LISTEN": "127.0.0.1:0",
            "PORTCULLIS_DATA": str(folder / "data"),
            "PORTCULLIS_ADMIN_KEY": self.key,
            "PORTCULLIS_LIMITS": "off",
            # Wrong keys are limited in any case, and many are sent.
            "PORTCULLIS_LIMIT_ADMINISTRATION": "999999/1s",
        }
        with self.said.open("wb") as said, self.log.open("wb") as log:
            self.child = subprocess.Popen(
                [os.environ["PORTCULLIS_BIN"], "serve"], env=environment, cwd=folder, stdin=subprocess.DEVNULL, stdout=said, stderr=log
            )
        self.direct = Direct(self.port())

    def port(self):
        end = time.monotonic() + PATIENCE
        while True:
            listens = re.search(r"listens on http://127\.0\.0\.1:(\d+),", self.said.read_text())
            if listens:
                return int(listens[1])
            assert self.child.poll() is None and time.monotonic() < end, f"it does not start:\n{self.log.read_text()}"
            time.sleep(0.05)

    def made(self, path, body):
        answer = self.direct.ask("POST", path, (body,), {"Authorization": f"Bearer {self.key}"})
        assert answer.status == 201, answer
        return answer.json()

    def close(self):
        if self.child.poll() is None:
            self.child.send_signal(signal.SIGTERM)
        try:
            return self.child.wait(PATIENCE)
        finally:
            self.child.kill()


def fill(server):
    """Some of everything. Answers their ids, by the names of the path's parameters."""
    ids = {"server": [], "client": [], "user": [], "grant": []}
    metadata = {"client_name": "Desk", "redirect_uris": [CALLBACK], "token_endpoint_auth_method": "none"}
    for number in range(OF_EACH):
        resource = f"{RESOURCE}/{number}"
        made = server.made("/api/servers", {"name": "Notes", "resource_url": resource, "scopes": ["notes:read"]})
        ids["server"].append(made["server_id"])
        ids["client"].append(server.made("/api/clients", {"metadata": metadata})["client_id"])
        person = {"name": "Ada", "email": f"ada-{number}@example.com", "password": PASSWORD, "email_verified": True}
        ids["user"].append(server.made("/api/users", person)["user_id"])
        connect(server, ids["client"][-1], person["email"], resource)
    listed = server.direct.ask("GET", "/api/grants?state=connected", headers={"Authorization": f"Bearer {server.key}"})
    ids["grant"] = [grant["grant_id"] for grant in listed.json()["grants"]]
    assert len(ids["grant"]) == OF_EACH, listed
    return ids


def connect(server, client, email, resource):
    """Somebody logs in and lets the client use the resource."""
    verifier = secrets.token_urlsafe(48)
    asked = {
        "response_type": "code",
        "client_id": client,
        "redirect_uri": CALLBACK,
        "code_challenge": base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("="),
        "code_challenge_method": "S256",
        "resource": resource,
    }
    browser = Browser(server.direct)
    log_in = browser.open(f"/oauth/authorize?{urlencode(asked)}").form_with("password")
    consent = browser.submit(log_in, email=email, password=PASSWORD)
    arrived = browser.submit(consent.form_with("decision"), decision="allow")
    [code] = parse_qs(urlsplit(arrived).query)["code"]
    redeemed = {"grant_type": "authorization_code", "client_id": client, "code": code, "redirect_uri": CALLBACK, "code_verifier": verifier}
    answer = server.direct.ask("POST", "/oauth/token", redeemed)
    assert answer.status == 200, answer


def settings(ids):
    """The configuration of schemathesis, with ids of what there is: it would draw hardly any of them."""
    lines = [(HERE / "schemathesis.toml").read_text()]
    for name, values in ids.items():
        lines.append(f"[dictionaries.{name}]\nvalues = {json.dumps(values)}\n")
    lines.append("[parameters]")
    for name in ids:
        known = f'{{ dictionary = "{name}", probability = 0.8 }}'
        lines.append(f'"path.{name}" = {known}\n"query.{name}" = {known}')
    return "\n".join(lines)


def ask(server, key, ids, folder, *options):
    """Whether schemathesis finds nothing, asking with this key."""
    config = folder / "schemathesis.toml"
    config.write_text(settings(ids))
    command = [Path(sys.executable).parent / "schemathesis", "--config-file", config, "run", f"{server.direct.origin}/api/openapi.json"]
    done = subprocess.run([*command, "--header", f"Authorization: Bearer {key}", *SCHEMATHESIS, *options], cwd=folder, check=False)
    return done.returncode == 0


def main():
    with tempfile.TemporaryDirectory(prefix="portcullis-openapi-") as folder:
        folder = Path(folder)
        server = Server(folder)
        try:
            ids = fill(server)
            reads = server.made("/api/keys", {"name": "reads", "access": "read"})["admin_key"]
            print("\n==> With a key that reads", flush=True)
            held = ask(server, reads, ids, folder, "--phases", "coverage,fuzzing", "--max-examples", "15")
            print("\n==> With a key that writes", flush=True)
            held &= ask(server, server.key, ids, folder, "--max-examples", "50")
            assert server.child.poll() is None, f"the server has ended:\n{server.log.read_text()[-4000:]}"
        finally:
            status = server.close()
        said = server.log.read_text()
        assert status == 0, f"the server ended with {status}"
        for kind in ("servers", "clients", "users", "grants"):
            shown = re.search(rf'method=GET path="/api/{kind}/[^"]+".*answered status=200', said)
            assert shown, f"nothing of /api/{kind} was ever shown: the requests do not get far"
        assert "a bug" not in said, "the server logs a bug:\n" + "\n".join(line for line in said.splitlines() if "a bug" in line)
        return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
