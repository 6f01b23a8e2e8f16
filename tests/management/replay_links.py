"""The documents that examples import by link, served on this host: what they name may be gone or out of reach."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.importers.test_edmx import V4 as EDMX
from tests.importers.test_proto_text import TEXT as PROTO
from tests.soap.shop import WSDL

RESPONSES = {"200": {"description": "Good"}}
PET = {"name": "id", "in": "path", "required": True}
OPENAPI = {
    "openapi": "3.0.0",
    "info": {"title": "Pets", "version": "1"},
    "servers": [{"url": "https://pets.example.com/v1"}],
    "paths": {
        "/pets": {
            "get": {
                "operationId": "listPets",
                "parameters": [{"name": "limit", "in": "query", "required": True, "schema": {"type": "integer"}}],
                "responses": RESPONSES,
            }
        },
        "/pets/{id}": {
            "get": {
                "operationId": "getPet",
                "parameters": [{**PET, "schema": {"type": "string"}}],
                "responses": RESPONSES,
            }
        },
    },
}
SWAGGER = {
    "swagger": "2.0",
    "info": {"title": "Pets", "version": "1"},
    "host": "pets.example.com",
    "basePath": "/v2",
    "schemes": ["https"],
    "paths": {"/pets/{id}": {"get": {"parameters": [{**PET, "type": "string"}], "responses": RESPONSES}}},
}
WADL = """<application xmlns="http://wadl.dev.java.net/2009/02">
  <resources base="https://pets.example.com/">
    <resource path="pets"><method name="GET" id="listPets"><response status="200"/></method></resource>
  </resources>
</application>"""
# the service and the endpoint that the examples ask for
CURRENCY = WSDL.replace('service name="Shop"', 'service name="CurrencyConvertor"').replace(
    'port name="Shop11"', 'port name="CurrencyConvertorSoap"'
)
# format of an example -> document
DOCUMENTS = {
    "openapi-link": json.dumps(OPENAPI),
    "openapi+json-link": json.dumps(OPENAPI),
    "swagger-link": json.dumps(SWAGGER),
    "swagger-link-json": json.dumps(SWAGGER),
    "wadl-link-json": WADL,
    "wsdl-link": CURRENCY,
    "odata-link": EDMX,
    "grpc-link": PROTO,
}


@contextmanager
def linked() -> Iterator[str]:
    """The address below which each document stands under the name of its format."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            text = DOCUMENTS.get(self.path.rsplit("/", 1)[-1])
            self.send_response(200 if text else 404)
            self.end_headers()
            self.wfile.write((text or "").encode())

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
