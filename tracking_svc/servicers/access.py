"""Who may call what."""

from chassis.access import PUBLIC, Access, Rules, needs

SERVICE = "/headway.tracking.v1.TrackingService"

RULES: Rules = {
    f"{SERVICE}/StreamPositions": needs("positions:write"),
    f"{SERVICE}/ReportPositions": needs("positions:write"),
    f"{SERVICE}/GetVehicle": Access(frozenset({"fleet:read"}), is_for_services=True),
    f"{SERVICE}/GetLiveDeparture": PUBLIC,
    f"{SERVICE}/GetDelays": PUBLIC,
    f"{SERVICE}/GetVehiclePositions": PUBLIC,
    f"{SERVICE}/GetTripUpdates": PUBLIC,
    f"{SERVICE}/GetAlerts": PUBLIC,
    f"{SERVICE}/WatchDeparture": Access(frozenset({"fleet:read"}), is_for_services=True),
    f"{SERVICE}/WatchVehicles": Access(frozenset({"fleet:read"}), is_for_services=True),
}
