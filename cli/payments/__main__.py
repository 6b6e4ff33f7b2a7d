"""Run the payment provider as a process."""

import argparse
import os
import socket
from contextlib import suppress
from pathlib import Path

import uvicorn

from cli.payments.app import FAULT_POINTS, create_app


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m cli.payments", description="Play a card payment provider.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True, help="0 takes any free port")
    parser.add_argument("--ledger", type=Path, required=True, metavar="FILE", help="SQLite file, made when missing")
    return parser.parse_args()


def fault_point() -> str | None:
    """Return the point at which this process is to kill itself, if any."""
    point = os.environ.get("PAYMENTS_FAULT") or None
    if point not in (None, *FAULT_POINTS):
        raise SystemExit(f"PAYMENTS_FAULT must be one of: {', '.join(FAULT_POINTS)}")
    return point


def main() -> None:
    arguments = parse_arguments()
    slow_seconds = float(os.environ.get("PAYMENTS_SLOW_SECONDS", "5"))
    app = create_app(arguments.ledger, slow_seconds=slow_seconds, fault_point=fault_point())
    listener = socket.create_server((arguments.host, arguments.port))
    host, port = listener.getsockname()
    print(f"Sandbox payment provider on http://{host}:{port}", flush=True)
    config = uvicorn.Config(app, log_level="critical", access_log=False, timeout_graceful_shutdown=1)
    with suppress(KeyboardInterrupt):
        uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main()
