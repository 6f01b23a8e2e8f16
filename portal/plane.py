"""The portal's only source: the plane's ARM-shaped HTTP API, called with the admin bearer.

Errors
    PlaneError
    ├── PlaneAway      no connection, no answer in time, or an answer that is no answer (5xx, not JSON)
    ├── PlaneDenied    the plane refuses the portal's own token (401, 403)
    ├── NotThere       404
    └── PlaneRefused   any other 4xx, with the plane's words
        └── Stale      412: it was changed since it was read
"""

from __future__ import annotations

import contextvars
import json
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp
from yarl import URL

API_VERSION = "2024-05-01"
TIMEOUT = 10.0  # seconds, one call
LONG = 120.0  # seconds, a call that may bring or change much
PAGE = 500  # resources asked for at once
MOST_PAGES = 200


class PlaneError(Exception):
    """A call that gave no result; the text may be shown to an operator."""


class PlaneAway(PlaneError):
    pass


class PlaneDenied(PlaneError):
    pass


class NotThere(PlaneError):
    pass


class PlaneRefused(PlaneError):
    """`details` are what is wrong, one by one."""

    def __init__(self, words: str, details: tuple[str, ...] = ()) -> None:
        super().__init__(words)
        self.details = details


class Stale(PlaneRefused):
    pass


# the operator for whom the plane is called, as the list of revisions shows it
AUTHOR: contextvars.ContextVar[str] = contextvars.ContextVar("operator", default="")


def segment(name: str) -> str:
    """A resource name as one path segment. Raises NotThere for "." and "..", which no resource is called."""
    if name in (".", ".."):
        raise NotThere("The plane does not know this resource.")
    return quote(name, safe="")


class Plane:
    """Calls below one service. `path` arguments start with "/" and are relative to the service ("/apis/orders")."""

    def __init__(self, url: str, service: str, token_file: Path | None, ca: Path | None = None) -> None:
        self.url = url
        self._root = url + quote(service, safe="/")
        self._token_file = token_file
        self._ssl: ssl.SSLContext | bool = ssl.create_default_context(cafile=str(ca)) if ca else True
        self._session: aiohttp.ClientSession | None = None

    async def open(self) -> None:
        timeout = aiohttp.ClientTimeout(total=TIMEOUT)
        self._session = aiohttp.ClientSession(
            timeout=timeout,
            connector=aiohttp.TCPConnector(limit=16, ssl=self._ssl),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"User-Agent": "passerelle-console"},
        )

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    def token(self) -> str:
        """The admin bearer, read anew each time so that a changed file needs no restart; "" when there is none."""
        if self._token_file is None:
            return ""
        try:
            return self._token_file.read_text(encoding="utf-8").strip()
        except OSError:
            return ""

    async def get(self, path: str, **query: str) -> dict[str, Any]:
        return await self._call("GET", self._address(path, query))

    async def tagged(self, path: str, **query: str) -> tuple[dict[str, Any], str]:
        """A resource and its ETag."""
        return await self._tagged("GET", self._address(path, query))

    async def post(self, path: str, body: dict[str, Any] | None = None, timeout: float = TIMEOUT) -> dict[str, Any]:
        return await self._call("POST", self._address(path, {}), body, timeout=timeout)

    async def put(
        self, path: str, properties: dict[str, Any], *, match: str = "", timeout: float = TIMEOUT
    ) -> tuple[dict[str, Any], str]:
        """The stored resource and its ETag. `match` is the ETag that it must have, "new" that there must be none."""
        condition = {"If-None-Match": "*"} if match == "new" else {"If-Match": match} if match else {}
        return await self._tagged("PUT", self._address(path, {}), {"properties": properties}, condition, timeout)

    async def delete(self, path: str, match: str) -> None:
        await self._call("DELETE", self._address(path, {}), headers={"If-Match": match})

    async def page(self, path: str, number: int, size: int, **query: str) -> tuple[list[dict[str, Any]], int]:
        """The `number`th page (from 1) of a collection, and how many resources there are in all."""
        answer = await self.get(path, **{**query, "$top": str(size), "$skip": str((number - 1) * size)})
        items = _items(answer)
        count = answer.get("count")
        return items[:size], count if isinstance(count, int) else (number - 1) * size + len(items)

    async def every(self, path: str) -> list[dict[str, Any]]:
        """All resources of a collection."""
        return [item async for item in self._walk(path)]

    async def _walk(self, path: str) -> AsyncIterator[dict[str, Any]]:
        address = self._address(path, {"$top": str(PAGE)})
        for _ in range(MOST_PAGES):
            answer = await self._call("GET", address)
            for item in _items(answer):
                yield item
            following = answer.get("nextLink")
            if not isinstance(following, str) or not following:
                return
            # The bearer goes to the plane and nowhere else, whatever a link says.
            address = URL(self.url).with_path(URL(following).raw_path, encoded=True).with_query(URL(following).query)
        raise PlaneAway(f"The list {path} has no end.")

    def _address(self, path: str, query: dict[str, str]) -> URL:
        parameters = "&".join(
            f"{name}={quote(value, safe='')}" for name, value in {"api-version": API_VERSION, **query}.items()
        )
        return URL(f"{self._root}{path}?{parameters}", encoded=True)

    async def _call(
        self,
        method: str,
        address: URL,
        body: dict[str, Any] | None = None,
        headers: dict[str, str] | None = None,
        timeout: float = TIMEOUT,
    ) -> dict[str, Any]:
        return (await self._tagged(method, address, body, headers, timeout))[0]

    async def _tagged(
        self,
        method: str,
        address: URL,
        body: dict[str, Any] | None = None,
        headers: dict[str, str] | None = None,
        timeout: float = TIMEOUT,
    ) -> tuple[dict[str, Any], str]:
        assert self._session is not None, "open() comes first"
        sent = {"Authorization": f"Bearer {self.token()}", "Accept": "application/json", **(headers or {})}
        if author := AUTHOR.get():
            sent["Passerelle-Author"] = author
        try:
            async with self._session.request(
                method,
                address,
                headers=sent,
                json=body,
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=timeout),
            ) as response:
                text = await response.text()
                status, tag = response.status, response.headers.get("ETag", "")
        except (TimeoutError, aiohttp.ClientError, OSError, UnicodeError) as error:
            raise PlaneAway(f"{self.url} does not answer ({type(error).__name__}).") from None
        return _answer(status, text, self.url), tag


def _answer(status: int, text: str, url: str) -> dict[str, Any]:
    try:
        body = json.loads(text) if text else {}
    except ValueError:
        body = None
    if status in (401, 403):
        raise PlaneDenied(f"{url} refuses the token in portal.management.token.file.")
    if status == 404:
        raise NotThere("The plane does not know this resource.")
    if status >= 500 or status < 200 or body is None:
        raise PlaneAway(f"{url} answers {status}, which is no result.")
    if status >= 300:
        kind = Stale if status == 412 else PlaneRefused
        words, details = _reason(body)
        raise kind(words or f"The plane answers {status}.", details)
    return body if isinstance(body, dict) else {}


def _reason(body: Any) -> tuple[str, tuple[str, ...]]:
    """What an error says, and what is wrong one by one; a single one takes the place of what stands over them."""
    error = body.get("error") if isinstance(body, dict) else None
    if not isinstance(error, dict):
        return "", ()
    told = error.get("details")
    details = tuple(
        str(each["message"])
        for each in (told if isinstance(told, list) else ())
        if isinstance(each, dict) and each.get("message")
    )
    return str(error.get("message") or "") if len(details) != 1 else details[0], details


def _items(answer: dict[str, Any]) -> list[dict[str, Any]]:
    value = answer.get("value")
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
