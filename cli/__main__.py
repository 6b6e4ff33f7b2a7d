"""The `headway` command."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from cli.demo import demo
from cli.outcomes import EndedError
from cli.stack import Options
from cli.up import up


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a sub-command and return its exit code."""
    asked = parser().parse_args(arguments)
    try:
        return int(asked.run(asked))
    except EndedError as error:
        print(f"headway: {error}", file=sys.stderr)
        return error.exit_code
    except OSError as error:
        print(f"headway: {error.strerror or error}: {error.filename or ''}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 0


def parser() -> argparse.ArgumentParser:
    """Describe the sub-commands and their options."""
    whole = argparse.ArgumentParser(prog="headway", description="Sell seats, track vehicles and price rides.")
    commands = whole.add_subparsers(required=True, metavar="COMMAND")
    running = running_options()
    starting = commands.add_parser("up", parents=[running], help="start everything and stay until Ctrl-C")
    starting.set_defaults(run=lambda asked: up(options(asked)))
    showing = commands.add_parser("demo", parents=[running], help="the same, then take a rider through a journey")
    showing.add_argument("--exit", action="store_true", help="end after the journey, with 0 if all went well, else 1")
    showing.set_defaults(run=lambda asked: demo(options(asked), stays_up=not asked.exit))
    return whole


def running_options() -> argparse.ArgumentParser:
    """Describe what both sub-commands take."""
    common = argparse.ArgumentParser(add_help=False)
    add = common.add_argument
    add("--data-dir", type=absolute, default=absolute(".headway"), metavar="DIR", help="default: .headway")
    add("--gateway-port", type=port, default=8000, metavar="N", help="default: 8000; 0 takes a free one")
    add("--nats-url", metavar="URL", help="use a NATS server that runs; it must sync always, which is not checked")
    add(
        "--database-url-template",
        metavar="URL",
        help="use PostgreSQL: postgresql://user@host/headway_{service}; databases that are missing are created",
    )
    add("--ready-file", type=absolute, metavar="FILE", help="write DIR/ready.json here, too")
    return common


def options(asked: argparse.Namespace) -> Options:
    """Keep what `up` wants to know."""
    return Options(
        data_dir=asked.data_dir,
        gateway_port=asked.gateway_port,
        nats_url=asked.nats_url,
        database_url_template=asked.database_url_template,
        ready_file=asked.ready_file,
    )


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
