"""The service that `shop.wsdl` describes, over plain HTTP: reads envelopes of SOAP 1.1 and 1.2, answers in kind."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from lxml import etree

WSDL = (Path(__file__).parent / "shop.wsdl").read_text()
SHOP, GOODS = "{urn:shop}", "{urn:goods}"
ENVELOPES = {"text/xml": "http://schemas.xmlsoap.org/soap/envelope/",
             "application/soap+xml": "http://www.w3.org/2003/05/soap-envelope"}  # fmt: skip
ITEMS = """<Item id="1"><Name>a "b" \\ c &amp; d</Name><Price currency="EUR">1.50</Price><InStock>true</InStock>
<Tag>x</Tag><Tag>y</Tag></Item>"""
OTHER = '<Item id="2"><Name>two\nlines</Name><Price>3</Price><InStock>0</InStock></Item>'


@dataclass
class Shop:
    """`seen` are (path, SOAPAction, Content-Type, body) of the calls."""

    url: str = ""
    seen: list[tuple[str, str | None, str, bytes]] = field(default_factory=list)

    @property
    def wsdl(self) -> str:
        return WSDL.replace("http://shop.example", self.url)

    def answer(self, envelope: str, content: bytes) -> tuple[int, str]:
        body = etree.fromstring(content).find(f"{{{envelope}}}Body")
        assert body is not None
        (asked,) = body
        inner = self._inner(asked)
        status = 500 if "Fault" in inner else 200
        return status, f'<s:Envelope xmlns:s="{envelope}"><s:Body>{inner}</s:Body></s:Envelope>'

    def _inner(self, asked: Any) -> str:
        if asked.tag == f"{SHOP}Add":
            left, right = (asked.findtext(f"{SHOP}{name}") for name in ("intA", "intB"))
            if not (left or "").strip("-").isdigit():
                return '<s:Fault><faultcode>s:Client</faultcode><faultstring>no "number"</faultstring></s:Fault>'
            note = asked.findtext(f"{SHOP}note")
            told = f"<Note>{escape(note)}</Note>" if note else '<Note i:nil="true"/>'
            return (
                '<AddResponse xmlns="urn:shop" xmlns:i="http://www.w3.org/2001/XMLSchema-instance">'
                f"<AddResult>{int(left or 0) + int(right or 0)}</AddResult>{told}</AddResponse>"
            )
        if asked.tag == f"{SHOP}ListGoods":
            most = asked.findtext(f"{SHOP}filter/MaxPrice")
            items = ITEMS + ("" if most and float(most) < 3 else OTHER)
            return (
                '<ListGoodsResponse xmlns="urn:shop"><ListGoodsResult>'
                f"{items.replace('<Item ', chr(60) + 'Item xmlns=' + chr(34) * 2 + ' ')}</ListGoodsResult>"
                "</ListGoodsResponse>"
            )
        return '<PingResponse xmlns="urn:shop"><At>2020-05-06T07:08:09Z</At></PingResponse>'


@contextlib.contextmanager
def serving() -> Iterator[Shop]:
    """A shop on loopback."""
    shop = Shop()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if self.headers.get("Transfer-Encoding") == "chunked":
                content = b""
                while size := int(self.rfile.readline(), 16):
                    content += self.rfile.read(size)
                    self.rfile.readline()
                self.rfile.readline()
            kind = self.headers.get("Content-Type", "")
            shop.seen.append((self.path, self.headers.get("SOAPAction"), kind, content))
            media = kind.partition(";")[0].strip()
            status, text = shop.answer(ENVELOPES[media], content)
            self.send_response(status)
            self.send_header("Content-Type", f"{media}; charset=utf-8")
            self.send_header("Content-Length", str(len(text.encode())))
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    shop.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield shop
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
