"""The service as a process: it starts from its environment, serves, and ends when told to."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from grpc import aio
from grpc_health.v1 import health_pb2, health_pb2_grpc
from headway.pricing.v1 import pricing_service_pb2

from pricing_svc.settings import PricingSettings
from tests.pricing_svc.service import NOBODY

ROOT = Path(__file__).parents[2]


def environment(sqlite_url: str, keys_dir: Path) -> dict[str, str]:
    return {
        "PRICING_DATABASE_URL": sqlite_url,
        "HEADWAY_NATS_URL": f"nats://{NOBODY}",
        "HEADWAY_KEYS_DIR": str(keys_dir),
        "PRICING_BOOKING_ADDRESS": NOBODY,
        "PRICING_GRPC_PORT": "0",
    }


@asynccontextmanager
async def running(variables: dict[str, str]) -> AsyncIterator[tuple[asyncio.subprocess.Process, int]]:
    """Run the process until it serves; give it and its port."""
    paths = os.pathsep.join([str(ROOT), str(ROOT / "proto" / "gen")])
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "pricing_svc", env={**os.environ, "PYTHONPATH": paths, **variables}, cwd=ROOT,
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stderr is not None
    try:
        async with asyncio.timeout(30):
            async for line in process.stderr:
                event = json.loads(line)
                if event["event"] == "serving":
                    break
        yield process, event["port"]
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def test_it_serves_until_it_is_told_to_stop_and_leaves_its_key_and_database(sqlite_url: str, keys_dir: Path):
    async with running(environment(sqlite_url, keys_dir)) as (process, port):
        async with aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            asked = health_pb2.HealthCheckRequest(service="headway.pricing.v1.PricingService")
            health = await health_pb2_grpc.HealthStub(channel).Check(asked, timeout=10)
            assert health.status == health_pb2.HealthCheckResponse.SERVING
            method = channel.unary_unary(
                "/headway.pricing.v1.PricingService/QuoteFares",
                pricing_service_pb2.QuoteFaresRequest.SerializeToString,
                pricing_service_pb2.QuoteFaresResponse.FromString,
            )
            assert not (await method(pricing_service_pb2.QuoteFaresRequest(), timeout=10)).outcomes
        process.terminate()
        async with asyncio.timeout(20):
            assert await process.wait() == 0
    assert (keys_dir / "trusted" / "pricing.json").exists()


def test_settings_have_defaults_for_all_but_where_things_are(sqlite_url: str, keys_dir: Path):
    variables = environment(sqlite_url, keys_dir)
    del variables["PRICING_GRPC_PORT"]
    found = PricingSettings.from_environment(variables)
    assert (found.grpc_host, found.grpc_port, found.quote_seconds, found.reflection) == ("127.0.0.1", 50053, 900, True)


@pytest.mark.parametrize(
    "name", ["PRICING_DATABASE_URL", "HEADWAY_NATS_URL", "HEADWAY_KEYS_DIR", "PRICING_BOOKING_ADDRESS"]
)
def test_a_setting_that_is_missing_is_named(sqlite_url: str, keys_dir: Path, name: str):
    variables = environment(sqlite_url, keys_dir)
    del variables[name]
    with pytest.raises(SystemExit, match=name.replace("HEADWAY_", "PRICING_")):
        PricingSettings.from_environment(variables)


def test_a_quote_that_would_hold_for_no_time_is_refused(sqlite_url: str, keys_dir: Path):
    with pytest.raises(SystemExit, match="PRICING_QUOTE_SECONDS"):
        PricingSettings.from_environment(environment(sqlite_url, keys_dir) | {"PRICING_QUOTE_SECONDS": "0"})
