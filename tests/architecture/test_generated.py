"""Generated code is what the contracts say, and the contracts are clean and compatible with what was released."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.architecture.tree import BIN, GENERATED, PROTO, ROOT

RELEASED = PROTO / "released.binpb"
ENVIRONMENT = {**os.environ, "PATH": os.pathsep.join([str(BIN), os.environ["PATH"]])}


def test_generating_again_changes_nothing(tmp_path: Path):
    """Whoever changes a contract commits its code: `make proto`."""
    run(sys.executable, PROTO / "generate.py", tmp_path)
    assert contents(GENERATED) == contents(tmp_path)


def test_contracts_pass_the_linter():
    """buf's standard rules hold, but for those that a decision record excepts."""
    run(BIN / "buf", "lint", PROTO)


@pytest.mark.skipif(not RELEASED.exists(), reason="nothing is released yet, so nothing can break")
def test_contracts_break_nobody():
    """A client of the last release can go on."""
    run(BIN / "buf", "breaking", PROTO, "--against", RELEASED)


def contents(folder: Path) -> dict[str, bytes]:
    """Return what the files below a folder hold."""
    paths = (path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def run(*command: object) -> None:
    """Run a command that must succeed; show what it printed when it does not."""
    done = subprocess.run(
        [str(part) for part in command], cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
