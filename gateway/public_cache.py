"""Keeps public answers for a second, so that many who ask the same at once cost as much as one."""

import asyncio
import math
import time
from collections.abc import Callable
from dataclasses import dataclass

from starlette.types import ASGIApp, Message, Receive, Scope, Send

PATHS = frozenset({"/v1/itineraries", "/v1/stops", "/v1/routes", "/v1/patterns"})
"""What is the same whoever asks, and may be a moment old."""
KEPT_SECONDS = 1.0
ANSWERS_MAX = 10_000
BYTES_MAX = 64 * 1024 * 1024

Key = tuple[str, bytes]


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
    answer: asyncio.Future[Answer | None]
    size: int = 0


class PublicCache:
    """Answers what was asked less than a second ago with what was found then, as soon as it is found.

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

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not self._is_public(scope):
            await self._app(scope, receive, send)
            return
        key = (scope["path"], scope["query_string"])
        self._forget_what_is_old()
        if (question := self._asked.get(key)) is None:
            await self._ask(key, scope, receive, send)
        elif (answer := await asyncio.shield(question.answer)) is None:
            await self._app(scope, receive, send)
        else:
            scope["route"] = answer.route
            # Rounded up, so that nobody behind us keeps it for longer than it says.
            age = b"%d" % math.ceil(self._clock() - question.began)
            await send({**answer.start, "headers": [*answer.start["headers"], (b"age", age)]})
            await send(answer.body)

    def _is_public(self, scope: Scope) -> bool:
        if scope["type"] != "http" or scope["path"] not in PATHS or scope["method"] != "GET":
            return False
        return all(name != b"authorization" for name, _ in scope["headers"]) or bool(self._subject_of(scope))

    async def _ask(self, key: Key, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the routes answer, and whoever asks the same meanwhile wait for it."""
        question = self._asked[key] = Question(self._clock(), asyncio.get_running_loop().create_future())
        start: Message | None = None

        async def send_and_keep(message: Message) -> None:
            nonlocal start
            if message["type"] == "http.response.start":
                start = message if message["status"] == 200 else None
            elif start is not None and not message.get("more_body"):
                question.answer.set_result(Answer(start, message, scope.get("route")))
                if self._asked.get(key) is question:
                    question.size = len(message["body"])
                    self._bytes += question.size
            await send(message)

        try:
            await self._app(scope, receive, send_and_keep)
        finally:
            if not question.answer.done():
                question.answer.set_result(None)
                if self._asked.get(key) is question:
                    del self._asked[key]

    def _forget_what_is_old(self) -> None:
        """Forget what was asked a second ago, and the oldest of what is too much to keep."""
        begun_after = self._clock() - KEPT_SECONDS
        while self._asked:
            key, oldest = next(iter(self._asked.items()))
            if oldest.began > begun_after and len(self._asked) < ANSWERS_MAX and self._bytes < BYTES_MAX:
                return
            self._bytes -= oldest.size
            del self._asked[key]
