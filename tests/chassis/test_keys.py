"""Tokens: what was signed by whom we trust, for this purpose and in time, and nothing else whatever it looks like."""

import base64
import hashlib
import hmac
import json
import os
import stat
import subprocess
import sys
from datetime import timedelta
from itertools import chain
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from joserfc.jwk import OKPKey

from chassis import keys
from chassis.keys import (
    ALGORITHM,
    LEEWAY_SECONDS,
    REMEMBERED_MAX,
    SERVICE_TOKEN,
    TOKEN_BYTES_MAX,
    USER_TOKEN,
    ExpiredToken,
    InvalidToken,
    Purpose,
    Verifier,
    open_signer,
)
from tests.clocks import FixedClock

ROOT = Path(__file__).parents[2]
CLOCK = FixedClock()
NOW = CLOCK.now()
MINUTE = timedelta(minutes=1)
HEADER = {"alg": ALGORITHM, "kid": "gateway", "typ": "at+jwt"}
CLAIMS = {"sub": "usr_1", "iss": "gateway", "iat": int(NOW.timestamp()), "exp": int(NOW.timestamp()) + 60}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The keys of two processes of ours and, elsewhere, those of a stranger with the same names."""
    folder = tmp_path_factory.mktemp("keys")
    for name in ("gateway", "pricing"):
        open_signer(name, folder)
    open_signer("gateway", folder / "stranger")
    settle(folder)
    return folder


@pytest.fixture
def verifier(folder):
    return Verifier(folder / "trusted")


def encoded(part: bytes | str) -> str:
    return base64.urlsafe_b64encode(part.encode() if isinstance(part, str) else part).rstrip(b"=").decode()


def private_key(folder: Path, name: str = "gateway"):
    text = (folder / "private" / f"{name}.json").read_text()
    return OKPKey.import_key(json.loads(text)).private_key


def forged(folder: Path, header: object = HEADER, claims: object = CLAIMS, *, name: str = "gateway") -> str:
    """Sign whatever is asked for with a real key, so that nothing but the content is wrong."""
    parts = [part if isinstance(part, bytes | str) else json.dumps(part) for part in (header, claims)]
    signed = ".".join(map(encoded, parts))
    return f"{signed}.{encoded(private_key(folder, name).sign(signed.encode()))}"


def hmac_forged(folder: Path, secret: bytes) -> str:
    """Sign with the public key as a shared secret, as a careless verifier would take it."""
    signed = f"{encoded(json.dumps(HEADER | {'alg': 'HS256'}))}.{encoded(json.dumps(CLAIMS))}"
    return f"{signed}.{encoded(hmac.digest(secret, signed.encode(), hashlib.sha256))}"


def with_header(**changes: object):
    return lambda folder: forged(folder, {k: v for k, v in (HEADER | changes).items() if v is not None})


def with_claims(**changes: object):
    return lambda folder: forged(folder, claims={k: v for k, v in (CLAIMS | changes).items() if v is not None})


def with_raw(header: object = HEADER, claims: object = CLAIMS):
    return lambda folder: forged(folder, header, claims)


def mangled(change):
    return lambda folder: change(forged(folder))


def own_jwk(folder: Path) -> str:
    stranger = folder / "stranger"
    key = json.loads((stranger / "trusted" / "gateway.json").read_text())
    return forged(stranger, HEADER | {"jwk": key})


FORGED = {
    "alg none": lambda _: f"{encoded(json.dumps(HEADER | {'alg': 'none'}))}.{encoded(json.dumps(CLAIMS))}.",
    "alg None in capitals, signed": with_header(alg="NONE"),
    "alg HS256 with the public key's file": lambda f: hmac_forged(f, (f / "trusted/gateway.json").read_bytes()),
    "alg HS256 with the public key's bytes": lambda f: hmac_forged(f, private_key(f).public_key().public_bytes_raw()),
    "alg EdDSA, which we do not use": with_header(alg="EdDSA"),
    "alg RS256": with_header(alg="RS256"),
    "alg as a list": with_header(alg=[ALGORITHM]),
    "no alg": with_header(alg=None),
    "another purpose": with_header(typ="service+jwt"),
    "typ in capitals": with_header(typ="AT+JWT"),
    "no typ": with_header(typ=None),
    "unknown kid": with_header(kid="nobody"),
    "kid of another process of ours": with_header(kid="pricing"),
    "kid as a path": with_header(kid="../trusted/gateway"),
    "kid as an absolute path": with_header(kid="/etc/passwd"),
    "kid with a null byte": with_header(kid="gateway\0"),
    "kid as a number": with_header(kid=0),
    "kid as a list": with_header(kid=["gateway"]),
    "no kid": with_header(kid=None),
    "a key of its own": own_jwk,
    "the address of a key": with_header(jku="https://example.com/keys.json"),
    "the address of a certificate": with_header(x5u="https://example.com/key.pem"),
    "critical extensions": with_header(crit=["exp"], b64=False),
    "an unencoded payload": with_header(b64=False),
    "an extra header": with_header(cty="JWT"),
    "signed by a stranger": lambda folder: forged(folder / "stranger"),
    "signed by pricing in the gateway's name": lambda folder: forged(folder, name="pricing"),
    "signed by pricing in its own name": lambda f: forged(
        f, HEADER | {"kid": "pricing"}, CLAIMS | {"iss": "pricing"}, name="pricing"
    ),
    "iss is not kid": with_claims(iss="pricing"),
    "no iss": with_claims(iss=None),
    "iss as a list": with_claims(iss=["gateway"]),
    "no exp": with_claims(exp=None),
    "exp as text": with_claims(exp=str(CLAIMS["exp"])),
    "exp as a fraction": with_claims(exp=CLAIMS["exp"] + 0.5),
    "exp as a truth": with_claims(exp=True),
    "exp as a list": with_claims(exp=[CLAIMS["exp"]]),
    "exp never": with_raw(claims=json.dumps(CLAIMS | {"exp": float("inf")})),
    "exp that is no number": with_raw(claims=json.dumps(CLAIMS | {"exp": float("nan")})),
    "exp of five thousand digits": with_raw(claims=f'{{"iss":"gateway","exp":{"9" * 5_000}}}'),
    "exp long ago": with_claims(exp=-(10**300)),
    "claims that are a list": with_raw(claims=[CLAIMS]),
    "claims that are text": with_raw(claims='"gateway"'),
    "claims that are null": with_raw(claims="null"),
    "claims that are no JSON": with_raw(claims="{sub: usr_1}"),
    "claims that are empty": with_raw(claims=""),
    "claims that are no UTF-8": with_raw(claims=b'{"sub":"\xff\xfe"}'),
    "claims as deep as a well": with_raw(claims="[" * 4000),
    "a header that is a list": with_raw([HEADER]),
    "a header that is text": with_raw('"alg"'),
    "a header that is null": with_raw("null"),
    "a header that is no JSON": with_raw("{alg}"),
    "a header that is no UTF-8": with_raw(b'{"alg":"\xff"}'),
    "a header as deep as a well": with_raw("[" * 3000),
    "a header with alg twice": with_raw('{"alg":"none","alg":"Ed25519","kid":"gateway","typ":"at+jwt","alg":"none"}'),
    "no signature": mangled(lambda token: token.rpartition(".")[0] + "."),
    "two parts": mangled(lambda token: token.rpartition(".")[0]),
    "four parts": mangled(lambda token: token + ".x"),
    "a doubled dot": mangled(lambda token: token.replace(".", "..", 1)),
    "a truncated signature": mangled(lambda token: token[:-5]),
    "one bit of the signature turned": mangled(
        lambda token: token[:-4] + ("A" if token[-4] != "A" else "B") + token[-3:]
    ),
    "one bit of the claims turned": mangled(lambda token: token.replace(".e", ".f", 1)),
    "another token's claims": lambda f: ".".join(
        [*forged(f).split(".")[:1], *forged(f, claims={}).split(".")[1:2], forged(f).split(".")[2]]
    ),
    "padding": mangled(lambda token: token + "=="),
    "a space before": mangled(lambda token: " " + token),
    "a line's end after": mangled(lambda token: token + "\n"),
    "a null byte after": mangled(lambda token: token + "\0"),
    "a letter that is not ASCII": mangled(lambda token: token + "é"),
    "half a surrogate pair": mangled(lambda token: token + "\ud800"),
    "ten kilobytes": with_claims(more="x" * 10_000),
    "ten kilobytes of nothing": lambda _: "x" * 10_000,
    "ten kilobytes of dots": lambda _: "." * 10_000,
    "nothing": lambda _: "",
    "dots": lambda _: "..",
    "words": lambda _: "let me in",
}


@pytest.mark.parametrize("forge", FORGED.values(), ids=FORGED)
def test_a_forged_token_is_invalid_and_nothing_else(verifier, folder, forge):
    for _ in range(2):  # the second time it may be remembered
        with pytest.raises(InvalidToken):
            verifier.check(forge(folder), USER_TOKEN, now=NOW)


def test_the_forger_could_forge_a_good_token(verifier, folder):
    """What makes the forged ones fail is what is wrong with them."""
    assert verifier.check(forged(folder), USER_TOKEN, now=NOW) == CLAIMS


@given(st.text() | st.from_regex(r"\A[A-Za-z0-9_-]{0,80}(\.[A-Za-z0-9_-]{0,80}){2}\Z"))
@example("eyJhbGciOiJFZDI1NTE5IiwiZXhwIjoxfQ.e30.x")
def test_no_text_breaks_the_check(folder, text):
    with pytest.raises(InvalidToken):
        Verifier(folder / "trusted").check(text, USER_TOKEN, now=NOW)


# Good tokens


def test_what_was_signed_is_read_back(folder, verifier):
    token = open_signer("gateway", folder).sign(
        {"sub": "usr_1", "exp": 1, "iss": "x"}, typ="at+jwt", now=NOW, ttl=MINUTE
    )
    assert verifier.check(token, USER_TOKEN, now=NOW) == CLAIMS
    assert json.loads(base64.urlsafe_b64decode(token.split(".")[0] + "==")) == HEADER
    assert len(token) < TOKEN_BYTES_MAX


def test_a_purpose_may_be_anybodys_and_another_one_processs(folder, verifier):
    token = open_signer("pricing", folder).sign({}, typ="quote+jwt", now=NOW, ttl=MINUTE)
    assert verifier.check(token, Purpose("quote+jwt", ""), now=NOW)["iss"] == "pricing"
    assert verifier.check(token, Purpose("quote+jwt", "pricing"), now=NOW)
    with pytest.raises(InvalidToken):  # and not because it is remembered as anybody's
        verifier.check(token, Purpose("quote+jwt", "gateway"), now=NOW)


def test_a_token_ends_to_the_second(folder, verifier):
    """A remembered one too."""
    token = open_signer("gateway", folder).sign({}, typ="at+jwt", now=NOW, ttl=MINUTE)
    ends_at = NOW.replace(microsecond=0) + MINUTE
    for verifying in (verifier, Verifier(folder / "trusted")):
        assert verifying.check(token, USER_TOKEN, now=ends_at - timedelta(microseconds=1))
        with pytest.raises(ExpiredToken):
            verifying.check(token, USER_TOKEN, now=ends_at)


def test_a_service_token_gets_a_little_time_for_clocks_that_differ(folder, verifier):
    token = open_signer("pricing", folder).sign({}, typ=SERVICE_TOKEN.typ, now=NOW, ttl=MINUTE)
    ends_at = NOW.replace(microsecond=0) + MINUTE + timedelta(seconds=LEEWAY_SECONDS)
    assert verifier.check(token, SERVICE_TOKEN, now=ends_at - timedelta(microseconds=1))
    with pytest.raises(ExpiredToken):
        verifier.check(token, SERVICE_TOKEN, now=ends_at)


def test_a_remembered_token_is_not_verified_again_and_memory_is_bounded(folder, verifier, monkeypatch):
    monkeypatch.setattr(keys, "REMEMBERED_MAX", 3)
    settle(folder)
    signer, verified = open_signer("gateway", folder), []
    monkeypatch.setattr(verifier, "_claims", lambda *args: verified.append(1) or Verifier._claims(verifier, *args))
    tokens = [signer.sign({"sub": f"{n}"}, typ="at+jwt", now=NOW, ttl=MINUTE) for n in range(4)]
    for token in [tokens[0]] * 5:
        verifier.check(token, USER_TOKEN, now=NOW)
    assert len(verified) == 1
    for token in tokens:
        verifier.check(token, USER_TOKEN, now=NOW)
    assert len(verifier._remembered) == 3
    assert REMEMBERED_MAX > 1000


# The folder


def settle(folder: Path) -> None:
    """Let the last change of the folder lie back."""
    os.utime(folder / "trusted", (1_000_000_000, 1_000_000_000))


def test_a_key_that_is_taken_away_is_trusted_no_longer_at_once(tmp_path):
    token = open_signer("gateway", tmp_path).sign({}, typ="at+jwt", now=NOW, ttl=MINUTE)
    settle(tmp_path)
    verifier = Verifier(tmp_path / "trusted")
    assert verifier.check(token, USER_TOKEN, now=NOW)
    (tmp_path / "trusted" / "gateway.json").unlink()
    with pytest.raises(InvalidToken):
        verifier.check(token, USER_TOKEN, now=NOW)


def test_a_change_in_the_same_tick_of_the_clock_as_the_last_is_noticed(tmp_path):
    """File systems tell time in steps of some milliseconds: two changes within one look like one."""
    token = open_signer("gateway", tmp_path).sign({}, typ="at+jwt", now=NOW, ttl=MINUTE)
    verifier, trusted = Verifier(tmp_path / "trusted"), tmp_path / "trusted"
    assert verifier.check(token, USER_TOKEN, now=NOW)
    tick = trusted.stat().st_mtime_ns
    (trusted / "gateway.json").unlink()
    os.utime(trusted, ns=(tick, tick))
    with pytest.raises(InvalidToken):
        verifier.check(token, USER_TOKEN, now=NOW)


def test_a_key_that_is_put_there_is_trusted_at_once(tmp_path):
    open_signer("gateway", tmp_path)
    verifier = Verifier(tmp_path / "trusted")
    elsewhere = open_signer("pricing", tmp_path / "elsewhere")
    token = elsewhere.sign({}, typ=SERVICE_TOKEN.typ, now=NOW, ttl=MINUTE)
    with pytest.raises(InvalidToken):
        verifier.check(token, SERVICE_TOKEN, now=NOW)
    (tmp_path / "elsewhere" / "trusted" / "pricing.json").rename(tmp_path / "trusted" / "pricing.json")
    assert verifier.check(token, SERVICE_TOKEN, now=NOW)


def test_a_key_that_is_replaced_no_longer_stands_for_the_old_one(tmp_path):
    old = open_signer("gateway", tmp_path).sign({}, typ="at+jwt", now=NOW, ttl=MINUTE)
    settle(tmp_path)
    verifier = Verifier(tmp_path / "trusted")
    verifier.check(old, USER_TOKEN, now=NOW)
    (tmp_path / "private" / "gateway.json").unlink()
    new = open_signer("gateway", tmp_path).sign({}, typ="at+jwt", now=NOW, ttl=MINUTE)
    assert verifier.check(new, USER_TOKEN, now=NOW)
    with pytest.raises(InvalidToken):
        verifier.check(old, USER_TOKEN, now=NOW)


@pytest.mark.parametrize(
    "rubbish", ["", "{", "[]", "null", '"text"', '{"kty":"RSA"}', '{"kty":"oct","k":"AA"}', "\ud7ff", "1"]
)
def test_a_file_that_holds_no_key_takes_no_other_along(tmp_path, rubbish, caplog):
    token = open_signer("gateway", tmp_path).sign({}, typ="at+jwt", now=NOW, ttl=MINUTE)
    (tmp_path / "trusted" / "rubbish.json").write_text(rubbish)
    assert Verifier(tmp_path / "trusted").check(token, USER_TOKEN, now=NOW)
    assert "key_unreadable" in [record.message for record in caplog.records]


def test_keys_are_for_their_owners_eyes(tmp_path):
    open_signer("gateway", tmp_path)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.rglob("*")}
    assert modes == {"private": 0o700, "trusted": 0o700, "gateway.json": 0o600}
    assert "d" in json.loads((tmp_path / "private" / "gateway.json").read_text())
    assert "d" not in json.loads((tmp_path / "trusted" / "gateway.json").read_text())


def test_the_key_set_shows_one_process_and_nothing_private(folder, verifier):
    [key] = verifier.jwks("gateway")["keys"]
    assert key["kid"] == "gateway"
    assert (key["kty"], key["crv"], key["alg"], key["use"]) == ("OKP", "Ed25519", ALGORITHM, "sig")
    assert "d" not in key
    assert verifier.jwks("nobody") == {"keys": []}


MAKE = """
import sys, pathlib, time
from chassis.keys import open_signer, Verifier, SERVICE_TOKEN
from datetime import UTC, datetime, timedelta
folder = pathlib.Path(sys.argv[1])
sys.stdin.readline()
now = datetime.now(UTC)
for n in range(20):
    token = open_signer(f"p{n}", folder).sign({}, typ=SERVICE_TOKEN.typ, now=now, ttl=timedelta(minutes=1))
    assert Verifier(folder / "trusted").check(token, SERVICE_TOKEN, now=now)
    print(token)
"""


def test_processes_that_make_a_key_at_the_same_time_agree_on_one(tmp_path):
    command = [sys.executable, "-c", MAKE, tmp_path]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "cwd": ROOT}
    processes = [subprocess.Popen(command, **pipes) for _ in range(3)]
    for process in processes:
        process.stdin.write("\n")
        process.stdin.flush()
    printed = [process.communicate(timeout=30)[0].split() for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0]
    verifier = Verifier(tmp_path / "trusted")
    for token in chain(*printed):
        assert verifier.check(token, SERVICE_TOKEN, now=NOW.replace(year=1971))
    assert sorted(path.name for path in (tmp_path / "private").iterdir()) == sorted(f"p{n}.json" for n in range(20))
