"""Accounts and tokens."""

import base64
import binascii
from typing import Annotated

from fastapi import Depends, Form, Request, Response
from headway.tracking.v1.tracking_service_pb2 import GetVehicleRequest

from chassis.access import ANY_OPERATOR, Caller
from chassis.errors import FieldError, InvalidInput, NotFound
from chassis.ids import new_id
from gateway.accounts.accounts import Accounts
from gateway.accounts.domain.roles import Role
from gateway.accounts.flows import issue_token as flow
from gateway.accounts.queries import get_me as query
from gateway.accounts.store.work import new_secret
from gateway.accounts.tokens import DEVICE_TTL
from gateway.accounts.use_cases import create_client as client_case
from gateway.accounts.use_cases import create_guest as guest_case
from gateway.accounts.use_cases import create_user as user_case
from gateway.accounts.use_cases import issue_device_token as device_case
from gateway.accounts.use_cases import sign_up_rider as rider_case
from gateway.backends import Services
from gateway.bodies import Router
from gateway.caller import Call, SignedIn, signed_in
from gateway.limits import address_block
from gateway.problems import problems
from gateway.schemas.people import (
    Account,
    ClientInput,
    ClientReply,
    DeviceTokenReply,
    Me,
    RiderInput,
    TokenForm,
    TokenReply,
    UserInput,
)
from gateway.schemas.shapes import PathId

router = Router()

NO_STORE = {"Cache-Control": "no-store"}


async def accounts_of(request: Request) -> Accounts:
    found: Accounts = request.app.state.accounts
    return found


async def address_of(request: Request) -> str:
    return address_block(request.scope)


KnownAccounts = Annotated[Accounts, Depends(accounts_of)]
Address = Annotated[str, Depends(address_of)]
StaffCall = Annotated[Call, signed_in("users:write")]
FleetCall = Annotated[Call, signed_in("fleet:write")]


@router.post("/riders", status_code=201, tags=["Rider"], summary="Sign up", responses=problems("email_taken"))
async def sign_up_rider(body: RiderInput, accounts: KnownAccounts, address: Address) -> Account:
    """Make an account to travel with. Sign in at `/v1/oauth/token` with `grant_type=password` next."""
    password_hash = await accounts.passwords.hash(body.password)
    rider = await accounts.store.write(
        rider_case.sign_up_rider, email=body.email, name=body.name, password_hash=password_hash, address=address
    )
    return Account.of(rider)


@router.post("/guests", status_code=201, tags=["Rider"], summary="Travel as a guest")
async def create_guest(accounts: KnownAccounts, address: Address, response: Response) -> TokenReply:
    """Travel without an account: the answer is a token at once. Its refresh token is the only way back in."""
    response.headers.update(NO_STORE)
    session = await accounts.store.write(guest_case.create_guest, address=address)
    return TokenReply.of(session, accounts.tokens)


@router.post("/oauth/token", tags=["Rider"], summary="Get a token", response_model_exclude_none=True)
async def issue_token(
    request: Request, form: Annotated[TokenForm, Form()], accounts: KnownAccounts, address: Address, response: Response
) -> TokenReply:
    """Get an access token, as RFC 6749 describes, with a password, a refresh token or a client's secret.

    A wrong name or secret, and a refresh token that is used up, are `unauthenticated`. A refresh token works once and
    is answered with the next; using an old one again ends the session everywhere, but for a repeat within ten seconds
    by somebody whose answer was lost.
    """
    response.headers.update(NO_STORE)
    wanted = form if form.client_id else form.model_copy(update=basic_credentials(request))
    session = await flow.issue_token(accounts, address=address, **wanted.model_dump())
    return TokenReply.of(session, accounts.tokens)


def basic_credentials(request: Request) -> dict[str, str]:
    """Read a client's id and secret from HTTP Basic authentication; nothing when there is none that can be read."""
    scheme, _, encoded = request.headers.get("authorization", "").partition(" ")
    try:
        client_id, _, secret = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        return {}
    return {} if scheme.lower() != "basic" or "\0" in client_id else {"client_id": client_id, "client_secret": secret}


@router.get("/me", tags=["Rider"], summary="Read who is calling")
async def get_me(call: SignedIn, accounts: KnownAccounts) -> Me:
    """Read who the token says is calling, and what it may do."""
    caller = call.caller
    user = await accounts.store.read(query.get_me, user_id=caller.subject)
    return Me(
        id=caller.subject,
        email=user.email if user else None,
        name=user.name if user else None,
        role=user.role if user else None,
        operator_id=caller.operator_id or None,
        vehicle_id=caller.vehicle_id or None,
        scopes=sorted(caller.scopes),
    )


@router.post(
    "/users", status_code=201, tags=["Operator"], summary="Create a member of staff", responses=problems("email_taken")
)
async def create_user(body: UserInput, call: StaffCall, accounts: KnownAccounts, address: Address) -> Account:
    """Make an account for a member of staff of your own operator, with a role whose scopes you have yourself."""
    password_hash = await accounts.passwords.hash(body.password)
    user = await accounts.store.write(
        user_case.create_user,
        caller=call.caller,
        email=body.email,
        name=body.name,
        role=Role(body.role),
        operator_id=operator_for(body.operator_id, call.caller),
        password_hash=password_hash,
        address=address,
    )
    return Account.of(user)


@router.post("/clients", status_code=201, tags=["Integration"], summary="Create a client")
async def create_client(
    body: ClientInput, call: StaffCall, accounts: KnownAccounts, address: Address, response: Response
) -> ClientReply:
    """Let a program sign in by itself, with scopes that you have yourself. Its secret is shown this once."""
    response.headers.update(NO_STORE)
    secret = new_secret()
    client = await accounts.store.write(
        client_case.create_client,
        caller=call.caller,
        name=body.name,
        scopes=frozenset(body.scopes),
        operator_id=operator_for(body.operator_id, call.caller),
        secret=secret,
        address=address,
    )
    return ClientReply(
        client_id=client.id,
        client_secret=secret,
        name=client.name,
        scopes=sorted(client.scopes),
        operator_id=client.operator_id,
    )


def operator_for(wanted: str | None, caller: Caller) -> str:
    """Take the caller's own operator when none is named; who works for every one must name one."""
    if wanted is None and caller.operator_id == ANY_OPERATOR:
        raise InvalidInput(errors=[FieldError("/operator_id", "Name the operator: you work for every one.")])
    return wanted or caller.operator_id


@router.post(
    "/vehicles/{vehicle_id}/device-tokens",
    status_code=201,
    tags=["Driver"],
    summary="Give a device its token",
    responses=problems("not_found"),
)
async def issue_device_token(
    *,
    vehicle_id: PathId,
    request: Request,
    call: FleetCall,
    accounts: KnownAccounts,
    services: Services,
    address: Address,
    response: Response,
) -> DeviceTokenReply:
    """Give a vehicle's device a token for 30 days, with which it reports positions and nothing else."""
    response.headers.update(NO_STORE)
    vehicle = await services.ask(services.tracking.GetVehicle, GetVehicleRequest(vehicle_id=vehicle_id), call)
    if not call.caller.works_for(vehicle.operator_id):
        raise NotFound
    device_id = new_id("dev")
    issued = accounts.tokens.issue(
        subject=device_id,
        scope="positions:write",
        operator_id=vehicle.operator_id,
        vehicle_id=vehicle.id,
        ttl=DEVICE_TTL,
    )
    await accounts.store.write(
        device_case.issue_device_token,
        caller=call.caller,
        vehicle_id=vehicle.id,
        device_id=device_id,
        address=address,
    )
    settings = request.app.state.settings
    return DeviceTokenReply.of(issued, grpc_address=settings.public_grpc_address or settings.tracking_address)
