"""The sandbox payment provider as a process of its own, to be asked, killed and brought back."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx2

ROOT = Path(__file__).parents[2]
SLOW_SECONDS = 0.5


class Provider:
    """One ledger and the process that keeps it; it comes back on the same port."""

    def __init__(self, ledger: Path, *, fault: str = "") -> None:
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._ledger = ledger
        self._environment = os.environ | {"PAYMENTS_SLOW_SECONDS": str(SLOW_SECONDS), "PAYMENTS_FAULT": fault}
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        """Start it and wait until it listens."""
        command = [sys.executable, "-m", "cli.payments", "--port", str(self.port), "--ledger", str(self._ledger)]
        self._process = subprocess.Popen(command, cwd=ROOT, env=self._environment, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        assert self.url in self._process.stdout.readline()

    def kill(self) -> None:
        """End it as a power cut would."""
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self.wait()

    def wait(self) -> None:
        """Wait until it has ended by itself."""
        if self._process is not None:
            self._process.communicate(timeout=5)
            self._process = None

    def ledger(self) -> dict[str, Any]:
        found: dict[str, Any] = httpx2.get(f"{self.url}/v1/ledger").json()
        return found

    def charges(self, booking_id: str) -> list[dict[str, Any]]:
        return [charge for charge in self.ledger()["charges"] if charge["reference"] == booking_id]

    def refunds(self, booking_id: str) -> list[dict[str, Any]]:
        ids = {charge["id"] for charge in self.charges(booking_id)}
        return [refund for refund in self.ledger()["refunds"] if refund["charge_id"] in ids]

    def captured_minor(self, booking_id: str) -> list[int]:
        """List the amounts that were taken for a booking."""
        return [charge["amount_minor"] for charge in self.charges(booking_id) if charge["status"] == "captured"]

    def decide(self, action_url: str, how: str) -> None:
        """Approve or refuse as the rider does at the bank."""
        httpx2.post(f"{action_url}/{how}").raise_for_status()
