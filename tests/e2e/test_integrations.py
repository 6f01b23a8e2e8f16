"""What policies call, through a real house: a model with its embeddings, Dapr, Service Bus, an HTTP proxy, a token
endpoint of a credential provider. One server on loopback plays them all."""

from __future__ import annotations

import json
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from house import House, Reply, request, wait_until

from tests.ports import free_port

pytestmark = pytest.mark.e2e


@dataclass
class World:
    """`seen` are (method, target, headers, body); `url` is where they all are."""

    url: str = ""
    seen: list[tuple[str, str, dict[str, str], bytes]] = field(default_factory=list)

    def at(self, begin: str) -> list[tuple[str, str, dict[str, str], bytes]]:
        return [each for each in self.seen if each[1].startswith(begin)]


class _Handler(BaseHTTPRequestHandler):
    world: World

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.world.seen.append((self.command, self.path, dict(self.headers.items()), body))
        status, made = self._made(body)
        content = json.dumps(made).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = _answer

    def _made(self, body: bytes) -> tuple[int, Any]:
        if self.path.startswith("http://"):
            return 200, {"through": self.path}
        if self.path.startswith("/v1/embeddings"):
            return 200, {"data": [{"embedding": [1.0, 0.1] if b"capital" in body else [0.0, 1.0]}]}
        if self.path.startswith("/msi"):
            return 200, {"access_token": "own", "expires_in": "3600"}
        if self.path.startswith("/token"):
            return 200, {"access_token": "theirs", "expires_in": 3600}
        if self.path.endswith("/messages?timeout=60"):
            return 201, {}
        return 200, {"count": len(self.world.seen)}

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    made = World()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"world": made}))
    server.daemon_threads = True
    made.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield made
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def house(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    environment = {
        "policy.dapr.endpoint": world.url,
        "IDENTITY_ENDPOINT": f"{world.url}/msi",
        "IDENTITY_HEADER": "us",
    }
    it = House(tmp_path_factory.mktemp("house"), environment=environment)
    try:
        yield it.start()
    finally:
        it.stop()


def publish(house: House, world: World, name: str, inbound: str = "", outbound: str = "", **headers: str) -> str:
    """An API with these policies; the URL of it at the first sidecar, once it is there."""
    house.api(name, world.url)
    mark = f'<set-header name="X-Api"><value>{name}{time.monotonic_ns()}</value></set-header>'
    text = (
        f"<policies><inbound><base />{inbound}</inbound><backend><base /></backend>"
        f"<outbound>{mark}<base />{outbound}</outbound><on-error>{mark}</on-error></policies>"
    )
    house.policy(f"/apis/{name}", text)
    stamp = mark.partition("<value>")[2].partition("<")[0]

    def there(answer: Reply) -> bool:
        return answer.headers.get("x-api") == stamp

    house.everywhere(f"/{name}/ready", there, **headers)
    return f"{house.gateways[0]}/{name}"


def test_a_prompt_that_means_the_same_is_answered_from_the_cache(house: House, world: World) -> None:
    house.put("/backends/embed", {"url": f"{world.url}/v1/embeddings", "protocol": "http"})
    url = publish(
        house,
        world,
        "model",
        '<llm-semantic-cache-lookup score-threshold="0.05" embeddings-backend-id="embed" '
        'embeddings-backend-auth="system-assigned"><vary-by>@(context.Api.Id)</vary-by></llm-semantic-cache-lookup>',
        '<llm-semantic-cache-store duration="60" />',
    )

    def ask(text: str) -> Any:
        body = {"messages": [{"role": "user", "content": text}]}
        return request(f"{url}/chat/completions", "POST", body=body).json

    first = ask("What is the capital of France?")
    assert ask("Tell me the capital of France.") == first
    assert ask("How old is the moon?") != first
    house.put("/tags/t", {"displayName": "t"})
    time.sleep(1.5)
    assert ask("the capital of France, please") == first  # a new configuration does not empty it
    assert world.at("/v1/embeddings")[0][2]["Authorization"] == "Bearer own"
    assert len(world.at("/chat/completions")) == 2


def test_dapr_gets_its_messages(house: House, world: World) -> None:
    url = publish(
        house,
        world,
        "dapr",
        '<publish-to-dapr topic="orders/new" template="liquid">{"id": {{body.id}} }</publish-to-dapr>'
        '<invoke-dapr-binding name="mail" operation="create" response-variable-name="r">'
        "<data>@(context.Request.Body.As&lt;string&gt;(true))</data></invoke-dapr-binding>"
        '<set-backend-service backend-id="dapr" dapr-app-id="echo" dapr-method="say" />',
        **{"Content-Type": "application/json"},
    )
    assert request(f"{url}/x", "POST", body={"id": 7}).status == 200
    assert world.at("/v1.0/publish/orders/new")[-1][3] == b'{"id": 7 }'
    assert json.loads(world.at("/v1.0/bindings/mail")[-1][3]) == {"operation": "create", "data": {"id": 7}}
    assert world.at("/v1.0/invoke/echo/method/say")[-1][0] == "POST"


def test_service_bus_gets_its_message(house: House, world: World) -> None:
    url = publish(
        house,
        world,
        "bus",
        f'<send-service-bus-message queue-name="orders" namespace="{world.url}"><message-properties>'
        '<message-property name="Who">@(context.Api.Id)</message-property></message-properties>'
        "<payload>@(context.Request.Body.As&lt;string&gt;(true))</payload></send-service-bus-message>",
    )
    assert request(f"{url}/x", "POST", body={"id": 7}).status == 200
    _, _, headers, body = world.at("/orders/messages")[-1]
    assert (headers["Authorization"], headers["Who"], body) == ("Bearer own", '"bus"', b'{"id": 7}')
    assert "MessageId" in json.loads(headers["BrokerProperties"])


def test_the_backend_is_called_through_a_proxy(house: House, world: World) -> None:
    url = publish(house, world, "far", f'<proxy url="{world.url}" username="u" password="p" />')
    assert request(f"{url}/x").json == {"through": f"{world.url}/x"}
    assert world.at(f"{world.url}/x")[-1][2]["Proxy-Authorization"] == "Basic dTpw"


def test_a_connection_of_a_credential_provider(house: House, world: World) -> None:
    grants = {"clientCredentials": {"tokenUrl": f"{world.url}/token"}}
    house.put("/authorizationProviders/p", {"identityProvider": "oauth2", "oauth2": {"grantTypes": grants}})
    parameters = {"clientId": "me", "clientSecret": "hidden"}
    connection = {"authorizationType": "OAuth2", "oauth2grantType": "ClientCredentials", "parameters": parameters}
    house.put("/authorizationProviders/p/authorizations/c", connection)
    url = publish(
        house,
        world,
        "connected",
        '<get-authorization-context provider-id="p" authorization-id="c" context-variable-name="a" />'
        '<set-header name="Authorization"><value>@("Bearer " + ((Authorization)context.Variables["a"]).AccessToken)'
        "</value></set-header>",
    )
    wait_until(lambda: request(f"{url}/x").status == 200, what="the connection")
    assert world.at("/x")[-1][2]["Authorization"] == "Bearer theirs"
    assert world.at("/token")[-1][3] == b"grant_type=client_credentials&client_id=me&client_secret=hidden"


@pytest.mark.skipif(shutil.which("redis-server") is None, reason="redis-server is not installed")
def test_the_external_cache_of_the_configuration(house: House, world: World, tmp_path: Path) -> None:
    port = free_port()
    command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--requirepass", "open"]
    server = subprocess.Popen([*command, "--dir", str(tmp_path)], stdout=subprocess.DEVNULL)
    try:
        connection = f"127.0.0.1:{port},password=open,ssl=False,abortConnect=False"
        house.put("/caches/default", {"connectionString": connection, "useFromLocation": "default"})
        url = publish(
            house,
            world,
            "kept",
            '<cache-lookup vary-by-developer="false" vary-by-developer-groups="false" caching-type="external" />',
            '<cache-store duration="60" />',
        )
        wait_until(lambda: request(f"{url}/x").body == request(f"{url}/x").body, what="the cache")
        kept = request(f"{url}/x").body
        other = house.gateways[-1]
        assert request(f"{other}/kept/x").body == kept  # what one sidecar kept, all have
    finally:
        server.terminate()
        server.wait(10)
    assert request(f"{url}/x").status == 200
    assert request(f"{url}/x").body != kept
