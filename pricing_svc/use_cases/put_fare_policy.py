from chassis.access import Caller
from pricing_svc.domain.fare_policy import FarePolicy, must_handle
from pricing_svc.store.work import Work


def put_fare_policy(work: Work, *, caller: Caller, policy: FarePolicy, seen_version: int) -> FarePolicy:
    """Replace the draft of a fare policy."""
    must_handle(caller, policy.id)
    draft = work.fare_policies.newest(policy.id).replaced_by(policy, seen_version=seen_version)
    work.fare_policies.save_draft(draft)
    return draft
