"""Facts that others may rely on."""

from dataclasses import dataclass

from pricing_svc.domain.fare_policy import FarePolicy


@dataclass(frozen=True, slots=True)
class FarePolicyPublished:
    """A fare policy is in force."""

    policy: FarePolicy
