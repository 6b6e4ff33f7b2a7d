"""docker-compose.yml as `docker compose` reads it."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from tests.system.engine import Container
from tests.system.running_stack import ROOT

FILE = ROOT / "docker-compose.yml"
EXAMPLE = ROOT / "deploy" / "env.example"
VARIABLE = re.compile(r"\$(?:\{(?P<name>\w+)(?P<how>:[-?])(?P<rest>[^}]*)\}|(?P<else>.?))")
UNITS = {"M": 1024**2, "G": 1024**3}


class MissingVariableError(Exception):
    """The file insists on a variable that is not set."""


def example() -> dict[str, str]:
    """Return what the example says must be set."""
    lines = [line for line in EXAMPLE.read_text().splitlines() if line and not line.startswith("#")]
    return dict(line.split("=", 1) for line in lines)


def secrets() -> dict[str, str]:
    """Fill the example in."""
    return {name: f'secret\'of "{name}"' for name in example()}


def read(variables: Mapping[str, str]) -> dict[str, Any]:
    """Resolve anchors and variables."""
    return dict(interpolated(yaml.safe_load(FILE.read_text()), variables))


def interpolated(node: Any, variables: Mapping[str, str]) -> Any:
    """Put variables into every value; raise MissingVariableError."""
    if isinstance(node, dict):
        return {key: interpolated(value, variables) for key, value in node.items()}
    if isinstance(node, list):
        return [interpolated(value, variables) for value in node]
    return VARIABLE.sub(lambda found: value_of(found, variables), node) if isinstance(node, str) else node


def value_of(found: re.Match[str], variables: Mapping[str, str]) -> str:
    """Return what stands for ${NAME:-default} or ${NAME:?complaint}; the file needs no other forms."""
    assert found["name"], f"{found.string} holds a variable without a default or a complaint"
    if value := variables.get(found["name"]):
        return value
    if found["how"] == ":?":
        raise MissingVariableError(f"{found['name']}: {found['rest']}")
    return found["rest"]


def containers(file: Mapping[str, Any], volumes: Path) -> list[Container]:
    """Return what is to run; a server of its own image has no command of ours."""
    return [
        Container(
            name=name,
            command=tuple(service.get("command", ())),
            environment={key: str(value) for key, value in service.get("environment", {}).items()},
            ports=tuple(map(int, service["expose"])),
            health=tuple(service["healthcheck"]["test"][1:]),
            needs=tuple(service.get("depends_on", ())),
            mounts={target: volumes / volume for volume, target in mounts(service)},
            memory_bytes=bytes_of(service["deploy"]["resources"]["limits"]["memory"]),
            stop_seconds=float(service["stop_grace_period"].removesuffix("s")),
        )
        for name, service in file["services"].items()
    ]


def mounts(service: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the named volumes of a service and where it finds them."""
    return [tuple(volume.split(":")[:2]) for volume in service.get("volumes", ()) if not volume.startswith(".")]


def bytes_of(text: str) -> int:
    return int(text[:-1]) * UNITS[text[-1]]
