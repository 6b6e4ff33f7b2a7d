"""Everybody can ask who they are."""

from tests.gateway.running import Running, problem


async def test_a_rider_reads_who_they_are(either_gateway: Running):
    ada = {"email": "ada@example.com", "password": "correct horse", "name": "Ada"}
    rider = (await either_gateway.client.post("/v1/riders", json=ada)).json()
    headers = await either_gateway.user("ada@example.com", "correct horse")
    assert (await either_gateway.client.get("/v1/me", headers=headers)).json() == {
        "id": rider["id"],
        "email": "ada@example.com",
        "name": "Ada",
        "role": "rider",
        "operator_id": None,
        "vehicle_id": None,
        "scopes": ["bookings"],
    }


async def test_a_client_reads_who_it_is(shared: Running):
    me = (await shared.client.get("/v1/me", headers=await shared.admin())).json()
    assert (me["id"], me["email"], me["role"], me["operator_id"]) == ("headway-admin", None, None, "*")


async def test_nobody_is_nobody(shared: Running):
    problem(await shared.client.get("/v1/me"), 401, "unauthenticated")
