"""OperationsService: messages in, query, messages out."""

from headway.booking.v1 import operations_service_pb2 as pb
from headway.booking.v1 import operations_service_pb2_grpc

from booking_svc import translate, translate_operations
from booking_svc.queries.get_loads import get_loads
from booking_svc.queries.get_manifest import get_manifest
from booking_svc.queries.list_vehicles import list_vehicles
from booking_svc.servicers import check
from booking_svc.store.work import Work
from chassis.rpc_server import Context, current_caller
from chassis.store import Store


class OperationsServicer(operations_service_pb2_grpc.OperationsServiceServicer):
    """What an operator's staff look at through the day."""

    def __init__(self, store: Store[Work]) -> None:
        self.store = store

    async def ListVehicles(self, request: pb.ListVehiclesRequest, context: Context) -> pb.ListVehiclesResponse:
        check.expect([
            check.identifier("/operator_id", request.operator_id),
            check.identifier("/cursor", request.cursor, is_optional=True),
        ])  # fmt: skip
        limit = translate.page_size(request.limit)
        found = await self.store.read(
            list_vehicles,
            caller=current_caller(),
            operator_id=request.operator_id,
            cursor=request.cursor,
            limit=limit,
        )
        cursor = found[-1].id if len(found) == limit else ""
        return pb.ListVehiclesResponse(vehicles=map(translate.vehicle_out, found), next_cursor=cursor)

    async def GetLoads(self, request: pb.GetLoadsRequest, context: Context) -> pb.GetLoadsResponse:
        check.check_loads(request)
        ids = list(request.departure_ids)
        found = await self.store.read(get_loads, caller=current_caller(), departure_ids=ids)
        return pb.GetLoadsResponse(loads=map(translate_operations.load_out, found))

    async def GetManifest(self, request: pb.GetManifestRequest, context: Context) -> pb.Manifest:
        check.addressed(request.departure_id)
        check.expect([check.identifier("/cursor", request.cursor, is_optional=True)])
        limit = translate.page_size(request.limit)
        found = await self.store.read(
            get_manifest,
            caller=current_caller(),
            departure_id=request.departure_id,
            cursor=request.cursor,
            limit=limit,
        )
        return translate_operations.manifest_out(found, limit=limit)
