from chassis.access import Caller
from pricing_svc.domain.fare_policy import FarePolicy, must_read
from pricing_svc.store.work import Work


def get_fare_policy(work: Work, *, caller: Caller, policy_id: str) -> FarePolicy:
    """Read an operator's fare policy: the draft, or what is in force where there is none."""
    must_read(caller, policy_id)
    return work.fare_policies.newest(policy_id)
