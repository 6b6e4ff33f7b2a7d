"""The `headway` command."""

import argparse
import asyncio
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import fields
from pathlib import Path

from cli.demo import demo
from cli.outcomes import EndedError, SetupError
from cli.probes import HOST
from cli.running import find_running
from cli.stack import Options
from cli.up import say, up


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a sub-command and return its exit code."""
    asked = parser().parse_args(arguments)
    try:
        return COMMANDS[asked.command](asked)
    except EndedError as error:
        print(f"headway: {error}", file=sys.stderr)
        return error.exit_code
    except OSError as error:
        print(f"headway: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 0


def run_up(asked: argparse.Namespace) -> int:
    return up(options_of(asked))


def run_demo(asked: argparse.Namespace) -> int:
    return demo(options_of(asked), stays_up=not asked.exit)


def run_simulate(asked: argparse.Namespace) -> int:
    from cli.simulate import Simulation, simulate  # noqa: PLC0415 - imported late: `up` needs no HTTP client

    wanted = Simulation(asked.vehicles, asked.riders, asked.speed, asked.seconds)
    with suppress(TimeoutError):  # the seconds that were asked for are over
        return asyncio.run(simulate(find_running(asked.data_dir), wanted, say))
    return 0


def run_import(asked: argparse.Namespace) -> int:
    from cli.import_feed import import_feed, import_of  # noqa: PLC0415 - likewise

    if (asked.feed is None) is not asked.sample:
        raise SetupError("Name a feed, a zip or a folder, or say --sample.")
    form = {"from": asked.first_day, "lay_on": asked.lay_on, "skip_bad": asked.skip_bad, "dry_run": asked.dry_run}
    wanted = import_of(asked.feed, operator_id=asked.operator, days=asked.days, **form)
    return asyncio.run(import_feed(find_running(asked.data_dir), wanted, say))


COMMANDS: dict[str, Callable[[argparse.Namespace], int]] = {
    "up": run_up,
    "demo": run_demo,
    "import": run_import,
    "simulate": run_simulate,
}


def options_of(asked: argparse.Namespace) -> Options:
    return Options(**{field.name: getattr(asked, field.name) for field in fields(Options)})


def parser() -> argparse.ArgumentParser:
    """Describe the sub-commands and their options."""
    whole = argparse.ArgumentParser(prog="headway", description="Sell seats, track vehicles and price rides.")
    commands = whole.add_subparsers(dest="command", required=True, metavar="COMMAND")
    running = running_options()
    commands.add_parser("up", parents=[running], help="start everything and stay until Ctrl-C")
    demo = commands.add_parser("demo", parents=[running], help="the same, then take a rider through a journey")
    demo.add_argument("--exit", action="store_true", help="end after the journey, with 0 if all went well, else 1")
    importing = commands.add_parser("import", help="put a GTFS feed on sale, or bring what is on sale up to date")
    add = importing.add_argument
    add("feed", nargs="?", type=absolute, metavar="FEED", help="a zip, or a folder of its files")
    add("--sample", action="store_true", help="instead of a feed: the sample network")
    add("--data-dir", type=absolute, default=".headway", metavar="DIR", help="of the running system; default: .headway")
    add("--operator", default="", metavar="ID", help="whose timetable it is; default: from the file's name")
    add("--from", dest="first_day", metavar="DATE", help="first service date of the feed; default: today")
    add("--days", type=int, default=28, metavar="N", help="how many days are kept on sale; default: 28")
    add("--lay-on", metavar="DATE", help="sell the feed's days from --from on the days from this one, same weekday")
    add("--skip-bad", action="store_true", help="leave out what is wrong and take the rest")
    add("--dry-run", action="store_true", help="only tell what would change")
    simulating = commands.add_parser("simulate", help="vehicles that drive what is on sale, riders who book it")
    add = simulating.add_argument
    add("--data-dir", type=absolute, default=".headway", metavar="DIR", help="of the running system; default: .headway")
    add("--vehicles", type=int, default=10, metavar="N", help="default: 10")
    add("--riders", type=int, default=0, metavar="N", help="default: 0")
    add(
        "--speed",
        type=float,
        default=1.0,
        metavar="X",
        help="the last hours X times as fast, then on; default: 1",
    )
    add("--seconds", type=float, metavar="S", help="end after so long; without it Ctrl-C ends it")
    return whole


def running_options() -> argparse.ArgumentParser:
    """Describe what both sub-commands take."""
    common = argparse.ArgumentParser(add_help=False)
    add = common.add_argument
    add("--data-dir", type=absolute, default=".headway", metavar="DIR", help="default: .headway")
    add("--gateway-port", type=port, default=8000, metavar="N", help="default: 8000; 0 takes a free one")
    add("--gateway-host", default=HOST, metavar="IP", help=f"default: {HOST}; 0.0.0.0 lets other machines in")
    add(
        "--nats-url",
        metavar="URL",
        help="NATS servers that run, with commas; they must sync always, which is not checked",
    )
    add("--database-url-template", metavar="URL", help="use PostgreSQL: postgresql://user@host/headway_{service}")
    add("--ready-file", type=absolute, metavar="FILE", help="write DIR/ready.json here, too")
    return common


def absolute(text: str) -> Path:
    return Path(text).absolute()


def port(text: str) -> int:
    """Read a port number."""
    number = int(text)
    if not 0 <= number <= 65_535:
        raise ValueError
    return number


if __name__ == "__main__":
    sys.exit(main())
