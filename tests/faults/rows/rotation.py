"""Keys, tokens and certificates are changed while they are in use."""

from __future__ import annotations

import base64
import contextlib
import datetime
import http.client
import os
import ssl
import threading
import time
from urllib.parse import urlsplit

from cryptography import x509

from tests.e2e.house import request, wait_until
from tests.faults.load import Kind
from tests.faults.place import KEY_HEADER, SECRET, Place, policies, token
from tests.faults.row import Figures, fault

NEW_SECRET = b"another secret of at least thirty-two bytes, for tests"


@fault(
    "F40a",
    "the subscription's key, the gateway's token and the signing key of tokens are rotated under load",
    promise="hot",
    goal="0 failed; the old ones are refused at the end",
)
def keys(place: Place) -> Figures:
    figures, house = Figures(), place.house
    secrets = house.arm("/subscriptions/load/listSecrets", "POST").json
    old = place.key
    kinds = [kind for kind in place.kinds if kind.name not in ("key", "token")]
    # clients have moved to the secondary key, and to tokens of the new secret as soon as both are taken
    kinds.append(Kind("key", "/keyed/x", frozenset({200}), ((KEY_HEADER, secrets["secondaryKey"]),)))
    gateway = f"/gateways/{house.gateway_id}"
    _signing(place, SECRET, NEW_SECRET)
    fresh = {"Authorization": f"Bearer {token(86_400, NEW_SECRET)}"}
    house.everywhere("/token/x", lambda reply: reply.status == 200, 60, **fresh)
    kinds.append(Kind("token", "/token/x", frozenset({200}), tuple(fresh.items())))
    try:
        with place.load(kinds=kinds) as load:
            assert house.arm("/subscriptions/load/regeneratePrimaryKey", "POST").status in (200, 204)
            place.token_file.write_text(place.token("secondary"))
            time.sleep(2.5)
            assert house.arm(f"{gateway}/regenerateKey", "POST", {"keyType": "primary"}).status in (200, 204)
            _signing(place, NEW_SECRET)
            place.arrived(place.publish())
            refused = house.arm("/subscriptions/load/listSecrets", "POST").json["primaryKey"] != old
            for url in house.gateways:
                wait_until(lambda url=url: request(f"{url}/keyed/x", headers={KEY_HEADER: old}).status == 401, 30)
                stale = {"Authorization": f"Bearer {token(3600)}"}
                wait_until(lambda url=url, stale=stale: request(f"{url}/token/x", headers=stale).status == 401, 30)
            wait_until(lambda: not place.ready()["lastError"], 30, what="the agent with its new token")
    finally:
        place.key = str(house.arm("/subscriptions/load/listSecrets", "POST").json["primaryKey"])
        _signing(place, SECRET)
        place.token_file.write_text(place.token())
        good = {"Authorization": f"Bearer {token(3600)}"}
        house.everywhere("/token/x", lambda reply: reply.status == 200, 60, **good)
        house.everywhere("/keyed/x", lambda reply: reply.status == 200, 60, **{KEY_HEADER: place.key})
    figures.failed(load)
    figures.true("old key, token and signature are refused", refused)
    return figures


def _signing(place: Place, *secrets: bytes) -> None:
    listed = "".join(f"<key>{base64.b64encode(secret).decode()}</key>" for secret in secrets)
    accepted = f"<issuer-signing-keys>{listed}</issuer-signing-keys>"
    policy = f'<validate-jwt header-name="Authorization">{accepted}</validate-jwt>'
    place.house.policy("/apis/token", policies(inbound=policy))


@fault(
    "F40b",
    "the certificate of the TLS port is renewed under load",
    promise="hot: the next handshake has the new one",
    goal="0 failed handshakes and requests; new certificate <= 10 s",
)
def certificate(place: Place) -> Figures:
    from management.authority import server_context

    figures = Figures()
    with place.another(extra=("--gateway-tls-port", "0")) as own:
        house = own.house
        url = house.info["gateways_tls"][0]
        client = _Handshakes(url)
        with client:
            time.sleep(1)
            first = client.serials[-1]
            for _ in range(5):
                for name in ("server.pem", "server.key"):
                    os.unlink(house.data / name)
                    time.sleep(0.05)  # somebody looks in the midst of it
                server_context(house.data, "127.0.0.1")
                began, last = time.monotonic(), client.serials[-1]
                wait_until(lambda last=last: client.serials[-1] != last, 30, what="the new certificate")
                took = time.monotonic() - began
            time.sleep(0.5)
    figures.true(f"{len(client.serials)} handshakes, none failed", not client.failures, f"{client.failures[:3]}")
    figures.true("each new certificate was shown", len(set(client.serials)) == 6 and client.serials[0] == first)
    figures.at_most("shown after", took, 10, "s", bound=20)
    return figures


class _Handshakes:
    """New connections one after the other, and a request on each; trusts whatever is shown and remembers its number."""

    def __init__(self, url: str) -> None:
        self.parts = urlsplit(url)
        self.serials: list[int] = []
        self.failures: list[str] = []
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> None:
        self._thread.start()
        wait_until(lambda: self.serials, 20, what="the first handshake")

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        self._thread.join(15)

    def _run(self) -> None:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        while not self._ending.wait(0.02):
            connection = http.client.HTTPSConnection(
                self.parts.hostname or "", self.parts.port, timeout=10, context=context
            )
            try:
                connection.request("GET", "/shop/x")
                assert isinstance(connection.sock, ssl.SSLSocket)
                shown = connection.sock.getpeercert(binary_form=True)
                answer = connection.getresponse()
                answer.read()
                if answer.status != 200:
                    self.failures.append(f"{answer.status}")
                self.serials.append(x509.load_der_x509_certificate(shown or b"").serial_number)
            except (OSError, http.client.HTTPException) as error:
                self.failures.append(f"{datetime.datetime.now(datetime.UTC):%X} {error!r}")
            finally:
                with contextlib.suppress(OSError):
                    connection.close()
