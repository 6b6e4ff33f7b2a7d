"""The whole system as its users run it: `headway up` in a folder of its own."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2

ROOT = Path(__file__).parents[2]
READY_SECONDS = 60
BACK_SECONDS = 40


@dataclass(frozen=True)
class Stack:
    """A running system and where to find it."""

    process: subprocess.Popen[bytes]
    folder: Path
    ready: dict[str, Any]

    @property
    def url(self) -> str:
        return str(self.ready["gateway_url"])

    def pid(self, name: str) -> int:
        """Read a child's present process id."""
        return int(json.loads((self.folder / "ready.json").read_text())["pids"][name])

    def kill(self, name: str) -> None:
        os.kill(self.pid(name), signal.SIGKILL)

    def log(self, name: str) -> str:
        return (self.folder / "logs" / f"{name}.log").read_text()


@contextmanager
def running(
    folder: Path, *arguments: str, environment: Mapping[str, str] | None = None, module: str = "cli"
) -> Iterator[Stack]:
    """Start the system, wait until it is ready, and stop it in the end."""
    command = [sys.executable, "-m", module, "up", "--data-dir", str(folder), "--gateway-port", "0", *arguments]
    quiet = {"GATEWAY_RATE_LIMITS": "off", "BOOKING_HOLDS_PER_RIDER": "0"}
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'proto/gen'}", **quiet, **(environment or {})}
    with (folder.parent / f"{folder.name}.out").open("wb") as output:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=output, stderr=subprocess.STDOUT)
        try:
            yield Stack(process, folder, wait_until_ready(process, folder))
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(40)


def wait_until_ready(process: subprocess.Popen[bytes], folder: Path) -> dict[str, Any]:
    """Wait for the ready file; tell what the system said if it ends before."""
    until = time.monotonic() + READY_SECONDS
    while time.monotonic() < until:
        if process.poll() is not None:
            break
        if (folder / "ready.json").exists():
            return dict(json.loads((folder / "ready.json").read_text()))
        time.sleep(0.05)
    raise AssertionError((folder.parent / f"{folder.name}.out").read_text())


def client(stack: Stack, token: str = "") -> httpx2.Client:
    """Open a client of the public API, signed in or not."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return httpx2.Client(base_url=stack.url + "/v1", headers=headers, timeout=20)


def admin(stack: Stack) -> httpx2.Client:
    """Open a client with every operator scope."""
    with client(stack) as anybody:
        granted = anybody.post("/oauth/token", data={"grant_type": "client_credentials", **stack.ready["admin"]})
    assert granted.status_code == 200, granted.text
    return client(stack, granted.json()["access_token"])


def guest(stack: Stack) -> httpx2.Client:
    """Open a client of a rider without an account."""
    with client(stack) as anybody:
        granted = anybody.post("/guests")
    assert granted.status_code == 201, granted.text
    return client(stack, granted.json()["access_token"])


def insist(send: Any, *, seconds: float = BACK_SECONDS) -> httpx2.Response:
    """Repeat a request with the same key until its outcome is final, as a good client does."""
    until = time.monotonic() + seconds
    while True:
        try:
            reply = send()
        except httpx2.TransportError:
            reply = None
        if reply is not None and not is_to_be_repeated(reply):
            return reply
        assert time.monotonic() < until, reply and reply.text
        time.sleep(0.2)


def is_to_be_repeated(reply: httpx2.Response) -> bool:
    """Tell whether an answer asks to be asked again with the same key."""
    if reply.status_code == 202 or reply.status_code >= 500:
        return True
    return reply.status_code == 409 and reply.json()["code"] == "request_in_flight"
