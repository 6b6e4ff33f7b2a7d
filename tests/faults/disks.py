"""Disks that fill up or lose their power, as only root can have them."""

import fcntl
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

SHUTDOWN = 0x8004587D
"""EXT4_IOC_SHUTDOWN: the file system stops at once, as without power."""
WITHOUT_THE_LOG = 2
"""EXT4_GOING_FLAGS_NOLOGFLUSH: what was not synced to the disk by now never gets there."""
PIECE = 1024 * 1024


def run(*command: str | Path) -> None:
    subprocess.run(command, check=True, capture_output=True)


def can_mount() -> bool:
    """Tell whether this account may mount a memory disk."""
    return os.geteuid() == 0 and subprocess.run(["unshare", "-m", "true"], check=False).returncode == 0


@contextmanager
def small_disk(place: Path, *, mebibytes: int) -> Iterator[Path]:
    """Mount a disk in memory with so much room."""
    place.mkdir()
    run("mount", "-t", "tmpfs", "-o", f"size={mebibytes}m", "tmpfs", place)
    try:
        yield place
    finally:
        run("umount", "--lazy", place)


class Ballast:
    """A file that leaves nobody else any room."""

    def __init__(self, disk: Path) -> None:
        self._path = disk / "ballast"

    def fill(self) -> None:
        """Take all the room there is, to the last byte that a file may have."""
        with self._path.open("ab", buffering=0) as file:
            for piece in (PIECE, 4096, 1):
                with suppress(OSError):
                    while file.write(bytes(piece)) == piece:
                        pass

    def drop(self) -> None:
        self._path.unlink()


class MortalDisk:
    """An ext4 in a file whose power can be cut."""

    def __init__(self, image: Path, place: Path, *, mebibytes: int) -> None:
        self._image, self.place = image, place
        with image.open("wb") as file:
            file.truncate(mebibytes * PIECE)
        run("mkfs.ext4", "-q", "-F", image)
        place.mkdir()
        self.mount()

    def mount(self) -> None:
        run("mount", "-o", "loop", self._image, self.place)

    def cut(self) -> None:
        """Stop at once; whoever writes gets an error from now on, and what was not synced is gone."""
        handle = os.open(self.place, os.O_RDONLY)
        try:
            fcntl.ioctl(handle, SHUTDOWN, WITHOUT_THE_LOG.to_bytes(4, "little"))
        finally:
            os.close(handle)

    def unmount(self) -> None:
        run("umount", self.place)


@contextmanager
def mortal_disk(folder: Path, place: Path, *, mebibytes: int) -> Iterator[MortalDisk]:
    disk = MortalDisk(folder / "disk.img", place, mebibytes=mebibytes)
    try:
        yield disk
    finally:
        subprocess.run(["umount", "--lazy", place], check=False)
