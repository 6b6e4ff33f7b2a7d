"""`headway up`: everything that Headway is made of, running until told to stop."""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from pathlib import Path

from cli.data_dir import load_secrets, open_data_dir, prepare_logs, write_whole
from cli.databases import create_missing
from cli.outcomes import SetupError
from cli.probes import check_nats
from cli.stack import DATABASES, PROCESSES, Options, Stack, plan
from cli.supervisor import Supervisor

SUMMARY = """Headway is running.
  Live page    {stack.gateway_url}/
  Try it out   {stack.gateway_url}/docs
  For staff    {stack.gateway_url}/operator
  Sign in as   rider@example.com, driver@example.com or operator@example.com, password {stack.secrets[demo_password]}
  gRPC         booking {stack.grpc[booking]}, tracking {stack.grpc[tracking]}, pricing {stack.grpc[pricing]}
  NATS         {stack.nats_url}
  Data, logs   {stack.options.data_dir}
Ctrl-C stops it."""

Body = Callable[[Stack], Awaitable[int]]


async def stay(_stack: Stack) -> int:
    """Run until told to stop."""
    return await asyncio.Future()


def up(options: Options, body: Body = stay) -> int:
    """Start everything, run `body`, stop everything; return the exit code."""
    os.umask(0o077)  # what is in the data folder is its owner's alone
    with open_data_dir(options.data_dir):
        ready_files = [options.data_dir / "ready.json", *([options.ready_file] if options.ready_file else [])]
        for path in ready_files:
            path.unlink(missing_ok=True)
            if not os.access(path.parent, os.W_OK):
                raise SetupError(f"{path} cannot be written: its folder is missing or not yours.")
        if options.nats_url:
            check_nats(options.nats_url)
        if options.database_url_template:
            create_missing(options.database_url_template, DATABASES)
        stack = plan(options, load_secrets(options.data_dir / "secrets.json"))
        return asyncio.run(run(stack, ready_files, body))


async def run(stack: Stack, ready_files: Sequence[Path], body: Body) -> int:
    """Keep the processes running as long as `body` does and nobody says stop."""
    is_ready = False

    def announce() -> None:
        """Tell other programs, once all is ready, and again when a process has been replaced."""
        for path in ready_files if is_ready else ():
            write_whole(path, stack.ready(supervisor.pids))

    async def when_ready() -> int:
        nonlocal is_ready
        is_ready = True
        announce()
        say(SUMMARY.format(stack=stack))
        return await body(stack)

    prepare_logs(stack.options.data_dir / "logs", PROCESSES)
    supervisor = Supervisor(stack.tiers(), stack.options.data_dir / "logs", say=say, on_start=announce)
    stop_on_signals(supervisor)
    say(f"Starting {', '.join(supervisor.pids)} ...")
    try:
        return await supervisor.run(when_ready)
    except asyncio.CancelledError:
        return 0
    finally:
        for path in ready_files:
            path.unlink(missing_ok=True)
        say("Stopping ...")
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


def say(line: str) -> None:
    """Tell the user; a terminal that has gone away is no reason to stop."""
    with suppress(OSError):
        print(line, flush=True)
