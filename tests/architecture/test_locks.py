"""Locks: exact, hashed, of this project's wishes, and free of anybody's machine or mirror."""

import re
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.architecture.tree import PYPROJECT, ROOT, name_of

LOCKS = sorted((ROOT / "requirements").glob("*.lock"))
RUN, DEV, BENCH = (ROOT / "requirements" / f"{name}.lock" for name in ("run", "dev", "bench"))
PROJECT = PYPROJECT["project"]
BUILD = PYPROJECT["build-system"]["requires"]
WISHES = {
    RUN: [*PROJECT["dependencies"], *BUILD],
    DEV: [*PROJECT["dependencies"], *BUILD, *PROJECT["optional-dependencies"]["dev"]],
    BENCH: [*PROJECT["dependencies"], *BUILD, *PROJECT["optional-dependencies"]["bench"]],
}

ADDRESS = re.compile(r"\w+://|\s@\s|--(extra-)?index-url|--find-links|--trusted-host|-[ie]\s")
MACHINE_PATH = re.compile(r"(^|[\s='\"])(/|~|[A-Z]:\\)\w")


def entries(lock: Path) -> list[str]:
    """Return one string a locked package: its pin, marker and hashes."""
    lines = [line for line in lock.read_text().splitlines() if not line.lstrip().startswith("#")]
    return [entry.strip() for entry in re.split(r"\n(?=\S)", "\n".join(lines)) if entry.strip()]


def pins(lock: Path) -> dict[str, str]:
    """Return the version of every package of a lock."""
    found = {}
    for entry in entries(lock):
        pin = Requirement(entry.split("\\")[0])
        [version] = [specifier.version for specifier in pin.specifier if specifier.operator == "=="]
        assert canonicalize_name(pin.name) not in found, f"{pin.name} is locked twice"
        found[canonicalize_name(pin.name)] = version
    return found


@pytest.mark.parametrize("lock", LOCKS, ids=name_of)
def test_every_package_is_pinned_and_hashed(lock: Path):
    """pip refuses anything else that a mirror may hand out."""
    assert pins(lock)
    assert [entry for entry in entries(lock) if "--hash=sha256:" not in entry] == []


@pytest.mark.parametrize("lock", LOCKS, ids=name_of)
def test_no_address_and_no_machine_is_named(lock: Path):
    """Everybody installs from where they install from."""
    lines = lock.read_text().splitlines()
    assert [line for line in lines if ADDRESS.search(line) or MACHINE_PATH.search(line)] == []


@pytest.mark.parametrize("lock", WISHES, ids=name_of)
def test_locks_satisfy_the_project_file(lock: Path):
    """A wish without its pin means that `make lock` was forgotten."""
    locked = pins(lock)
    for wish in map(Requirement, WISHES[lock]):
        version = locked.get(canonicalize_name(wish.name))
        assert version is not None, f"{wish.name} is not locked"
        assert wish.specifier.contains(version, prereleases=True), f"{wish} is locked at {version}"


def test_testing_happens_with_what_runs():
    """The lock for testing holds the lock for running, version for version."""
    assert pins(RUN).items() <= pins(DEV).items() <= pins(BENCH).items()


def test_there_is_one_kind_of_lock():
    """A second lock would say something else one day."""
    assert [name for name in ("uv.lock", "pylock.toml", "poetry.lock", "Pipfile.lock") if (ROOT / name).exists()] == []


@pytest.mark.parametrize(
    "line",
    ["--index-url x", "six @ https://host/six.whl", "six @ file:///six.whl", "# via -r /home/me/x", "-e ."],
)
def test_what_must_not_stand_in_a_lock_is_seen(line: str):
    """The search above must not pass because it is blind."""
    assert ADDRESS.search(line) or MACHINE_PATH.search(line)
