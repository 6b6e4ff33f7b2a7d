"""Server-sent events for many: each is written once and goes straight to every connection.

https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

import asyncio
import re
import secrets
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from chassis.errors import OverLimit, Overloaded
from gateway.http_server import LINE, BoundedHttp

HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
EVENT_ID = re.compile(r"([0-9a-f]{8})-(\d{1,15})")
RETRY_MS_MIN, RETRY_MS_MAX = 1000, 3000
"""After how long browsers come back by themselves; not all at once."""
WAIT_SECONDS = 10.0
BEATS_MISSED_MAX = 2
GATHER_SECONDS = 0.02

Wants = Callable[[Any], bool]


class Event(NamedTuple):
    """One event as it is sent, and its place among those of its topic."""

    number: int
    frame: bytes


class Told(NamedTuple):
    """An event on its way: which thing it is the newest about, and what it is about for those who do not want all."""

    key: str
    frame: bytes
    about: Any


def frame_of(text: bytes) -> bytes:
    """Frame a part of an endless answer as HTTP/1.1 does: https://www.rfc-editor.org/rfc/rfc9112#section-7.1."""
    return b"%x\r\n%b\r\n" % (len(text), text)


SIGN_OF_LIFE = frame_of(b": still here\n\n")


class Listener:
    """One client. While its connection takes no more, the newest event of each thing waits in its slot."""

    def __init__(self, line: BoundedHttp, ends: asyncio.Timeout, wants: Wants | None = None) -> None:
        self.wants = wants
        self._line = line
        self._ends = ends
        self._slot: dict[str, bytes] = {}
        self._beats_missed = 0

    def tell(self, told: Sequence[Told], joined: bytes) -> None:
        """Write what was told, of which `joined` is the whole, or keep the newest about each thing."""
        if self.wants:
            told = [one for one in told if self.wants(one.about)]
            joined = b"".join(one.frame for one in told)
        if not self._line.is_full:
            self._line.write(joined)
            return
        for one in told:
            # What is newest goes last: an older event of another kind may tell of the same thing.
            self._slot.pop(one.key, None)
            self._slot[one.key] = one.frame

    def resume(self) -> None:
        """Write what waits, now that there is room."""
        waiting, self._slot = self._slot, {}
        self._line.write(b"".join(waiting.values()))

    def beat(self) -> None:
        """Give a sign of life; hang up on a client that has read nothing since the beat before the last."""
        self._beats_missed = self._beats_missed + 1 if self._line.is_full else 0
        if not self._beats_missed:
            self._line.write(SIGN_OF_LIFE)
        elif self._beats_missed > BEATS_MISSED_MAX:
            self._line.hang_up()

    def end(self) -> None:
        """Come to an end in good order."""
        with suppress(RuntimeError):  # it is coming to an end already
            self._ends.reschedule(0)


class Topic:
    """Something that many follow: the newest event about each of its things, and all who listen.

    `whole` gives the one event that tells all there is to who comes anew; without it that is the newest of each.
    """

    def __init__(self, whole: Callable[[], Event] | None = None) -> None:
        self.listeners: set[Listener] = set()
        # By thing, the one that was told last at the end; and what the event is about, for those who do not want all.
        self.newest: dict[str, tuple[Event, Any]] = {}
        self._whole = whole
        self._name = secrets.token_hex(4)
        self._number = 0
        self._told: list[Told] = []
        self._pause: asyncio.Handle | None = None

    def write(self, name: str, content: str) -> Event:
        """Write the next event; `content` is JSON."""
        self._number += 1
        text = f"event: {name}\nid: {self._name}-{self._number}\ndata: {content}\n\n"
        return Event(self._number, frame_of(text.encode()))

    def tell(self, key: str, event: Event, about: Any = None) -> None:
        """Tell the newest about a thing to all who want it: now, or with all else that is told in a moment."""
        self.newest.pop(key, None)
        self.newest[key] = event, about
        self._told.append(Told(key, event.frame, about))
        if self._pause is None:
            self._pause = asyncio.get_running_loop().call_soon(self._go_on)

    def flush(self) -> None:
        """Write what was told and is not written yet."""
        told, self._told = self._told, []
        joined = b"".join(one.frame for one in told)
        for listener in self.listeners if told else ():
            listener.tell(told, joined)

    def _go_on(self) -> None:
        """Write, and let what follows at once share a write: sending is what a delivery costs."""
        self._pause = None
        if self._told:
            self.flush()
            self._pause = asyncio.get_running_loop().call_later(GATHER_SECONDS, self._go_on)

    def since(self, last_event_id: str, wants: Wants | None) -> bytes:
        """Give what has changed since an event, or all there is to who has heard none of ours."""
        known = EVENT_ID.fullmatch(last_event_id)
        last = int(known[2]) if known and known[1] == self._name else None
        if last is None and self._whole:
            return self._whole().frame
        found = [event for event, about in self.newest.values() if wants is None or wants(about)]
        return b"".join(event.frame for event in found if event.number > (last or 0))

    def end(self) -> None:
        """Let all go, once they have heard everything."""
        self.flush()
        for listener in self.listeners:
            listener.end()


class Places:
    """How many streams there may be: altogether, and for one caller."""

    def __init__(self, *, most: int, most_of_one: int) -> None:
        self._most = most
        self._most_of_one = most_of_one
        self._taken: Counter[str] = Counter()

    def __len__(self) -> int:
        return self._taken.total()

    @contextmanager
    def taken(self, caller: str) -> Iterator[None]:
        """Take a place for as long as a stream runs; raise Overloaded or OverLimit."""
        if len(self) >= self._most:
            raise Overloaded("As many streams are open as there may be. Wait.", retry_after_seconds=WAIT_SECONDS)
        if self._taken[caller] >= self._most_of_one:
            raise OverLimit("You have as many streams open as you may. Close one.", retry_after_seconds=WAIT_SECONDS)
        self._taken[caller] += 1
        try:
            yield
        finally:
            self._taken[caller] -= 1
            if not self._taken[caller]:
                del self._taken[caller]


EVENT = {
    "type": "object",
    "required": ["event", "data"],
    "properties": {
        "id": {"type": "string", "description": "What a client that comes back sends as Last-Event-ID"},
        "event": {"type": "string"},
        "data": {"type": "string", "contentMediaType": "application/json"},
    },
}
"""One event of a stream, in JSON Schema."""


class EventStream(Response):
    """The events of a topic until the client goes, its time is over or we stop."""

    media_type = "text/event-stream"

    def __init__(
        self, topic: Topic, *, place: Any, last_event_id: str, seconds: float, wants: Wants | None = None
    ) -> None:
        self.status_code, self.background = 200, None
        self.init_headers(HEADERS)
        self._topic = topic
        self._place = place
        self._last_event_id = last_event_id
        self._seconds = seconds
        self._wants = wants

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        line: BoundedHttp = scope["extensions"][LINE]
        with self._place:
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            if not line.is_for_head:
                await self._listen(line, receive)
        # Who reads nothing would let us wait for ever.
        if line.is_full:
            line.hang_up()
        else:
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _listen(self, line: BoundedHttp, receive: Receive) -> None:
        """Tell what is so, then what changes; return when the client has gone or is to be let go."""
        topic = self._topic
        try:
            async with asyncio.timeout(self._seconds) as ends:
                listener = Listener(line, ends, self._wants)
                line.listen(listener)
                retry = frame_of(b"retry: %d\n\n" % (RETRY_MS_MIN + secrets.randbelow(RETRY_MS_MAX - RETRY_MS_MIN)))
                topic.flush()  # or what is not written yet would be told twice
                line.write(retry + topic.since(self._last_event_id, self._wants))
                topic.listeners.add(listener)
                while (await receive())["type"] != "http.disconnect":
                    pass
        except TimeoutError:
            pass
        finally:
            line.listening = None
            topic.listeners.discard(listener)
