from chassis.access import Caller
from pricing_svc.domain.events import FarePolicyPublished
from pricing_svc.domain.fare_policy import FarePolicy, must_handle
from pricing_svc.store.work import Work


def publish_fare_policy(work: Work, *, caller: Caller, policy_id: str, seen_version: int) -> FarePolicy:
    """Put the draft of a fare policy in force; a repeat changes and tells nothing."""
    must_handle(caller, policy_id)
    newest = work.fare_policies.newest(policy_id)
    published = newest.publish(seen_version=seen_version)
    if not newest.is_published:
        work.fare_policies.save_published(published, now=work.now)
        work.outbox.add(FarePolicyPublished(published))
    return published
