"""One name all the way down: REST operation, RPC, function, file and test."""

from pathlib import Path

import pytest

from tests.architecture.tree import (
    GENERATED,
    ROOT,
    grpc_services,
    name_of,
    public_functions,
    rest_operations,
    snake_case,
)

ROOMS = ("use_cases", "flows", "queries")
ACCOUNT_ROOMS = tuple(ROOT / "gateway" / "accounts" / room for room in ROOMS)
RPCS = [
    (f"{service.full_name.split('.')[1]}_svc", snake_case(method.name))
    for service in grpc_services()
    for method in service.methods
]

COMPOSITIONS = {
    "get_jwks": "the public half of the gateway's own key",
    "get_metrics": "what a scraper reads",
    "livez": "health of the process",
    "report_osmand": "report_positions in the form of Traccar Client",
    "report_owntracks": "report_positions in the form of OwnTracks",
    "readyz": "health of the process and of what it needs",
}
"""REST operations that no service does alone, and why."""


@pytest.mark.parametrize(("service", "name"), RPCS, ids=lambda value: value)
def test_every_rpc_has_its_function(service: str, name: str):
    """HoldBooking is hold_booking in booking_svc/use_cases/hold_booking.py, or among flows or queries."""
    paths = [path for room in ROOMS if (path := ROOT / service / room / f"{name}.py").exists()]
    assert len(paths) == 1, f"{service}/{{{','.join(ROOMS)}}}/{name}.py: found {len(paths)}, not one"
    assert name in {function.name for function in public_functions(paths[0])}


@pytest.mark.parametrize(("service", "name"), RPCS, ids=lambda value: value)
def test_every_rpc_has_its_tests(service: str, name: str):
    """HoldBooking is tested in tests/booking_svc/test_hold_booking.py."""
    path = ROOT / "tests" / service / f"test_{name}.py"
    assert path.exists(), f"{name_of(path)} is missing"
    assert any(function.name.startswith("test_") for function in public_functions(path))


def test_every_rest_operation_is_called_like_what_it_does():
    """An operation is an RPC, a use case, flow or query of the accounts, or one of the few compositions."""
    known = {name for _, name in RPCS} | {name for room in ACCOUNT_ROOMS for name in functions_of(room)}
    assert sorted(set(rest_operations()) - known - set(COMPOSITIONS)) == []


def test_every_composition_is_still_needed():
    """The table of exceptions holds nothing that is gone."""
    assert sorted(set(COMPOSITIONS) - set(rest_operations())) == []


def test_every_rest_operation_has_a_name_of_its_own():
    """Generated clients have one function an operation."""
    names = rest_operations()
    assert sorted({name for name in names if names.count(name) > 1}) == []


def test_every_contract_is_where_its_package_says():
    """Directory, package and Python import path are one."""
    for path in (GENERATED.parent / "headway").rglob("*.proto"):
        package = ".".join(path.parent.relative_to(GENERATED.parent).parts)
        assert f"\npackage {package};\n" in path.read_text(), name_of(path)


def functions_of(room: Path) -> set[str]:
    """Return the files of a room that hold a function of their own name."""
    return {path.stem for path in room.glob("*.py") if path.stem in {found.name for found in public_functions(path)}}
