"""`headway demo`: everything running, and a rider taken through a journey."""

from cli.stack import Options
from cli.up import up


def demo(options: Options, *, stays_up: bool) -> int:
    return up(options)
