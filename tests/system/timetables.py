"""Real runs out of real feeds, read by plain csv: the importer is not what is tested here."""

import csv
import io
import zipfile
from collections import defaultdict
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

DATA = Path(__file__).parents[3] / "shared" / "data"
DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


class Feed:
    """The tables of a feed that a departure is made of."""

    def __init__(self, name: str) -> None:
        path = DATA / f"{name}.zip"
        if not path.exists():
            pytest.skip(f"the real timetable {name}.zip is not beside this checkout: {path.parent}")
        self.operator_id = f"{name}_real"
        with zipfile.ZipFile(path) as archive:
            self.tables = {file: list(rows(archive, file)) for file in archive.namelist() if file.endswith(".txt")}
        self.timezone = self.tables["agency.txt"][0]["agency_timezone"]
        self.stops = {row["stop_id"]: row for row in self.tables["stops.txt"]}
        self.routes = {row["route_id"]: row for row in self.tables["routes.txt"]}
        self.stop_times: dict[str, list[dict[str, str]]] = defaultdict(list)
        for row in self.tables["stop_times.txt"]:
            self.stop_times[row["trip_id"]].append(row)

    def departures(self, day: date, *, count: int, routes: int) -> list[dict[str, Any]]:
        """Describe some real runs of a weekday, from several routes, on a day to come."""
        running = {row["service_id"] for row in self.tables["calendar.txt"] if row[DAYS[day.weekday()]] == "1"}
        by_route: dict[str, list[dict[str, str]]] = defaultdict(list)
        for trip in self.tables["trips.txt"]:
            if trip["service_id"] in running and len(self.stop_times[trip["trip_id"]]) >= 4:
                by_route[trip["route_id"]].append(trip)
        chosen = [trip for trips in list(by_route.values())[:routes] for trip in trips[: -(-count // routes)]]
        return [self.departure(trip, day) for trip in chosen[:count]]

    def departure(self, trip: dict[str, str], day: date) -> dict[str, Any]:
        """Describe one run with all its calls and times."""
        route = self.routes[trip["route_id"]]
        start = datetime.combine(day, time(12), ZoneInfo(self.timezone)).astimezone(UTC) - timedelta(hours=12)
        calls = sorted(self.stop_times[trip["trip_id"]], key=lambda row: int(row["stop_sequence"]))
        return {
            "operator_id": self.operator_id,
            "feed_trip_id": trip["trip_id"],
            "route": {
                "feed_route_id": route["route_id"],
                "short_name": route["route_short_name"] or route["route_long_name"],
                "long_name": route["route_long_name"],
                "mode": "rail",
            },
            "headsign": trip["trip_headsign"],
            "service_date": day.isoformat(),
            "calls": [self.call(row, start) for row in calls],
        }

    def call(self, row: dict[str, str], start: datetime) -> dict[str, Any]:
        stop = self.stops[row["stop_id"]]
        described = {
            "feed_stop_id": stop["stop_id"],
            "name": stop["stop_name"],
            "timezone": stop.get("stop_timezone") or self.timezone,
            "latitude": float(stop["stop_lat"]),
            "longitude": float(stop["stop_lon"]),
            "zone_id": stop.get("zone_id", ""),
        }
        return {
            "stop": described,
            "scheduled_arrival_at": (start + seconds(row["arrival_time"])).isoformat(),
            "scheduled_departure_at": (start + seconds(row["departure_time"])).isoformat(),
        }

    def zone_fares(self) -> dict[tuple[str, str], int]:
        """Read the cheapest single fare in cents of each pair of zones."""
        prices = {row["fare_id"]: round(float(row["price"]) * 100) for row in self.tables["fare_attributes.txt"]}
        fares: dict[tuple[str, str], int] = {}
        for rule in self.tables["fare_rules.txt"]:
            pair = (rule["origin_id"], rule["destination_id"])
            if all(pair):
                fares[pair] = min(prices[rule["fare_id"]], fares.get(pair, 10**9))
        return fares

    def policy(self) -> dict[str, Any]:
        """Write the feed's fares as a fare policy."""
        zone_fares = [
            {"origin_zone_id": origin, "destination_zone_id": destination, "amount_minor": amount}
            for (origin, destination), amount in self.zone_fares().items()
        ]
        categories = [{"category": "adult", "percent": 100}, {"category": "child", "percent": 50}]
        return {
            "operator_id": self.operator_id, "currency": "USD", "base_minor": 250, "per_kilometer_minor": 10,
            "categories": categories, "minimum_minor": 0, "maximum_minor": 0, "rounding_minor": 1,
            "zone_fares": zone_fares,
        }  # fmt: skip


def rows(archive: zipfile.ZipFile, file: str) -> list[dict[str, str]]:
    with archive.open(file) as binary:
        return list(csv.DictReader(io.TextIOWrapper(binary, "utf-8-sig")))


def seconds(text: str) -> timedelta:
    hours, minutes, rest = map(int, text.split(":"))
    return timedelta(hours=hours, minutes=minutes, seconds=rest)
