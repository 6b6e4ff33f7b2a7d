"""A feed's zip, opened as if it were sent by an enemy."""

import io
import struct
import zlib
from codecs import BOM_UTF8
from collections.abc import Iterator
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile, ZipInfo

from booking_svc.gtfs.problems import Problems
from booking_svc.gtfs.tables import STOP_TIMES, TABLES

BYTES_MAX = 2 * 1024**3
LINE_BYTES_MAX = 64 * 1024
# Timetables shrink to a tenth, hardly ever to a fiftieth. A small file may be as regular as it likes.
RATIO_MAX = 100
RATIO_FREE_BYTES = 32 * 1024**2
FAULTS = (BadZipFile, OSError, EOFError, ValueError, RuntimeError, struct.error, zlib.error)
"""What zipfile raises, depending on where an archive is damaged."""


class Archive:
    """The files of the one feed in a zip, by their names without a folder."""

    def __init__(self, path: Path, problems: Problems) -> None:
        """Open a zip; what makes it unusable is told, and raises UnreadableFeed."""
        self.problems = problems
        try:
            self._zip = ZipFile(path)
        except FAULTS:
            problems.stop(path.name, 0, "Is not a zip, or was cut off or damaged on its way: send it again.")
        self._members = feed_members(self._zip.infolist(), path.name, problems)
        check_sizes(self._members, problems)

    def __contains__(self, file: str) -> bool:
        return file in self._members

    def close(self) -> None:
        self._zip.close()

    def lines(self, file: str) -> Iterator[str]:
        """Unpack a file line by line, never more of it at once than the longest line allowed."""
        number = 0
        try:
            with self._zip.open(self._members[file]) as unpacked:
                buffered = io.BufferedReader(unpacked, LINE_BYTES_MAX)  # type: ignore[type-var]
                while line := buffered.readline(LINE_BYTES_MAX):
                    number += 1
                    yield self._text(file, number, line)
        except FAULTS:
            self.problems.stop(file, number, "Is damaged in the archive after this line: pack the feed again.")

    def _text(self, file: str, number: int, line: bytes) -> str:
        if len(line) == LINE_BYTES_MAX:
            self.problems.stop(file, number, f"Has a line of more than {LINE_BYTES_MAX} bytes: break it.")
        try:
            return line.removeprefix(BOM_UTF8).decode() if number == 1 else line.decode()
        except UnicodeDecodeError:
            self.problems.error(file, number, "", "Is not UTF-8: save the file in UTF-8, with or without a BOM.")
            return "\n"


def feed_members(members: list[ZipInfo], archive: str, problems: Problems) -> dict[str, ZipInfo]:
    """Find the folder that holds the feed and return the files there that are read."""
    known = {table.file for table in TABLES}
    folders: dict[str, dict[str, ZipInfo]] = {"": {}}
    for member in members:
        folder, _, name = member.filename.replace("\\", "/").lower().rpartition("/")
        if name not in known or "__macosx" in folder:
            continue
        files = folders.setdefault(folder, {})
        if ".." in folder.split("/") or member.filename.startswith("/"):
            problems.error(name, 0, "", "Lies outside of the archive: pack the feed again.")
        elif name in files:
            problems.error(name, 0, "", "Stands twice in the archive: leave one of them.")
        else:
            files[name] = member
    feeds = [files for files in folders.values() if STOP_TIMES.file in files]
    if len(feeds) > 1:
        problems.stop(archive, 0, f"Holds {len(feeds)} feeds in different folders: send one at a time.")
    return feeds[0] if feeds else max(folders.values(), key=len)


def check_sizes(members: dict[str, ZipInfo], problems: Problems) -> None:
    """Refuse what would unpack to too much; zipfile never unpacks more of a file than its entry declares."""
    total = 0
    for file, member in members.items():
        total += member.file_size
        if member.flag_bits & 1:
            problems.stop(file, 0, "Is encrypted: pack the feed without a password.")
        if member.compress_type not in (ZIP_STORED, ZIP_DEFLATED):
            problems.stop(file, 0, "Is packed in an unusual way: pack the feed with deflate.")
        if total > BYTES_MAX:
            problems.stop(file, 0, f"Brings the feed to {total} bytes unpacked: {BYTES_MAX} are the limit, divide it.")
        if member.file_size > max(RATIO_FREE_BYTES, RATIO_MAX * member.compress_size):
            problems.stop(file, 0, f"Unpacks to over {RATIO_MAX} times its size, as no timetable does: pack it again.")
