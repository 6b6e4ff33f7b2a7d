"""What each method asks of its caller."""

from chassis.access import PUBLIC, Access, Rules, needs

SERVICE = "/headway.pricing.v1.PricingService"
RULES: Rules = {
    f"{SERVICE}/QuoteFare": PUBLIC,
    f"{SERVICE}/QuoteFares": PUBLIC,
    f"{SERVICE}/GetFarePolicy": Access(scopes=frozenset({"fares:write"}), is_for_services=True),
    f"{SERVICE}/PutFarePolicy": needs("fares:write"),
    f"{SERVICE}/PublishFarePolicy": needs("fares:write"),
}
