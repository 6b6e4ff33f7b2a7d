"""docker-compose.yml: what it says is complete and confined, and what it starts takes a rider through a journey."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from chassis.settings import name_of
from tests import servers
from tests.system import compose
from tests.system.engine import PROCESSES, Engine, make_databases
from tests.system.image import BIN, Image, of
from tests.system.journey import checked, coach, hold, key, leg_of, payment, publish, quote
from tests.system.running_stack import ROOT, Stack, admin, guest

# uvicorn sends the signal to itself again after it has cleaned up.
ENDED_WELL = (0, -signal.SIGTERM)
SECRETS = compose.secrets()
FILE = compose.read(SECRETS)
SERVICES: dict[str, Any] = FILE["services"]


def test_its_form_is_that_of_the_compose_specification() -> None:
    check = [BIN / "check-jsonschema", "--builtin-schema", "vendor.compose-spec", compose.FILE]
    done = subprocess.run(check, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_that_is_missing_is_named(name: str) -> None:
    with pytest.raises(compose.MissingVariableError, match=rf"{name}: .*deploy/env.example"):
        compose.read(SECRETS | {name: ""})


def test_the_example_names_every_variable_and_holds_no_secret() -> None:
    used = {found["name"] for found in compose.VARIABLE.finditer(compose.FILE.read_text())}
    assert used == set(re.findall(r"^(?:# )?([A-Z_]+)=", compose.EXAMPLE.read_text(), re.MULTILINE))
    assert set(compose.example().values()) == {""}


def test_the_defaults_are_those_that_the_example_tells() -> None:
    told = dict(re.findall(r"^# ([A-Z_]+)=(.*)$", compose.EXAMPLE.read_text(), re.MULTILINE))
    found = compose.VARIABLE.finditer(compose.FILE.read_text())
    assert told == {one["name"]: one["rest"] for one in found if one["how"] == ":-"}


@pytest.mark.parametrize("name", PROCESSES)
def test_every_variable_is_a_setting_of_its_process(name: str) -> None:
    environment = SERVICES[name]["environment"]
    known = {name_of(field, PROCESSES[name].prefix, environment) for field in PROCESSES[name].model_fields}
    assert set(environment) - known == {"PGPASSWORD"}  # which is PostgreSQL's own way to tell a password


@pytest.mark.parametrize("name", PROCESSES)
def test_nothing_that_has_to_be_said_is_left_to_a_default(name: str) -> None:
    given = PROCESSES[name].from_environment(SERVICES[name]["environment"]).model_dump()
    assert {field: value for field, value in given.items() if "127.0.0.1" in str(value)} == {}


@pytest.mark.parametrize("name", SERVICES)
def test_every_container_is_confined(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "privileged" not in service
    [image_user] = of("USER", stage=1)
    assert service.get("user", image_user.arguments).partition(":")[0] not in ("", "0", "root")
    assert set(service["deploy"]["resources"]["limits"]) == {"cpus", "memory", "pids"}
    assert service["logging"]["options"] == {"max-size": "10m", "max-file": "5"}
    assert service["restart"] == "unless-stopped"
    assert not any(target in ("/", "/var/run/docker.sock") for _, target in compose.mounts(service))


def test_only_the_gateway_can_be_reached_from_outside_and_only_on_this_machine() -> None:
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert published == {"gateway": ["127.0.0.1:8000:8000"]}
    assert FILE["networks"]["inside"] == {"internal": True}
    assert [name for name, service in SERVICES.items() if service["networks"] != ["inside"]] == ["gateway"]


def test_every_volume_is_named_and_a_private_key_has_one_reader() -> None:
    used = [(name, *volume) for name, service in SERVICES.items() for volume in compose.mounts(service)]
    assert {volume for _, volume, _ in used} == set(FILE["volumes"])
    private = {volume: name for name, volume, target in used if target == "/var/lib/headway/keys/private"}
    assert private == {f"{name}-key": name for name in PROCESSES}
    trusted = {name for name, volume, target in used if target == "/var/lib/headway/keys/trusted"}
    assert trusted == set(PROCESSES)


def test_a_volume_covers_a_folder_that_is_the_users() -> None:
    [making] = [one for one in of("RUN", stage=1) if "install --directory" in one.arguments]
    for name, service in SERVICES.items():
        for _, target in compose.mounts(service) if "build" in service else ():
            assert target == "/tmp" or target in making.words, f"{name} would write as root to {target}"


def test_what_is_bound_from_the_tree_is_there() -> None:
    found = [path for service in SERVICES.values() for path in bound(service)]
    assert found
    assert [path for path in found if not (ROOT / path.split(":")[0]).is_file() or not path.endswith(":ro")] == []


def bound(service: Any) -> list[str]:
    """Return the files of our tree that a service finds in its container."""
    return [volume for volume in service.get("volumes", ()) if volume.startswith(".")]


@pytest.fixture(scope="module")
def engine(image: Image, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """Everything that the file starts, each when those are healthy that it waits for."""
    binaries = servers.postgres_binaries()
    if binaries is None:
        pytest.skip("NOT TESTED: PostgreSQL is not installed")
    folder = tmp_path_factory.mktemp("compose")
    with servers.postgres(binaries) as url:
        [script] = [path for path in bound(SERVICES["postgres"]) if "/docker-entrypoint-initdb.d/" in path]
        script, _, _ = script.partition(":")
        port = make_databases(binaries, url, ROOT / script, SERVICES["postgres"]["environment"])
        containers = compose.containers(FILE, folder / "volumes")
        running = Engine(image, folder, containers, elsewhere={("postgres", 5432): port}, path=str(binaries))
        sick = [name for name in SERVICES if name != "postgres" and not running.health(name).returncode]
        assert sick == [], "these call healthy what does not run"
        try:
            running.start_all()
            yield running
        finally:
            running.stop_all()


@pytest.fixture(scope="module")
def stack(engine: Engine) -> Stack:
    """What the tests of the whole system know it as."""
    who = {"client_id": "headway-admin", "client_secret": SECRETS["GATEWAY_ADMIN_CLIENT_SECRET"]}
    url = f"http://127.0.0.1:{engine.ports['gateway', 8000]}"
    return Stack(engine.processes["gateway"], engine.root("gateway"), {"gateway_url": url, "admin": who})


def test_the_processes_run_what_the_image_holds(engine: Engine) -> None:
    for name in PROCESSES:
        module = engine.containers[name].command[-1]
        ask = [sys.executable, "-c", f"import {module}, headway.types.v1; print({module}.__file__)"]
        told = subprocess.run(ask, env=engine.environment(name), capture_output=True, text=True, check=True)
        assert told.stdout.startswith(engine.environment(name)["PYTHONPATH"])


def test_a_rider_quotes_holds_pays_and_finds_the_booking_after_a_restart(engine: Engine, stack: Stack) -> None:
    with admin(stack) as operator, guest(stack) as rider:
        departure = publish(operator, coach())
        booking = hold(rider, quote(rider, leg_of(departure)))
        paid = checked(rider.post(f"/bookings/{booking['id']}/confirm", json=payment(), headers=key()), 200)
        assert (paid["state"], paid["payment"]["state"]) == ("confirmed", "captured")
        for name in ("booking", "gateway"):
            assert engine.stop(name) in ENDED_WELL
            assert engine.health(name).returncode != 0
        for name in ("booking", "gateway"):
            engine.start(name)
            engine.wait_until_healthy(name)
        again = checked(rider.get(f"/bookings/{booking['id']}"), 200)
        assert again["tickets"] == paid["tickets"]


def test_the_journey_that_ci_makes_goes_well(stack: Stack) -> None:
    told = {"HEADWAY_URL": stack.url, "GATEWAY_ADMIN_CLIENT_SECRET": SECRETS["GATEWAY_ADMIN_CLIENT_SECRET"]}
    environment = os.environ | told | {"PYTHONPATH": f"{ROOT}:{ROOT / 'proto/gen'}"}
    journey = [sys.executable, ROOT / "deploy" / "journey.py"]
    done = subprocess.run(journey, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    wrong = environment | {"GATEWAY_ADMIN_CLIENT_SECRET": "guessed"}
    assert subprocess.run(journey, env=wrong, capture_output=True, check=False).returncode == 1


def test_the_gateway_is_not_well_when_a_service_is_gone(engine: Engine, stack: Stack) -> None:
    assert engine.stop("pricing") in ENDED_WELL
    try:
        assert httpx2.get(f"{stack.url}/readyz").status_code == 503
        assert engine.health("gateway").returncode != 0
    finally:
        engine.start("pricing")
        engine.wait_until_healthy("pricing")
    engine.wait_until_healthy("gateway")


def test_every_process_takes_less_than_half_of_its_memory(engine: Engine) -> None:
    taken = {name: process.memory_info().rss for name, process in engine.processes.items()}
    assert set(taken) == set(SERVICES) - {"postgres"}
    print({name: f"{rss / 1024**2:.0f} MiB" for name, rss in taken.items()})
    assert {name: rss for name, rss in taken.items() if rss > engine.containers[name].memory_bytes / 2} == {}


def test_nothing_is_written_outside_the_volumes(engine: Engine) -> None:
    assert list(engine.strays()) == []


def test_every_process_ends_in_time_when_told_to(engine: Engine) -> None:
    ended = engine.stop_all()
    assert set(ended) == set(SERVICES) - {"postgres"}
    assert {name: code for name, code in ended.items() if code not in ENDED_WELL} == {}
