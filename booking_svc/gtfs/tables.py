"""The files of a feed that are read, and the columns that are taken from them."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Table:
    """A file: the columns it must have and those it may have, in the order in which they are read.

    When it is keyed, the first of them is an identifier that stands only once.
    """

    file: str
    required: str
    optional: str = ""
    lines_max: int = 200_000
    is_keyed: bool = False

    @property
    def columns(self) -> list[str]:
        return f"{self.required} {self.optional}".split()


WEEKDAYS = "monday tuesday wednesday thursday friday saturday sunday"

AGENCY = Table("agency.txt", "agency_timezone", "agency_id", 1000)
STOPS = Table(
    "stops.txt",
    "stop_id stop_name stop_lat stop_lon",
    "location_type parent_station zone_id stop_timezone",
    is_keyed=True,
)
ROUTES = Table("routes.txt", "route_id route_type", "agency_id route_short_name route_long_name", 20_000, is_keyed=True)
TRIPS = Table("trips.txt", "trip_id route_id service_id", "trip_headsign shape_id", is_keyed=True)
STOP_TIMES = Table(
    "stop_times.txt",
    "trip_id arrival_time departure_time stop_id stop_sequence",
    "pickup_type drop_off_type shape_dist_traveled start_pickup_drop_off_window",
    5_000_000,
)
CALENDAR = Table("calendar.txt", f"service_id {WEEKDAYS} start_date end_date", is_keyed=True)
CALENDAR_DATES = Table("calendar_dates.txt", "service_id date exception_type", lines_max=1_000_000)
FREQUENCIES = Table("frequencies.txt", "trip_id start_time end_time headway_secs")
SHAPES = Table(
    "shapes.txt", "shape_id shape_pt_lat shape_pt_lon shape_pt_sequence", "shape_dist_traveled", 5_000_000
)  # fmt: skip
FARE_ATTRIBUTES = Table("fare_attributes.txt", "fare_id price currency_type", is_keyed=True)
FARE_RULES = Table("fare_rules.txt", "fare_id", "route_id origin_id destination_id contains_id")
FARE_PRODUCTS = Table("fare_products.txt", "")

NEEDED = (AGENCY, STOPS, ROUTES, TRIPS, STOP_TIMES)
TABLES = (*NEEDED, CALENDAR, CALENDAR_DATES, FREQUENCIES, SHAPES, FARE_ATTRIBUTES, FARE_RULES, FARE_PRODUCTS)
