"""Questions to other processes: are you ready? They block for a second at most."""

import http.client
import json
import shutil
import socket
from pathlib import Path
from urllib.parse import urlsplit

from cli.outcomes import SetupError

HOST = "127.0.0.1"
TIMEOUT_SECONDS = 1.0
NATS_PORT = 4222
ROOM_BYTES = 32 * 1024 * 1024


def get(port: int, path: str) -> tuple[int, bytes]:
    """Return the status and body of a page; raise OSError or HTTPException."""
    connection = http.client.HTTPConnection(HOST, port, timeout=TIMEOUT_SECONDS)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def answers_ok(port: int, path: str) -> bool:
    """Tell whether a page is there with status 200."""
    try:
        return get(port, path)[0] == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False


def serves_grpc(port: int) -> bool:
    """Ask the standard health service of a gRPC server."""
    # Imported late: this takes 0.15 s of a core that the processes in question need to start.
    import grpc  # noqa: PLC0415
    from grpc_health.v1 import health_pb2, health_pb2_grpc  # noqa: PLC0415

    # A proxy that the environment names is not the way to a neighbour.
    with grpc.insecure_channel(f"{HOST}:{port}", options=[("grpc.enable_http_proxy", 0)]) as channel:
        try:
            health = health_pb2_grpc.HealthStub(channel)
            reply = health.Check(health_pb2.HealthCheckRequest(), timeout=TIMEOUT_SECONDS)
        except grpc.RpcError:
            return False
    return bool(reply.status == health_pb2.HealthCheckResponse.SERVING)


def is_nats_ready(monitor_port: int) -> bool:
    """Ask nats-server's monitor; raise SetupError when it would acknowledge what is not on disk yet."""
    if not answers_ok(monitor_port, "/healthz"):
        return False
    jetstream = json.loads(get(monitor_port, "/jsz")[1])
    if not jetstream.get("config", {}).get("sync_always"):
        raise SetupError(
            "This nats-server does not write every message to disk before it acknowledges it (JetStream's"
            " sync_interval: always), so a power cut could lose events. Take version 2.11 or newer."
        )
    return True


def is_nats_stuck(monitor_port: int, store: Path) -> bool:
    """Tell whether nats-server gave a stream up because a write failed, though the disk has room again."""
    try:
        _, said = get(monitor_port, "/healthz")
    except (OSError, http.client.HTTPException):
        return False
    return b"write error" in said and shutil.disk_usage(store).free > ROOM_BYTES


def check_nats(urls: str) -> None:
    """Raise SetupError unless a server with JetStream greets at each of these URLs, with commas between them."""
    for url in urls.split(","):
        check_server(url)


def check_server(url: str) -> None:
    address = urlsplit(url)
    host, port = address.hostname or HOST, address.port or NATS_PORT
    try:
        with socket.create_connection((host, port), TIMEOUT_SECONDS) as connection:
            greeting = connection.makefile("rb").readline()
    except OSError as error:
        raise SetupError(f"No NATS server answers at {host}:{port}: {error.strerror or error}.") from error
    if not greeting.startswith(b"INFO ") or not json.loads(greeting[5:]).get("jetstream"):
        raise SetupError(f"What answers at {host}:{port} is no NATS server with JetStream; start one with -js.")
