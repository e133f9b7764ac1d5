"""What the examples in deploy/ say."""

import json
import re
import shlex
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
# Where the image and the unit have the program.
PROGRAM = "/usr/local/bin/portcullis"


def read(path):
    return (DEPLOY / path).read_text()


class Image:
    """What the Dockerfile leaves in the last stage."""

    def __init__(self):
        last = re.split(r"^FROM ", read("Dockerfile"), flags=re.MULTILINE)[-1]

        def instruction(name):
            return re.search(rf"^{name} (.+)$", last, re.MULTILINE)[1]

        self.environment = dict(word.split("=", 1) for word in shlex.split(instruction("ENV")))
        self.entrypoint = json.loads(instruction("ENTRYPOINT"))
        self.arguments = json.loads(instruction("CMD"))
        self.health = json.loads(instruction("HEALTHCHECK").split("CMD ", 1)[1])
        self.user = instruction("USER")


def compose():
    return yaml.safe_load(read("compose/compose.yaml"))


def portcullis_services(file):
    """The services of the compose file that run Portcullis, by name."""
    return {name: service for name, service in file["services"].items() if service["image"] == "portcullis"}


def kubernetes(kind):
    """The one object of this kind."""
    [found] = [one for one in yaml.safe_load_all(read("kubernetes/portcullis.yaml")) if one["kind"] == kind]
    return found


def unit(*files):
    """The settings of systemd units, one after the other: name to values."""
    settings = {}
    for file in files:
        for name, value in re.findall(r"^([A-Za-z]+)=(.*)$", read(f"systemd/{file}"), re.MULTILINE):
            settings.setdefault(name, []).append(value)
    return settings
