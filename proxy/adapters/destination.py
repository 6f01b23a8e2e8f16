"""What aiohttp's connector asks of a request, made once per backend instead of once per request."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field, replace

from aiohttp import Fingerprint
from aiohttp.client_reqrep import ConnectionKey, RequestInfo
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from proxy.messages import Url
from proxy.ports import HttpProxy

Tls = ssl.SSLContext | bool | Fingerprint


@dataclass(slots=True, frozen=True)
class Destination:
    """One origin: scheme, host, port, and how its certificate is checked. Shaped like aiohttp's ClientRequest."""

    url: URL
    host: str
    port: int
    ssl: Tls
    connection_key: ConnectionKey
    request_info: RequestInfo
    proxy: None = None
    proxy_auth: None = None
    proxy_headers: None = None
    server_hostname: None = None
    # the HTTP proxy on the way, what it wants to see, and whether it is asked for a tunnel
    via: Destination | None = None
    authorization: str = field(default="", repr=False)
    tunnel: bool = False

    @classmethod
    def of(cls, url: Url, tls: Tls) -> Destination:
        secure = url.scheme in ("https", "wss")
        address = URL.build(scheme="https" if secure else "http", host=url.host, port=url.port)
        host = address.raw_host
        if not host:
            raise ValueError(url.host)
        info = RequestInfo(address, "GET", CIMultiDictProxy(CIMultiDict()), address)
        return cls(
            address, host, url.port, tls, ConnectionKey(host, url.port, secure, tls, None, None, None, None), info
        )

    def through(self, proxy: HttpProxy, scheme: str) -> Destination:
        """The same behind a proxy, which sees plain http requests, and only bytes of anything else."""
        via = Destination.of(Url(proxy.scheme, proxy.host, proxy.port), True)
        key = self.connection_key._replace(proxy=via.url, proxy_headers_hash=hash(proxy))
        return replace(self, connection_key=key, via=via, authorization=proxy.authorization, tunnel=scheme != "http")

    def is_ssl(self) -> bool:
        return self.connection_key.is_ssl
