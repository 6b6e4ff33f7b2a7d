"""Versions as ETags."""

import pytest
from headway.booking.v1.bookings_pb2 import Booking

from chassis.errors import InvalidInput, MissingPrecondition
from gateway.preconditions import EXAMPLE, NO_VERSION, STRONG_TAG, etag, if_match, required_if_match


@pytest.mark.parametrize("version", [1, 7, 10**17])
async def test_a_version_comes_back_from_its_tag(version: int):
    assert await if_match(etag(Booking(version=version))) == version
    assert await required_if_match(f" {etag(Booking(version=version))} ") == version


@pytest.mark.parametrize("tag", ["", "*", " * "])
async def test_saying_nothing_or_anything_is_for_where_it_is_not_required(tag: str):
    assert await if_match(tag) is None
    with pytest.raises(MissingPrecondition) as refused:
        await required_if_match(tag)
    assert ("Name the ETag that was read" in refused.value.detail) == ("*" in tag)


async def test_nothing_has_version_0_where_0_would_not_be_checked():
    assert await required_if_match('"0"') == 0
    assert await if_match('"0"') == NO_VERSION


@pytest.mark.parametrize(
    "tag", ['W/"7"', '"x"', '"-1"', '""', '"7-xyz"', ' "x" ', '"\xe4"', '"' + "9" * 30 + '"', '"d41d8cd98f00b204"']
)
async def test_a_tag_that_we_never_gave_names_no_version(tag: str):
    for read in (if_match, required_if_match):
        assert await read(tag) == NO_VERSION


@pytest.mark.parametrize("tag", ["7", '"7", "8"', '"7', '7"', 'w/"7"', '"a b"', "'7'", '"\u0667"'])
async def test_what_is_not_one_tag_is_an_invalid_value_with_an_example_of_ours(tag: str):
    for read in (if_match, required_if_match):
        with pytest.raises(InvalidInput) as refused:
            await read(tag)
        (error,) = refused.value.errors
        assert error.pointer == "/if-match"
        assert STRONG_TAG.search(error.detail)
        assert STRONG_TAG.fullmatch(EXAMPLE)


def test_what_time_alone_has_changed_has_another_tag_of_the_same_version() -> None:
    held, expired = Booking(version=3, available_actions=["confirm_booking"]), Booking(version=3)
    assert etag(held) != etag(expired)
    assert etag(held).split("-")[0] == etag(expired).split("-")[0] == '"3'
