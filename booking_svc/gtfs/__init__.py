"""The GTFS reader: a process of its own, so that reading a feed takes no time from those who buy.

`python -m booking_svc.gtfs FEED.zip [--skip-bad]` writes JSON, one object a line, each line about 200 kB at most:

    {"stops": [{"feed_stop_id", "name", "timezone", "latitude", "longitude", "zone_id", "feed_station_id",
                "is_station"}]}
    {"routes": [{"feed_route_id", "short_name", "long_name", "mode"}]}
    {"patterns": [{"number", "calls": [{"feed_stop_id", "arrival_seconds", "departure_seconds", "is_boarding_allowed",
                   "is_alighting_allowed", "distance_meters", "is_interpolated"}],
                   "shape": [[latitude, longitude, distance_meters]]}]}
    {"services": [{"service_id", "weekdays", "start_date", "end_date", "added", "removed"}]}
    {"trips": [{"feed_trip_id", "feed_route_id", "service_id", "headsign", "timezone", "pattern", "start_seconds",
                "frequencies": [[start_seconds, end_seconds, headway_seconds]]}]}
    {"fares": {"currency", "fares": [{"feed_route_id", "origin_zone_id", "destination_zone_id", "amount_minor"}]}}
    {"problems": [{"severity", "file", "line", "field", "reason"}]}
    {"end": {"counts": {"stops", "routes", "patterns", "trips"}, "errors", "warnings", "is_usable"}}

Kinds stand in this order, so that what a record names stands before it; fares stand on one line, however long, and of
the problems the first 200 are told. The seconds of a call count from the first call's departure, those of a trip from
noon minus twelve hours of the service day in the trip's zone, and metres from the first call. Line 1 of a file is its
header, line 0 the whole file. A feed that is not usable gives only problems and the end.
"""
