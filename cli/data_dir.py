"""The folder that one running Headway has to itself: its lock, secrets, logs and the file that says it is ready."""

import fcntl
import json
import os
import secrets
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from tempfile import NamedTemporaryFile

from chassis.files import sync_folder
from cli.outcomes import SetupError

LOGS_KEPT = 5
SECRETS = ("admin_client_secret", "demo_password")
SECRET_BYTES = 18


@contextmanager
def open_data_dir(path: Path) -> Iterator[None]:
    """Make the folder where it is missing and keep others out of it; raise SetupError when either fails."""
    try:
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = (path / "up.lock").open("w")
    except OSError as error:
        raise SetupError(f"The data folder {path} cannot be written: {error.strerror}.") from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise SetupError(f"Another Headway runs on {path}. Stop it, or choose another --data-dir.") from None
        yield


def load_secrets(path: Path) -> dict[str, str]:
    """Read the secrets of this installation; make them the first time."""
    try:
        known = json.loads(path.read_text()) if path.exists() else {}
    except (OSError, ValueError) as error:
        raise SetupError(f"{path} cannot be read. Delete it to have new secrets made.") from error
    complete = {name: secrets.token_urlsafe(SECRET_BYTES) for name in SECRETS} | known
    if complete != known:
        write_whole(path, complete)
    return complete


def write_whole(path: Path, content: Mapping[str, object]) -> None:
    """Write a JSON file, mode 0600, that nobody ever sees half written, not even after a power cut."""
    with NamedTemporaryFile("w", dir=path.parent, prefix=f"{path.name}.", delete=False) as file:
        json.dump(content, file, indent=2)
        file.flush()
        os.fsync(file.fileno())
    Path(file.name).replace(path)
    sync_folder(path.parent)


def prepare_logs(folder: Path, names: Iterable[str]) -> None:
    """Put the logs of earlier runs aside: booking.log becomes booking.1.log and so on."""
    folder.mkdir(exist_ok=True)
    for name in names:
        paths = [folder / f"{name}.log", *(folder / f"{name}.{age}.log" for age in range(1, LOGS_KEPT + 1))]
        for newer, older in reversed(list(pairwise(paths))):
            if newer.exists():
                newer.replace(older)
