"""The connection to NATS: streams as they should be, publishing in atomic batches, subjects that cannot be broken."""

import asyncio
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import nats
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js import JetStreamContext

from chassis.errors import Unavailable
from chassis.logs import EventLog

log = EventLog(__name__)

ROOT = "headway.v1"
REQUEST_SECONDS = 2.0
DUPLICATE_WINDOW_SECONDS = 600
BATCH_MAX = 500
NANOSECONDS = 1_000_000_000
PLAIN_TOKEN = re.compile(r"[A-Za-z0-9_-]+")
STREAM_NOT_FOUND = 10059


@dataclass(frozen=True, slots=True)
class Stream:
    """A stream as it should be. Durable ones live in files and refuse to drop what nobody has read."""

    name: str
    subjects: tuple[str, ...]
    is_durable: bool = True
    messages_per_subject: int = -1
    days: int = 7

    def config(self) -> dict[str, object]:
        """Return the broker's form of it."""
        return {
            "name": self.name,
            "subjects": list(self.subjects),
            "storage": "file" if self.is_durable else "memory",
            "retention": "limits",
            "discard": "new" if self.is_durable else "old",
            "max_msgs_per_subject": self.messages_per_subject,
            "max_msgs": -1,
            "max_bytes": -1,
            "max_age": self.days * 86_400 * NANOSECONDS,
            "duplicate_window": DUPLICATE_WINDOW_SECONDS * NANOSECONDS,
            "num_replicas": 1,
            "allow_direct": True,
            "allow_atomic": self.is_durable,
        }


@dataclass(frozen=True, slots=True)
class StreamState:
    """What a reconciler must know of a stream."""

    created_at: str
    last_sequence: int


@dataclass(frozen=True, slots=True)
class Message:
    """A message to publish; its id makes a repeat harmless."""

    id: str
    subject: str
    payload: bytes
    headers: dict[str, str]


class BatchRefusedError(Exception):
    """The broker kept nothing of a batch: publish its messages one by one."""


class Bus:
    """One process's connection; it comes back by itself whenever the broker does."""

    def __init__(self, url: str, *, name: str, streams: Sequence[Stream]) -> None:
        self._url = url
        self._name = name
        self._client = Client()
        self.streams = {stream.name: stream for stream in streams}

    @property
    def is_connected(self) -> bool:
        return bool(self._client.is_connected)

    @property
    def jetstream(self) -> JetStreamContext:
        return self._client.jetstream(timeout=REQUEST_SECONDS)

    async def connect(self) -> None:
        """Keep trying until the broker is there; later losses are mended by the client itself."""
        while not self._client.is_connected:
            try:
                self._client = await nats.connect(
                    self._url,
                    name=self._name,
                    connect_timeout=2,
                    max_reconnect_attempts=-1,
                    reconnect_time_wait=0.25,
                    ping_interval=4,
                    max_outstanding_pings=2,
                    allow_reconnect=True,
                    error_cb=report_error,
                )
            except (OSError, nats.errors.Error, TimeoutError):
                await asyncio.sleep(0.25)

    async def close(self) -> None:
        """Flush what was published if the broker is there; leave at once otherwise."""
        try:
            async with asyncio.timeout(2):
                if self._client.is_connected:
                    await self._client.drain()
                elif self._client.is_reconnecting:  # one that has never been connected has nothing to close
                    await self._client.close()
        except (nats.errors.Error, TimeoutError, OSError):
            pass

    async def publish(self, subject: str, payload: bytes) -> None:
        """Publish without waiting for anybody; what is published while the broker is away is lost."""
        if self._client.is_connected:
            await self._client.publish(subject, payload)

    async def ensure(self, stream: Stream) -> StreamState:
        """Create a stream or bring it into shape, and tell its state."""
        reply = await self._ask(f"STREAM.UPDATE.{stream.name}", stream.config())
        if "error" in reply and reply["error"].get("err_code") == STREAM_NOT_FOUND:
            reply = await self._ask(f"STREAM.CREATE.{stream.name}", stream.config())
        if "error" in reply:
            raise Unavailable(f"The broker refuses stream {stream.name}: {reply['error'].get('description')}")
        # UPDATE tells no creation time that survives, so ask for the state itself.
        reply = await self._ask(f"STREAM.INFO.{stream.name}", {})
        return StreamState(created_at=reply["created"], last_sequence=reply["state"]["last_seq"])

    async def _ask(self, verb: str, body: object) -> dict[str, Any]:
        try:
            reply = await self._client.request(f"$JS.API.{verb}", json.dumps(body).encode(), timeout=REQUEST_SECONDS)
        except (nats.errors.Error, TimeoutError, OSError) as error:
            raise Unavailable(dependency="nats") from error
        answer: dict[str, Any] = json.loads(reply.data)
        return answer

    async def publish_one(self, message: Message) -> int:
        """Publish and return the place in the stream once the broker has it on disk."""
        reply = await self._request(message, message.headers | {"Nats-Msg-Id": message.id})
        if "error" in reply:
            raise Unavailable(dependency="nats", cause=reply["error"].get("err_code"))
        return int(reply["seq"])

    async def publish_batch(self, messages: Sequence[Message], *, batch_id: str) -> int:
        """Publish messages of one stream, all or none; return the place of the last.

        JetStream atomic batch publishing, ADR-50: https://github.com/nats-io/nats-architecture-and-design
        """
        for number, message in enumerate(messages, 1):
            headers = message.headers | {
                "Nats-Msg-Id": message.id, "Nats-Batch-Id": batch_id, "Nats-Batch-Sequence": str(number)
            }  # fmt: skip
            if number < len(messages):
                await self._client.publish(message.subject, message.payload, headers=headers)
        reply = await self._request(messages[-1], headers | {"Nats-Batch-Commit": "1"})
        if "error" in reply or reply.get("count") != len(messages):
            raise BatchRefusedError(reply.get("error", {}).get("description"))
        return int(reply["seq"])

    async def _request(self, message: Message, headers: dict[str, str]) -> dict[str, Any]:
        try:
            reply: Msg = await self._client.request(
                message.subject, message.payload, timeout=REQUEST_SECONDS, headers=headers
            )
        except (nats.errors.Error, TimeoutError, OSError) as error:
            raise Unavailable(dependency="nats") from error
        answer: dict[str, Any] = json.loads(reply.data)
        return answer


def subject_token(text: str) -> str:
    """Write any identifier as one token of a subject: no dot, space or wildcard."""
    if PLAIN_TOKEN.fullmatch(text):
        return text
    return "~" + text.encode().hex()


async def report_error(error: Exception) -> None:
    """Tell the log what the client only tells its callback."""
    log.warning("nats_error", cause=type(error).__name__)
