"""The rows of a feed's files, reduced to the columns that are asked for."""

import csv
from collections.abc import Callable, Iterator
from itertools import islice
from operator import itemgetter
from typing import Any

from booking_svc.gtfs.archive import Archive
from booking_svc.gtfs.problems import BadValue, Row, UnreadableFeed, shown
from booking_svc.gtfs.tables import CALENDAR, CALENDAR_DATES, NEEDED, TABLES, Table
from booking_svc.gtfs.values import new_identifier

COLUMNS_MAX = 200
HEADER_LINE_MAX = 100
NOT_CSV = "Is not CSV here: see that quotes are closed and lines end in LF."


def check_tables(archive: Archive) -> None:
    """See that all files and columns are there that a feed needs, tell all that are not, and stop if any is."""
    missing = [(table.file, 0, "") for table in NEEDED if table.file not in archive]
    if CALENDAR.file not in archive and CALENDAR_DATES.file not in archive:
        missing.append((CALENDAR.file, 0, ""))
    for table in TABLES:
        if table.file in archive:
            _, header = open_table(archive, table)
            missing += [(table.file, 1, column) for column in table.required.split() if column not in header]
    for place in missing:
        archive.problems.error(*place, "Is missing: add it.")
    if missing:
        raise UnreadableFeed


def visit(archive: Archive, table: Table, take: Callable[[Row, list[str]], None]) -> set[str]:
    """Hand every row and its cells to a function; a BadValue that it raises is told.

    Returns the first cells of the rows that were wrong, for what depends on them.
    """
    seen: set[str] = set()
    wrong: set[str] = set()
    for line, cells in rows_of(archive, table):
        try:
            if table.is_keyed:
                new_identifier(table.columns[0], cells[0], seen)
            take(Row(table.file, line, archive.problems), cells)
        except BadValue as bad:
            archive.problems.error(table.file, line, bad.field, bad.detail)
            wrong.add(cells[0])
    return wrong


def rows_of(archive: Archive, table: Table) -> Iterator[tuple[int, list[str]]]:
    """Yield the line and the cells of every row that is not blank; an absent file has none, an absent cell is blank."""
    if table.file not in archive:
        return
    reader, header = open_table(archive, table)
    width = len(header)
    pick = itemgetter(*(header.index(column) if column in header else width for column in table.columns))
    line = reader.line_num + 1
    try:
        for cells in reader:
            if any(cells):
                if len(cells) != width:
                    fit(cells, width, Row(table.file, line, archive.problems))
                cells.append("")
                yield line, [cell.strip() for cell in pick(cells)]
            line = reader.line_num + 1
            if line > table.lines_max:
                archive.problems.stop(table.file, line, f"Has more than {table.lines_max} lines: divide the feed.")
    except csv.Error:
        archive.problems.stop(table.file, line, NOT_CSV)


def open_table(archive: Archive, table: Table) -> tuple[Any, list[str]]:
    """Return a reader that stands after the header, and the header."""
    reader = csv.reader(archive.lines(table.file), skipinitialspace=True)
    try:
        header = [cell.strip().lower() for cell in next(filter(any, islice(reader, HEADER_LINE_MAX)), [])]
    except csv.Error:
        archive.problems.stop(table.file, 1, NOT_CSV)
    if len(header) > COLUMNS_MAX:
        archive.problems.stop(table.file, 1, f"Has more than {COLUMNS_MAX} columns: leave some out.")
    return reader, header


def fit(cells: list[str], width: int, row: Row) -> None:
    """Give a row as many cells as the header has."""
    if any(cells[width:]):
        row.warn("", f"Has more cells than the header, the last {shown(cells[-1])}: put texts with commas in quotes.")
    cells[width:] = [""] * (width - len(cells))
