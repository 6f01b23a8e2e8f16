"""`redirect-content-urls`: links in a body that point to the backend point to the gateway, and inbound the reverse.

Rules
1. A link is the base URL of the one side, scheme and host in any case, the scheme's own port written or not, and not
   followed by what would make it another host or path. Slashes may be escaped as in JSON.
2. Bodies that are not text, or are compressed, are left as they are.

https://learn.microsoft.com/azure/api-management/redirect-content-urls-policy
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

from proxy.messages import DEFAULT_PORTS, Body, Url
from proxy.pipeline.content import compressed, is_text, media_type
from proxy.pipeline.registry import INBOUND, OUTBOUND, Handler, policy

if TYPE_CHECKING:
    from proxy.exchange import Exchange
    from proxy.pipeline.compile import Compiler
    from proxy.pipeline.element import Element


@policy("redirect-content-urls", sections={INBOUND, OUTBOUND})
def redirect_content_urls(element: Element, compiler: Compiler) -> Handler:
    """Make the links in a body point to the gateway instead of the backend; inbound the reverse."""
    section = compiler.section

    async def handle(exchange: Exchange) -> None:
        request = exchange.request
        message = exchange.message(section)
        if message.body.empty or request.base is None or compressed(message.headers):
            return
        if not is_text(media_type(message.headers)):
            return
        original = request.original_url
        api_path = f"/{exchange.api.path}".rstrip("/") if exchange.api else ""
        gateway = Url(original.scheme, original.host, original.port, api_path)
        source, target = (gateway, request.base) if section == INBOUND else (request.base, gateway)
        content = await message.body.read()
        changed = content
        for escaped in (False, True):
            link = _text(target, escaped)
            changed = _links(source, escaped).sub(lambda _, link=link: link, changed)  # type: ignore[misc]
        if changed != content:
            message.headers.popall("Content-Length", None)
            message.body = Body(changed)

    return handle


def _text(url: Url, escaped: bool) -> bytes:
    text = f"{url.scheme}://{url.authority}{url.path.rstrip('/')}"
    return (text.replace("/", "\\/") if escaped else text).encode()


@lru_cache(maxsize=256)
def _links(url: Url, escaped: bool) -> re.Pattern[bytes]:
    host = f"[{url.host}]" if ":" in url.host else url.host
    own = DEFAULT_PORTS.get(url.scheme) == url.port
    slash = "\\/" if escaped else "/"
    path = url.path.rstrip("/").replace("/", slash)
    port = f"(?::{url.port})?(?!:)" if own else f":{url.port}"
    pattern = f"(?i:{re.escape(f'{url.scheme}:{slash}{slash}{host}')}){port}{re.escape(path)}(?![\\w%~-]|\\.\\w)"
    return re.compile(pattern.encode())
