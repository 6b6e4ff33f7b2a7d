from dataclasses import replace

from pricing_svc.domain.events import FarePolicyPublished
from pricing_svc.domain.fare_policy import FarePolicy
from pricing_svc.store.work import Work


def take_feed_fares(work: Work, *, policy: FarePolicy) -> None:
    """Put the fares of an operator's feed in force, unless the operator has put a policy of their own.

    Beside one in force that was put by hand, a feed's is only a draft; a draft that was put by hand stays what it is.
    """
    newest = work.fare_policies.newest(policy.id)
    if newest.version and not newest.is_published and not newest.feed_id:
        return
    same = replace(policy, version=newest.version, is_published=newest.is_published, feed_id=newest.feed_id)
    if newest.feed_id and same == newest:
        return
    draft = newest.replaced_by(policy, seen_version=newest.version)
    work.fare_policies.save_draft(draft)
    in_force = work.fare_policies.in_force([policy.id])[policy.id]
    if in_force.feed_id or not in_force.version:
        published = draft.publish(seen_version=draft.version)
        work.fare_policies.save_published(published, now=work.now)
        work.outbox.add(FarePolicyPublished(published))
