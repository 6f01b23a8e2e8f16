"""A stand-in for Azure on one port: tokens, logs ingestion, custom metrics, event hubs. With faults on demand.

`mode`: ok | busy (503) | throttled (429, Retry-After 1) | refused (400) | unauthorized (401) | forbidden (403) |
hang (never answers) | cut (closes the connection without an answer). Tokens are given in every mode but `mute`.
"""

from __future__ import annotations

import gzip
import json
import ssl
import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

FAULTS = {"busy": 503, "throttled": 429, "refused": 400, "unauthorized": 401, "forbidden": 403}


@dataclass
class Call:
    """One request that was answered with a success. `content` is the body, decompressed."""

    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]
    content: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.content)


class FakeAzure:
    """Use as a context manager."""

    def __init__(self, folder: Path | None = None, mode: str = "ok") -> None:
        """TLS when there is a `folder` for its certificate."""
        self.mode = mode
        self.calls: list[Call] = []
        self.tokens: list[dict[str, str]] = []
        self.tries = 0
        self.certificate = folder / "azure.pem" if folder else None
        self._over = threading.Event()

    def settings(self) -> dict[str, str]:
        """An identity with a client secret."""
        return {
            "policy.identity.source": "secret", "policy.identity.tenant": "contoso",
            "policy.identity.client": "gateway",
            "AZURE_CLIENT_SECRET": "hush", "policy.identity.authority": self.url,
        }  # fmt: skip

    def rows(self) -> list[dict[str, Any]]:
        return [row for call in list(self.calls) for row in call.json]

    def __enter__(self) -> FakeAzure:
        fake = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = 10

            def do_POST(self) -> None:
                content = self.rfile.read(int(self.headers.get("Content-Length", "0")))
                parts = urlsplit(self.path)
                if parts.path.endswith("/oauth2/v2.0/token"):
                    fake.tokens.append({name: values[0] for name, values in parse_qs(content.decode()).items()})
                    self._answer(200, {"access_token": f"t{len(fake.tokens)}", "expires_in": 3600})
                    return
                fake.tries += 1
                mode = fake.mode
                if mode == "hang":
                    fake._over.wait(20)
                    self.close_connection = True
                elif mode == "cut":
                    self.close_connection = True
                elif mode in FAULTS:
                    self._answer(FAULTS[mode], {"error": {"code": mode}})
                else:
                    if self.headers.get("Content-Encoding") == "gzip":
                        content = gzip.decompress(content)
                    headers = {name.lower(): value for name, value in self.headers.items()}
                    fake.calls.append(Call(parts.path, parse_qs(parts.query), headers, content))
                    self._answer(201 if parts.path.endswith("/messages") else 204)

            def _answer(self, status: int, body: Any = None) -> None:
                data = b"" if body is None else json.dumps(body).encode()
                self.send_response(status)
                if status == 429:
                    self.send_header("Retry-After", "1")
                if status != 204:
                    self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, format: str, *args: object) -> None: ...

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request: Any, client_address: Any) -> None:
                """Clients of tests go away as they like."""

        self._server = Server(("127.0.0.1", 0), Handler)
        scheme = "http"
        if self.certificate:
            scheme = "https"
            write_certificate(self.certificate)
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(self.certificate)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.url = f"{scheme}://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._server.shutdown()
        self._server.server_close()


def write_certificate(path: Path) -> None:
    """Certificate and key of 127.0.0.1, signed by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "azure.test")])
    now = datetime.fromtimestamp(time.time(), UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path.write_bytes(made.public_bytes(pem) + private)
