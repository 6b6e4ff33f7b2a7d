"""A feed's zip may be damaged, odd or hostile: it is told, and takes neither time nor memory."""

import struct
import zipfile
import zlib
from pathlib import Path

import pytest

from tests.booking_svc.gtfs_feeds import ISLANDS, changed, read, run_reader, without, zipped

SIZE_AT, FLAGS_AT, METHOD_AT = 24, 8, 10
SMALL = 48
"""Megabytes of address space: hardly more than an empty interpreter takes."""


"""Where an entry of the central directory holds its size, its flags and its method."""


def alone(path: Path, **reader: bool) -> tuple[str, int, str]:
    """Return the file, line and reason of the only problem of a feed of which nothing is taken."""
    found = read(path, **reader)
    assert not found.is_usable
    (problem,) = found.problems
    assert problem["severity"] == "error"
    assert not found.trips
    return problem["file"], problem["line"], problem["reason"]


def patched(path: Path, file: str, at: int, value: bytes) -> Path:
    """Change what the central directory says of a file."""
    content = bytearray(path.read_bytes())
    entry = content.index(b"PK\1\2")
    while content[entry + 46 : entry + 46 + len(file)] != file.encode():
        entry = content.index(b"PK\1\2", entry + 1)
    content[entry + at : entry + at + len(value)] = value
    path.write_bytes(content)
    return path


def bomb(path: Path, size: int, *, declared: int) -> Path:
    """Pack our feed with so many blank lines in stop_times.txt: one block again and again, which takes no time."""
    block = b"\n" * (1 << 20)
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = packer.compress(block) + packer.flush(zlib.Z_FULL_FLUSH)
    content = packed * (size // len(block)) + zlib.compressobj(9, zlib.DEFLATED, -15).flush()
    with zipfile.ZipFile(path, "w") as archive:
        for file, text in without("stop_times.txt").items():
            archive.writestr(file, text)
        archive.writestr("stop_times.txt", content)
    sizes = struct.pack("<II", len(content), min(declared, 0xFFFFFFFF))
    patched(path, "stop_times.txt", SIZE_AT - 4, sizes)
    patched(path, "stop_times.txt", METHOD_AT, struct.pack("<H", zipfile.ZIP_DEFLATED))
    raw = bytearray(path.read_bytes())
    local = raw.index(b"stop_times.txt") - 30
    raw[local + 8 : local + 10] = struct.pack("<H", zipfile.ZIP_DEFLATED)
    path.write_bytes(raw)
    return path


@pytest.mark.parametrize("content", [b"", b"stop_id,stop_name\n", b"PK", bytes(2000)])
def test_what_is_not_a_zip_is_told(tmp_path: Path, content: bytes):
    (tmp_path / "feed.zip").write_bytes(content)
    assert alone(tmp_path / "feed.zip") == (
        "feed.zip",
        0,
        "Is not a zip, or was cut off or damaged on its way: send it again.",
    )


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.99])
def test_a_zip_that_was_cut_off_is_told(tmp_path: Path, share: float):
    path = zipped(tmp_path, ISLANDS)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    assert "cut off" in alone(path)[2]


def test_a_zip_that_is_damaged_inside_is_told(tmp_path: Path):
    """The directory at the end is whole, so that it is noticed only on the way."""
    path = zipped(tmp_path, ISLANDS)
    content = bytearray(path.read_bytes())
    at = content.index(b"stop_times.txt") + 60
    content[at : at + 20] = bytes(20)
    path.write_bytes(content)
    file, _, reason = alone(path)
    assert file == "stop_times.txt"
    assert "damaged" in reason


def test_an_encrypted_zip_is_told(tmp_path: Path):
    path = patched(zipped(tmp_path, ISLANDS), "trips.txt", FLAGS_AT, b"\1\0")
    assert alone(path) == ("trips.txt", 0, "Is encrypted: pack the feed without a password.")


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_only_deflate_is_unpacked(tmp_path: Path, method: int):
    """The other methods give no bound to what a few bytes unpack to."""
    with zipfile.ZipFile(tmp_path / "feed.zip", "w", method) as archive:
        for file, text in ISLANDS.items():
            archive.writestr(file, text)
    assert "deflate" in alone(tmp_path / "feed.zip")[2]


def test_a_zip_that_is_not_packed_is_read(tmp_path: Path):
    with zipfile.ZipFile(tmp_path / "feed.zip", "w", zipfile.ZIP_STORED) as archive:
        for file, text in ISLANDS.items():
            archive.writestr(file, text)
    assert len(read(tmp_path / "feed.zip").trips) == 3


@pytest.mark.parametrize("folder", ["", "gtfs/", "a/b/c/", "gtfs\\", "./"])
def test_a_feed_may_lie_in_a_folder(tmp_path: Path, folder: str):
    """And other things may lie around it, such as what a Mac adds."""
    files = {f"{folder}{file}": text for file, text in ISLANDS.items()}
    around = {"readme.txt": "stop_id", "old/stops.txt": "", f"__MACOSX/{folder}stop_times.txt": "", "folder/": ""}
    found = read(zipped(tmp_path, files | around))
    assert found.problems == []
    assert len(found.trips) == 3


def test_files_may_be_named_in_capitals(tmp_path: Path):
    found = read(zipped(tmp_path, {file.upper(): text for file, text in ISLANDS.items()}))
    assert found.problems == []
    assert len(found.trips) == 3


def test_two_feeds_in_one_zip_are_told(tmp_path: Path):
    files = {f"{folder}/{file}": text for folder in ("bus", "rail") for file, text in ISLANDS.items()}
    assert alone(zipped(tmp_path, files)) == (
        "feed.zip",
        0,
        "Holds 2 feeds in different folders: send one at a time.",
    )


def test_a_path_that_leaves_the_archive_is_told(tmp_path: Path):
    """Nothing is ever written, so it can do no harm; the rest can be used."""
    path = zipped(tmp_path, ISLANDS | {"../../trips.txt": "x", "/stops.txt": "x"})
    assert read(path).faults == [("error", "trips.txt", 0, ""), ("error", "stops.txt", 0, "")]
    assert len(read(path, skips_bad=True).trips) == 3


def test_a_file_that_stands_twice_is_told(tmp_path: Path):
    path = zipped(tmp_path, ISLANDS)
    with pytest.warns(UserWarning, match="Duplicate name"), zipfile.ZipFile(path, "a") as archive:
        archive.writestr("trips.txt", "trip_id,route_id,service_id\n")
    assert read(path).faults == [("error", "trips.txt", 0, "")]
    assert len(read(path, skips_bad=True).trips) == 3, "the first is taken"


def test_ten_gigabytes_in_ten_megabytes_are_refused_at_once(tmp_path: Path):
    path = bomb(tmp_path / "feed.zip", 10 << 30, declared=3 << 30)
    assert path.stat().st_size < 12 << 20
    found, cpu_seconds = run_reader(path, megabytes=SMALL)
    (problem,) = found.problems
    assert (problem["file"], problem["line"]) == ("stop_times.txt", 0)
    assert "limit" in problem["reason"]
    assert cpu_seconds < 2


def test_what_shrinks_like_no_timetable_is_refused_at_once(tmp_path: Path):
    """It is under the limit of size, but no honest feed is a hundred times as large as its zip."""
    path = bomb(tmp_path / "feed.zip", 1 << 30, declared=1 << 30)
    assert "over 100 times" in alone(path)[2]


@pytest.mark.parametrize("declared", [0, 1, 1000, 30 << 20])
def test_a_zip_that_lies_about_its_size_is_unpacked_no_further_than_it_says(tmp_path: Path, declared: int):
    path = bomb(tmp_path / "feed.zip", 4 << 30, declared=declared)
    found, cpu_seconds = run_reader(path, megabytes=SMALL)
    assert not found.is_usable
    assert found.faults[0][1] == "stop_times.txt"
    assert cpu_seconds < 2


def test_a_small_file_may_shrink_as_much_as_it_likes(tmp_path: Path):
    """Here 20,000 times the same blank line."""
    found = read(zipped(tmp_path, ISLANDS | {"trips.txt": ISLANDS["trips.txt"] + "\n" * 20_000}))
    assert found.problems == []


def test_a_feed_that_needs_too_much_memory_is_told(tmp_path: Path):
    """The reader's memory is limited by the system; running into that is one more thing to tell."""
    lots = "out,8:00:00,8:00:00,town,1\n" * 500_000
    path = zipped(tmp_path, changed("stop_times.txt", "bus,24:10:00", f"{lots}bus,24:10:00"))
    found, _ = run_reader(path, megabytes=SMALL)
    assert found.faults == [("error", "feed.zip", 0, "")]
    assert "memory" in found.problems[0]["reason"]
