"""Walls: imports point down, the broker has few doors, and no file is named after nothing."""

import ast
import os
import subprocess
from pathlib import Path

import pytest

from tests.architecture.tree import BIN, GENERATED, ROOT, name_of, parse, sources

BROKER_DOORS = {
    "chassis/bus.py": "the connection",
    "chassis/consumer.py": "durable consumers",
    "chassis/relay.py": "from the outbox to the streams",
    "tracking_svc/servicers/publishing.py": "positions, which need no outbox",
}
NAMED_AFTER_NOTHING = {"utils", "util", "helpers", "helper", "common", "manager", "misc", "base"}


def test_contracts_of_pyproject_are_kept():
    """import-linter holds the layers, the services apart, and protobuf and NATS out of the rules."""
    paths = os.pathsep.join([str(ROOT), str(GENERATED)])
    linted = subprocess.run(
        [BIN / "lint-imports", "--no-cache"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        check=False,
    )
    assert linted.returncode == 0, linted.stdout + linted.stderr


def test_only_the_doors_to_the_broker_import_nats():
    """Everything else goes through the chassis."""
    strays = [name_of(path) for path in sources() if "nats" in imported_roots(path)]
    assert set(strays) <= set(BROKER_DOORS)


def test_every_file_is_named_after_what_is_inside():
    """A file that may hold anything will."""
    paths = sources("chassis", "gateway", "booking_svc", "tracking_svc", "pricing_svc", "cli", "bench", "tests")
    assert [name_of(path) for path in paths if path.stem in NAMED_AFTER_NOTHING] == []
    assert [name_of(path.parent) for path in paths if path.parent.name in NAMED_AFTER_NOTHING] == []


def imported_roots(path: Path) -> set[str]:
    """Return the top-level names that a file imports, wherever it does so."""
    roots = set()
    for node in ast.walk(parse(path)):
        if isinstance(node, ast.Import):
            roots |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            roots.add(node.module.partition(".")[0])
    return roots


@pytest.mark.parametrize(
    "line", ["import nats", "import nats.js", "from nats.aio.client import Client", "def late():\n    import nats"]
)
def test_every_way_to_import_the_broker_is_seen(tmp_path: Path, line: str):
    """The scan above must not pass because it is blind."""
    (tmp_path / "late.py").write_text(line)
    assert "nats" in imported_roots(tmp_path / "late.py")
