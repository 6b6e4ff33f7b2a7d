"""What goes on in the background."""

from chassis.lifecycle import Loop, every
from chassis.store import Store
from tracking_svc.store.work import Work
from tracking_svc.use_cases.prune_history import prune_history

TIDY_SECONDS = 60.0


def tidying(store: Store[Work]) -> Loop:
    """Build the loop that forgets what is too old, in steps that let others in between."""

    async def prune() -> None:
        while await store.write(prune_history):
            pass

    async def tidy() -> None:
        await every(TIDY_SECONDS, prune)

    return tidy
