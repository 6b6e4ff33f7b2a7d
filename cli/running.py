"""The system that runs on a data folder, and clients of its public API."""

import json
from pathlib import Path
from typing import Any

import httpx2

from cli.outcomes import BreakdownError, SetupError

TIMEOUT_SECONDS = 20.0


def find_running(data_dir: Path) -> dict[str, Any]:
    """Read where the system that runs on a folder is; raise SetupError when none does."""
    try:
        found: dict[str, Any] = json.loads((data_dir / "ready.json").read_text())
    except (OSError, ValueError) as error:
        raise SetupError(
            f"No Headway runs on {data_dir}. Start one with `headway up`, or name its --data-dir."
        ) from error
    return found


def open_client(gateway_url: str) -> httpx2.AsyncClient:
    """Open a client of nobody; the gateway is a neighbour, reached directly whatever proxy the environment names."""
    return httpx2.AsyncClient(base_url=f"{gateway_url}/v1", timeout=TIMEOUT_SECONDS, trust_env=False)


async def sign_in_staff(client: httpx2.AsyncClient, ready: dict[str, Any]) -> None:
    """Let a client act with every operator scope."""
    form = {"grant_type": "client_credentials", **ready["admin"]}
    token = checked(await client.post("/oauth/token", data=form))["access_token"]
    client.headers["Authorization"] = f"Bearer {token}"


def checked(response: httpx2.Response) -> dict[str, Any]:
    """Return what a call answers, or raise BreakdownError with what it says is wrong."""
    answer: dict[str, Any] = response.json()
    if response.is_success:
        return answer
    raise BreakdownError(f"{response.request.method} {response.request.url.path}: {answer.get('detail') or answer}")
