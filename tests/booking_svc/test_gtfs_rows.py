"""However a feed's tables are written, they are read; where they cannot be, it is said in which line."""

from pathlib import Path

import pytest

from tests.booking_svc.gtfs_feeds import ISLANDS, changed, read, with_rows, without, zipped

PLAIN = "utf-8"


def rewritten(change, *, encoding: str = PLAIN) -> dict[str, bytes]:
    """Return our feed with every file put otherwise."""
    return {file: change(text).encode(encoding) for file, text in ISLANDS.items()}


def with_spaces(text: str) -> str:
    return "\n".join(" , ".join(f"  {cell}\t" for cell in line.split(",")) for line in text.splitlines())


def with_capitals(text: str) -> str:
    header, _, rows = text.partition("\n")
    return f"{header.upper()}\n{rows}"


def with_columns(text: str) -> str:
    return "\n".join(f"x{number},{line},y" for number, line in enumerate(text.splitlines()))


def quoted(text: str) -> str:
    return "\n".join(",".join(f'"{cell}"' for cell in line.split(",")) for line in text.splitlines())


WRITINGS = {
    "with a BOM": rewritten(lambda text: f"\ufeff{text}"),
    "with CRLF": rewritten(lambda text: text.replace("\n", "\r\n")),
    "with a BOM, CRLF and quotes": rewritten(lambda text: "\ufeff" + quoted(text).replace("\n", "\r\n")),
    "with spaces": rewritten(with_spaces),
    "with spaces before quotes": rewritten(lambda text: quoted(text).replace('","', '" , "')),
    "with quotes": rewritten(quoted),
    "with blank lines": rewritten(lambda text: "\n\n" + text.replace("\n", "\n\n  \n") + "\n\n"),
    "with lines of commas": rewritten(lambda text: text.replace("\n", "\n,,,\n")),
    "with trailing commas": rewritten(lambda text: text.replace("\n", ",,\n")),
    "without a last line end": rewritten(str.strip),
    "with names of columns in capitals": rewritten(with_capitals),
    "with more columns": rewritten(with_columns),
    "without blank cells at the end": rewritten(lambda text: "\n".join(line.rstrip(",") for line in text.splitlines())),
}  # fmt: skip


@pytest.mark.parametrize("files", WRITINGS.values(), ids=WRITINGS)
def test_a_feed_reads_the_same_however_it_is_written(tmp_path: Path, files: dict[str, bytes]):
    found = read(zipped(tmp_path, files))
    assert found.problems == []
    assert found == read(zipped(tmp_path, ISLANDS, name="plain.zip"))


def test_columns_may_stand_in_any_order(tmp_path: Path):
    turned = "\n".join(",".join(reversed(line.split(","))) for line in ISLANDS["stop_times.txt"].splitlines())
    assert read(zipped(tmp_path, ISLANDS | {"stop_times.txt": turned})) == read(zipped(tmp_path, ISLANDS))


def test_texts_may_hold_commas_quotes_and_any_letters(tmp_path: Path):
    found = read(zipped(tmp_path, changed("stops.txt", "Town Pier", '"Cais, ""Velho"" Ανατολή 渡し場 🛳"')))
    assert found.problems == []
    assert found.stops[0]["name"] == 'Cais, "Velho" Ανατολή 渡し場 🛳'


OPTIONAL = ["frequencies.txt", "shapes.txt", "fare_attributes.txt", "fare_rules.txt", "calendar_dates.txt"]


@pytest.mark.parametrize("file", OPTIONAL[3:] + OPTIONAL[:1])
def test_optional_files_may_be_absent(tmp_path: Path, file: str):
    found = read(zipped(tmp_path, without(file)))
    assert found.problems == []
    assert len(found.trips) == 3


def test_a_calendar_may_have_no_rows(tmp_path: Path):
    """Then calendar_dates.txt alone says when trips run."""
    files = changed("trips.txt", "back,F1,daily,,\n", "").copy()
    files["trips.txt"] = files["trips.txt"].replace("daily", "weekend")
    files["stop_times.txt"] = "\n".join(line for line in files["stop_times.txt"].splitlines() if "back" not in line)
    files["calendar.txt"] = files["calendar.txt"].partition("\n")[0]
    found = read(zipped(tmp_path, files))
    assert found.problems == []
    assert found.services == [
        {
            "service_id": "weekend",
            "weekdays": [False] * 7,
            "start_date": "2026-06-06",
            "end_date": "2026-06-08",
            "added": ["2026-06-08"],
            "removed": ["2026-06-06"],
        }
    ]


def test_every_missing_file_is_told(tmp_path: Path):
    found = read(zipped(tmp_path, {"readme.txt": "nothing else"}))
    assert found.faults == [
        ("error", f"{file}.txt", 0, "") for file in ("agency", "stops", "routes", "trips", "stop_times", "calendar")
    ]
    assert {problem["reason"] for problem in found.problems} == {"Is missing: add it."}
    assert not found.is_usable


@pytest.mark.parametrize("file", ["agency.txt", "stops.txt", "routes.txt", "trips.txt", "stop_times.txt"])
def test_a_missing_file_is_told_even_when_what_is_bad_is_skipped(tmp_path: Path, file: str):
    found = read(zipped(tmp_path, without(file)), skips_bad=True)
    assert found.faults == [("error", file, 0, "")]
    assert not found.is_usable


def test_every_missing_column_is_told(tmp_path: Path):
    files = ISLANDS | {"stops.txt": "stop_id,stop_name\ntown,Town\n", "shapes.txt": "shape_id\n", "trips.txt": "\n"}
    found = read(zipped(tmp_path, files))
    assert sorted(found.faults) == [
        ("error", "shapes.txt", 1, "shape_pt_lat"),
        ("error", "shapes.txt", 1, "shape_pt_lon"),
        ("error", "shapes.txt", 1, "shape_pt_sequence"),
        ("error", "stops.txt", 1, "stop_lat"),
        ("error", "stops.txt", 1, "stop_lon"),
        ("error", "trips.txt", 1, "route_id"),
        ("error", "trips.txt", 1, "service_id"),
        ("error", "trips.txt", 1, "trip_id"),
    ]


def test_what_is_not_utf_8_is_told_with_its_line(tmp_path: Path):
    """As most old feeds of Europe are: the lines without accents could still be read."""
    stops = ISLANDS["stops.txt"].replace("Isle", "Île").encode("latin-1")
    found = read(zipped(tmp_path, ISLANDS | {"stops.txt": stops}))
    assert found.faults[0] == ("error", "stops.txt", 4, "")
    assert "UTF-8" in found.problems[0]["reason"]


def test_utf_16_is_told(tmp_path: Path):
    found = read(zipped(tmp_path, rewritten(str, encoding="utf-16")), skips_bad=True)
    assert not found.is_usable
    assert ("error", "stops.txt", 1, "") in found.faults


def test_lines_that_end_in_cr_alone_are_told(tmp_path: Path):
    found = read(zipped(tmp_path, ISLANDS | {"trips.txt": ISLANDS["trips.txt"].replace("\n", "\r")}))
    assert {fault[1] for fault in found.faults} == {"trips.txt"}
    assert not found.is_usable


def test_a_quote_that_is_not_closed_is_told(tmp_path: Path):
    """It swallows whatever follows, up to a limit."""
    rows = [f"town{number},Town,38.7,-9.2" for number in range(20_000)]
    files = with_rows("stops.txt", 'open,"Open,38.7,-9.2', *rows)
    found = read(zipped(tmp_path, files), skips_bad=True)
    assert found.faults == [("error", "stops.txt", 6, "")]
    assert "quotes" in found.problems[0]["reason"]


def test_a_line_without_an_end_is_told(tmp_path: Path):
    files = with_rows("stops.txt", f"long,{'x' * 100_000},38.7,-9.2")
    found = read(zipped(tmp_path, files), skips_bad=True)
    assert found.faults == [("error", "stops.txt", 6, "")]


def test_too_many_columns_are_told(tmp_path: Path):
    header, _, rows = ISLANDS["routes.txt"].partition("\n")
    wide = header + "".join(f",c{number}" for number in range(300))
    found = read(zipped(tmp_path, ISLANDS | {"routes.txt": f"{wide}\n{rows}"}), skips_bad=True)
    assert found.faults == [("error", "routes.txt", 1, "")]


def test_too_many_lines_are_told(tmp_path: Path):
    found = read(zipped(tmp_path, with_rows("agency.txt", *[""] * 2000)), skips_bad=True)
    assert found.faults == [("error", "agency.txt", 1001, "")]


def test_a_comma_that_is_not_quoted_is_told(tmp_path: Path):
    """It moves what follows to the next column; here that makes no sense, elsewhere it might."""
    found = read(
        zipped(tmp_path, changed("trips.txt", "out,F1,daily,Isle,coast", "out,F1,daily,Isle, the far one,coast"))
    )
    assert ("warning", "trips.txt", 2, "") in found.faults
    assert "quotes" in next(one["reason"] for one in found.problems if not one["field"])


def test_lines_are_counted_as_an_editor_does(tmp_path: Path):
    """Blank lines count, and so do those inside quotes."""
    rows = ("", '"isl\net","A\nB",38.7,-9.2', "", "far,Far,99,0")
    found = read(zipped(tmp_path, with_rows("stops.txt", *rows)))
    assert found.faults == [
        ("error", "stops.txt", 7, "stop_id"),
        ("error", "stops.txt", 11, "stop_lat"),
    ]


def test_what_is_told_is_limited_and_the_rest_counted(tmp_path: Path):
    """Twenty that are alike say enough; and errors never drown in warnings."""
    stops = [f"s{number},,38.7,-9.2" for number in range(300)] + [f"t{number},T,99,-9.2" for number in range(300)]
    found = read(zipped(tmp_path, with_rows("stops.txt", *stops)))
    assert len(found.problems) == 40
    assert found.faults[0] == ("error", "stops.txt", 306, "stop_lat")
    assert (found.end["errors"], found.end["warnings"]) == (300, 300)


def test_nothing_but_problems_and_the_end_is_told_of_a_feed_that_is_not_usable(tmp_path: Path):
    found = read(zipped(tmp_path, changed("stops.txt", "38.700,-9.100", "99,-9.100")))
    assert not found.is_usable
    assert found.end["counts"] == {"stops": 0, "routes": 0, "patterns": 0, "trips": 0}
    assert not any([found.stops, found.routes, found.trips, found.patterns, found.services, found.fares])


def test_a_feed_with_nothing_to_sell_is_not_usable(tmp_path: Path):
    files = ISLANDS | {"stop_times.txt": ISLANDS["stop_times.txt"].partition("\n")[0]}
    found = read(zipped(tmp_path, files), skips_bad=True)
    empty = [("warning", "trips.txt", line, "trip_id") for line in (2, 3, 4)]
    assert found.faults == [("error", "trips.txt", 0, ""), *empty]
    assert not found.is_usable


def test_a_file_whose_lines_end_in_cr_is_told_as_such(tmp_path: Path):
    found = read(zipped(tmp_path, ISLANDS | {"stops.txt": ISLANDS["stops.txt"].replace("\n", "\r")}))
    assert found.faults == [("error", "stops.txt", 1, "")]
    assert "lines end in LF" in found.problems[0]["reason"]
