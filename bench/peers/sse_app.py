"""One FastAPI program that tells all who listen of events, with sse-starlette and a queue for each, on uvicorn.

As its documentation leads to. The events come in as lines on the standard input, written already, so that it has
nothing to ask and nothing to encode but the frame of each. Who reads slowly loses the oldest of a hundred.
Run it as python -m bench.peers.sse_app.
"""

import asyncio
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count

import uvicorn
from fastapi import FastAPI
from sse_starlette import EventSourceResponse, ServerSentEvent

QUEUE_MAX = 100
Queue = asyncio.Queue[ServerSentEvent]

subscribers: set[Queue] = set()


@asynccontextmanager
async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    telling = asyncio.ensure_future(tell(reader))
    yield
    telling.cancel()


async def tell(reader: asyncio.StreamReader) -> None:
    numbers = count(1)
    async for line in reader:
        event = ServerSentEvent(line.decode().rstrip(), event="position", id=str(next(numbers)), sep="\n")
        for queue in subscribers:
            if queue.full():
                queue.get_nowait()
            queue.put_nowait(event)


app = FastAPI(lifespan=lifespan)


@app.get("/stream")
async def stream() -> EventSourceResponse:
    return EventSourceResponse(events(asyncio.Queue(QUEUE_MAX)))


async def events(queue: Queue) -> AsyncIterator[ServerSentEvent]:
    subscribers.add(queue)
    try:
        while True:
            yield await queue.get()
    finally:
        subscribers.discard(queue)


if __name__ == "__main__":
    listener = socket.create_server(("127.0.0.1", 0), backlog=2048)
    print(listener.getsockname()[1], flush=True)
    config = uvicorn.Config(
        app, log_level="critical", access_log=False, loop="uvloop", http="httptools", timeout_graceful_shutdown=1
    )
    uvicorn.Server(config).run(sockets=[listener])
