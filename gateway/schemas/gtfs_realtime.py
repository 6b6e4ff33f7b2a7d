"""How GTFS-Realtime feeds are documented: what they look like in JSON; whole numbers of 64 bits are text in it."""

from typing import Any

HEADER = {"gtfs_realtime_version": "2.0", "incrementality": "FULL_DATASET", "timestamp": "1906531200"}
TRIP = {"trip_id": "T305", "start_date": "20300601", "schedule_relationship": "SCHEDULED", "route_id": "R12"}
VEHICLE = {"id": "veh_2f6c1d", "label": "Coach 7"}
VEHICLE_POSITION: Any = {
    "vehicle": {
        "trip": TRIP,
        "position": {"latitude": 53.5511, "longitude": 9.9937, "bearing": 12.0, "speed": 22.5},
        "current_status": "IN_TRANSIT_TO",
        "timestamp": "1906531198",
        "stop_id": "ZOB-2",
        "vehicle": VEHICLE,
        "occupancy_status": "FULL",
        "occupancy_percentage": 100,
    }
}
TRIP_UPDATE: Any = {
    "trip_update": {
        "trip": TRIP,
        "stop_time_update": [
            {
                "arrival": {"delay": 120, "time": "1906532520"},
                "departure": {"delay": 120, "time": "1906532640"},
                "stop_id": "ZOB-2",
            }
        ],
        "vehicle": VEHICLE,
        "timestamp": "1906531200",
        "delay": 120,
    }
}
ALERT: Any = {
    "alert": {
        "informed_entity": [{"trip": TRIP | {"schedule_relationship": "CANCELED"}}],
        "cause": "UNKNOWN_CAUSE",
        "effect": "NO_SERVICE",
        "header_text": {
            "translation": [
                {"text": "The 14:30 from Hamburg ZOB to Kiel ZOB on 2030-06-01 does not run.", "language": "en"}
            ]
        },
    }
}


def documented_feed(told: Any) -> Any:
    """Document a feed that tells one thing: the `responses=` of its route."""
    example = {"header": HEADER, "entity": [{"id": "dep_5ab0c4", **told}]}
    schema = {
        "type": "object",
        "required": ["header"],
        "properties": {"header": {"type": "object"}, "entity": {"type": "array", "items": {"type": "object"}}},
    }
    content = {
        "application/json": {"schema": schema, "example": example},
        "application/x-protobuf": {"schema": {"type": "string", "format": "binary"}},
    }
    return {200: {"description": "A `FeedMessage` of GTFS-Realtime 2.0", "content": content}}
