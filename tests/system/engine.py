"""Stands in for a container engine: runs commands as processes on loopback, each with its own environment and folders.

What is said of another container's port becomes an address of loopback, an own port a free one, a folder of the image
one of the test's; all else is as it is written down.
"""

import os
import re
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

import psutil
import psycopg

from booking_svc.settings import BookingSettings
from chassis.settings import Settings
from cli.stack import free_ports
from gateway.settings import GatewaySettings
from pricing_svc.settings import PricingSettings
from tests.servers import ending_with_us
from tests.system.image import BIN, Image
from tracking_svc.settings import TrackingSettings

PROCESSES: dict[str, type[Settings]] = {
    "booking": BookingSettings,
    "tracking": TrackingSettings,
    "pricing": PricingSettings,
    "gateway": GatewaySettings,
}

Ports = Mapping[tuple[str, int], int]

HEALTHY_SECONDS = 60.0
NOWHERE: Ports = MappingProxyType({})
HOME = re.compile(r"(?<![\w./])/(?=(etc|var/lib)/headway\b)")


@dataclass(frozen=True)
class Container:
    """What an engine is told to run; folders are named by where they are mounted."""

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    ports: tuple[int, ...]
    health: tuple[str, ...]
    needs: tuple[str, ...] = ()
    mounts: Mapping[str, Path] = field(default_factory=dict)
    memory_bytes: int = 0
    stop_seconds: float = 10.0


class Engine:
    """Runs containers of one image; those in `elsewhere` run already and are only asked how they are."""

    def __init__(
        self, image: Image, folder: Path, containers: list[Container], *, elsewhere: Ports = NOWHERE, path: str = ""
    ) -> None:
        self.containers = {container.name: container for container in containers}
        self.processes: dict[str, psutil.Popen] = {}
        self._image = image
        self._folder = folder
        self._path = path
        inside = [(one.name, port) for one in containers for port in one.ports if (one.name, port) not in elsewhere]
        self.ports = dict(zip(inside, free_ports(len(inside)), strict=True)) | dict(elsewhere)
        for container in containers:
            self._lay_out(container)

    def root(self, name: str) -> Path:
        return self._folder / name

    def log(self, name: str) -> str:
        return (self._folder / f"{name}.log").read_text()

    def translate(self, name: str, text: str) -> str:
        """Say the same of this machine; raise KeyError where a container is called on a port that it does not have."""
        names, own = "|".join(self.containers), "|".join(map(str, self.containers[name].ports))
        text = re.sub(rf"(?<![\w.-])({names}):(\d+)", lambda at: f"127.0.0.1:{self.ports[at[1], int(at[2])]}", text)
        text = re.sub(rf"\b({own})\b", lambda port: str(self.ports[name, int(port[0])]), text)
        return HOME.sub(f"{self.root(name)}/", text.replace("0.0.0.0", "127.0.0.1"))

    def environment(self, name: str) -> dict[str, str]:
        """Return all that a process of a container is told, and nothing that we are."""
        given = self._image.environment | self.containers[name].environment
        ours = {
            "PATH": f"{BIN}:{self._path}:{os.environ['PATH']}",
            "PYTHONPATH": str(self._image.packages),
            "TMPDIR": str(self.root(name) / "tmp"),
        }
        return {key: self.translate(name, value) for key, value in given.items()} | ours

    def start(self, name: str) -> None:
        container = self.containers[name]
        command = [*ending_with_us(), *(self.translate(name, word) for word in container.command)]
        with (self._folder / f"{name}.log").open("ab") as log:
            self.processes[name] = psutil.Popen(
                command, env=self.environment(name), cwd=self.root(name), stdout=log, stderr=log
            )

    def start_all(self) -> None:
        """Start each when those that it waits for are healthy, and wait until all are."""
        waiting = list(self.containers)
        while waiting:
            name = next(one for one in waiting if not set(self.containers[one].needs) & set(waiting))
            waiting.remove(name)
            if self.containers[name].command:
                self.start(name)
            self.wait_until_healthy(name)

    def health(self, name: str) -> subprocess.CompletedProcess[str]:
        """Run a container's health check in its place."""
        command = [self.translate(name, word) for word in self.containers[name].health]
        return subprocess.run(
            command, env=self.environment(name), cwd=self.root(name), capture_output=True, text=True, check=False
        )

    def wait_until_healthy(self, name: str) -> None:
        deadline = time.monotonic() + HEALTHY_SECONDS
        while (found := self.health(name)).returncode:
            has_ended = name in self.processes and self.processes[name].poll() is not None
            assert not has_ended, f"{name} has ended: {self.log(name)}"
            assert time.monotonic() < deadline, f"{name} is not healthy: {found.stdout}{found.stderr}"

    def stop(self, name: str) -> int:
        """Ask a process to end and return its exit code; kill it when its time is over, as an engine does."""
        process = self.processes.pop(name)
        process.terminate()
        with suppress(psutil.TimeoutExpired):
            return int(process.wait(self.containers[name].stop_seconds))
        process.kill()
        process.wait()
        return -9

    def stop_all(self) -> dict[str, int]:
        return {name: self.stop(name) for name in reversed(list(self.processes))}

    def strays(self) -> Iterator[Path]:
        """Yield what was written where a read-only container has no volume."""
        for name in self.containers:
            for path in self.root(name).rglob("*"):
                inside = "/" + path.relative_to(self.root(name)).as_posix()
                if path.is_file() and inside not in self._image.files and not inside.startswith("/tmp/"):
                    yield path

    def _lay_out(self, container: Container) -> None:
        """Make a container's root: the image's files, and a link for each volume."""
        root = self.root(container.name)
        for target, source in self._image.files.items():
            (root / target[1:]).parent.mkdir(parents=True, exist_ok=True)
            (root / target[1:]).write_text(self.translate(container.name, source.read_text()))
        for target, volume in container.mounts.items():
            (root / target[1:]).parent.mkdir(parents=True, exist_ok=True)
            volume.mkdir(parents=True, exist_ok=True)
            (root / target[1:]).symlink_to(volume)
        (root / "tmp").mkdir(exist_ok=True)


def make_databases(binaries: Path, url: str, script: Path, environment: Mapping[str, str]) -> int:
    """Do what PostgreSQL's image does with an empty volume, and believe nobody without a password; return the port."""
    psql = [binaries / "psql", "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", f"--file={script}", url]
    subprocess.run(psql, env=os.environ | environment, check=True)
    with psycopg.connect(url, autocommit=True) as superuser:
        [hba] = superuser.execute("SHOW hba_file").fetchone() or ()
        Path(hba).write_text("host all headway 127.0.0.1/32 scram-sha-256\n")
        superuser.execute("SELECT pg_reload_conf()")
        return superuser.info.port
