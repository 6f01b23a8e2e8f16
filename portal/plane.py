"""The portal's only source: the plane's ARM-shaped HTTP API, called with the admin bearer.

Errors
    PlaneError
    ├── PlaneAway      no connection, no answer in time, or an answer that is no answer (5xx, not JSON)
    ├── PlaneDenied    the plane refuses the portal's own token (401, 403)
    ├── NotThere       404
    └── PlaneRefused   any other 4xx, with the plane's words, its code, and the field that they are about
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
PAGE = 200  # resources asked for at once: neither side works on them for long
MOST_PAGES = 500


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

    def __init__(self, words: str, code: str = "", target: str = "", details: tuple[str, ...] = ()) -> None:
        super().__init__(words)
        self.code, self.target, self.details = code, target, details


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

    async def store(
        self, path: str, properties: dict[str, Any], *, match: str = "", timeout: float = TIMEOUT
    ) -> tuple[dict[str, Any], str]:
        """PUT: the stored resource and its ETag. `match` is the ETag that it must have, "new" for none."""
        condition = {"If-None-Match": "*"} if match == "new" else {"If-Match": match} if match else {}
        return await self._tagged("PUT", self._address(path, {}), {"properties": properties}, condition, timeout)

    async def put(self, path: str, properties: dict[str, Any]) -> dict[str, Any]:
        return await self._call("PUT", self._address(path, {}), {"properties": properties})

    async def patch(self, path: str, properties: dict[str, Any]) -> dict[str, Any]:
        return await self._call("PATCH", self._address(path, {}), {"properties": properties}, {"If-Match": "*"})

    async def delete(self, path: str, match: str = "*", **query: str) -> None:
        await self._call("DELETE", self._address(path, query), headers={"If-Match": match})

    async def document(self, path: str, format: str) -> tuple[str, str]:
        """An API's description: (media type, text). The link that the plane gives is opened at the plane, wherever it
        points."""
        answer = await self.get(path, export="true", format=format)
        value = answer.get("value")
        link = value.get("link") if isinstance(value, dict) else None
        if not isinstance(link, str):
            raise PlaneAway(f"{self.url} gives no link to an export.")
        assert self._session is not None, "open() comes first"
        address = URL(self.url).with_path(URL(link).raw_path, encoded=True)
        try:
            async with self._session.get(address, allow_redirects=False) as response:
                text = await response.text()
                if response.status != 200:
                    raise PlaneAway(f"{self.url} answers {response.status} for an export.")
                return response.content_type, text
        except (TimeoutError, aiohttp.ClientError, OSError, UnicodeError) as error:
            raise PlaneAway(f"{self.url} does not answer ({type(error).__name__}).") from None

    async def page(self, path: str, number: int, size: int, **query: str) -> tuple[list[dict[str, Any]], int]:
        """The `number`th page (from 1) of a collection, and how many resources there are in all."""
        answer = await self.get(path, **{**query, "$top": str(size), "$skip": str((number - 1) * size)})
        items = _items(answer)
        count = answer.get("count")
        return items[:size], count if isinstance(count, int) else (number - 1) * size + len(items)

    async def every(self, path: str, **query: str) -> list[dict[str, Any]]:
        """All resources of a collection."""
        return [item async for item in self._walk(path, query)]

    async def _walk(self, path: str, query: dict[str, str]) -> AsyncIterator[dict[str, Any]]:
        address = self._address(path, {"$top": str(PAGE), **query})
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
        raise _refused(body, status)
    return body if isinstance(body, dict) else {}


def _refused(body: Any, status: int) -> PlaneRefused:
    """What is said of a field says more than what is said of all of them."""
    error = body.get("error") if isinstance(body, dict) else None
    error = error if isinstance(error, dict) else {}
    told = error.get("details")
    details = [each for each in (told if isinstance(told, list) else ()) if isinstance(each, dict)]
    first = details[0] if details else {}
    words = str(first.get("message") or error.get("message") or f"The plane answers {status}.")
    kind = Stale if status == 412 else PlaneRefused
    wrong = tuple(str(each["message"]) for each in details if each.get("message"))
    return kind(words, str(error.get("code") or ""), str(first.get("target") or ""), wrong)


def _items(answer: dict[str, Any]) -> list[dict[str, Any]]:
    value = answer.get("value")
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
