"""TCP proxies between all parts: each link can be slow, cut, or open with nobody at the other end."""

import asyncio
import json
import socket
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

HOST = "127.0.0.1"
CHUNK = 65_536
LINKS_VARIABLE = "HEADWAY_TEST_LINKS"
TARGETS_FILE = "targets.json"


class Link:
    """One way from a part to another; the place it leads to is read when somebody takes it."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        self.delay_seconds = 0.0
        self.is_half_open = False
        self.is_cut = False
        self.taken = 0
        self._folder = folder
        self._listener = socket.create_server((HOST, 0))
        self.port = int(self._listener.getsockname()[1])
        self._open: set[asyncio.StreamWriter] = set()
        self._pumps: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._take, sock=self._listener)

    def cut(self) -> None:
        """Break every connection in the middle of whatever it carries."""
        for writer in list(self._open):
            writer.transport.abort()

    def heal(self) -> None:
        """Be as good as new; what was half open has lost bytes and is broken for good."""
        if self.is_half_open:
            self.cut()
        self.delay_seconds, self.is_half_open, self.is_cut = 0.0, False, False

    async def close(self) -> None:
        self.cut()
        for pump in list(self._pumps):
            pump.cancel()
        if self._server is not None:
            self._server.close()

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.taken += 1
        if self.is_cut:
            writer.transport.abort()
            return
        try:
            there = await asyncio.open_connection(HOST, self._target())
        except OSError:
            writer.transport.abort()
            return
        self._open |= {writer, there[1]}
        for one, other in ((reader, there[1]), (there[0], writer)):
            pump = asyncio.create_task(self._pump(one, other))
            self._pumps.add(pump)
            pump.add_done_callback(self._pumps.discard)

    def _target(self) -> int:
        _, _, part = self.name.partition(">")
        return int(json.loads((self._folder / TARGETS_FILE).read_text())[part])

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry bytes one way until one side has gone away."""
        try:
            while chunk := await reader.read(CHUNK):
                if self.delay_seconds:
                    await asyncio.sleep(self.delay_seconds)
                if not self.is_half_open:
                    writer.write(chunk)
                    await writer.drain()
        except OSError:
            writer.transport.abort()
        finally:
            with suppress(OSError, RuntimeError):
                writer.close()
            self._open.discard(writer)


class Links:
    """Every link of a system."""

    def __init__(self, names: Iterable[str], folder: Path) -> None:
        self.by_name = {name: Link(name, folder) for name in names}

    def environment(self) -> dict[str, str]:
        """Tell `python -m tests.faults.linked_up` where the links begin."""
        return {LINKS_VARIABLE: json.dumps({name: link.port for name, link in self.by_name.items()})}

    async def start(self) -> None:
        for link in self.by_name.values():
            await link.start()

    def heal(self) -> None:
        for link in self.by_name.values():
            link.heal()

    async def close(self) -> None:
        for link in self.by_name.values():
            await link.close()
