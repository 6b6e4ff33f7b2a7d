"""The write path: one thread owns the write connection and commits waiting calls in groups.

A call is a plain synchronous function over an open unit of work. It takes no part of a transaction's lifetime into its
own hands, so nothing in a transaction can wait for the network, and no answer leaves before its commit.
"""

import asyncio
import contextlib
import queue
import threading
import time
from collections.abc import Callable, Sequence
from contextvars import Context, copy_context
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NoReturn, Protocol, TypeVar

import sqlalchemy as sa
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from sqlalchemy.engine import Connection

from chassis.clock import Clock, SystemClock
from chassis.database import UNAVAILABLE, Database
from chassis.errors import DeadlineExceeded, Failure, LostRace, Overloaded, Unavailable
from chassis.faults import fault_point
from chassis.inbox import Inbox
from chassis.logs import EventLog
from chassis.replies import Once, Replayed, Replies
from chassis.transaction import Transaction

log = EventLog(__name__)

QUEUE_MAX = 1024
GROUP_MAX = 256
ATTEMPTS_ALONE = 4
SLOW_CALL_SECONDS = 0.05


UseCase = TypeVar("UseCase", bound=Callable[..., Any])
ReadAhead = Callable[[Any, Sequence[dict[str, Any]]], None]
READ_AHEAD: dict[Callable[..., Any], ReadAhead] = {}


class UnitOfWork(Protocol):
    """What the writer needs of a service's own unit of work."""

    connection: Connection
    now: datetime


@dataclass(slots=True)
class Call:
    """One use case waiting for its turn, and who waits for its answer."""

    use_case: Callable[..., Any]
    data: dict[str, Any]
    answer: Callable[[Any], Any] | None
    once: Once | None
    message_id: str | None
    deadline: float | None
    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[Any]
    # The caller's request id and trace go with its call.
    context: Context = field(default_factory=copy_context)


@dataclass(frozen=True, slots=True)
class Outcome:
    """A value or a failure; exactly one of them."""

    value: Any = None
    failure: BaseException | None = None


class PoisonedError(Exception):
    """A call failed after it had written, or the database failed it: the group's transaction cannot be kept."""


class Metrics:
    """What tells an operator how the write path fares."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        into = registry or CollectorRegistry()
        sizes = (1, 2, 4, 8, 16, 32, 64, 128, 256)
        self.waiting = Gauge("headway_writer_waiting_calls", "Calls in the queue", registry=into)
        self.group = Histogram("headway_writer_group_calls", "Calls a commit", buckets=sizes, registry=into)
        self.commit = Histogram("headway_writer_commit_seconds", "Time a commit took", registry=into)
        self.longest = Gauge("headway_writer_longest_call_seconds", "The longest call since the start", registry=into)
        self.slow = Counter("headway_writer_slow_calls", "Calls of over 50 ms", ["use_case"], registry=into)
        self.longest_seconds = 0.0

    def called(self, use_case: Callable[..., Any], seconds: float) -> None:
        if seconds > self.longest_seconds:
            self.longest_seconds = seconds
            self.longest.set(seconds)
        if seconds > SLOW_CALL_SECONDS:
            name = getattr(use_case, "__name__", type(use_case).__name__)
            self.slow.labels(name).inc()
            log.warning("slow_call", use_case=name, seconds=round(seconds, 4))


class Writer:
    """Runs calls in the order they came, many to a transaction."""

    def __init__(
        self,
        database: Database,
        open_work: Callable[[Connection, datetime], UnitOfWork],
        clock: Clock,
        *,
        metrics: Metrics | None = None,
        queue_max: int = QUEUE_MAX,
        group_max: int = GROUP_MAX,
        on_commit: Callable[[], None] = lambda: None,
    ) -> None:
        self._database = database
        self._open_work = open_work
        self._clock = clock
        self._waiting: queue.Queue[Call | None] = queue.Queue(queue_max)
        self._group_max = group_max
        self._thread: threading.Thread | None = None
        self._door = threading.Lock()
        self._is_open = True
        self._error: BaseException | None = None
        self.metrics = metrics or Metrics()
        self.metrics.waiting.set_function(self._waiting.qsize)
        self.on_commit = on_commit
        sa.event.listen(database.writer, "handle_error", self._notice_error)

    def start(self) -> None:
        self._thread = threading.Thread(target=self._run, name="writer", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Commit what is queued, refuse what comes later and end the thread."""
        with self._door:
            self._is_open = False
        if self._thread is not None:
            self._waiting.put(None)
            self._thread.join()
            self._thread = None

    def submit(self, call: Call) -> None:
        """Queue a call, or refuse at once when too many wait or nobody will come for it."""
        with self._door:
            if not self._is_open:
                raise Unavailable(dependency="database")
            try:
                self._waiting.put_nowait(call)
            except queue.Full:
                raise Overloaded from None

    def _run(self) -> None:
        is_running = True
        while is_running:
            group = [self._waiting.get()]
            while len(group) < self._group_max and group[-1] is not None:
                try:
                    group.append(self._waiting.get_nowait())
                except queue.Empty:
                    break
            is_running = group[-1] is not None
            self._serve([call for call in group if call is not None])
            del group  # or its data would be kept until the next comes

    def _serve(self, group: list[Call]) -> None:
        if not group:
            return
        self.metrics.group.observe(len(group))
        try:
            outcomes = self._commit(group)
        except PoisonedError:
            outcomes = [self._commit_alone(call) for call in group]
        if any(outcome.failure is None for outcome in outcomes):
            self._tell_of_commit()
        answer_all(group, outcomes)

    def _commit_alone(self, call: Call) -> Outcome:
        """Run one call in fresh transactions until it is not disturbed by another process's."""
        failure: BaseException | None = None
        for _ in range(ATTEMPTS_ALONE):
            try:
                return self._commit([call])[0]
            except PoisonedError as poisoned:
                failure = poisoned.__cause__
                if not is_transient(failure):
                    break
        return Outcome(failure=failure)

    def _commit(self, calls: Sequence[Call]) -> list[Outcome]:
        """Run calls in one transaction and commit once; raise nothing but PoisonedError."""
        try:
            return self._commit_together(calls)
        except PoisonedError:
            raise
        except UNAVAILABLE as error:
            log.warning("database_unavailable", cause=type(error.__cause__ or error).__name__)
        except Exception:
            log.bug("commit_failed")
        # If it was the commit that failed, nobody knows the outcome: the callers repeat with their keys.
        return [Outcome(failure=Unavailable(dependency="database")) for _ in calls]

    def _commit_together(self, calls: Sequence[Call]) -> list[Outcome]:
        with self._database.writer.connect() as connection:
            connection.begin()
            work = self._open_work(connection, self._now(connection))
            transaction = Transaction.of(connection)
            if len(calls) > 1:
                transaction.holds_others_locks = True
                self._keeping_all(lambda: read_ahead(work, calls))
            outcomes = [self._run_call(work, transaction, call) for call in calls]
            self._keeping_all(lambda: transaction.flush(connection))
            fault_point("writer.before_commit")
            began = time.perf_counter()
            connection.commit()
            self.metrics.commit.observe(time.perf_counter() - began)
        fault_point("writer.after_commit")
        return outcomes

    def _run_call(self, work: Any, transaction: Transaction, call: Call) -> Outcome:
        if call.deadline is not None and time.monotonic() > call.deadline:
            return Outcome(failure=DeadlineExceeded())
        transaction.has_written, self._error = False, None
        began = time.perf_counter()
        try:
            outcome = Outcome(call.context.run(run_once, work, call))
        except BaseException as failure:  # a thread that ended would leave every caller waiting
            outcome = Outcome(failure=failure)
        self.metrics.called(call.use_case, time.perf_counter() - began)
        # A swallowed error of the database counts as well: PostgreSQL would silently turn the commit into a rollback.
        if self._error is not None or (transaction.has_written and outcome.failure is not None):
            self._poison(outcome.failure)
        return outcome

    def _keeping_all(self, step: Callable[[], None]) -> None:
        """Take a step that concerns the whole group; if it fails, each call finds out alone whether it is the cause."""
        self._error = None
        try:
            step()
        except Exception as failure:
            self._poison(failure)

    def _poison(self, failure: BaseException | None) -> NoReturn:
        if isinstance(self._error, sa.exc.DBAPIError) and self._error.connection_invalidated:
            raise self._error
        raise PoisonedError from failure or self._error

    def _now(self, connection: Connection) -> datetime:
        """Read the time once a group; several processes on one PostgreSQL share its clock."""
        if self._database.is_sqlite or not isinstance(self._clock, SystemClock):
            return self._clock.now()
        now: datetime = connection.execute(sa.text("SELECT clock_timestamp()")).scalar_one()
        return now

    def _notice_error(self, context: sa.engine.ExceptionContext) -> None:
        self._error = context.sqlalchemy_exception or context.original_exception

    def _tell_of_commit(self) -> None:
        try:
            self.on_commit()
        except Exception:
            log.bug("on_commit_failed")


def reads_ahead(read: ReadAhead) -> Callable[[UseCase], UseCase]:
    """Let a use case read in one go, before a group begins, what its calls will look at; `read` gets their data."""

    def mark(use_case: UseCase) -> UseCase:
        READ_AHEAD[use_case] = read
        return use_case

    return mark


def read_ahead(work: Any, calls: Sequence[Call]) -> None:
    """Read for a whole group what its calls would read one by one."""
    if keys := [call.once for call in calls if call.once is not None]:
        Replies(work.connection).read_ahead(keys)
    for use_case in {call.use_case for call in calls} & READ_AHEAD.keys():
        READ_AHEAD[use_case](work, [call.data for call in calls if call.use_case is use_case])


def run_once(work: Any, call: Call) -> Any:
    """Run a call's use case, unless its message or its key says that it has run already."""
    if call.message_id is not None and not Inbox(work.connection).is_new(call.message_id, now=work.now):
        return None
    replies = Replies(work.connection)
    if call.once is not None and (stored := replies.find(call.once)) is not None:
        return Replayed(stored)
    result = call.use_case(work, **call.data)
    answer = result if call.answer is None else call.answer(result)
    if call.once is not None:
        replies.keep(call.once, answer, now=work.now)
    return answer


def answer_all(group: Sequence[Call], outcomes: Sequence[Outcome]) -> None:
    """Wake every waiting caller, with one wake-up an event loop."""
    by_loop: dict[asyncio.AbstractEventLoop, list[tuple[asyncio.Future[Any], Outcome]]] = {}
    for call, outcome in zip(group, outcomes, strict=True):
        by_loop.setdefault(call.loop, []).append((call.future, outcome))
    for loop, settled in by_loop.items():
        with contextlib.suppress(RuntimeError):  # a closed loop: its callers are gone
            loop.call_soon_threadsafe(settle, settled)


def settle(settled: Sequence[tuple[asyncio.Future[Any], Outcome]]) -> None:
    """Hand outcomes to the callers that are still there."""
    for future, outcome in settled:
        if future.done():
            continue
        if outcome.failure is None:
            future.set_result(outcome.value)
        else:
            future.set_exception(tellable(outcome.failure))


def tellable(failure: BaseException) -> Exception:
    """Turn what a call raised into what its caller can be told."""
    if isinstance(failure, UNAVAILABLE):
        log.warning("database_failed", cause=type(failure.__cause__ or failure).__name__)
        return Unavailable(dependency="database")
    if isinstance(failure, StopIteration) or not isinstance(failure, Exception):
        # No future takes the one, and the others would end the caller's event loop.
        return RuntimeError(f"The call raised {failure!r}.")
    # A refusal is an answer: the frames it came from need not live as long as it does.
    return failure.with_traceback(None) if isinstance(failure, Failure) else failure


def is_transient(failure: BaseException | None) -> bool:
    """Tell whether another process was in the way, so that the call may fare otherwise when it is run again."""
    if isinstance(failure, LostRace | sa.exc.IntegrityError):
        return True
    # Serialization failure and deadlock. A lock time-out is none: the wait has been long enough.
    return getattr(getattr(failure, "orig", None), "sqlstate", None) in {"40001", "40P01"}
