"""What the browser loads beside pages: the files below `static/`, from memory, each under an address with its digest.

An address with the right digest is kept by browsers for a year, since another content has another address; one without
is asked for again each time. Texts are compressed once, in a thread, when they are first asked for.
"""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import mimetypes
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from aiohttp import web

YEAR = 365 * 86_400
SMALL = 1_000  # bytes; not worth compressing
TEXTS = ("text/", "image/svg", "application/json")
TYPES = {".js": "text/javascript", ".mjs": "text/javascript", ".svg": "image/svg+xml", ".css": "text/css"}


@dataclass(slots=True)
class Asset:
    content: bytes
    type: str
    digest: str
    compressed: bytes | None = None


class Assets:
    """`folder` as it is now: a file that changes later is served when the portal starts anew."""

    def __init__(self, folder: Path) -> None:
        self._assets = {
            path.relative_to(folder).as_posix(): asset_of(path)
            for path in sorted(folder.rglob("*"))
            if path.is_file() and not any(part.startswith(".") for part in path.relative_to(folder).parts)
        }

    def add(self, name: str, asset: Asset) -> None:
        """A file that comes from elsewhere, such as a logo."""
        self._assets[name] = asset

    def address(self, name: str) -> str:
        """Raises KeyError for a file that is not there: a mistake in a template."""
        return f"/static/{quote(name)}?v={self._assets[name].digest}"

    async def serve(self, request: web.Request) -> web.Response:
        asset = self._assets.get(request.match_info["name"])
        if asset is None:
            raise web.HTTPNotFound(text="No such file is served.")
        etag = f'"{asset.digest}"'
        kept = f"public, max-age={YEAR}, immutable" if request.query.get("v") == asset.digest else "no-cache"
        headers = {"ETag": etag, "Cache-Control": kept, "Vary": "Accept-Encoding"}
        if request.headers.get("If-None-Match") == etag:
            return web.Response(status=304, headers=headers)
        body, packed = asset.content, "gzip" in request.headers.get("Accept-Encoding", "")
        if packed and len(body) > SMALL and asset.type.startswith(TEXTS):
            if asset.compressed is None:
                asset.compressed = await asyncio.to_thread(gzip.compress, body, 6, mtime=0)
            body, headers["Content-Encoding"] = asset.compressed, "gzip"
        charset = "utf-8" if asset.type.startswith("text/") else None
        return web.Response(body=body, content_type=asset.type, charset=charset, headers=headers)


def asset_of(path: Path) -> Asset:
    content = path.read_bytes()
    kind = TYPES.get(path.suffix.lower()) or mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    return Asset(content, kind, hashlib.sha256(content).hexdigest()[:16])
