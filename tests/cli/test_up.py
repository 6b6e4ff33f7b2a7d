"""`headway up` with everything real: what it tells, what comes back, what is left."""

import os
import re
import signal
import socket
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import psutil
import psycopg
import pytest
from psycopg import sql
from sqlalchemy.engine import make_url

from cli.probes import serves_grpc
from cli.supervisor import GRACE_SECONDS
from tests.cli.running import Headway, headway, wait_until

PROCESSES = ("nats", "booking", "tracking", "pricing", "gateway", "payments")
SERVICES = ("booking", "tracking", "pricing")


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Headway]:
    """A stack that runs where the surroundings are unkind: decoys in the current folder, a proxy that is not there."""
    folder = tmp_path_factory.mktemp("up")
    for decoy in ("gateway.py", "booking_svc.py", "grpc.py"):
        (folder / decoy).write_text("raise SystemExit('This is not the one.')")
    arguments = ("--ready-file", str(folder / "copy.json"))
    proxy = "http://127.0.0.1:9"
    with headway("up", folder / "data", *arguments, cwd=folder, http_proxy=proxy) as running:
        running.ready()
        yield running


def port_of(address: str) -> int:
    return int(address.rpartition(":")[2])


def family(running: Headway) -> list[psutil.Process]:
    """Return every process that the command has started."""
    found = psutil.Process(running.process.pid).children(recursive=True)
    assert {process.pid for process in found} >= set(running.told()["pids"].values())
    return found


def gone(process: psutil.Process) -> bool:
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


def is_serving(ready: dict, name: str) -> bool:
    """Ask a process at the address that was told."""
    if name in SERVICES:
        return serves_grpc(port_of(ready["grpc"][name]))
    try:
        if name == "gateway":
            return httpx2.get(f"{ready['gateway_url']}/readyz", timeout=2).status_code == 200
        port = port_of(ready["nats_url"]) if name == "nats" else payments_port(ready["pids"]["payments"])
        socket.create_connection(("127.0.0.1", port), 1).close()
    except (OSError, httpx2.HTTPError, psutil.Error):
        return False
    return True


def payments_port(pid: int) -> int:
    line = psutil.Process(pid).cmdline()
    return int(line[line.index("--port") + 1])


def test_the_ready_file_says_where_everything_is(up):
    ready = up.ready()
    assert ready.keys() == {"gateway_url", "nats_url", "grpc", "admin", "pids"}
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+", ready["gateway_url"])
    assert re.fullmatch(r"nats://127\.0\.0\.1:\d+", ready["nats_url"])
    assert ready["grpc"].keys() == set(SERVICES)
    assert ready["admin"].keys() == {"client_id", "client_secret"}
    assert ready["pids"].keys() == set(PROCESSES)
    assert [name for name in PROCESSES if not is_serving(ready, name)] == []


def test_the_ready_file_and_the_secrets_are_for_their_owner_alone(up):
    for path in (up.ready_file, up.data_dir / "secrets.json", up.data_dir.with_name("copy.json")):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(up.data_dir.stat().st_mode) == 0o700


def test_the_ready_file_is_also_where_the_user_wants_it(up):
    assert up.data_dir.with_name("copy.json").read_text() == up.ready_file.read_text()


def test_the_user_is_told_the_addresses_and_never_the_admins_secret(up):
    ready = up.ready()
    for address in (f"{ready['gateway_url']}/docs", ready["nats_url"], *ready["grpc"].values()):
        assert address in up.output
    assert ready["admin"]["client_secret"] not in up.output
    for log in (up.data_dir / "logs").iterdir():
        assert ready["admin"]["client_secret"] not in log.read_text()


@pytest.mark.parametrize("user", ["rider", "driver", "operator"])
def test_the_page_and_the_users_that_are_told_are_there(up, user):
    pages = re.findall(r"(?:Live page|Try it out|For staff) +(\S+)", up.output)
    assert [httpx2.get(page, timeout=30).status_code for page in pages] == [200] * 3
    password = re.findall(r"password (\S+)", up.output)[0]
    form = {"grant_type": "password", "username": f"{user}@example.com", "password": password}
    answer = httpx2.post(f"{up.ready()['gateway_url']}/v1/oauth/token", data=form, timeout=10)
    assert answer.status_code == 200, answer.text


def test_the_admin_that_is_told_may_come_in(up):
    ready = up.ready()
    form = {"grant_type": "client_credentials", **ready["admin"]}
    answer = httpx2.post(f"{ready['gateway_url']}/v1/oauth/token", data=form, timeout=10)
    assert "timetable:write" in answer.json()["scope"].split()


@pytest.mark.parametrize("name", PROCESSES)
def test_a_process_that_was_killed_comes_back_where_it_was(up, name):
    before = up.ready()
    os.kill(before["pids"][name], signal.SIGKILL)
    wait_until(lambda: up.told()["pids"][name] != before["pids"][name], 10, f"{name} did not come back")
    after = up.told()
    assert {**after["pids"], name: 0} == {**before["pids"], name: 0}
    assert {**after, "pids": {}} == {**before, "pids": {}}
    wait_until(lambda: is_serving(after, name), 20, f"{name} does not serve where it did")
    assert f"{name} has ended (SIGKILL); starting it again" in up.output


def test_a_second_one_on_the_same_data_folder_is_refused(up):
    with headway("up", up.data_dir) as second:
        assert second.wait() == 2
        assert f"Another Headway runs on {up.data_dir}" in second.output
    assert up.ready()
    assert up.process.poll() is None


@dataclass(frozen=True)
class TwoLives:
    """What was seen of one that was killed and then started again on the same data."""

    data_dir: Path
    first: dict[str, Any]
    orphans: list[psutil.Process]
    second: dict[str, Any]
    exit_code: int
    left: list[psutil.Process]
    left_files: list[Path]
    printed: str


@pytest.fixture(scope="module")
def two_lives(tmp_path_factory: pytest.TempPathFactory) -> TwoLives:
    data_dir = tmp_path_factory.mktemp("lives") / "data"
    copy = data_dir.with_name("copy.json")
    with headway("up", data_dir) as killed:
        first, children = killed.ready(), family(killed)
        killed.process.kill()
        killed.wait()
        _, orphans = psutil.wait_procs(children, timeout=5)
        assert killed.ready_file.exists()
    with headway("up", data_dir, "--ready-file", str(copy)) as stopped:
        wait_until(copy.exists, 90, stopped.output)
        second, children = stopped.told(), family(stopped)
        exit_code = stopped.stop(15)
        left = [child for child in children if not gone(child)]
        left_files = [path for path in (stopped.ready_file, copy) if path.exists()]
        return TwoLives(data_dir, first, orphans, second, exit_code, left, left_files, stopped.output)


def test_one_that_was_killed_leaves_no_child(two_lives):
    assert [child for child in two_lives.orphans if not gone(child)] == []


def test_one_that_was_killed_can_be_started_again(two_lives):
    assert two_lives.second["admin"] == two_lives.first["admin"]
    assert not set(two_lives.second["pids"].values()) & set(two_lives.first["pids"].values())


def test_sigterm_stops_everything_in_time_and_leaves_nothing(two_lives):
    assert two_lives.exit_code == 0
    assert two_lives.left == []
    assert two_lives.left_files == []
    assert "Traceback" not in two_lives.printed


def test_everything_stops_when_asked_and_nothing_has_to_be_killed(two_lives):
    assert "was killed" not in two_lives.printed


def test_a_database_of_a_newer_version_is_left_alone(two_lives):
    with closing(sqlite3.connect(two_lives.data_dir / "booking.sqlite")) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    with headway("up", two_lives.data_dir) as refused:
        assert refused.wait() == 2
        assert "a newer version of Headway has used it" in refused.output
        assert "Traceback" not in refused.output


def test_a_setting_that_is_wrong_is_named(tmp_path):
    with headway("up", tmp_path / "data", BOOKING_HOLD_SECONDS="never") as refused:
        assert refused.wait() == 2
        assert "BOOKING_HOLD_SECONDS" in refused.output
        assert "Traceback" not in refused.output


def test_ctrl_c_at_any_time_of_the_start_stops_what_has_started(tmp_path):
    with headway("up", tmp_path / "data") as running:
        wait_until(lambda: "nats is ready" in running.output, 20, "nats is late")
        children = psutil.Process(running.process.pid).children(recursive=True)
        running.process.send_signal(signal.SIGINT)
        assert running.wait(15) == 0
        assert [child for child in children if not gone(child)] == []
        assert not running.ready_file.exists()
        assert "Traceback" not in running.output


def test_a_second_ctrl_c_hurries_what_hangs(tmp_path):
    with headway("up", tmp_path / "data") as running:
        wait_until(lambda: "nats is ready" in running.output, 20, "nats is late")
        children = psutil.Process(running.process.pid).children(recursive=True)
        next(child for child in children if child.name() == "nats-server").suspend()
        running.process.send_signal(signal.SIGINT)
        wait_until(lambda: "Stopping" in running.output, 5, "not stopping")
        running.process.send_signal(signal.SIGINT)
        assert running.wait(GRACE_SECONDS - 1) == 0
        assert [child for child in children if not gone(child)] == []


@pytest.fixture
def template(postgres_url: str) -> Iterator[str]:
    """Name databases that do not exist yet, and drop what has come of them."""
    prefix = f"up_{os.getpid()}_"
    yield make_url(postgres_url).set(database=f"{prefix}PLACE").render_as_string(False).replace("PLACE", "{service}")
    with psycopg.connect(postgres_url, autocommit=True) as admin:
        for name in ("gateway", *SERVICES):
            admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(prefix + name)))


def test_it_runs_on_a_postgresql_and_a_nats_server_that_are_there_already(tmp_path, template, nats_server):
    arguments = ("--database-url-template", template, "--nats-url", nats_server.url)
    with headway("up", tmp_path / "data", *arguments) as running:
        ready = running.ready()
        assert ready["nats_url"] == nats_server.url
        assert ready["pids"]["nats"] is None
        assert [name for name in PROCESSES[1:] if not is_serving(ready, name)] == []
        assert running.stop(15) == 0
    assert {path.name for path in (tmp_path / "data").glob("*.sqlite")} == {"payments.sqlite"}
    assert not (tmp_path / "data" / "nats").exists()
    with socket.create_connection(("127.0.0.1", port_of(nats_server.url)), 1):
        pass


def test_six_deaths_within_a_minute_end_everything(up):
    """Comes last: it uses up the stack that the tests above share."""
    children = family(up)
    while up.process.poll() is None:
        pid = up.told()["pids"]["nats"]
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda pid=pid: is_replaced(up, pid), 30, "neither came back nor gave up")
    assert up.process.returncode == 1
    assert "nats has ended 6 times within 60 s, the last time with SIGKILL" in up.output
    assert [child for child in children if not gone(child)] == []
    assert not up.ready_file.exists()


def is_replaced(running: Headway, pid: int) -> bool:
    """Tell whether the broker is another process now, or everything has ended."""
    try:
        return running.told()["pids"]["nats"] != pid
    except FileNotFoundError:
        return running.process.poll() is not None
