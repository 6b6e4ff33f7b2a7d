"""One JSON line an outcome: an event's name and fields. Never a coordinate, a name or a secret."""

import json
import logging
import sys
from contextvars import ContextVar
from datetime import UTC, datetime

request_id: ContextVar[str] = ContextVar("request_id", default="")


class EventLog:
    """A logger whose messages are event names."""

    def __init__(self, name: str) -> None:
        self._log = logging.getLogger(name)

    def info(self, event: str, **fields: object) -> None:
        self._log.info(event, extra={"fields": fields})

    def warning(self, event: str, **fields: object) -> None:
        self._log.warning(event, extra={"fields": fields})

    def bug(self, event: str, **fields: object) -> None:
        """Report an exception that nobody foresaw, with its trace."""
        self._log.exception(event, extra={"fields": fields})


class JsonLines(logging.Formatter):
    """Formats records of our own and of libraries alike."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if current := request_id.get():
            line["request_id"] = current
        if record.exc_info:
            line["trace"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


def configure(level: str = "INFO") -> None:
    """Send every record of the process to standard error as JSON lines."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for noisy in ("httpx2", "httpcore2", "alembic"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
