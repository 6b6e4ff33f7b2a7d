"""`headway up` with a link between every two parts: python -m tests.faults.linked_up up ...

Only the addresses that each process is given differ; the processes and their supervisor are the real ones.
"""

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import cli.up
from cli.__main__ import main
from cli.probes import HOST
from cli.stack import Options, Stack, plan
from cli.supervisor import Program
from tests.faults.links import LINKS_VARIABLE, TARGETS_FILE


@dataclass(frozen=True, slots=True)
class LinkedStack(Stack):
    """A stack whose processes reach each other through links."""

    links: Mapping[str, int] = field(default_factory=dict)

    def tiers(self) -> list[list[Program]]:
        # Not super(): slots make another class of this one.
        return [[self.linked(program) for program in tier] for tier in Stack.tiers(self)]

    def linked(self, program: Program) -> Program:
        """Give a program the beginnings of its links instead of its neighbours' addresses."""
        environment = dict(program.environment)
        for link, port in self.links.items():
            origin, _, part = link.partition(">")
            if origin == program.name:
                for name, value in environment.items():
                    environment[name] = value.replace(f"{HOST}:{self.targets()[part]}", f"{HOST}:{port}")
        return replace(program, environment=environment)

    def targets(self) -> dict[str, int]:
        return {**self.ports, "postgresql": int(os.environ.get("HEADWAY_TEST_POSTGRESQL_PORT", "0"))}


def plan_linked(options: Options, made: Mapping[str, str]) -> Stack:
    stack = plan(options, made)
    links = json.loads(os.environ[LINKS_VARIABLE])
    linked = LinkedStack(stack.options, stack.secrets, stack.ports, links)
    (options.data_dir / TARGETS_FILE).write_text(json.dumps(linked.targets()))
    return linked


if __name__ == "__main__":
    cli.up.plan = plan_linked
    sys.exit(main())
