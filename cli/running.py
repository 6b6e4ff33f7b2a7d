"""The system that runs on a data folder, and clients of its public API."""

import json
from collections.abc import Generator
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


class Renewing(httpx2.Auth):
    """Asks for a token before the first call, and for another when that has run out."""

    requires_response_body = True

    def __init__(self, ask: httpx2.Request) -> None:
        self._ask = ask
        self._token = ""

    def auth_flow(self, request: httpx2.Request) -> Generator[httpx2.Request, httpx2.Response, None]:
        tried = self._token
        if tried:
            request.headers["Authorization"] = f"Bearer {tried}"
            if (yield request).status_code != httpx2.codes.UNAUTHORIZED:
                return
        if self._token == tried:  # or another call has renewed it meanwhile
            self._token = checked((yield self._ask))["access_token"]
        request.headers["Authorization"] = f"Bearer {self._token}"
        yield request


def sign_in_staff(client: httpx2.AsyncClient, ready: dict[str, Any]) -> None:
    """Let a client act with every operator scope, for as long as it likes."""
    form = {"grant_type": "client_credentials", **ready["admin"]}
    client.auth = Renewing(client.build_request("POST", "/oauth/token", data=form))


def checked(response: httpx2.Response) -> dict[str, Any]:
    """Return what a call answers, or raise BreakdownError with what it says is wrong."""
    answer: dict[str, Any] = response.json()
    if response.is_success:
        return answer
    raise BreakdownError(f"{response.request.method} {response.request.url.path}: {answer.get('detail') or answer}")
