"""The tree as these tests see it: which files are ours, what is declared and what is on the wire."""

import ast
import importlib
import json
import re
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from google.protobuf.descriptor import FileDescriptor, ServiceDescriptor

ROOT = Path(__file__).parents[2]
PROTO = ROOT / "proto"
GENERATED = PROTO / "gen"
OPENAPI = ROOT / "gateway" / "openapi.json"
BIN = Path(sys.executable).parent
PACKAGES = ("chassis", "gateway", "booking_svc", "tracking_svc", "pricing_svc", "cli")
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())

Function = ast.FunctionDef | ast.AsyncFunctionDef


def sources(*folders: str) -> list[Path]:
    """Return the Python files below some folders, migrations included."""
    return sorted(path for folder in folders or PACKAGES for path in (ROOT / folder).rglob("*.py"))


def name_of(path: Path) -> str:
    """Return a path as people write it."""
    return path.relative_to(ROOT).as_posix()


def is_in(path: Path, *folders: str) -> bool:
    """Tell whether a file lies in a folder of one of these names."""
    return not set(folders).isdisjoint(path.relative_to(ROOT).parts)


@cache
def parse(path: Path) -> ast.Module:
    """Return the syntax tree of a file."""
    return ast.parse(path.read_text(encoding="utf-8"))


def functions(path: Path) -> list[Function]:
    """Return every function of a file, methods and inner ones too."""
    return [node for node in ast.walk(parse(path)) if isinstance(node, Function)]


def public_functions(path: Path) -> list[Function]:
    """Return the functions of a module that others may call."""
    return [node for node in parse(path).body if isinstance(node, Function) and not node.name.startswith("_")]


def files_on_the_wire(pattern: str = "*.proto") -> Iterator[FileDescriptor]:
    """Yield what the generated code says of the contracts that match."""
    for path in sorted((PROTO / "headway").rglob(pattern)):
        module = ".".join(path.relative_to(PROTO).with_suffix("").parts) + "_pb2"
        yield importlib.import_module(module).DESCRIPTOR


def grpc_services() -> list[ServiceDescriptor]:
    """Return every gRPC service."""
    return [service for file in files_on_the_wire("*_service.proto") for service in file.services_by_name.values()]


def rest_operations() -> list[str]:
    """Return the id of every REST operation, as often as it is given."""
    paths = json.loads(OPENAPI.read_text(encoding="utf-8"))["paths"].values()
    return [operation["operationId"] for path in paths for operation in path.values() if "operationId" in operation]


def snake_case(camel: str) -> str:
    """Return HoldBooking as hold_booking."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", camel).lower()
