"""Clients of server-sent events that read as fast or as slowly as a test wants."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

SECONDS = 10


@dataclass(frozen=True)
class Heard:
    """One event as it came."""

    name: str
    id: str
    data: Any

    @property
    def number(self) -> int:
        return int(self.id.rpartition("-")[2])


class Client:
    """One open answer, whose events are read one by one."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, head: str) -> None:
        self._reader = reader
        self._writer = writer
        self.head = head
        self._frames: list[str] = []

    async def text(self) -> str | None:
        """Read what stands between two blank lines; None when the answer has ended in good order."""
        while not self._frames:
            size = int((await self._reader.readuntil(b"\r\n")).strip(), 16)
            chunk = await self._reader.readexactly(size + 2)
            if not size:
                return None
            self._frames += chunk.decode().strip().split("\n\n")
        return self._frames.pop(0)

    async def heard(self) -> Heard | None:
        """Read the next event, past signs of life; None at the end."""
        async with asyncio.timeout(SECONDS):
            while (text := await self.text()) is not None:
                if text.startswith("event: "):
                    fields = dict(line.split(": ", 1) for line in text.splitlines())
                    return Heard(fields["event"], fields["id"], json.loads(fields["data"]))
        return None

    async def event(self, name: str = "") -> Heard:
        """Read the next event, or the next of that name."""
        while (found := await self.heard()) is not None:
            if name in ("", found.name):
                return found
        raise AssertionError("the stream has ended")

    def close(self) -> None:
        self._writer.close()


@asynccontextmanager
async def listening(
    port: int, path: str, *, is_slow: bool = False, method: str = "GET", **headers: str
) -> AsyncIterator[Client]:
    """Ask for a stream; a slow client has room for a few kilobytes only until it reads on."""
    plug = socket.socket()
    if is_slow:
        plug.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    plug.setblocking(False)
    await asyncio.get_running_loop().sock_connect(plug, ("127.0.0.1", port))
    reader, writer = await asyncio.open_connection(sock=plug, limit=4096 if is_slow else 65536)
    lines = [f"{method} {path} HTTP/1.1", "Host: x", *(f"{name}: {value}" for name, value in headers.items())]
    writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())
    async with asyncio.timeout(SECONDS):
        head = await reader.readuntil(b"\r\n\r\n")
    client = Client(reader, writer, head.decode())
    try:
        yield client
    finally:
        client.close()
