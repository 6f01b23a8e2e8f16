"""Host names of the plane on a real sidecar: certificates that change, clients that are asked, versions and suites."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from pathlib import Path

import pytest
from cryptography import x509

from tests.proxy.certificates import self_signed
from tests.proxy.sidecar_harness import hostname, uploaded
from tests.wire.gateway import Gateway, everything, gateway

pytestmark = pytest.mark.e2e

APPLIED_WITHIN = 10.0


def client(certificate: Path | None = None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if certificate is not None:
        context.load_cert_chain(certificate)
    return context


async def ask(made: Gateway, context: ssl.SSLContext, name: str, host: str = "") -> tuple[str, int]:
    """Status (empty when the handshake failed), and the serial number of the certificate that was shown."""
    with contextlib.suppress(ssl.SSLError, ConnectionError):
        reader, writer = await asyncio.open_connection("127.0.0.1", made.tls_port, ssl=context, server_hostname=name)
        try:
            shown = writer.get_extra_info("ssl_object").getpeercert(True)
            writer.write(f"GET /ok HTTP/1.1\r\nHost: {host or name}\r\nConnection: close\r\n\r\n".encode())
            answer = (await reader.read())[9:12].decode()
            return answer, x509.load_der_x509_certificate(shown).serial_number
        finally:
            writer.transport.abort()
    return "", 0


async def publish(made: Gateway, files: dict[str, Path], asks: bool) -> None:
    listed = everything(made.backend)
    for each in (
        *(uploaded(name, file) for name, file in files.items()),
        hostname("open", "open.test"),
        hostname("ask", "ask.test", negotiateClientCertificate=asks),
    ):
        listed[each.id] = each.body
    while not made.publisher.acknowledged.empty():
        made.publisher.acknowledged.get()
    made.publisher.publish(listed)
    await asyncio.to_thread(made.publisher.acknowledged.get, timeout=APPLIED_WITHIN)


async def test_hosts_of_the_plane(tmp_path: Path) -> None:
    files = {"open": self_signed(tmp_path / "o.pem", "open.test"), "ask": self_signed(tmp_path / "a.pem", "ask.test")}
    known, unknown = self_signed(tmp_path / "me.pem", "me"), self_signed(tmp_path / "you.pem", "you")
    files["me"] = known
    async with gateway() as made:
        await publish(made, files, asks=True)
        _, first = await ask(made, client(), "ask.test")
        rows = [
            ("ask.test", known, "", "200"), ("ask.test", unknown, "", ""), ("ask.test", None, "", "200"),
            ("open.test", unknown, "", "200"), ("open.test", known, "ask.test", "421"),
            ("ASK.test.", unknown, "", ""), ("ask.test", known, "open.test", "200"),
        ]  # fmt: skip
        for name, certificate, host, status in rows:
            assert (await ask(made, client(certificate), name, host))[0] == status, (name, certificate, host)
        self_signed(files["ask"], "ask.test")
        await publish(made, files, asks=False)
        status, second = await ask(made, client(unknown), "ask.test")
        assert (status, second != first) == ("200", True)
        for minimum, maximum, suites, served in (
            (ssl.TLSVersion.TLSv1_3, ssl.TLSVersion.TLSv1_3, "", True),
            (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_2, "", True),
            (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_2, "ECDHE-ECDSA-AES128-SHA:@SECLEVEL=0", False),
            (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_2, "AES128-SHA:@SECLEVEL=0", False),
            (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_2, "NULL:@SECLEVEL=0", False),
            (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1, "ALL:@SECLEVEL=0", False),
        ):
            context = client()
            with (
                pytest.warns(DeprecationWarning, match="TLSv1")
                if minimum < ssl.TLSVersion.TLSv1_2
                else contextlib.nullcontext()
            ):
                context.minimum_version, context.maximum_version = minimum, maximum
            if suites:
                context.set_ciphers(suites)
            assert (await ask(made, context, "open.test"))[0] == ("200" if served else ""), (minimum, suites)
        for _ in range(3):  # others than TLS do no harm
            reader, writer = await asyncio.open_connection("127.0.0.1", made.tls_port)
            writer.write(b"\x16\x03\x01\xff\xff" + b"\1" * 40_000)
            await asyncio.wait_for(reader.read(), 15)
            writer.transport.abort()
        assert (await ask(made, client(), "open.test"))[0] == "200"
