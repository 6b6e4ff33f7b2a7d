"""What is wrong with a feed: how bad it is, where, and what to do."""

from collections import Counter
from dataclasses import dataclass
from typing import NoReturn

from chassis.errors import InvalidInput

PROBLEMS_MAX = 200
ALIKE_MAX = 20


class BadValue(InvalidInput):
    """A field of a row that cannot be used, and what to do about it."""

    def __init__(self, field: str, detail: str) -> None:
        super().__init__(detail, field=field)
        self.field = field


class UnreadableFeed(InvalidInput):
    """Nothing of the feed can be used; its problems say why."""

    reason = "FEED_REJECTED"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong; line 1 is the header, and 0 the whole file."""

    severity: str
    file: str
    line: int
    field: str
    reason: str


class Problems:
    """Counts what is wrong and remembers the first of it: 20 that are alike and 200 in all, errors before warnings."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self._alike: Counter[tuple[str, str, str]] = Counter()
        self._told: dict[str, list[Problem]] = {"error": [], "warning": []}

    @property
    def told(self) -> list[Problem]:
        return [problem for problems in self._told.values() for problem in problems][:PROBLEMS_MAX]

    def error(self, file: str, line: int, field: str, reason: str) -> None:
        """Tell what keeps a feed, or a part of it, from being used."""
        self._tell(Problem("error", file, line, field, reason))

    def warning(self, file: str, line: int, field: str, reason: str) -> None:
        """Tell what was read otherwise than it stands there."""
        self._tell(Problem("warning", file, line, field, reason))

    def stop(self, file: str, line: int, field: str, reason: str) -> NoReturn:
        """Tell what keeps all of the feed from being used."""
        self.error(file, line, field, reason)
        raise UnreadableFeed(reason, file=file)

    def _tell(self, problem: Problem) -> None:
        told, alike = self._told[problem.severity], (problem.severity, problem.file, problem.field)
        self.counts[problem.severity] += 1
        if len(told) < PROBLEMS_MAX and self._alike[alike] < ALIKE_MAX:
            self._alike[alike] += 1
            told.append(problem)


def shown(text: str) -> str:
    """Quote a text of the feed in a reason, however long and odd it is."""
    return ascii(text if len(text) <= 40 else text[:40] + "...")
