"""T5 through a real house: a token without an end is refused, and so is one that two readers could read differently."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from typing import Any

import pytest

from tests.e2e.house import House, request

pytestmark = pytest.mark.e2e
KEY = b"0123456789abcdef0123456789abcdef"


def part(content: Any) -> str:
    text = content if isinstance(content, bytes) else json.dumps(content).encode()
    return base64.urlsafe_b64encode(text).decode().rstrip("=")


def token(claims: Any, header: Any = None, key: bytes = KEY) -> str:
    signed = f"{part({'alg': 'HS256'} if header is None else header)}.{part(claims)}"
    return f"{signed}.{part(hmac.digest(key, signed.encode(), hashlib.sha256))}"


@pytest.fixture(scope="module")
def guarded(house: House, backend: str) -> House:
    house.api("tokened", backend)
    key = base64.b64encode(KEY).decode()
    house.policy(
        "/apis/tokened",
        "<policies><inbound><validate-jwt header-name='Authorization' failed-validation-httpcode='401'>"
        f"<issuer-signing-keys><key>{key}</key></issuer-signing-keys></validate-jwt></inbound></policies>",
    )
    house.everywhere("/tokened/x", lambda reply: reply.status == 401)
    return house


def status(house: House, text: str) -> int:
    return request(f"{house.gateways[0]}/tokened/x", headers={"Authorization": f"Bearer {text}"}).status


def test_t5_a_token_that_does_not_end(guarded: House) -> None:
    now = int(time.time())
    assert status(guarded, token({"exp": now + 60})) == 200
    for claims in (
        {}, {"exp": None}, {"exp": ""}, {"exp": str(now + 60)}, {"exp": now - 60}, {"exp": True}, {"exp": [now + 60]},
        {"exp": {}}, {"exp": -1}, {"exp": 1e400}, {"nbf": now + 600, "exp": now + 900}, {"EXP": now + 60}, [], "x", 1,
    ):  # fmt: skip
        assert status(guarded, token(claims)) == 401, claims
    assert status(guarded, token({"exp": now + 60}, {"alg": "none"}, b"")) == 401
    assert status(guarded, token({"exp": now + 60}).rpartition(".")[0] + ".") == 401
    assert status(guarded, token({"exp": now + 60}, {"alg": "HS256", "crit": ["exp"]})) == 401
    assert status(guarded, token({"exp": now + 60}, {"alg": "HS256", "kid": "../../dev/null"})) in (200, 401)
    assert status(guarded, token({"exp": now + 60}) + "A") == 401
    assert status(guarded, f"{token({'exp': now + 60})}, Bearer x") == 401
    doubled = b'{"alg":"HS256","alg":"none"}'
    assert status(guarded, token({"exp": now + 60}, doubled)) == 401
