"""Read a feed: python -m booking_svc.gtfs FEED.zip [--skip-bad]."""

import argparse
import os
import resource
import sys
from contextlib import suppress
from pathlib import Path

from booking_svc.gtfs.records import read_records

MEMORY_BYTES_MAX = 1024**3
NICENESS = 10


def main() -> None:
    """Write the records of a feed to standard output, out of the way of those who sell."""
    parser = argparse.ArgumentParser(prog="python -m booking_svc.gtfs", description="Tell what is in a GTFS feed.")
    parser.add_argument("feed", type=Path, metavar="FEED.zip")
    parser.add_argument("--skip-bad", action="store_true", help="leave out what is wrong and tell the rest")
    asked = parser.parse_args()
    os.nice(NICENESS)
    # Not every system keeps such a limit, and whoever set one already knows better.
    if resource.getrlimit(resource.RLIMIT_AS)[0] == resource.RLIM_INFINITY:
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES_MAX, MEMORY_BYTES_MAX))
    for line in read_records(asked.feed, skips_bad=asked.skip_bad):
        sys.stdout.write(line)


if __name__ == "__main__":
    main()
