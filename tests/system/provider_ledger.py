"""What the payment provider says it has charged, which is what counts."""

from pathlib import Path
from typing import Any

import httpx2

from tests.system.running_stack import Stack


def address_of_provider(stack: Stack) -> str:
    """Find where the provider listens, now and after each restart."""
    command = Path(f"/proc/{stack.pid('payments')}/cmdline").read_text().split("\0")
    return f"http://127.0.0.1:{command[command.index('--port') + 1]}"


def captured(provider: str, booking: Any) -> list[int]:
    """List the amounts that were taken for a booking."""
    ledger = httpx2.get(f"{provider}/v1/ledger").json()
    mine = [charge for charge in ledger["charges"] if charge["reference"] == booking["id"]]
    return [charge["amount_minor"] for charge in mine if charge["status"] == "captured"]


def is_there(provider: str) -> bool:
    """Tell whether the provider answers."""
    try:
        return httpx2.get(f"{provider}/livez").status_code == 200
    except httpx2.TransportError:
        return False
