"""`headway up`: everything that Headway is made of, running until told to stop."""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from cli.data_dir import load_secrets, open_data_dir, prepare_logs, write_whole
from cli.databases import create_missing
from cli.outcomes import SetupError
from cli.stack import DATABASES, Options, Stack, plan
from cli.supervisor import Supervisor

ADMIN_CLIENT_ID = "admin"
PROCESSES = ("nats", "booking", "tracking", "pricing", "gateway", "payments")
POSTGRES_PATIENCE_SECONDS = "5"


@dataclass(frozen=True, slots=True)
class Running:
    """A running Headway: where it is and how to be let in."""

    stack: Stack
    secret: Mapping[str, str]
    data_dir: Path

    def ready(self, pids: Mapping[str, int | None]) -> dict[str, object]:
        """Return what other programs are told."""
        return {
            "gateway_url": self.stack.gateway_url,
            "nats_url": self.stack.nats_url,
            "grpc": dict(self.stack.grpc),
            "admin": {"client_id": ADMIN_CLIENT_ID, "client_secret": self.secret["admin_client_secret"]},
            "pids": {name: pids.get(name) for name in PROCESSES},
        }

    def summary(self) -> str:
        """Return what the user is told."""
        grpc = ", ".join(f"{name} {address}" for name, address in self.stack.grpc.items())
        return f"""Headway is running.
  Try it out   {self.stack.gateway_url}/docs
  Live page    {self.stack.gateway_url}/
  Sign in as   rider@example.com, driver@example.com or operator@example.com, password {self.secret["demo_password"]}
  gRPC         {grpc}
  NATS         {self.stack.nats_url}
  Data, logs   {self.data_dir}
Ctrl-C stops it."""


Body = Callable[[Running], Awaitable[int]]


async def stay(_running: Running) -> int:
    """Run until told to stop."""
    return await asyncio.Future()


def up(options: Options, body: Body = stay) -> int:
    """Start everything, run `body`, stop everything; return the exit code."""
    with open_data_dir(options.data_dir):
        for path in ready_files(options):
            path.unlink(missing_ok=True)
            if not os.access(path.parent, os.W_OK):
                raise SetupError(f"{path} cannot be written: the folder is missing or not yours.")
        if options.database_url_template:
            os.environ.setdefault("PGCONNECT_TIMEOUT", POSTGRES_PATIENCE_SECONDS)
            create_missing(options.database_url_template, DATABASES)
        made = load_secrets(options.data_dir / "secrets.json")
        secret = {name: os.environ.get(f"GATEWAY_{name.upper()}", value) for name, value in made.items()}
        running = Running(plan(options, secret), secret, options.data_dir)
        return asyncio.run(supervise(running, ready_files(options), body))


async def supervise(running: Running, ready_files: list[Path], body: Body) -> int:
    """Keep the processes running as long as `body` does and nobody says stop."""
    is_announced = False

    def announce() -> None:
        """Tell other programs, and tell them again when a process has been replaced."""
        for path in ready_files if is_announced else ():
            write_whole(path, running.ready(supervisor.pids))

    async def when_ready() -> int:
        nonlocal is_announced
        is_announced = True
        announce()
        say(running.summary())
        return await body(running)

    logs = running.data_dir / "logs"
    prepare_logs(logs, running.stack.names)
    supervisor = Supervisor(running.stack.tiers, logs, say=say, on_start=announce)
    stop_on_signals(supervisor)
    say("Starting " + ", ".join(running.stack.names))
    try:
        return await supervisor.run(when_ready)
    except asyncio.CancelledError:
        return 0
    finally:
        for path in ready_files:
            path.unlink(missing_ok=True)
        say("Stopping")
        await supervisor.stop()


def stop_on_signals(supervisor: Supervisor) -> None:
    """Let Ctrl-C and its like end the present task, and a second one hurry what is still stopping."""
    task = asyncio.current_task()
    assert task is not None

    def stop() -> None:
        if supervisor.is_stopping:
            supervisor.kill()
        else:
            task.cancel()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:  # nohup asks us to outlive the terminal
            asyncio.get_running_loop().add_signal_handler(number, stop)


def ready_files(options: Options) -> list[Path]:
    """List where other programs look."""
    always = options.data_dir / "ready.json"
    return [always] if options.ready_file is None else [always, options.ready_file]


def say(line: str) -> None:
    """Tell the user; a terminal that has gone away is no reason to stop."""
    with suppress(OSError):
        print(line, flush=True)
