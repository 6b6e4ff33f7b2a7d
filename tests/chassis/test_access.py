"""Who calls, and whom a rule lets in."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.access import ANY_OPERATOR, PUBLIC, SERVICES, Access, Caller, caller_of, identify, needs
from chassis.errors import Forbidden, NotAuthenticated
from chassis.keys import ExpiredToken, InvalidToken, Verifier, open_signer
from tests.clocks import FixedClock

NOW = FixedClock().now()
ANONYMOUS, PROCESS = Caller(), Caller(service="pricing")
RIDER = Caller("usr_1", frozenset({"bookings"}))
STAFF = Caller("usr_2", frozenset({"boarding", "fleet"}), "op_1")


@pytest.mark.parametrize(
    ("rule", "admitted"),
    [
        (PUBLIC, {ANONYMOUS, PROCESS, RIDER, STAFF}),
        (SERVICES, {PROCESS}),
        (needs("bookings"), {RIDER}),
        (needs("bookings", "fleet"), {RIDER, STAFF}),
        (needs("reports"), set()),
        (Access(), set()),
        (Access(frozenset({"fleet"}), is_for_services=True), {PROCESS, STAFF}),
    ],
)
def test_a_rule_admits_whom_it_names_and_nobody_else(rule, admitted):
    for caller in (ANONYMOUS, PROCESS, RIDER, STAFF):
        if caller in admitted:
            rule.admit(caller)
        else:
            with pytest.raises(Forbidden if caller.subject else NotAuthenticated):
                rule.admit(caller)


def test_who_is_refused_is_told_which_scope_would_do():
    with pytest.raises(Forbidden) as failure:
        needs("users:write", "fleet").admit(RIDER)
    assert failure.value.facts == {"scope": "fleet or users:write"}


@given(st.text(), st.text())
def test_staff_work_for_their_own_operator_alone(own, asked):
    assert Caller(operator_id=own).works_for(asked) == ((own == asked and own != "") or own == ANY_OPERATOR)


def test_whoever_works_for_all_works_for_each():
    assert Caller(operator_id=ANY_OPERATOR).works_for("op_1")
    assert not Caller().works_for("")


# Tokens


@pytest.fixture
def verifier(tmp_path):
    for name in ("gateway", "pricing"):
        open_signer(name, tmp_path)
    return Verifier(tmp_path / "trusted")


@pytest.fixture
def sign(tmp_path, verifier):
    def sign(name="gateway", *, typ="at+jwt", **claims):
        return open_signer(name, tmp_path).sign(claims, typ=typ, now=NOW, ttl=timedelta(minutes=1))

    return sign


def test_nobody_is_the_anonymous_caller(verifier):
    assert identify({}, verifier, now=NOW) == identify({"authorization": ""}, verifier, now=NOW) == ANONYMOUS


def test_a_user_token_tells_everything_about_its_caller(verifier, sign):
    token = sign(sub="usr_2", scope="boarding fleet", operator_id="op_1", vehicle_id="veh_1")
    expected = Caller("usr_2", frozenset({"boarding", "fleet"}), "op_1", "veh_1")
    for scheme in ("Bearer", "bearer", "BEARER"):
        assert identify({"authorization": f"{scheme} {token}"}, verifier, now=NOW) == expected


def test_a_process_calls_in_its_own_name_and_in_a_users(verifier, sign):
    service = {"x-headway-service": sign("pricing", typ="service+jwt")}
    assert identify(service, verifier, now=NOW) == PROCESS
    user = {"authorization": f"Bearer {sign(sub='usr_1', scope='bookings')}"}
    assert identify(service | user, verifier, now=NOW) == Caller("usr_1", frozenset({"bookings"}), service="pricing")


def test_one_kind_of_token_does_not_stand_for_the_other(verifier, sign):
    with pytest.raises(InvalidToken):
        identify({"authorization": f"Bearer {sign(typ='service+jwt')}"}, verifier, now=NOW)
    with pytest.raises(InvalidToken):
        identify({"x-headway-service": sign(sub="usr_1")}, verifier, now=NOW)
    with pytest.raises(InvalidToken):  # a process may not make users
        identify({"authorization": f"Bearer {sign('pricing', sub='usr_1')}"}, verifier, now=NOW)


def test_a_good_token_of_one_kind_does_not_excuse_a_bad_one_of_the_other(verifier, sign):
    service = sign("pricing", typ="service+jwt")
    with pytest.raises(InvalidToken):
        identify({"x-headway-service": service, "authorization": "Bearer x"}, verifier, now=NOW)
    with pytest.raises(InvalidToken):
        identify({"x-headway-service": "x", "authorization": f"Bearer {sign(sub='usr_1')}"}, verifier, now=NOW)


def test_an_old_token_is_said_to_be_old(verifier, sign):
    with pytest.raises(ExpiredToken):
        identify({"authorization": f"Bearer {sign(sub='usr_1')}"}, verifier, now=NOW + timedelta(minutes=2))


@pytest.mark.parametrize("authorization", ["Basic dXNlcg==", "Bearer", "Token x", "Bearer\tx"])
def test_another_scheme_is_no_authentication(verifier, authorization):
    with pytest.raises(NotAuthenticated):
        identify({"authorization": authorization}, verifier, now=NOW)


def test_a_token_without_a_subject_is_nobodys():
    assert caller_of({"scope": "bookings"}) == Caller(scopes=frozenset({"bookings"}))
    with pytest.raises(NotAuthenticated):
        needs("bookings").admit(caller_of({"scope": "bookings"}))
