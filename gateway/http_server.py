"""uvicorn with bounds: on the head of a request, on connections, on the time to stop; and with a line for streams."""

import socket
from typing import Protocol

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_BYTES_MAX = 64 * 1024
CONNECTIONS_MAX = 15_000
STOP_SECONDS = 3


LINE = "headway.line"
"""The extension of a scope that is the connection itself: docs/decisions/0018."""
UNSENT_BYTES_MAX = 16 * 1024
"""What a stream's client may leave unread, twice: in the kernel, which would take megabytes, and here."""


class Listening(Protocol):
    """Who writes to a connection without the server's knowledge, and so is to know what becomes of it."""

    def resume(self) -> None:
        """Go on: the connection takes more."""

    def end(self) -> None:
        """Come to an end: the server stops."""


class BoundedHttp(HttpToolsProtocol):
    """Hangs up on a request whose head does not end; httptools itself would gather it for ever.

    It is the line of a stream as well: chunks of an answer that has begun go straight to the transport.
    """

    listening: Listening | None = None
    _head_bytes = 0
    _is_in_head = True

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["extensions"] = {LINE: self}  # type: ignore[dict-item]

    @property
    def is_for_head(self) -> bool:
        """Tell whether the answer under way has no body."""
        return self.cycle.scope["method"] == "HEAD"

    @property
    def is_full(self) -> bool:
        """Tell whether the client is so slow that no more should be written now."""
        return self.flow.write_paused

    def listen(self, listening: Listening) -> None:
        """Begin to write past the server; what the client leaves unread is kept small from now on."""
        self.listening = listening
        self.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, UNSENT_BYTES_MAX)
        self.transport.set_write_buffer_limits(high=UNSENT_BYTES_MAX)

    def write(self, chunk: bytes) -> None:
        """Send chunks, unless the client has just gone."""
        if chunk and not self.transport.is_closing():
            self.transport.write(chunk)

    def hang_up(self) -> None:
        self.transport.abort()

    def resume_writing(self) -> None:
        super().resume_writing()
        if self.listening:
            self.listening.resume()

    def shutdown(self) -> None:
        super().shutdown()
        if self.listening:
            self.listening.end()

    def data_received(self, data: bytes) -> None:
        self._head_bytes += len(data)
        super().data_received(data)
        if self._is_in_head and self._head_bytes > HEAD_BYTES_MAX:
            self.transport.close()

    def on_headers_complete(self) -> None:
        self._is_in_head = False
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._is_in_head, self._head_bytes = True, 0
        super().on_message_complete()


def server_of(app: object, *, host: str, port: int, trusted_proxies: str = "") -> uvicorn.Server:
    """Make the server of an application."""
    config = uvicorn.Config(
        app,  # type: ignore[arg-type]
        host=host,
        port=port,
        loop="uvloop",
        http=BoundedHttp,
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=bool(trusted_proxies),
        forwarded_allow_ips=trusted_proxies or None,
        limit_concurrency=CONNECTIONS_MAX,
        timeout_graceful_shutdown=STOP_SECONDS,
        h11_max_incomplete_event_size=HEAD_BYTES_MAX,
        ws_max_size=64 * 1024,
    )
    return uvicorn.Server(config)
