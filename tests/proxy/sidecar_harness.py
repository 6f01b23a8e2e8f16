"""A sidecar in this process on a real socket, with a configuration written as wire resources, and raw backends."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import NoEncryption, load_pem_private_key, pkcs12

from proxy.adapters.transport import HttpTransport
from proxy.config.gateway import build
from proxy.config.resources import Resource, ResourceIssue
from proxy.config.snapshot import apply
from proxy.lifecycle import Sidecar
from proxy.server import Server
from telemetry.records import EventRecord, RequestRecord, Row

FORWARD = '<policies><inbound/><backend><forward-request timeout="5"/></backend><outbound/><on-error/></policies>'


def resource(name: str, body: dict[str, Any]) -> Resource:
    text = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return Resource(name, hashlib.sha256(text.encode()).hexdigest(), body)


def policy(owner: str, text: str) -> Resource:
    return resource(f"{owner}/policies/policy", {"format": "rawxml", "value": text})


def api(name: str, url: str, path: str | None = None, **properties: Any) -> Resource:
    body = {"displayName": name, "path": name if path is None else path, "serviceUrl": url, "protocols": ["http"]}
    return resource(f"/apis/{name}", {**body, "subscriptionRequired": False, **properties})


def operation(api_name: str, method: str, template: str, name: str = "") -> Resource:
    name = name or f"{method}-{template}".lower().translate({ord(c): "-" for c in "/{}*?=&"})
    return resource(
        f"/apis/{api_name}/operations/{name}", {"displayName": name, "method": method, "urlTemplate": template}
    )


def open_api(name: str, url: str, path: str | None = None) -> list[Resource]:
    """An API without a key that forwards everything."""
    methods = ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH")
    return [api(name, url, path), *(operation(name, method, "/*") for method in methods)]


def hostname(id: str, host: str, **more: object) -> Resource:
    body = {"hostname": host, "certificateId": f"/certificates/{id}", **more}
    return resource(f"/gateways/g/hostnameConfigurations/{id}", body)


def uploaded(id: str, file: Path) -> Resource:
    """A certificate of the plane, from a PEM file."""
    pem = file.read_bytes()
    key, made = load_pem_private_key(pem, None), x509.load_pem_x509_certificate(pem)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    pfx = pkcs12.serialize_key_and_certificates(None, key, made, None, NoEncryption())
    return resource(f"/certificates/{id}", {"data": base64.b64encode(pfx).decode(), "password": ""})


class ListJournal:
    def __init__(self) -> None:
        self.records: list[RequestRecord] = []

    def append(self, record: Row) -> None:
        self.records.append(RequestRecord._make(record))

    def event(self, event: EventRecord) -> bool:
        return False


@dataclass
class Answer:
    status: int
    reason: str
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)

    def count(self, name: str) -> int:
        return sum(key.lower() == name.lower() for key, _ in self.headers)


@dataclass
class Harness:
    """A running sidecar. `configure` replaces its configuration; `exchange` speaks raw bytes."""

    sidecar: Sidecar
    server: Server
    journal: ListJournal
    transport: HttpTransport
    held: dict[str, Resource] = field(default_factory=dict)

    @property
    def port(self) -> int:
        return self.server.address[1]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def configure(self, *resources: Resource, full: bool = True, removals: tuple[str, ...] = ()) -> list[ResourceIssue]:
        listed = list(resources)
        if full and not any(each.id == "/policies/policy" for each in listed):
            listed.append(policy("", FORWARD))
        self.held = apply(self.held, listed, removals, full)
        gateway, issues = build(self.held, self.sidecar.gateway)
        self.sidecar.publish(gateway)
        return issues

    async def raw(self, data: bytes, timeout: float = 3.0, half_close: bool = False) -> bytes:
        """Send bytes, return everything until the gateway closes or stays silent for `timeout` seconds."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        received = b""
        try:
            writer.write(data)
            if half_close:
                writer.write_eof()
            async with asyncio.timeout(timeout):
                while chunk := await reader.read(65536):
                    received += chunk
        except (TimeoutError, ConnectionError):
            pass
        finally:
            writer.close()
        return received

    async def request(
        self, method: str, target: str, headers: dict[str, str] | None = None, body: bytes = b"", timeout: float = 5.0
    ) -> Answer:
        """One request on a connection of its own, told to close afterwards."""
        fields = {"Host": f"127.0.0.1:{self.port}", "Connection": "close", **(headers or {})}
        if body:
            fields.setdefault("Content-Length", str(len(body)))
        head = f"{method} {target} HTTP/1.1\r\n" + "".join(f"{k}: {v}\r\n" for k, v in fields.items()) + "\r\n"
        return parse(await self.raw(head.encode("utf-8", "surrogateescape") + body, timeout), method)

    async def recorded(self, count: int = 1) -> list[RequestRecord]:
        """Wait for that many records; there must not be more."""
        async with asyncio.timeout(3):
            while len(self.journal.records) < count:  # noqa: ASYNC110 (a list knows no events)
                await asyncio.sleep(0.005)
        await asyncio.sleep(0.02)
        assert len(self.journal.records) == count, self.journal.records
        return self.journal.records


def parse(data: bytes, method: str = "GET") -> Answer:
    """A response as it came; a chunked body is joined, an incomplete one raises."""
    head, _, body = data.partition(b"\r\n\r\n")
    first, *lines = head.decode("utf-8", "surrogateescape").split("\r\n")
    version, status, *reason = first.split(" ", 2)
    assert version == "HTTP/1.1", data
    headers = [(line.partition(":")[0], line.partition(":")[2].strip()) for line in lines]
    answer = Answer(int(status), reason[0] if reason else "", headers, body)
    if answer.header("Transfer-Encoding"):
        answer.body = b""
        while True:
            size, _, body = body.partition(b"\r\n")
            length = int(size, 16)
            assert len(body) >= length + 2, "incomplete chunk"
            answer.body += body[:length]
            body = body[length + 2 :]
            if not length:
                break
    elif answer.header("Content-Length") and method != "HEAD" and answer.status != 304:
        assert len(body) == int(answer.header("Content-Length") or 0), data
    return answer


Script = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Backend:
    """A raw TCP server; `seen` holds what each connection sent, `answer` is written after each request head."""

    port: int = 0
    answer: bytes = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
    seen: list[bytes] = field(default_factory=list)
    connections: int = 0
    script: Script | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def requests(self) -> list[bytes]:
        return [each for each in self.seen if each]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            if self.script is not None:
                await self.script(reader, writer)
                return
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                self.seen.append(head + await read_body(head, reader))
                writer.write(
                    self.answer.partition(b"\r\n\r\n")[0] + b"\r\n\r\n" if head[:4] == b"HEAD" else self.answer
                )
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()


async def read_body(head: bytes, reader: asyncio.StreamReader) -> bytes:
    lower = head.lower()
    if b"transfer-encoding: chunked" in lower:
        body = b""
        while True:
            size = int(await reader.readuntil(b"\r\n"), 16)
            body += (await reader.readexactly(size + 2))[:size]
            if not size:
                return body
    if b"content-length:" in lower:
        return await reader.readexactly(int(lower.split(b"content-length:")[1].split(b"\r\n")[0]))
    return b""
