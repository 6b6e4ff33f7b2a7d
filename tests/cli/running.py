"""The `headway` command as a process that tests start, ask and end."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psutil

ROOT = Path(__file__).parents[2]
START_SECONDS = 90
ENVIRONMENT = os.environ | {
    "PYTHONPATH": os.pathsep.join([*filter(None, [os.environ.get("PYTHONPATH")]), str(ROOT), str(ROOT / "proto/gen")])
}


def wait_until(is_so: Callable[[], bool], seconds: float, what: str) -> None:
    """Poll until something is so."""
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


class Headway:
    """`headway up` or `headway demo` on a data folder and a free port."""

    def __init__(
        self, printed: Path, command: str, data_dir: Path, *arguments: str, cwd: Path = ROOT, **environment: str
    ) -> None:
        self.data_dir = data_dir
        self._printed = printed
        self.ready_file = data_dir / "ready.json"
        line = [
            sys.executable,
            "-P",
            "-m",
            "cli",
            command,
            "--data-dir",
            str(data_dir),
            "--gateway-port",
            "0",
            *arguments,
        ]
        with printed.open("wb") as output:
            self.process = subprocess.Popen(
                line,
                cwd=cwd,
                env=ENVIRONMENT | environment,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    @property
    def output(self) -> str:
        return self._printed.read_text()

    def ready(self) -> dict[str, Any]:
        """Wait until all is ready and return what the file says."""
        wait_until(lambda: self.ready_file.exists() or self.process.poll() is not None, START_SECONDS, "never ready")
        assert self.process.poll() is None, self.output
        return self.told()

    def told(self) -> dict[str, Any]:
        """Return what the ready file says now."""
        return json.loads(self.ready_file.read_text())

    def says(self, pattern: str, seconds: float) -> None:
        """Wait until it has printed something, or has ended."""
        deadline = time.monotonic() + seconds
        while not re.search(pattern, self.output) and self.process.poll() is None:
            assert time.monotonic() < deadline, self.output
            time.sleep(0.02)

    def wait(self, seconds: float = START_SECONDS) -> int:
        """Wait for the end and return the exit code."""
        return self.process.wait(seconds)

    def stop(self, seconds: float = 15) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.wait(seconds)


@contextmanager
def headway(command: str, data_dir: Path, *arguments: str, **options: Any) -> Iterator[Headway]:
    """Run the command; nothing of it is left afterwards."""
    family: list[psutil.Process] = []
    with TemporaryDirectory() as folder:
        running = Headway(Path(folder) / "printed", command, data_dir, *arguments, **options)
        try:
            yield running
        finally:
            if running.process.poll() is None:
                family = psutil.Process(running.process.pid).children(recursive=True)
                running.process.kill()
                running.process.wait()
            for child in family:
                if child.is_running():
                    child.kill()
