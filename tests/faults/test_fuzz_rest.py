"""Requests made up from the API's own description, by one caller of every kind: no 5xx, nothing undocumented."""

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.accounts.domain.roles import Role
from tests.faults.people import DEVICE, GUEST, NOBODY, PROGRAM, Person
from tests.system.running_stack import Stack

CHECKS = (
    "not_a_server_error", "status_code_conformance", "content_type_conformance", "response_headers_conformance",
    "response_schema_conformance",
)  # fmt: skip
PEOPLE = (NOBODY, GUEST, DEVICE, PROGRAM, *(role.value for role in Role))
EXAMPLES, RELEASE_EXAMPLES = 12, 150
"""Random ones, for each operation."""
THOROUGH = (GUEST, PROGRAM)
"""Who goes through every corner of the schema in CI, too; that takes most calls."""
CALLS_MIN = 500
"""For each caller; all together make CI's ten thousand."""
CASES = re.compile(r"(\d+) generated, (\d+) passed")


@pytest.mark.slow
@pytest.mark.parametrize(
    "examples", [EXAMPLES, pytest.param(RELEASE_EXAMPLES, marks=pytest.mark.release)], ids=["quick", "release"]
)
@pytest.mark.parametrize("name", PEOPLE)
def test_whatever_fits_the_schema_or_does_not_is_answered_as_documented(
    *,
    name: str,
    examples: int,
    stack: Stack,
    people: dict[str, Person],
    seed: int,
    tmp_path: Path,
    keep_figures: Callable[..., None],
) -> None:
    command = [str(Path(sys.executable).with_name("schemathesis")), "run", f"{stack.url}/openapi.json"]
    command += ["--max-examples", str(examples), "--seed", str(seed + 1), "--checks", ",".join(CHECKS)]
    command += ["--workers", "1", "--no-color", "--continue-on-failure", "--warnings", "off"]
    command += ["--generation-database", "none", "--suppress-health-check", "all"]
    if name not in THOROUGH and examples == EXAMPLES:
        command += ["--phases", "examples,fuzzing,stateful"]
    for header, value in people[name].headers.items():
        command += ["--header", f"{header}: {value}"]
    ran = subprocess.run(command, check=False, cwd=tmp_path, capture_output=True, text=True, timeout=3600)
    assert ran.returncode == 0, ran.stdout[-20_000:]
    found = CASES.search(ran.stdout)
    assert found, ran.stdout
    calls = int(found[1])
    keep_figures(f"rest-{examples}-{name}", calls=calls, seed=seed + 1)
    assert int(found[2]) == calls >= CALLS_MIN
