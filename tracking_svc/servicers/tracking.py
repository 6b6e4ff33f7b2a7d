"""TrackingService on the wire."""

import asyncio
from collections.abc import AsyncIterator
from functools import partial
from typing import cast

from headway.gtfs_realtime.v1 import gtfs_realtime_pb2
from headway.tracking.v1 import live_pb2, positions_pb2, tracking_service_pb2, tracking_service_pb2_grpc

from chassis.access import identify
from chassis.clock import Clock
from chassis.faults import fault_point
from chassis.keys import Verifier
from chassis.rpc_server import Context, current_caller, seconds_left
from tracking_svc import translate, translate_feed
from tracking_svc.domain.reports import Batch, Report
from tracking_svc.flows.position_feed import PositionFeed
from tracking_svc.flows.stream_positions import stream_positions
from tracking_svc.flows.watch_departure import watch_departure
from tracking_svc.flows.watch_vehicles import watch_vehicles
from tracking_svc.flows.watchers import Watchers
from tracking_svc.queries.get_alerts import get_alerts
from tracking_svc.queries.get_delays import get_delays
from tracking_svc.queries.get_live_departure import get_live_departure
from tracking_svc.queries.get_trip_updates import get_trip_updates
from tracking_svc.queries.get_vehicle import get_vehicle
from tracking_svc.queries.get_vehicle_positions import get_vehicle_positions
from tracking_svc.use_cases.report_positions import report_positions


class TrackingServicer(tracking_service_pb2_grpc.TrackingServiceServicer):
    def __init__(self, watchers: Watchers, feed: PositionFeed, *, verifier: Verifier, clock: Clock) -> None:
        self.store = watchers.store
        self.watchers = watchers
        self.feed = feed
        self._verifier = verifier
        self._clock = clock

    def StreamPositions(
        self, requests: AsyncIterator[tracking_service_pb2.PositionBatch], context: Context
    ) -> AsyncIterator[tracking_service_pb2.PositionAck]:
        return stream_positions(requests, report=partial(self._report_in_stream, context))

    async def ReportPositions(
        self, request: tracking_service_pb2.PositionBatch, context: Context
    ) -> tracking_service_pb2.PositionAck:
        reported = await self._report(translate.batch_in(request), timeout_seconds=seconds_left(context))
        return translate.report_out(reported)

    async def GetVehicle(
        self, request: tracking_service_pb2.GetVehicleRequest, context: Context
    ) -> positions_pb2.TrackedVehicle:
        tracked = await self.store.read(get_vehicle, caller=current_caller(), vehicle_id=request.vehicle_id)
        return translate.tracked_vehicle_out(tracked)

    async def GetLiveDeparture(
        self, request: tracking_service_pb2.GetLiveDepartureRequest, context: Context
    ) -> live_pb2.LiveDeparture:
        live = await self.store.read(get_live_departure, departure_id=request.departure_id)
        return translate.live_departure_out(live)

    async def GetDelays(
        self, request: tracking_service_pb2.GetDelaysRequest, context: Context
    ) -> tracking_service_pb2.GetDelaysResponse:
        delays = await self.store.read(get_delays, departure_ids=request.departure_ids)
        return translate.delays_out(delays)

    async def GetVehiclePositions(
        self, request: tracking_service_pb2.GetVehiclePositionsRequest, context: Context
    ) -> gtfs_realtime_pb2.FeedMessage:
        found = await self.store.read(get_vehicle_positions, operator_id=request.operator_id)
        return await asyncio.to_thread(translate_feed.vehicle_positions_out, found, now=self.store.now())

    async def GetTripUpdates(
        self, request: tracking_service_pb2.GetTripUpdatesRequest, context: Context
    ) -> gtfs_realtime_pb2.FeedMessage:
        running, cancelled = await self.store.read(get_trip_updates, operator_id=request.operator_id)
        # In a thread, as those beside it: what fills a feed must not keep the streams of drivers waiting.
        return await asyncio.to_thread(translate_feed.trip_updates_out, running, cancelled, now=self.store.now())

    async def GetAlerts(
        self, request: tracking_service_pb2.GetAlertsRequest, context: Context
    ) -> gtfs_realtime_pb2.FeedMessage:
        found = await self.store.read(get_alerts, operator_id=request.operator_id)
        return await asyncio.to_thread(translate_feed.alerts_out, found, now=self.store.now())

    async def WatchDeparture(
        self, request: tracking_service_pb2.WatchDepartureRequest, context: Context
    ) -> AsyncIterator[live_pb2.DepartureUpdate]:
        check = partial(self._check_user_again, context)
        async for update in watch_departure(self.watchers, departure_id=request.departure_id, check=check):
            yield cast(live_pb2.DepartureUpdate, update)

    async def WatchVehicles(
        self, request: tracking_service_pb2.WatchVehiclesRequest, context: Context
    ) -> AsyncIterator[live_pb2.VehicleUpdate]:
        check = partial(self._check_user_again, context)
        async for update in watch_vehicles(self.watchers, area=translate.area_in(request), check=check):
            yield cast(live_pb2.VehicleUpdate, update)

    async def _report_in_stream(self, context: Context, batch: Batch) -> Report:
        self._check_token_again(context)
        return await self._report(batch)

    async def _report(self, batch: Batch, *, timeout_seconds: float | None = None) -> Report:
        report = await self.store.write(
            report_positions, caller=current_caller(), batch=batch, timeout_seconds=timeout_seconds
        )
        fault_point("tracking.frame_committed")
        self.watchers.reported(report)
        if report.moved_to is not None:
            self.feed.offer(report.vehicle, report.moved_to)
        return report

    def _check_user_again(self, context: Context) -> None:
        """End a stream that outlives its user's token; our own processes' tokens are for beginning a call."""
        metadata = dict(context.invocation_metadata() or ())
        identify({"authorization": str(metadata.get("authorization", ""))}, self._verifier, now=self._clock.now())

    def _check_token_again(self, context: Context) -> None:
        """End a stream that outlives its token; raise NotAuthenticated."""
        metadata = {name: value for name, value in context.invocation_metadata() or () if isinstance(value, str)}
        identify(metadata, self._verifier, now=self._clock.now())
