"""TimetableService: messages in, use case or query, messages out."""

from collections.abc import AsyncIterator

from headway.booking.v1 import timetable_service_pb2 as pb
from headway.booking.v1 import timetable_service_pb2_grpc, vehicles_pb2
from headway.types.v1 import timetable_pb2

from booking_svc import translate
from booking_svc.domain.layout import DEFAULT_LAYOUT_ID
from booking_svc.queries.get_departure import get_departure
from booking_svc.queries.get_patterns import get_patterns
from booking_svc.queries.list_departures import cursor_of, list_departures
from booking_svc.queries.list_layouts import list_layouts
from booking_svc.queries.list_routes import list_routes
from booking_svc.queries.list_stops import list_stops
from booking_svc.queries.search_itineraries import search_itineraries
from booking_svc.servicers import check
from booking_svc.servicers.feeds import FeedMethods
from booking_svc.store.work import Work
from booking_svc.use_cases.assign_vehicle import assign_vehicle
from booking_svc.use_cases.cancel_departures import cancel_departures
from booking_svc.use_cases.create_layout import create_layout
from booking_svc.use_cases.publish_departure import publish_departure
from booking_svc.use_cases.publish_departures import publish_departures
from booking_svc.use_cases.register_vehicle import register_vehicle
from chassis.rpc_server import Context, current_caller, once_for, once_if_keyed, seconds_left
from chassis.store import Store

DEPARTURES_A_READ = 200
PATTERNS_A_READ = 20


class TimetableServicer(FeedMethods, timetable_service_pb2_grpc.TimetableServiceServicer):
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

    async def PublishDepartures(
        self, request: pb.PublishDeparturesRequest, context: Context
    ) -> pb.PublishDeparturesResponse:
        check.check_departures(request)
        return await self.store.write(
            publish_departures,
            once=once_for(request, context),
            answer=lambda found: pb.PublishDeparturesResponse(departures=map(translate.departure_out, found)),
            timeout_seconds=seconds_left(context),
            caller=current_caller(),
            wishes=[translate.publish_departure_in(one) for one in request.departures],
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
                told = translate.departure_out(departure, has_calls=not request.is_without_calls)
                yield pb.ListDeparturesResponse(departure=told, cursor=cursor)
            left -= len(found) if request.limit else 0
            if len(found) < limit or (request.limit and left <= 0):
                return

    async def GetPatterns(
        self, request: pb.GetPatternsRequest, context: Context
    ) -> AsyncIterator[timetable_pb2.Pattern]:
        check.check_patterns(request)
        for start in range(0, len(request.pattern_ids), PATTERNS_A_READ):
            ids = request.pattern_ids[start : start + PATTERNS_A_READ]
            for pattern in await self.store.read(get_patterns, pattern_ids=list(ids)):
                yield translate.pattern_out(pattern)

    async def ListStops(self, request: pb.ListStopsRequest, context: Context) -> pb.ListStopsResponse:
        check.check_stops(request)
        limit = translate.page_size(request.limit)
        found = await self.store.read(list_stops, limit=limit, **translate.list_stops_in(request))
        cursor = found[-1].stop.id if len(found) == limit else ""
        return pb.ListStopsResponse(stops=map(translate.found_stop_out, found), next_cursor=cursor)

    async def ListRoutes(self, request: pb.ListRoutesRequest, context: Context) -> pb.ListRoutesResponse:
        check.expect(check.listing(request))
        limit = translate.page_size(request.limit)
        found = await self.store.read(
            list_routes, operator_id=request.operator_id, cursor=request.cursor, limit=limit
        )  # fmt: skip
        cursor = found[-1].route.id if len(found) == limit else ""
        return pb.ListRoutesResponse(routes=map(translate.listed_route_out, found), next_cursor=cursor)

    async def SearchItineraries(
        self, request: pb.SearchItinerariesRequest, context: Context
    ) -> pb.SearchItinerariesResponse:
        check.check_search(request)
        found, cursor = await self.store.read(search_itineraries, **translate.search_itineraries_in(request))
        return pb.SearchItinerariesResponse(itineraries=map(translate.itinerary_out, found), next_cursor=cursor)

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
