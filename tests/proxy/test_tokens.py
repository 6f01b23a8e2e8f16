"""Tokens under attack, tokens of the standards, and what a token costs the second time."""

from __future__ import annotations

import base64
import json
import time

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given, settings
from hypothesis import strategies as st

from passerelle.cases.tokens import SECRETS, b64, ec_pair, encrypted, jwk, rsa_pair, sign, token
from passerelle.cases.world import World, document, policies
from proxy.pipeline.tokens import Trust
from proxy.tokens.claims import check_lifetime
from proxy.tokens.compact import MAX_TOKEN, decode
from proxy.tokens.decrypt import MAX_INFLATED, DecryptionKey
from proxy.tokens.keys import ALGORITHMS, Key, KeySet, public_key, rsa_key, secret_key
from proxy.tokens.memory import TokenMemory, Verified, digest_of
from proxy.tokens.refusal import TokenRefused
from tests.cpu import cpu

RSA = public_key(rsa_pair("rsa").public_key(), "rsa")
SECRET = secret_key(SECRETS["secret"])
TRUST = Trust((RSA, SECRET), ())


def reason(made: str, trust: Trust = TRUST) -> str:
    with pytest.raises(TokenRefused) as refused:
        trust.verified(made)
    return refused.value.reason


def pem() -> bytes:
    return rsa_pair("rsa").public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def der() -> bytes:
    return rsa_pair("rsa").public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


@pytest.mark.parametrize("algorithm", sorted(ALGORITHMS))
def test_every_algorithm(algorithm: str) -> None:
    keys: tuple[Key, ...] = (RSA,)
    name = "rsa"
    if algorithm[:2] == "HS":
        name, keys = "long", (secret_key(SECRETS["long"]),)
    elif algorithm[:2] == "ES":
        keys = KeySet.read("i", {"keys": [jwk("rsa", algorithm)]}).keys
    made = token({"sub": algorithm}, algorithm, name)
    assert Trust(keys, ()).verified(made).payload["sub"] == algorithm
    broken = made[:-6] + ("AAAAAA" if not made.endswith("AAAAAA") else "BBBBBB")
    assert reason(broken, Trust(keys, ())) == "TokenSignatureInvalid"
    assert reason(made, Trust((secret_key(SECRETS["other"] + b"x" * 30),), ())) == "TokenSignatureInvalid"


@pytest.mark.parametrize("name", ["none", "None", "nOnE", "NONE", "", "HS257", "hs256", "RS1", "EdDSA"])
def test_t1_no_algorithm(name: str) -> None:
    assert reason(token(alg=name, signature="")) in ("TokenSignatureInvalid", "JwtInvalid")
    assert reason(token(alg=name, signature="AAAA")) == "TokenSignatureInvalid"


def test_t1_an_unsigned_token_that_is_allowed_is_exactly_that() -> None:
    trust = Trust((SECRET,), (), unsigned=True)
    assert trust.verified(token(alg="none")).key == b""
    assert reason(token(alg="nOnE"), trust) == "TokenSignatureInvalid"
    assert reason(token(alg="none", signature="AAAA"), trust) == "TokenSignatureInvalid"
    assert reason(token(alg="HS256", signature=""), trust) == "TokenSignatureInvalid"
    assert reason(token(alg="none")) == "TokenSignatureInvalid"  # and is not remembered for those who do not allow it


@pytest.mark.parametrize("secret", [pem, der])
def test_t2_a_public_key_is_no_secret(monkeypatch: pytest.MonkeyPatch, secret: object) -> None:
    content = secret()  # type: ignore[operator]
    monkeypatch.setitem(SECRETS, "public", content)
    for algorithm in ("HS256", "HS384", "HS512"):
        assert reason(token(alg=algorithm, key="public")) == "TokenSignatureInvalid"
        assert reason(token(alg=algorithm, key="public", header={"kid": "rsa"})) == "TokenSignatureInvalid"
    with pytest.raises(ValueError, match="public key"):
        secret_key(content)


@pytest.mark.parametrize("name", ["../../dev/null", "' OR 1=1 --", "\u0000", "a" * 1000])
def test_t3_a_key_name_is_only_a_name(name: str) -> None:
    known = KeySet.read("i", {"keys": [jwk()]})
    made = token(alg="RS256", key="rsa", header={"kid": name})
    assert reason(made, Trust((), (known,))) == "TokenSignatureKeyNotFound"


@pytest.mark.parametrize("name", [["rsa"], {"a": 1}, 7, None, True, "a" * 20_000])
def test_t3_a_key_name_is_a_text_of_bounded_length(name: object) -> None:
    assert reason(token(alg="RS256", key="rsa", header={"kid": name})) == "JwtInvalid"


def test_t4_keys_in_the_header_are_ignored() -> None:
    header = {"jku": "https://evil.example/keys", "x5u": "https://evil.example/c", "jwk": jwk("evil"), "x5c": ["AAAA"]}
    assert reason(token(alg="RS256", key="evil", header=header)) == "TokenSignatureInvalid"


@pytest.mark.parametrize("value", ['"9999999999"', "true", "[9999999999]", "{}", "null", "1e999", "9" * 400, "-1e300"])
def test_t6_a_moment_is_a_number(value: str) -> None:
    found = TRUST.verified(token('{"exp":' + value + "}")).payload if value != "1e999" else {"exp": float("inf")}
    for expires in (True, False):
        with pytest.raises(TokenRefused) as refused:
            check_lifetime(found, 1e9, 0, expires)
        assert refused.value.reason == "JwtInvalid"


def test_t6_the_clock_skew_to_the_second() -> None:
    check_lifetime({"exp": 1000}, 999.9, 0, True)
    check_lifetime({"exp": 1000}, 1009.9, 10, True)
    check_lifetime({"exp": 2000, "nbf": 1000}, 990, 10, True)
    for payload, now, skew in (
        ({"exp": 1000}, 1000, 0),
        ({"exp": 1000}, 1010, 10),
        ({"exp": 9e9, "nbf": 1000}, 989, 10),
    ):
        with pytest.raises(TokenRefused):
            check_lifetime(payload, now, skew, True)


def test_t7_short_keys() -> None:
    with pytest.raises(ValueError, match="at least 32"):
        secret_key(b"x" * 31)
    assert reason(token(alg="HS512", key="secret")) == "TokenSignatureInvalid"  # 40 bytes are too few for SHA-512
    with pytest.raises(ValueError, match="bits"):
        rsa_key(b64(b"\xff" * 128), "AQAB")


@pytest.mark.parametrize(
    "header",
    [
        '{"alg":"HS256","alg":"none"}',
        '{"alg":"none","alg":"HS256"}',
        '{"alg":"HS256","crit":["x"],"x":1}',
        '{"alg":"HS256","crit":[]}',
        '{"alg":["HS256"]}',
        '{"typ":"JWT"}',
        '["HS256"]',
        "[" * 30_000,
        '{"alg":"HS256","n":NaN}',
        "\x7b\x00",
    ],
)
def test_t8_headers_that_two_readers_could_read_differently(header: str) -> None:
    assert reason(token(header=header)) == "JwtInvalid"


@pytest.mark.parametrize("claims", ['{"a":1,"a":2}', '{"exp":NaN}', "[]", "1", '{"exp":' + "9" * 5000 + "}", "{"])
def test_t8_claims_that_are_no_plain_object(claims: str) -> None:
    assert reason(token(claims)) == "JwtInvalid"


def test_t9_a_zip_bomb() -> None:
    bomb = encrypted(b"0" * 20_000_000, "dir", "A128CBC-HS256", "cbc", zip="DEF")
    assert len(bomb) < MAX_TOKEN
    trust = Trust((SECRET,), (), (DecryptionKey.symmetric(SECRETS["cbc"]),))
    with cpu(0.5):
        assert reason(bomb, trust) == "JwtInvalid"
    packed = encrypted(token().encode(), "dir", "A128CBC-HS256", "cbc", zip="DEF")
    assert trust.verified(packed).payload["exp"]
    assert MAX_INFLATED < 1_000_000


def test_t10_huge_tokens() -> None:
    with cpu(0.2):
        for made in ("a" * 1_000_000, "." * 1_000_000, f"{'a' * 500_000}.{'b' * 500_000}.c", token() * 10_000):
            assert reason(made) == "JwtInvalid"


@pytest.mark.parametrize(
    "made", ["", ".", "..", "...", "a.b", "a.b.c.d", "a.b.c.d.e.f", "é.b.c", "a b.c.d", "e30.e30.", "e30=.e30.AA"]
)
def test_what_is_no_token(made: str) -> None:
    assert reason(made) == "JwtInvalid"


@pytest.mark.parametrize(
    ("alg", "enc", "key"),
    [
        ("dir", "A128CBC-HS256", "cbc"), ("dir", "A256GCM", "cbc"), ("dir", "A256CBC-HS512", "long"),
        ("A128KW", "A128GCM", "aes"), ("A128KW", "A192CBC-HS384", "aes"),
        ("RSA-OAEP", "A128CBC-HS256", "rsa"), ("RSA-OAEP-256", "A256CBC-HS512", "rsa"),
    ],
)  # fmt: skip
def test_encrypted_tokens(alg: str, enc: str, key: str) -> None:
    opener = DecryptionKey.private(rsa_pair("rsa"), b"der") if key == "rsa" else DecryptionKey.symmetric(SECRETS[key])
    trust = Trust((SECRET,), (), (DecryptionKey.symmetric(SECRETS["other"]), opener))
    made = token({"sub": "x"}, encrypt={"alg": alg, "enc": enc, "key": key})
    assert trust.verified(made).payload["sub"] == "x"
    assert reason(made, TRUST) == "JwtInvalid"  # remembered, but not for those who cannot open it
    parts = made.split(".")
    for index in (1, 2, 3, 4):
        changed = list(parts)
        changed[index] = ("B" if parts[index][:1] != "B" else "C") + parts[index][1:]
        if parts[index]:
            assert reason(".".join(changed), trust) == "JwtInvalid"
    bare = encrypted(json.dumps({"sub": "x"}).encode(), alg, enc, key)
    assert reason(bare, trust) == "JwtInvalid"  # claims that nobody signed


@pytest.mark.parametrize(
    "header", [{"alg": "RSA1_5"}, {"alg": "PBES2-HS256+A128KW", "p2c": 10**9}, {"enc": "A1"}, {"zip": "LZ"}]
)
def test_encryptions_that_are_refused(header: dict[str, object]) -> None:
    made = encrypted(b"x", "dir", "A128CBC-HS256", "cbc", header=header)
    assert reason(made, Trust((SECRET,), (), (DecryptionKey.symmetric(SECRETS["cbc"]),))) == "JwtInvalid"


SEEDS = (
    token({"sub": "x"}), token({"sub": "x"}, "RS256", "rsa"), token({"sub": "x"}, "ES256", "ec"),
    token(encrypt={"alg": "dir", "enc": "A128CBC-HS256", "key": "cbc"}),
    token(encrypt={"alg": "RSA-OAEP", "enc": "A256GCM", "key": "rsa"}),
)  # fmt: skip
OPENERS = (DecryptionKey.symmetric(SECRETS["cbc"]), DecryptionKey.private(rsa_pair("rsa"), b"der"))
EC = public_key(ec_pair("ES256", "ec").public_key())


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(SEEDS), st.integers(0, 2000), st.sampled_from("AZaz09-_.=") | st.characters(), st.booleans())
def test_a_changed_token_is_refused_and_nothing_else(seed: str, at: int, put: str, insert: bool) -> None:
    at %= len(seed)
    changed = seed[:at] + put + seed[at + (not insert) :]
    try:
        found = Trust((RSA, SECRET, EC), (), OPENERS).verified(changed)
    except TokenRefused:
        return
    # what differs in the unused bits at the end of a segment is the same bytes
    assert [decode(each) for each in changed.split(".")] == [decode(each) for each in seed.split(".")]
    assert found.payload


@settings(max_examples=200, deadline=None)
@given(
    st.text() | st.lists(st.binary(max_size=40), min_size=2, max_size=6).map(lambda parts: ".".join(map(b64, parts)))
)
def test_any_text_is_refused(text: str) -> None:
    with pytest.raises(TokenRefused):
        Trust((RSA, SECRET, EC), (), OPENERS, unsigned=True).verified(text)


def test_the_examples_of_rfc_7515() -> None:
    key = secret_key(decode("AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"))
    made = (
        "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9."
        "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ."
        "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
    )
    assert Trust((key,), ()).verified(made).payload["iss"] == "joe"
    curve = {
        "kty": "EC", "crv": "P-256", "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
        "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
    }  # fmt: skip
    signed = (
        "eyJhbGciOiJFUzI1NiJ9."
        "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ."
        "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"
    )
    assert Trust((), (KeySet.read("joe", {"keys": [curve]}),)).verified(signed).payload["iss"] == "joe"


def test_key_sets_hold_public_signing_keys_alone() -> None:
    odd: list[object] = [
        {"kty": "oct", "k": base64.urlsafe_b64encode(SECRETS["secret"]).decode(), "kid": "o"},
        {**jwk("a"), "use": "enc"}, {"kty": "RSA", "n": "AQAB", "e": "AQAB"}, {"kty": "EC"}, 7, None,
    ]  # fmt: skip
    read = KeySet.read("i", {"keys": [*odd, jwk("good", x5t="print"), *odd]})
    assert [key.name for key in read.keys] == ["good"]
    assert read.by_name["print"] == read.keys
    assert len(KeySet.read("i", {"keys": [jwk("good")] * 5000}).keys) == 100
    for broken in ({}, [], None, {"keys": {}}):
        with pytest.raises(ValueError):
            KeySet.read("i", broken)
    only = KeySet.read("i", {"keys": [jwk("rsa", alg="RS512")]})
    assert reason(token(alg="RS256", key="rsa"), Trust((), (only,))) == "TokenSignatureInvalid"


def test_a_signature_of_an_elliptic_curve_has_its_size() -> None:
    key = public_key(ec_pair("ES256", "ec").public_key())
    covered = b"a.b"
    right = sign("ES256", "ec", covered)
    assert key.verifies("ES256", covered, right)
    for wrong in (b"", right[:-1], right + b"\0", bytes(64), b"\xff" * 64, right[32:] + right[:32]):
        assert not key.verifies("ES256", covered, wrong)


def test_a_key_that_is_gone_no_longer_vouches() -> None:
    made = token({"sub": "gone"})
    assert TRUST.verified(made) is TRUST.verified(made)
    assert reason(made, Trust((RSA,), ())) == "TokenSignatureInvalid"
    known = KeySet.read("i", {"keys": [jwk()]})
    provided = token({"sub": "gone"}, "RS256", "rsa", {"kid": "rsa"})
    assert Trust((), (known,)).verified(provided)
    assert reason(provided, Trust((), (KeySet.read("i", {"keys": [jwk("second")]}),))) == "TokenSignatureKeyNotFound"


def test_the_memory_is_bounded() -> None:
    memory = TokenMemory(tokens=3, size=100)
    for number in range(10):
        memory.keep(digest_of(str(number)), Verified({}, {}, b"", b"", 10))
    assert len(memory) == 3
    assert memory.find(digest_of("9"))
    assert memory.find(digest_of("0")) is None
    memory.keep(b"large", Verified({}, {}, b"", b"", 90))
    assert len(memory) == 2
    memory.keep(b"larger", Verified({}, {}, b"", b"", 101))
    assert len(memory) == 0


async def test_what_a_repeated_token_costs(capsys: pytest.CaptureFixture[str]) -> None:
    modulus, exponent = jwk()["n"], jwk()["e"]
    text = policies(
        '<validate-jwt header-name="Authorization" require-scheme="Bearer"><issuer-signing-keys>'
        f'<key n="{modulus}" e="{exponent}" /></issuer-signing-keys><audiences><audience>a</audience></audiences>'
        "<issuers><issuer>i</issuer></issuers><required-claims><claim name='roles' match='any'><value>r</value></claim>"
        "</required-claims></validate-jwt>"
    )
    (step,) = document(text).sections["inbound"]
    claims = {"aud": "a", "iss": "i", "roles": ["q", "r"], "sub": "x" * 40, "oid": "y" * 40, "name": "z" * 200}
    exchange = World().exchange()
    times = {}
    for name, made in (("first", [token({**claims, "n": n}, "RS256", "rsa") for n in range(100)]), ("repeated", [])):
        repeated = made or [token(claims, "RS256", "rsa")] * 2000
        began = time.process_time()
        for each in repeated:
            exchange.request.headers["Authorization"] = f"Bearer {each}"
            step.run(exchange)  # type: ignore[union-attr]
        times[name] = (time.process_time() - began) / len(repeated) * 1e6
    first, again = times["first"], times["repeated"]
    with capsys.disabled():
        print(f"\nvalidate-jwt, RS256, {len(repeated[0])} characters: {first:.0f} µs, {again:.1f} µs again")
    assert times["repeated"] < 100
