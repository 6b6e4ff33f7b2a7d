from chassis.consumer import Consumer
from chassis.lifecycle import Loop
from chassis.store import Store
from pricing_svc.queries.is_rebuilt import is_rebuilt
from pricing_svc.store.work import Work
from pricing_svc.use_cases.finish_rebuild import finish_rebuild


def follow_events(store: Store[Work], consumer: Consumer) -> Loop:
    """Make the loop that takes events in; a new database begins with the oldest, whatever one before it took."""

    async def follow() -> None:
        if not await store.read(is_rebuilt, name=consumer.durable):
            await consumer.begin_anew()
            await store.write(finish_rebuild, name=consumer.durable)
        await consumer.run()

    return follow
