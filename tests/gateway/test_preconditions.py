"""Versions as ETags."""

import pytest
from headway.booking.v1.bookings_pb2 import Booking

from chassis.errors import InvalidInput, MissingPrecondition
from gateway.preconditions import etag, if_match, required_if_match


@pytest.mark.parametrize("version", [0, 1, 7, 10**17])
async def test_a_version_comes_back_from_its_tag(version: int):
    assert await if_match(etag(Booking(version=version))) == version
    assert await required_if_match(f" {etag(Booking(version=version))} ") == version


@pytest.mark.parametrize("tag", ["", "*", " * "])
async def test_saying_nothing_or_anything_is_for_where_it_is_not_required(tag: str):
    assert await if_match(tag) is None
    with pytest.raises(MissingPrecondition):
        await required_if_match(tag)


@pytest.mark.parametrize("tag", ["7", 'W/"7"', '"7", "8"', '"x"', '"-1"', '""', '"7', '"\u0667"', '"' + "9" * 30 + '"'])
async def test_what_is_no_tag_of_ours_is_an_invalid_value(tag: str):
    for read in (if_match, required_if_match):
        with pytest.raises(InvalidInput) as refused:
            await read(tag)
        assert refused.value.errors[0].pointer == "/if-match"


def test_what_time_alone_has_changed_has_another_tag_of_the_same_version() -> None:
    held, expired = Booking(version=3, available_actions=["confirm_booking"]), Booking(version=3)
    assert etag(held) != etag(expired)
    assert etag(held).split("-")[0] == etag(expired).split("-")[0] == '"3'
