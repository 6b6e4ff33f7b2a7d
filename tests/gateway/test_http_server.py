"""The process itself: how it starts, what it bounds and how it stops."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from gateway.http_server import HEAD_BYTES_MAX, STOP_SECONDS

ROOT = Path(__file__).parents[2]


def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


class Process:
    """`python -m gateway` on a free port."""

    def __init__(self, folder: Path, **changes: str) -> None:
        self.folder = folder
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        environment = {
            "GATEWAY_DATABASE_URL": f"sqlite:///{folder}/gateway.db",
            "HEADWAY_KEYS_DIR": str(folder / "keys"),
            "GATEWAY_BOOKING_ADDRESS": "127.0.0.1:1",
            "GATEWAY_TRACKING_ADDRESS": "127.0.0.1:1",
            "GATEWAY_PRICING_ADDRESS": "127.0.0.1:1",
            "GATEWAY_PORT": str(self.port),
            "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'proto' / 'gen'}",
            "PATH": os.environ["PATH"],
        }
        self._log = (folder / "log").open("wb")
        command = [sys.executable, "-m", "gateway"]
        self.process = subprocess.Popen(command, env=environment | changes, cwd=folder, stderr=self._log)

    def wait_until_up(self) -> None:
        deadline = time.monotonic() + 30
        while True:
            assert self.process.poll() is None, "it ended"
            try:
                httpx2.get(f"{self.url}/livez").raise_for_status()
            except httpx2.TransportError:
                assert time.monotonic() < deadline
                time.sleep(0.02)
            else:
                return

    def stop(self) -> int:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(timeout=STOP_SECONDS + 10)
        self._log.close()
        return code


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    found = Process(tmp_path_factory.mktemp("process"))
    try:
        found.wait_until_up()
        yield found
    finally:
        found.stop()


def exchange(port: int, *parts: bytes) -> bytes:
    """Send raw bytes and return what comes back until the other side hangs up or is silent."""
    received = b""
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        try:
            for part in parts:
                connection.sendall(part)
            while more := connection.recv(65536):
                received += more
        except (ConnectionError, TimeoutError):
            pass
    return received


def test_it_does_not_say_what_it_is_made_of(process: Process):
    headers = httpx2.get(f"{process.url}/livez").headers
    assert "server" not in headers
    assert "uvicorn" not in str(headers)


def test_a_head_that_does_not_end_is_hung_up_on(process: Process):
    began = time.monotonic()
    endless = [b"GET /livez HTTP/1.1\r\nHost: x\r\nX-Long: ", *[b"x" * 8192] * (HEAD_BYTES_MAX // 8192 * 4)]
    assert not exchange(process.port, *endless).startswith(b"HTTP/1.1 200")
    many = [b"GET /livez HTTP/1.1\r\nHost: x\r\n", *[b"X-Many: %d\r\n" % number * 500 for number in range(60)]]
    assert not exchange(process.port, *many).startswith(b"HTTP/1.1 200")
    assert time.monotonic() - began < 5
    httpx2.get(f"{process.url}/livez").raise_for_status()


def test_a_head_below_the_bound_is_read_on_one_connection_many_times(process: Process):
    with httpx2.Client(base_url=process.url) as client:
        for _ in range(10):
            assert client.get("/livez", headers={"X-Long": "x" * 30_000}).status_code == 200


def test_head_leaves_the_connection_as_good_as_it_was(process: Process):
    with httpx2.Client(base_url=process.url) as client:
        for path in ("/livez", "/docs", "/assets/docs/swagger-ui.css", "/v1/me"):
            wanted, reply = client.get(path), client.head(path)
            assert (reply.status_code, reply.content) == (wanted.status_code, b"")
            assert reply.headers["content-length"] == wanted.headers["content-length"]
    one = b"HEAD /livez HTTP/1.1\r\nHost: x\r\n"
    assert exchange(process.port, one + b"\r\n" + one + b"Connection: close\r\n\r\n").count(b"HTTP/1.1 200") == 2


def test_a_body_does_not_count_as_head(process: Process):
    with httpx2.Client(base_url=process.url) as client:
        for _ in range(3):
            reply = client.post("/v1/riders", json={"zzz": "x" * 60_000})
            assert reply.status_code == 422


@pytest.mark.parametrize(
    "request_line",
    [
        b"GET / HTTP/9.9", b"NONSENSE", b"GET /\xff HTTP/1.1", b"GET /\x00 HTTP/1.1", b"\x16\x03\x01\x02\x00",
        b"PRI * HTTP/2.0",
    ],
)  # fmt: skip
def test_what_is_no_request_is_refused(process: Process, request_line: bytes):
    reply = exchange(process.port, request_line + b"\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert not reply.startswith((b"HTTP/1.1 2", b"HTTP/1.1 5"))
    httpx2.get(f"{process.url}/livez").raise_for_status()


@pytest.mark.parametrize(
    "framing",
    [
        b"Content-Length: 5\r\nContent-Length: 6\r\n", b"Content-Length: -1\r\n", b"Content-Length: 1e3\r\n",
        b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", b"Transfer-Encoding: chunked, identity\r\n",
        b"Content-Length: 99999999999999999999999\r\n",
    ],
)  # fmt: skip
def test_a_body_whose_length_is_in_doubt_is_refused(process: Process, framing: bytes):
    head = b"POST /v1/riders HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nConnection: close\r\n"
    reply = exchange(process.port, head + framing + b"\r\n" + b"{}   ")
    assert not reply.startswith((b"HTTP/1.1 2", b"HTTP/1.1 5"))
    httpx2.get(f"{process.url}/livez").raise_for_status()


def test_a_forwarded_address_is_not_believed(process: Process):
    """Otherwise everybody could have as many addresses, and so buckets, as they like."""
    with httpx2.Client(base_url=process.url) as client:
        replies = [
            client.post("/v1/oauth/token", data={"grant_type": "password"}, headers={"X-Forwarded-For": f"10.0.0.{n}"})
            for n in range(80)
        ]
    assert 429 in {reply.status_code for reply in replies}


def test_it_stops_in_time_although_somebody_stays_connected(tmp_path: Path):
    process = Process(tmp_path)
    try:
        process.wait_until_up()
        with socket.create_connection(("127.0.0.1", process.port), timeout=5) as idle:
            idle.sendall(b"POST /v1/riders HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n")
            idle.sendall(b"Content-Length: 10\r\n\r\n{")
            began = time.monotonic()
            code = process.stop()
            assert time.monotonic() - began < STOP_SECONDS + 3
        assert code in {0, -signal.SIGTERM}
    finally:
        process.stop()


def test_settings_that_are_missing_are_named(tmp_path: Path):
    process = Process(tmp_path, GATEWAY_PORT="70000", GATEWAY_RATE_LIMITS="maybe")
    assert process.process.wait(timeout=30) == 1
    process.stop()
    log = (tmp_path / "log").read_text()
    assert "GATEWAY_PORT" in log
    assert "GATEWAY_RATE_LIMITS" in log
    assert "Traceback" not in log
