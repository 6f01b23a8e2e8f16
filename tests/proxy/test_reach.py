"""Where calls of policies may go: by literal address, by what a name resolves to, and through the real transport."""

from __future__ import annotations

import socket

import pytest
from aiohttp.abc import AbstractResolver, ResolveResult
from sidecar_harness import Backend

from proxy.adapters.reach import Reach, ScreenedResolver
from proxy.adapters.transport import HttpTransport
from proxy.errors import BackendConnectionFailure
from proxy.messages import Body, Headers, Url
from proxy.pipeline.calls import absolute_url
from proxy.ports import Outgoing

STRICT, LOCAL, PLAIN = Reach(), Reach(loopback=True), Reach(plain_http=True)


@pytest.mark.parametrize(
    ("text", "allowed_by"),
    [
        ("https://api.example", (STRICT, LOCAL, PLAIN)),
        ("https://10.0.0.7/x", (STRICT, LOCAL, PLAIN)),
        ("http://api.example", (PLAIN,)),
        ("http://10.0.0.7", (PLAIN,)),
        ("http://localhost:8080", (LOCAL,)),
        ("http://x.localhost.", (LOCAL,)),
        ("https://127.8.9.1", (LOCAL,)),
        ("https://[::1]", (LOCAL,)),
        ("https://[::ffff:127.0.0.1]", (LOCAL,)),
        ("https://[2002:7f00:1::]", (LOCAL,)),
        ("https://[2606:4700::1]", (STRICT, LOCAL, PLAIN)),
        ("https://169.254.169.254/latest", ()),
        ("https://[::ffff:169.254.169.254]", ()),
        ("https://[64:ff9b::a9fe:a9fe]", ()),
        ("https://168.63.129.16/machine", ()),
        ("https://[fd00:ec2::254]", ()),
        ("https://[fe80::1]", ()),
        ("https://168.63.129.16", ()),
        ("https://100.100.100.200", ()),
        ("https://[64:ff9b::7f00:1]", (LOCAL,)),
        ("https://0.0.0.0", ()),
        ("https://0.1.2.3", ()),
        ("https://255.255.255.255", ()),
        ("https://240.0.0.1", ()),
        ("https://192.0.0.192", ()),
        ("https://[fd20:ce::254]", ()),
        ("https://[::169.254.169.254]", ()),
        ("https://[::127.0.0.1]", (LOCAL,)),
        ("https://[::ffff:0:127.0.0.1]", (LOCAL,)),
        ("https://[64:ff9b:1::a9fe:a9fe]", ()),
        ("https://[2001:0:1:2:3:4:5601:5601]", ()),
        ("https://[fe80::1%25eth0]", ()),
        ("https://[::]", ()),
        ("https://224.0.0.1", ()),
    ],
)
def test_literal_addresses(text: str, allowed_by: tuple[Reach, ...]) -> None:
    url = absolute_url(text)
    assert url is not None
    assert [reach for reach in (STRICT, LOCAL, PLAIN) if reach.objection(url) is None] == list(allowed_by)


class Names(AbstractResolver):
    """Answers every name with these addresses."""

    def __init__(self, *addresses: str) -> None:
        self.addresses = addresses

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        return [
            ResolveResult(hostname=host, host=address, port=port, family=family, proto=0, flags=0)
            for address in self.addresses
        ]

    async def close(self) -> None:
        pass


async def test_a_name_is_what_it_resolves_to() -> None:
    names = Names("127.0.0.1", "169.254.169.254", "10.1.2.3")
    assert [each["host"] for each in await ScreenedResolver(STRICT, names).resolve("a.example")] == ["10.1.2.3"]
    local = await ScreenedResolver(LOCAL, names).resolve("a.example")
    assert [each["host"] for each in local] == ["127.0.0.1", "10.1.2.3"]
    with pytest.raises(OSError, match="policies may not call"):
        await ScreenedResolver(STRICT, Names("127.0.0.1")).resolve("rebound.example")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.1", "2130706433", "0x7f.1"])
async def test_the_transport_keeps_policies_from_loopback_in_any_spelling(backend: Backend, host: str) -> None:
    url = Url("http", host, backend.port)
    transport = HttpTransport(reach=PLAIN)
    try:
        with pytest.raises(BackendConnectionFailure):
            await transport.send(Outgoing("GET", url, Headers(), Body(), guarded=True))
        assert backend.connections == 0
        if host in ("127.0.0.1", "localhost"):  # a configured backend; the other spellings are no host names anywhere
            assert (await transport.send(Outgoing("GET", url, Headers(), Body()))).status == 200
    finally:
        await transport.close()


async def test_the_transport_calls_loopback_when_the_setting_says_so(backend: Backend) -> None:
    transport = HttpTransport(reach=LOCAL)
    try:
        url = Url("http", "localhost", backend.port)
        response = await transport.send(Outgoing("GET", url, Headers(), Body(), guarded=True))
        assert await response.body.read() == b"ok"
    finally:
        await transport.close()
