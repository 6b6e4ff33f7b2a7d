"""The connection to NATS: streams as they should be, publishing in atomic batches, subjects that cannot be broken."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from typing import Any, NamedTuple

from nats import errors
from nats.aio.client import Client
from nats.aio.subscription import Subscription

from chassis.errors import Unavailable
from chassis.ids import new_id
from chassis.logs import EventLog

log = EventLog(__name__)

ROOT = "headway.v1"
REQUEST_SECONDS = 2.0
CLOSE_SECONDS = 1.0
DUPLICATE_WINDOW_SECONDS = 600
BATCH_MAX = 1000
"""What a broker takes by default: ADR-50."""
HEADER_BYTES_MAX = 1024
NANOSECONDS = 1_000_000_000
PLAIN_TOKEN = re.compile(r"[A-Za-z0-9_-]+")
ONE_NAME = r"[^.\s]+"
TEMPORARILY = 503
REPLICAS = 3
STREAM_DIFFERS = 10058
WRONG_LAST_SEQUENCE = 10071
CONNECTION: dict[str, Any] = {
    "connect_timeout": 2,
    "max_reconnect_attempts": -1,
    "reconnect_time_wait": 0.25,
    # A broker that says nothing for six seconds is gone.
    "ping_interval": 2,
    "max_outstanding_pings": 2,
}


@dataclass(frozen=True, slots=True)
class Stream:
    """A stream as it should be. Durable ones live in files and refuse to drop what nobody has read."""

    name: str
    subjects: tuple[str, ...]
    is_durable: bool = True
    messages_per_subject: int = -1
    # How long messages are kept; 0 is for ever.
    days: int = 7

    def config(self) -> dict[str, object]:
        """Return the broker's form of it; what it does not say is without limit."""
        return {
            "name": self.name,
            "subjects": list(self.subjects),
            "storage": "file" if self.is_durable else "memory",
            "discard": "new" if self.is_durable else "old",
            "max_msgs_per_subject": self.messages_per_subject,
            "max_age": self.days * 86_400 * NANOSECONDS,
            "duplicate_window": DUPLICATE_WINDOW_SECONDS * NANOSECONDS,
            "allow_direct": True,
            "allow_atomic": self.is_durable,
        }

    def pattern(self) -> str:
        """Return a regular expression of the subjects that come into it."""
        rest = rf"{ONE_NAME}(\.{ONE_NAME})*"
        return "|".join(re.escape(name).replace(r"\*", ONE_NAME).replace(">", rest) for name in self.subjects)


@dataclass(slots=True)
class StreamState:
    """What tells whether a stream is still the one that it was."""

    created_at: str
    last_sequence: int


class Message(NamedTuple):
    """A message to publish; its id makes a repeat harmless."""

    id: str
    subject: str
    payload: bytes
    headers: dict[str, str]


class RefusedError(Exception):
    """The broker is there and says no, and will say so again."""

    def __init__(self, cause: str, code: int = 0) -> None:
        super().__init__(cause)
        self.code = code


class Bus:
    """One process's connection; it comes back by itself whenever the broker does."""

    def __init__(self, url: str, *, name: str, streams: Sequence[Stream]) -> None:
        """Know where the broker is; of a cluster, name each server, with commas between them."""
        self._servers = url.split(",")
        self._name = name
        self._connecting = asyncio.Lock()
        self.client = Client()
        self.streams = {stream.name: stream for stream in streams}
        self._subjects = re.compile("|".join(stream.pattern() for stream in streams))

    @property
    def is_connected(self) -> bool:
        return bool(self.client.is_connected)

    async def connect(self) -> None:
        """Wait until the broker is there; a lost connection mends itself, only a closed one is made anew."""
        async with self._connecting:
            while not self.is_connected:
                if self.client.is_reconnecting:
                    await asyncio.sleep(0.05)
                    continue
                log.info("nats_connecting")
                self.client = Client()
                await self.client.connect(self._servers, name=self._name, error_cb=self._report, **CONNECTION)
                log.info("nats_connected")

    async def close(self) -> None:
        """Flush what was published if the broker is there; leave at once otherwise."""
        for leave in (self.client.flush, self.client.close):
            with suppress(Exception):
                async with asyncio.timeout(CLOSE_SECONDS):
                    await leave()

    @asynccontextmanager
    async def inbox(self) -> AsyncIterator[Subscription]:
        """Listen at an address of our own while the block runs."""
        subscription = await self.client.subscribe(self.client.new_inbox())
        try:
            yield subscription
        finally:
            with suppress(errors.Error):
                await subscription.unsubscribe()

    async def publish(self, subject: str, payload: bytes) -> None:
        """Publish without waiting for anybody; what is published while the broker is away is lost."""
        if self.is_connected:
            await self.client.publish(subject, payload)

    async def ask(self, verb: str, body: object) -> dict[str, Any]:
        """Ask JetStream's API; raise RefusedError for a no and Unavailable for no answer."""
        return await self._request(f"$JS.API.{verb}", json.dumps(body).encode())

    async def ensure(self, stream: Stream) -> StreamState:
        """Create a stream or bring it into shape, and tell its state."""
        # Of a cluster, each stream lives on three servers: one of them may be lost.
        config = stream.config() | {"num_replicas": REPLICAS if len(self._servers) >= REPLICAS else 1}
        try:
            reply = await self.ask(f"STREAM.CREATE.{stream.name}", config)
        except RefusedError as refusal:
            if refusal.code != STREAM_DIFFERS:
                raise
            reply = await self.ask(f"STREAM.UPDATE.{stream.name}", config)
        return StreamState(reply["created"], reply["state"]["last_seq"])

    async def publish_one(self, message: Message, *, after: int | None = None) -> int:
        """Publish and return the place in the stream once the broker has it on disk.

        `after` is where the stream ends as far as we know: one that has lost its tail refuses, and we must look again.
        """
        self._check(message)
        reply = await self._request(message.subject, message.payload, headers_of(message, after))
        return int(reply["seq"])

    async def publish_batch(self, messages: Sequence[Message], *, after: int | None = None) -> int:
        """Publish messages of one stream, all or none; return the place of the last.

        JetStream atomic batch publishing, ADR-50: https://github.com/nats-io/nats-architecture-and-design
        """
        for message in messages:
            self._check(message)
        batch_id = new_id("bat")
        with losing_the_broker():
            for number, message in enumerate(messages, 1):
                headers = headers_of(message, after if number == 1 else None)
                headers |= {"Nats-Batch-Id": batch_id, "Nats-Batch-Sequence": str(number)}
                if number < len(messages):
                    # The client's `publish` takes longer to write eight headers than all else that an event costs us.
                    await self.client._send_command(written(message, headers))
        reply = await self._request(message.subject, message.payload, headers | {"Nats-Batch-Commit": "1"})
        return int(reply["seq"])

    def _check(self, message: Message) -> None:
        """Refuse what nobody would take, and what is so long that the broker would close the connection."""
        if not self._subjects.fullmatch(message.subject):
            raise RefusedError("no stream has this subject")
        if len(message.payload) > self.client.max_payload - HEADER_BYTES_MAX:
            raise RefusedError("the payload is too long")

    async def _request(self, subject: str, payload: bytes, headers: dict[str, str] | None = None) -> dict[str, Any]:
        with losing_the_broker():
            reply = await self.client.request(subject, payload, timeout=REQUEST_SECONDS, headers=headers)
        answer: dict[str, Any] = json.loads(reply.data)
        if error := answer.get("error"):
            if error["code"] == TEMPORARILY or error["err_code"] == WRONG_LAST_SEQUENCE:
                raise Unavailable(dependency="nats", cause=error["description"])
            raise RefusedError(error["description"], error["err_code"])
        return answer

    async def _report(self, error: Exception) -> None:
        """Log what the client only tells its callback; that it cannot connect it says four times a second."""
        if self.is_connected:
            log.warning("nats_error", cause=type(error).__name__)


@contextmanager
def losing_the_broker() -> Iterator[None]:
    """Turn a broker that does not answer into a failure that says so."""
    try:
        yield
    except (errors.Error, OSError) as error:
        raise Unavailable(dependency="nats", cause=type(error).__name__) from error


def headers_of(message: Message, after: int | None = None) -> dict[str, str]:
    """Add what makes a repeat harmless and a stream that has forgotten refuse."""
    expected = {} if after is None else {"Nats-Expected-Last-Sequence": str(after)}
    return message.headers | {"Nats-Msg-Id": message.id} | expected


def written(message: Message, headers: dict[str, str]) -> bytes:
    """Write a message as the broker reads it: https://docs.nats.io/reference/reference-protocols/nats-protocol#hpub."""
    lines = "".join([f"{name}: {value}\r\n" for name, value in headers.items()])
    if lines.count("\n") != len(headers):
        raise RefusedError("a header has a line break")
    head = f"NATS/1.0\r\n{lines}\r\n".encode()
    size = len(head)
    return b"HPUB %b %d %d\r\n%b%b\r\n" % (
        message.subject.encode(), size, size + len(message.payload), head, message.payload
    )  # fmt: skip


def subject_token(text: str) -> str:
    """Write any identifier as one token of a subject: no dot, space or wildcard."""
    return text if PLAIN_TOKEN.fullmatch(text) else "~" + text.encode().hex()
