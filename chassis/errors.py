"""The kinds of failure. A concrete failure is a kind with a reason, declared where its rule is."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FieldError:
    """What is wrong with one field: a JSON pointer and a sentence."""

    pointer: str
    detail: str


class Failure(Exception):  # noqa: N818 - a refusal is an answer, not an error of the program
    """An outcome other than success that the caller is told about.

    `facts` are JSON values for programs, `detail` is a sentence for people; neither names a class, a table or a secret.
    """

    reason: str = "INTERNAL"
    detail: str = "Something went wrong on our side."
    retry_after_seconds: float | None = None

    def __init__(
        self,
        detail: str | None = None,
        *,
        errors: Sequence[FieldError] = (),
        retry_after_seconds: float | None = None,
        **facts: object,
    ) -> None:
        self.detail = detail or type(self).detail
        self.errors = tuple(errors)
        if retry_after_seconds is not None:
            self.retry_after_seconds = retry_after_seconds
        self.facts = facts
        super().__init__(self.detail)


class InvalidInput(Failure):
    """Wrong whatever the state: mend the request."""

    reason = "INVALID_VALUE"
    detail = "A value in the request is not acceptable."


class NotFound(Failure):
    """No such thing, or none that the caller may know of."""

    reason = "NOT_FOUND"
    detail = "There is nothing here under this identifier."


class NotAllowedNow(Failure):
    """Right in itself, but not in the present state."""

    reason = "ILLEGAL_STATE"
    detail = "This cannot be done in the present state."


class LostRace(Failure):
    """The version moved: read again and repeat the whole action."""

    reason = "STALE_VERSION"
    detail = "This has changed since you read it. Read it again and repeat."


class NotAuthenticated(Failure):
    """Nobody known is calling."""

    reason = "UNAUTHENTICATED"
    detail = "Sign in: a valid bearer token is needed."


class Forbidden(Failure):
    """The caller is known and may not."""

    reason = "FORBIDDEN"
    detail = "Your token does not carry the scope that this needs."


class ForbiddenOperator(Forbidden):
    """The caller works for another operator."""

    detail = "Your token does not work for this operator."


class OverLimit(Failure):
    """Too much at once from one caller."""

    reason = "RATE_LIMITED"
    detail = "Too many requests. Wait and repeat."


class Unavailable(Failure):
    """A part that is needed is down or full; the call may be repeated."""

    reason = "DEPENDENCY_DOWN"
    detail = "A part of the system does not answer at the moment. Repeat with the same key."
    retry_after_seconds = 1.0


class Overloaded(Unavailable):
    """The queue is full: refuse at once instead of making everybody wait."""

    reason = "OVERLOADED"
    detail = "Too much is asked of this service at the moment. Wait and repeat with the same key."


class DeadlineExceeded(Failure):
    """The caller's time was up before the work began; nothing was done."""

    reason = "DEADLINE_EXCEEDED"
    detail = "This took too long. Repeat with the same key to learn the outcome."


class MissingKey(InvalidInput):
    reason = "MISSING_IDEMPOTENCY_KEY"
    detail = "Send an Idempotency-Key header with a fresh value, and the same one when you repeat."


class KeyReused(InvalidInput):
    reason = "IDEMPOTENCY_KEY_REUSED"
    detail = "This Idempotency-Key was used for another request. Use a fresh one."


class RequestInFlight(LostRace):
    """The first request under this key has no final outcome yet."""

    reason = "REQUEST_IN_FLIGHT"
    detail = "The first request with this key is still being worked on. Wait and repeat with the same key."
    retry_after_seconds = 1.0


class MissingPrecondition(InvalidInput):
    reason = "MISSING_PRECONDITION"
    detail = "Send If-Match with the ETag of the version that you have read."
