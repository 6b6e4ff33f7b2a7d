"""What use cases and queries are run on: `write` through the one writer, `read` on a few reader threads."""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar, overload

from sqlalchemy.engine import Connection

from chassis.clock import Clock
from chassis.database import READERS, Database, answering_unavailable
from chassis.replies import Once, Replayed
from chassis.writer import Call, Metrics, UnitOfWork, Writer

W = TypeVar("W", bound=UnitOfWork)
R = TypeVar("R")
A = TypeVar("A")
P = ParamSpec("P")


class Store(Generic[W]):
    """A service's database behind two verbs."""

    def __init__(
        self,
        database: Database,
        open_work: Callable[[Connection, datetime], W],
        clock: Clock,
        *,
        metrics: Metrics | None = None,
    ) -> None:
        self.database = database
        self._open_work = open_work
        self._clock = clock
        self._writer = Writer(database, open_work, clock, metrics=metrics)
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="reader")

    @property
    def metrics(self) -> Metrics:
        return self._writer.metrics

    def now(self) -> datetime:
        """Tell the time by the service's clock."""
        return self._clock.now()

    def start(self, on_commit: Callable[[], None] = lambda: None) -> None:
        """Start the writer; `on_commit` is called on its thread after each group."""
        self._writer.on_commit = on_commit
        self._writer.start()

    def stop(self) -> None:
        """Commit what is queued, then close the database."""
        self._writer.stop()
        self._readers.shutdown()
        self.database.close()

    @overload
    async def write(
        self,
        use_case: Callable[Concatenate[W, ...], R],
        *,
        answer: Callable[[R], A],
        once: Once | None = None,
        message_id: str | None = None,
        timeout_seconds: float | None = None,
        **data: Any,
    ) -> A: ...

    @overload
    async def write(
        self,
        use_case: Callable[Concatenate[W, ...], R],
        *,
        once: Once | None = None,
        message_id: str | None = None,
        timeout_seconds: float | None = None,
        **data: Any,
    ) -> R: ...

    async def write(
        self,
        use_case: Callable[Concatenate[W, ...], Any],
        *,
        answer: Callable[[Any], Any] | None = None,
        once: Once | None = None,
        message_id: str | None = None,
        timeout_seconds: float | None = None,
        **data: Any,
    ) -> Any:
        """Run a use case and return its answer once it is committed.

        `answer` makes the message that is returned and, with `once`, kept for repeats. With `message_id` the use case
        runs for the first delivery only. A caller that goes away does not stop its call.
        """
        loop = asyncio.get_running_loop()
        deadline = None if timeout_seconds is None else time.monotonic() + timeout_seconds
        call = Call(use_case, data, answer, once, message_id, deadline, loop, loop.create_future())
        self._writer.submit(call)
        outcome = await call.future
        if not isinstance(outcome, Replayed):
            return outcome
        if once is not None and once.on_replay is not None:
            once.on_replay()
        return outcome.message()

    async def read(self, query: Callable[Concatenate[W, P], R], *args: P.args, **data: P.kwargs) -> R:
        """Run a query on its own snapshot."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._readers, lambda: self._query(query, *args, **data))

    def _query(self, query: Callable[Concatenate[W, P], R], *args: P.args, **data: P.kwargs) -> R:
        with answering_unavailable(), self.database.reader.begin() as connection:
            return query(self._open_work(connection, self._clock.now()), *args, **data)
