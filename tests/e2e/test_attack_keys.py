"""K2 and K3: any bytes may stand where a key belongs, and a key may stand in two places."""

from __future__ import annotations

import asyncio
import random

import pytest

from tests.e2e.house import House

pytestmark = pytest.mark.e2e

NAME = b"Ocp-Apim-Subscription-Key: "
KEYS = {
    "an accent": "é".encode(),
    "Latin-1": b"\xe9\xff\x80",
    "a lone continuation": b"\x80",
    "overlong": b"\xc0\xaf",
    "a surrogate": b"\xed\xa0\x80",
    "beyond Unicode": b"\xf5\x80\x80\x80",
    "emoji": "🔑".encode(),
    "white space": b" \t ",
    "long": b"a" * 7000,
    "quotes": b"' OR 1=1 --\"<>{}[]",
    "percent": b"%00%ff%zz%",
    "a list": b"a, b",
    "every other byte": bytes(each for each in range(33, 256) if each != 127),
}


@pytest.fixture(scope="module")
def keyed(house: House, backend: str) -> House:
    house.api("keyed2", backend, key=True)
    house.everywhere("/keyed2/x", lambda reply: reply.status == 401)
    return house


async def status(house: House, head: bytes) -> int:
    """Of one raw request."""
    port = int(house.gateways[0].rpartition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(head + b"Host: h\r\nConnection: close\r\n\r\n")
    line = await reader.readline()
    writer.close()
    return int(line.split()[1])


@pytest.mark.parametrize("name", KEYS)
async def test_k2_any_bytes_are_only_a_wrong_key(keyed: House, name: str) -> None:
    key = KEYS[name]
    assert await status(keyed, b"GET /keyed2/x HTTP/1.1\r\n" + NAME + key + b"\r\n") == 401
    quoted = b"".join(b"%%%02x" % each for each in key[:2000])
    assert await status(keyed, b"GET /keyed2/x?subscription-key=" + quoted + b" HTTP/1.1\r\n") == 401


async def test_k2_random_bytes(keyed: House) -> None:
    chance = random.Random(7)
    for _ in range(100):
        key = bytes(chance.choice([*range(33, 127), *range(128, 256)]) for _ in range(chance.randint(1, 60)))
        assert await status(keyed, b"GET /keyed2/x HTTP/1.1\r\n" + NAME + key + b"\r\n") == 401


async def test_k3_the_header_counts_before_the_query(keyed: House) -> None:
    key = keyed.arm("/subscriptions/master/listSecrets", "POST").json["primaryKey"].encode()
    query = b"GET /keyed2/x?subscription-key=%s HTTP/1.1\r\n"
    assert await status(keyed, query % key) == 200
    assert await status(keyed, query % b"wrong" + NAME + key + b"\r\n") == 200
    assert await status(keyed, query % key + NAME + b"wrong\r\n") == 401
    assert await status(keyed, query % key.upper() + NAME + key[:-1] + b"\r\n") == 401
    assert await status(keyed, b"GET /keyed2/x HTTP/1.1\r\n" + NAME + key + b"\r\n" + NAME + b"wrong\r\n") in (200, 400)
    assert await status(keyed, b"GET /keyed2/x HTTP/1.1\r\n" + NAME + b"wrong\r\n" + NAME + key + b"\r\n") in (400, 401)
