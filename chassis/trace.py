"""One trace id follows a request over REST, gRPC and NATS.

https://www.w3.org/TR/trace-context/
"""

import os
import re
from contextvars import ContextVar

_traceparent: ContextVar[str] = ContextVar("traceparent", default="")
WELL_FORMED = re.compile(r"00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")


def current_traceparent() -> str:
    """Return the trace context of the work in progress; empty outside of any."""
    return _traceparent.get()


def follow(traceparent: str | None) -> str:
    """Go on with a caller's trace, or begin one; return the context that now holds."""
    if not traceparent or not WELL_FORMED.fullmatch(traceparent):
        traceparent = f"00-{os.urandom(16).hex()}-{os.urandom(8).hex()}-01"
    _traceparent.set(traceparent)
    return traceparent
