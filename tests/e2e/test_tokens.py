"""Tokens and certificates through a real house: from the ARM call to the sidecar's answer."""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from house import House, request, wait_until

from passerelle.cases.tokens import jwk, pfx, token

pytestmark = pytest.mark.e2e


class _Identity(BaseHTTPRequestHandler):
    """An OpenID provider and a platform's token endpoint in one."""

    asked: list[str]

    def do_GET(self) -> None:
        place = self.path.partition("?")[0]
        self.asked.append(place)
        url = f"http://127.0.0.1:{self.server.server_port}"  # type: ignore[attr-defined]
        answers = {
            "/metadata": {"issuer": "https://id.example", "jwks_uri": f"{url}/keys"},
            "/keys": {"keys": [jwk("rsa")]},
            "/msi": {
                "access_token": f"for {self.headers['X-IDENTITY-HEADER']}".replace(" ", "-"),
                "expires_in": "3600",
            },
        }
        body = json.dumps(answers[place]).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def provider() -> Iterator[tuple[str, list[str]]]:
    asked: list[str] = []
    jwk("rsa")  # made here, since the threads of the server would make two
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Identity,), {"asked": asked}))
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", asked
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def house(provider: tuple[str, list[str]], tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    environment = {"IDENTITY_ENDPOINT": f"{provider[0]}/msi", "IDENTITY_HEADER": "us"}
    it = House(tmp_path_factory.mktemp("house"), environment=environment)
    try:
        yield it.start()
    finally:
        it.stop()


def signed(key: str = "rsa", **claims: object) -> dict[str, str]:
    return {"Authorization": f"Bearer {token({'exp': int(time.time()) + 600, **claims}, 'RS256', key, {'kid': key})}"}


def document(inbound: str) -> str:
    return f"<policies><inbound><base />{inbound}</inbound></policies>"


def test_a_provider_whose_keys_are_there_before_the_first_request(
    house: House, backend: str, provider: tuple[str, list[str]]
) -> None:
    url, asked = provider
    house.api("tokens", backend)
    house.policy(
        "/apis/tokens",
        document(f'<validate-jwt header-name="Authorization"><openid-config url="{url}/metadata" /></validate-jwt>'),
    )
    house.everywhere("/tokens/x", lambda reply: reply.status == 401)
    wait_until(lambda: asked.count("/keys") == len(house.gateways), what="keys, before anyone showed a token")
    gateway = house.gateways[0]
    assert request(f"{gateway}/tokens/x", headers=signed(iss="https://id.example")).status == 200
    for wrong in (signed(), signed(iss="https://other.example"), signed("second", iss="https://id.example")):
        reply = request(f"{gateway}/tokens/x", headers=wrong)
        assert reply.status == 401
        assert reply.json["message"].endswith("Access denied.")
    assert asked.count("/keys") == len(house.gateways)


def test_a_certificate_of_the_plane_and_an_identity_of_the_platform(house: House, backend: str) -> None:
    text = document('<authentication-certificate certificate-id="signer" />')
    unknown = house.arm("/policies/policy", "PUT", {"properties": {"format": "rawxml", "value": text}})
    assert unknown.status == 400
    assert "Certificate with id 'signer' could not be found." in unknown.body.decode()
    house.put("/certificates/signer", {"data": base64.b64encode(pfx("rsa", "open")).decode(), "password": "open"})
    house.api("certified", backend)
    key = '<issuer-signing-keys><key certificate-id="signer" /></issuer-signing-keys>'
    house.policy(
        "/apis/certified",
        document(
            f'<validate-jwt header-name="Authorization">{key}</validate-jwt>'
            '<authentication-managed-identity resource="https://vault.example" />'
        ),
    )
    house.everywhere("/certified/x", lambda reply: reply.status == 200, **signed())
    reply = request(f"{house.gateways[0]}/certified/x", headers=signed())
    assert reply.json["headers"]["authorization"] == "Bearer for-us"
    assert request(f"{house.gateways[0]}/certified/x", headers=signed("second")).status == 401
