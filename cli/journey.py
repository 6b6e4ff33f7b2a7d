"""A rider's journey through the REST API, each call told in a line, with curl, and by what its answer means."""

import re
import shlex
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import uuid4

import httpx2

from cli.outcomes import BreakdownError

Json = dict[str, Any]
Tell = Callable[[Json], str]

OPERATOR = "nordlicht"
ROUTE = {"feed_route_id": "N4", "short_name": "N4", "long_name": "Hamburg - Rostock along the coast", "mode": "coach"}
STOPS = (
    ("hamburg", "Hamburg ZOB", 53.5517, 10.0113, time(7, 0)),
    ("luebeck", "Lübeck ZOB", 53.8664, 10.6698, time(8, 5)),
    ("wismar", "Wismar ZOB", 53.8932, 11.4531, time(9, 10)),
    ("rostock", "Rostock ZOB", 54.0785, 12.1322, time(10, 15)),
)
"""Identifier, name, latitude, longitude and time in UTC. The stops are real, the coach is not."""
STAY = timedelta(minutes=5)
RIDERS = ("Ada Lovelace", "Grace Hopper")
CONTACT = {"email": "ada@example.com"}
TIMEOUT_SECONDS = 15.0
SHOWN_HEADERS = ("authorization", "idempotency-key", "content-type")
SECRET = re.compile(r'(Bearer |token":"|client_secret=)([^"\s&]{6})[^"\s&\']{12,}')


class Guide:
    """Makes calls and tells about them; raises BreakdownError at the first that fails."""

    def __init__(self, client: httpx2.AsyncClient, say: Callable[[str], None]) -> None:
        self._client = client
        self._say = say
        self._bearer = ""
        self._step = 0

    def speaks_for(self, token: Json) -> None:
        """Show this token with every later call."""
        self._bearer = token["access_token"]

    async def call(self, title: str, method: str, path: str, tell: Tell, *, key: str = "", **body: Any) -> Json:
        """Make a call and return its answer; `body` is json= or data=."""
        self._step += 1
        headers = {"Authorization": f"Bearer {self._bearer}"} if self._bearer else {}
        headers |= {"Idempotency-Key": key} if key else {}
        request = self._client.build_request(method, path, headers=headers, **body)
        self._say(f"\n{self._step}. {title}\n   {curl_line(request)}")
        try:
            response = await self._client.send(request)
        except httpx2.HTTPError as error:
            raise BreakdownError(f"The journey ends here: no answer ({type(error).__name__}).") from error
        answer = read(response)
        self._say(f"   {response.status_code}: {tell(answer)}")
        return answer


def read(response: httpx2.Response) -> Json:
    """Return an answer's JSON, or the size of what is not JSON; raise BreakdownError unless it is a 200 or 201."""
    is_json = "json" in response.headers.get("content-type", "")
    answer = response.json() if is_json else {"bytes": len(response.content)}
    if response.status_code not in (200, 201):
        reason = answer.get("detail") or answer.get("state") or "no reason given"
        raise BreakdownError(f"The journey ends here with status {response.status_code}: {reason}")
    return dict(answer)


def curl_line(request: httpx2.Request) -> str:
    """Write the command that makes the same request, its secrets cut short."""
    words = ["curl", "-X", request.method, str(request.url)]
    for name in SHOWN_HEADERS:
        if name in request.headers:
            words += ["-H", f"{name}: {request.headers[name]}"]
    if request.content:
        words += ["-d", request.content.decode()]
    return SECRET.sub(r"\1\2...", shlex.join(words))


async def travel(gateway_url: str, admin: Mapping[str, str], say: Callable[[str], None]) -> None:
    """Put a departure on sale, book two seats on it and give them back; raise BreakdownError when that fails."""
    tomorrow = datetime.now(UTC).date() + timedelta(days=1)
    # Neighbours are reached directly, whatever proxy the environment names.
    async with httpx2.AsyncClient(base_url=gateway_url, timeout=TIMEOUT_SECONDS, trust_env=False) as client:
        departure = await put_on_sale(Guide(client, say), admin, tomorrow)
        booking = await book(Guide(client, say), departure)


async def put_on_sale(guide: Guide, admin: Mapping[str, str], day: date) -> Json:
    """Do what an operator does first; on the second demo of a day this finds the departure of the first."""
    sign_in = {"grant_type": "client_credentials", **admin}
    guide.speaks_for(
        await guide.call(
            "The operator's program signs in", "POST", "/v1/oauth/token", lambda token: "a token", data=sign_in
        )
    )
    return await guide.call(
        "It puts tomorrow's coach from Hamburg to Rostock on sale",
        "POST",
        "/v1/departures",
        lambda found: f"departure {found['id']}, {len(found['calls'])} stops, {found['capacity']} seats",
        key=f"demo-{day}",
        json=departure_on(day),
    )


def departure_on(day: date) -> Json:
    """Describe the departure of a day."""
    calls = []
    for identifier, name, latitude, longitude, at in STOPS:
        stop = {"feed_stop_id": identifier, "name": name, "timezone": "Europe/Berlin"}
        arrival = datetime.combine(day, at, UTC)
        calls.append(
            {
                "stop": {**stop, "latitude": latitude, "longitude": longitude},
                "scheduled_arrival_at": arrival.isoformat(),
                "scheduled_departure_at": (arrival + STAY).isoformat(),
            }
        )
    return {"operator_id": OPERATOR, "route": ROUTE, "service_date": day.isoformat(), "calls": calls}
