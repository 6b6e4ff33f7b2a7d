"""TimetableService: messages in, use case or query, messages out."""

from collections.abc import AsyncIterator

from headway.booking.v1 import timetable_service_pb2 as pb
from headway.booking.v1 import timetable_service_pb2_grpc, vehicles_pb2
from headway.types.v1 import timetable_pb2

from booking_svc import translate
from booking_svc.domain.layout import DEFAULT_LAYOUT_ID
from booking_svc.queries.get_departure import get_departure
from booking_svc.queries.list_departures import cursor_of, list_departures
from booking_svc.queries.list_layouts import list_layouts
from booking_svc.servicers import check
from booking_svc.store.work import Work
from booking_svc.use_cases.assign_vehicle import assign_vehicle
from booking_svc.use_cases.cancel_departures import cancel_departures
from booking_svc.use_cases.create_layout import create_layout
from booking_svc.use_cases.publish_departure import publish_departure
from booking_svc.use_cases.register_vehicle import register_vehicle
from chassis.rpc_server import Context, current_caller, once_for, once_if_keyed, seconds_left
from chassis.store import Store

DEPARTURES_A_READ = 200


class TimetableServicer(timetable_service_pb2_grpc.TimetableServiceServicer):
    """What runs, when, and with which vehicle."""

    def __init__(self, store: Store[Work]) -> None:
        self.store = store

    async def PublishDeparture(self, request: pb.PublishDepartureRequest, context: Context) -> timetable_pb2.Departure:
        check.check_departure(request)
        return await self.store.write(
            publish_departure,
            once=once_for(request, context),
            answer=translate.departure_out,
            timeout_seconds=seconds_left(context),
            caller=current_caller(),
            **translate.publish_departure_in(request),
        )

    async def GetDeparture(self, request: pb.GetDepartureRequest, context: Context) -> timetable_pb2.Departure:
        check.addressed(request.departure_id)
        return translate.departure_out(await self.store.read(get_departure, departure_id=request.departure_id))

    async def ListDepartures(
        self, request: pb.ListDeparturesRequest, context: Context
    ) -> AsyncIterator[pb.ListDeparturesResponse]:
        check.check_filter(request)
        wanted, cursor, left = translate.list_departures_in(request), request.cursor, request.limit
        while True:
            limit = min(left or DEPARTURES_A_READ, DEPARTURES_A_READ)
            found = await self.store.read(list_departures, wanted=wanted, cursor=cursor, limit=limit)
            for departure in found:
                cursor = cursor_of(departure)
                yield pb.ListDeparturesResponse(departure=translate.departure_out(departure), cursor=cursor)
            left -= len(found) if request.limit else 0
            if len(found) < limit or (request.limit and left <= 0):
                return

    async def CancelDepartures(
        self, request: pb.CancelDeparturesRequest, context: Context
    ) -> pb.CancelDeparturesResponse:
        check.check_cancellation(request)
        return await self.store.write(
            cancel_departures,
            once=once_for(request, context),
            answer=lambda hit: pb.CancelDeparturesResponse(
                departure_ids=hit.departure_ids, booking_ids=hit.booking_ids
            ),
            caller=current_caller(),
            **translate.cancel_departures_in(request),
        )

    async def AssignVehicle(self, request: pb.AssignVehicleRequest, context: Context) -> timetable_pb2.Departure:
        check.addressed(request.departure_id, request.vehicle_id)
        return await self.store.write(
            assign_vehicle,
            answer=translate.departure_out,
            caller=current_caller(),
            departure_id=request.departure_id,
            vehicle_id=request.vehicle_id,
            version=request.version,
        )

    async def CreateLayout(self, request: pb.CreateLayoutRequest, context: Context) -> vehicles_pb2.Layout:
        check.check_layout(request)
        return await self.store.write(
            create_layout,
            once=once_if_keyed(request, context),
            answer=translate.layout_out,
            caller=current_caller(),
            operator_id=request.operator_id,
            name=request.name,
            seats=translate.layout_seats_in(request),
        )

    async def ListLayouts(self, request: pb.ListLayoutsRequest, context: Context) -> pb.ListLayoutsResponse:
        check.expect([
            check.identifier("/operator_id", request.operator_id),
            check.identifier("/cursor", request.cursor, is_optional=True),
        ])  # fmt: skip
        limit = translate.page_size(request.limit)
        found = await self.store.read(
            list_layouts,
            caller=current_caller(),
            operator_id=request.operator_id,
            cursor=request.cursor,
            limit=limit,
        )
        cursor = found[-1].id if len(found) == limit else ""
        return pb.ListLayoutsResponse(layouts=map(translate.layout_out, found), next_cursor=cursor)

    async def RegisterVehicle(self, request: pb.RegisterVehicleRequest, context: Context) -> vehicles_pb2.Vehicle:
        check.expect([
            check.identifier("/operator_id", request.operator_id),
            check.text("/label", request.label),
            check.identifier("/layout_id", request.layout_id, is_optional=True),
        ])  # fmt: skip
        return await self.store.write(
            register_vehicle,
            once=once_if_keyed(request, context),
            answer=translate.vehicle_out,
            caller=current_caller(),
            operator_id=request.operator_id,
            label=request.label,
            layout_id=request.layout_id or DEFAULT_LAYOUT_ID,
        )
