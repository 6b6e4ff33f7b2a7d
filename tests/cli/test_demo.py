"""`headway demo`: a rider's journey through everything real, and what it says when something is wrong."""

import json
import re
import shlex
import signal
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import httpx2
import pytest

from cli.journey import curl_line, money, travel
from cli.outcomes import BreakdownError
from tests.cli.running import headway

STEPS = (
    r"Hamburg ZOB\?\n   curl -X GET \S+/v1/stops\S+\n   Hamburg ZOB \(stp_\w+\)",
    r"Rostock ZOB\?\n   curl -X GET \S+/v1/stops\S+\n   Rostock ZOB \(stp_\w+\)",
    r"for two\?\n   curl -X GET \S+/v1/itineraries\S+\n   N4 at \S+Z, \d+ seats, \d+\.\d\d EUR",
    r"without an account\.\n   curl -X POST \S+/v1/guests\n   a token",
    r"first of them\?\n   curl -X POST \S+/v1/quotes .*\n   \d+\.\d\d EUR, promised until \S+Z",
    r"next to each other\.\n   curl -X POST \S+/v1/bookings .*\n   held: \w+ for Ada Lovelace and \w+ for Grace",
    r"that works\.\n   curl -X POST \S+/v1/bookings/bkg_\w+/confirm .*\n   confirmed, reference \w{6}, 2 tickets",
    r"first ticket\.\n   curl -X GET \S+/v1/bookings/bkg_\w+/tickets/tkt_\w+\.svg .*\n   \d+ bytes of SVG",
    r"refunded\?\n   curl -X POST \S+/v1/bookings/bkg_\w+/cancellation-quotes .*\n   \d+\.\d\d EUR, and a fee",
    r"at that\.\n   curl -X POST \S+/v1/bookings/bkg_\w+/cancel .*\n   cancelled, payment \w+",
    r"back\?\n   curl -X GET \S+/v1/bookings/bkg_\w+ .*\n   refunded",
)


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("demo") / "data"


def assert_whole(told: str, data_dir: Path) -> None:
    """Check that every step is told, and no secret."""
    assert re.search(r"headway import --sample\n(.*\n)*?   nordlicht: 63 stops, 12 routes, \d{4} departures", told)
    for number, step in enumerate(STEPS, 1):
        assert re.search(rf"\n{number}\. .*{step}", told), step
    secret = json.loads((data_dir / "secrets.json").read_text())["admin_client_secret"]
    assert secret not in told
    assert not re.search(r"eyJ[\w-]{20}", told)


def test_the_journey_ends_well(data_dir):
    with headway("demo", data_dir, "--exit") as demo:
        assert demo.wait(120) == 0, demo.output
        assert_whole(demo.output, data_dir)


def test_a_second_journey_on_the_same_data_ends_well_and_everything_stays_up_until_ctrl_c(data_dir):
    with headway("demo", data_dir) as demo:
        demo.says(r"whole journey|ends here", 120)
        assert_whole(demo.output, data_dir)
        assert httpx2.get(f"{demo.told()['gateway_url']}/livez").status_code == 200
        demo.process.send_signal(signal.SIGINT)
        assert demo.wait(15) == 0


@pytest.fixture
def gateway() -> Callable[[int, str], str]:
    """Play a gateway that gives every call the same answer."""
    servers = []

    def play(status: int, body: str) -> str:
        class Answer(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.rfile.read(int(self.headers.get("content-length", 0)))
                self.send_response(status)
                self.send_header("content-type", "application/problem+json")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body.encode())

            def log_message(self, *_: object) -> None: ...

        server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
        servers.append(server)
        Thread(target=server.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{server.server_port}"

    yield play
    for server in servers:
        server.shutdown()
        server.server_close()


async def test_a_refusal_ends_the_journey_with_its_reason(gateway):
    lines: list[str] = []
    url = gateway(401, '{"detail": "Sign in."}')
    with pytest.raises(BreakdownError, match=r"The journey ends here: 401, Sign in\."):
        await travel(url, lines.append)
    assert len(lines) == 1


async def test_a_payment_that_is_not_settled_ends_the_journey(gateway):
    with pytest.raises(BreakdownError, match="The journey ends here: 202, processing"):
        await travel(gateway(202, '{"state": "processing"}'), print)


async def test_no_answer_ends_the_journey():
    with pytest.raises(BreakdownError, match="no answer"):
        await travel("http://127.0.0.1:9", print)


def test_the_curl_line_makes_the_same_request():
    request = httpx2.Request(
        "POST", "http://h/v1/x", json={"name": "O'Hara"}, headers={"Authorization": "Bearer short", "X-Other": "1"}
    )
    words = shlex.split(curl_line(request))
    assert words == [
        *("curl", "-X", "POST", "http://h/v1/x"),
        *("-H", "authorization: Bearer short", "-H", "content-type: application/json"),
        *("-d", request.content.decode()),
    ]


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        ({"data": {"client_secret": "abcdef0123456789xyz", "client_id": "c"}}, "client_secret=abcdef...&client_id=c"),
        ({"json": {"quote_token": "abcdef0123456789xyz", "n": 1}}, '{"quote_token":"abcdef...","n":1}'),
        ({"json": {"token": "tok_success"}}, '{"token":"tok_success"}'),
        ({"headers": {"Authorization": "Bearer abcdef0123456789xyz"}}, "authorization: Bearer abcdef..."),
    ],
    ids=["form", "json", "sandbox token", "header"],
)
def test_secrets_are_cut_short(body, shown):
    assert shlex.split(curl_line(httpx2.Request("POST", "http://h/", **body)))[-1] == shown


def test_money_is_written_with_two_places():
    assert money({"amount_minor": 1205, "currency": "EUR"}) == "12.05 EUR"
