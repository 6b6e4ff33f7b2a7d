from dataclasses import replace

from pricing_svc.domain.events import FarePolicyPublished
from pricing_svc.domain.fare_policy import FarePolicy, default_policy
from pricing_svc.store.work import Work


def take_feed_fares(work: Work, *, policy: FarePolicy) -> None:
    """Put the fares of an operator's feed in force; the fares that it had before change and tell nothing.

    Beside a policy in force that was put by hand, the feed's is only a draft. A draft that was put by hand stays one.
    A feed without fares brings the default back where a feed's were in force, and changes nothing else.
    """
    newest, in_force = work.fare_policies.newest(policy.id), work.fare_policies.newest(policy.id, is_in_force=True)
    if not in_force.feed_id and policy.has_fares_of(default_policy(policy.id)):
        return
    is_put_by_hand = in_force.version > 0 and not in_force.feed_id
    is_drafted_by_hand = not newest.is_published and not newest.feed_id
    before = in_force if is_drafted_by_hand else newest
    if (is_put_by_hand and is_drafted_by_hand) or (before.feed_id and before.has_fares_of(policy)):
        return
    taken = newest.replaced_by(policy, seen_version=newest.version)
    work.fare_policies.save_draft(taken)
    if is_put_by_hand:
        return
    published = taken.publish(seen_version=taken.version)
    work.fare_policies.save_published(published, now=work.now)
    work.outbox.add(FarePolicyPublished(published))
    if is_drafted_by_hand:
        work.fare_policies.save_draft(replace(newest, version=taken.version + 1))
