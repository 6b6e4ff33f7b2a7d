"""Keeps public answers for a moment, so that many who ask the same at once cost as much as one."""

import asyncio
import math
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field

from starlette.types import ASGIApp, Message, Receive, Scope, Send

KEPT_SECONDS, FEED_KEPT_SECONDS = 1.9, 4.9
FEEDS = frozenset(f"/v1/gtfs-realtime/{name}" for name in ("vehicle-positions", "trip-updates", "alerts"))
"""What is given in two forms, and is much work."""
PATHS = {
    **dict.fromkeys(("/v1/itineraries", "/v1/stops", "/v1/routes", "/v1/patterns"), KEPT_SECONDS),
    **dict.fromkeys(FEEDS, FEED_KEPT_SECONDS),
}
"""What is the same whoever asks, and for how many seconds it may be told."""
RENEWED_BEFORE_SECONDS = 0.9
"""What is asked so shortly before it is old is renewed for who asks next, so that nobody waits for what many ask."""
ANSWERS_MAX = 10_000
BYTES_MAX = 64 * 1024 * 1024

Key = tuple[str, bytes, bool]


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer, and the route that gave it."""

    start: Message
    body: Message
    route: object


@dataclass(slots=True)
class Question:
    """What is asked or was answered; the answer is None when there was none to keep."""

    began: float
    kept: float
    answer: asyncio.Future[Answer | None] = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    size: int = 0
    is_renewed: bool = False


class PublicCache:
    """Answers what was asked less than two seconds ago with what was found then, as soon as it is found.

    A failure is only its own caller's. A token that is sent must be good here as everywhere.
    """

    def __init__(
        self, app: ASGIApp, *, subject_of: Callable[[Scope], str], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._app = app
        self._subject_of = subject_of
        self._clock = clock
        self._asked: dict[Key, Question] = {}
        self._bytes = 0
        self._renewing: set[asyncio.Task[None]] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not self._is_public(scope):
            await self._app(scope, receive, send)
            return
        key = (scope["path"], scope["query_string"], scope["path"] in FEEDS and wants_json(scope["headers"]))
        self._forget_what_is_old()
        question = self._asked.get(key)
        if question is None or self._age_of(question) >= question.kept:
            question = Question(self._clock(), PATHS[scope["path"]])
            self._put(key, question, size=0)
            await self._ask(question, key, scope, receive, send)
            return
        answer = await asyncio.shield(question.answer)
        if answer is None:
            await self._app(scope, receive, send)
            return
        if self._age_of(question) >= question.kept - RENEWED_BEFORE_SECONDS and not question.is_renewed:
            question.is_renewed = True
            renewing = asyncio.create_task(self._renew(key, {**scope}))
            self._renewing.add(renewing)
            renewing.add_done_callback(self._renewing.discard)
        scope["route"] = answer.route
        # Rounded up, so that nobody behind us keeps it for longer than it says.
        age = (b"age", b"%d" % math.ceil(self._age_of(question)))
        await send({**answer.start, "headers": [*answer.start["headers"], age]})
        await send(answer.body)

    def _is_public(self, scope: Scope) -> bool:
        if scope["type"] != "http" or scope["path"] not in PATHS or scope["method"] != "GET":
            return False
        return all(name != b"authorization" for name, _ in scope["headers"]) or bool(self._subject_of(scope))

    async def _ask(self, question: Question, key: Key, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the routes answer, and keep it when it is a success."""
        start: Message | None = None

        async def send_and_keep(message: Message) -> None:
            nonlocal start
            if message["type"] == "http.response.start":
                start = message if message["status"] == 200 else None
            elif start is not None and not message.get("more_body"):
                question.answer.set_result(Answer(start, message, scope.get("route")))
                self._put(key, question, size=len(message["body"]))
            await send(message)

        try:
            await self._app(scope, receive, send_and_keep)
        finally:
            if not question.answer.done():
                question.answer.set_result(None)
                if self._asked.get(key) is question:
                    self._drop(key)

    async def _renew(self, key: Key, scope: Scope) -> None:
        """Ask again for nobody in particular; what fails is asked by the next who wants to know."""

        async def receive() -> Message:
            never: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
            return await never

        async def send(_message: Message) -> None:
            return None

        with suppress(Exception):
            await self._ask(Question(self._clock(), PATHS[key[0]]), key, scope, receive, send)

    def _age_of(self, question: Question) -> float:
        return self._clock() - question.began

    def _put(self, key: Key, question: Question, *, size: int) -> None:
        """Keep a question, unless one that was asked later is known."""
        known = self._asked.get(key)
        if known is None or known.began <= question.began:
            self._drop(key)
            self._asked[key] = question
            question.size = size
            self._bytes += size

    def _drop(self, key: Key) -> None:
        if (question := self._asked.pop(key, None)) is not None:
            self._bytes -= question.size

    def _forget_what_is_old(self) -> None:
        """Forget what is too old to tell, and the oldest of what is too much to keep."""
        while self._asked:
            key, oldest = next(iter(self._asked.items()))
            is_full = len(self._asked) >= ANSWERS_MAX or self._bytes >= BYTES_MAX
            if not is_full and self._age_of(oldest) < oldest.kept:
                return
            self._drop(key)


def wants_json(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """Tell whether a caller asks for JSON where both forms are given."""
    accepted = b",".join(value for name, value in headers if name == b"accept").lower()
    return b"application/json" in accepted and b"protobuf" not in accepted
