"""Documents behind links: `format: openapi-link` with a URL as `value` is `format: openapi` with what the URL gives.

Fetched before the store is asked, so that a slow server holds nobody up; http and https only, without credentials,
bounded in size and time. Who may write to the plane may thereby have it open any address that it reaches, but for those
that `addresses.py` keeps from everybody. What a WSDL document imports is fetched with it, from the same host only.

`graphql-link` means a GraphQL server, which is asked for its schema and becomes the API's backend where none is given;
an address that takes no questions is read as a schema. A text that is no address is a schema itself.
"""

from __future__ import annotations

import asyncio
import re
from typing import Any

import aiohttp

from management.addresses import guarded_socket
from management.errors import ArmError, invalid
from management.importers import graphql, wsdl_files
from management.importers.imported import ImportRefused

LINKS = {
    "openapi-link": "openapi",
    "openapi+json-link": "openapi+json",
    "swagger-link": "swagger-json",
    "swagger-link-json": "swagger-json",
    "wadl-link-json": "wadl-xml",
    "wsdl-link": "wsdl",
    "graphql-link": "graphql",
    "odata-link": "odata",
    "grpc-link": "grpc",
    "xml-link": "xml",
    "rawxml-link": "rawxml",
}
LARGEST = 16 * 1024 * 1024
LARGEST_ANSWER = 16 * 1024 * 1024  # the types of a GraphQL server as JSON are long
SECONDS = 30.0
MOST_FILES = 50  # of one WSDL description
REDIRECTS = 5
ENCODING = re.compile(rb"""(?:\xef\xbb\xbf)?<\?xml[^>]*?\sencoding\s*=\s*["']([A-Za-z][\w.-]*)["']""")
JSON = {"Content-Type": "application/json", "Accept": "application/json, application/graphql-response+json"}


async def inline(document: dict[str, Any]) -> dict[str, Any]:
    """The document of a PUT with its link replaced by what is there. Raises ArmError."""
    properties = document.get("properties")
    format = properties.get("format") if isinstance(properties, dict) else None
    if not isinstance(properties, dict) or not isinstance(format, str) or format.lower() not in LINKS:
        return document
    url = properties.get("value")
    if format.lower() == "graphql-link" and isinstance(url, str):
        return {**document, "properties": {**properties, **await _graphql(url, properties)}}
    if not isinstance(url, str) or not url.lower().startswith(("http://", "https://")):
        raise invalid("value", f"With format {format}, value must be an http or https address.")
    fetch = _wsdl if format.lower() == "wsdl-link" else _fetch
    return {**document, "properties": {**properties, "format": LINKS[format.lower()], "value": await fetch(url)}}


async def _wsdl(url: str) -> str:
    """A WSDL document with all that it imports."""
    files = {url: await _fetch(url)}
    try:
        async with asyncio.timeout(2 * SECONDS):
            while found := await asyncio.to_thread(wsdl_files.missing, files, url):
                if len(files) + len(found) > MOST_FILES:
                    raise invalid("value", f"{url[:300]} imports more than {MOST_FILES} files.")
                for name in found:
                    files[name] = await _fetch(name)
                    if sum(map(len, files.values())) > LARGEST:
                        raise invalid("value", f"{url[:300]} is larger than {LARGEST} bytes with all that it imports.")
        return await asyncio.to_thread(wsdl_files.merged, files, url)
    except ImportRefused as refused:
        raise invalid(refused.target, str(refused)) from None
    except TimeoutError:
        raise invalid("value", f"{url[:300]} could not be read with all that it imports: it took too long.") from None


async def _graphql(value: str, properties: dict[str, Any]) -> dict[str, Any]:
    """What a GraphQL link says of an API: its schema, and its backend where nothing else is given."""
    if not value.lower().startswith(("http://", "https://")):
        if "{" in value:
            return {"format": "graphql", "value": value}
        raise invalid("value", "With format graphql-link, value must be the http or https address of a GraphQL server.")
    try:
        text = await _fetch(value, graphql.question())
    except ArmError as refused:
        try:
            text = await _fetch(value)
        except ArmError:
            raise refused from None
    backend = {"serviceUrl": value} if graphql.is_answer(text) and not properties.get("serviceUrl") else {}
    try:
        imported = await asyncio.to_thread(graphql.import_graphql, text)
    except ImportRefused as refused:
        raise invalid("value", f"{value[:300]}: {refused}") from None
    return {"format": "graphql", "value": imported.documents[0].text, **backend}


def _text(content: bytes, charset: str | None) -> str:
    """UTF-8 and UTF-16; what is neither is what XML says of itself, or the answer's head. Raises ValueError."""
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return content.decode("utf-16")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        declared = ENCODING.match(content)
        wanted = declared[1].decode() if declared else charset or "utf-8"
    try:
        return content.decode(wanted)
    except LookupError:
        raise ValueError(f"the encoding '{wanted[:40]}' is not known") from None


async def _fetch(url: str, question: str | None = None) -> str:
    """What is behind an address, or what it answers to a JSON question. Raises ArmError."""
    most = LARGEST if question is None else LARGEST_ANSWER
    try:
        timeout = aiohttp.ClientTimeout(total=SECONDS)
        method, headers = ("GET", {}) if question is None else ("POST", JSON)
        async with (
            aiohttp.ClientSession(
                timeout=timeout, connector=aiohttp.TCPConnector(socket_factory=guarded_socket)
            ) as session,
            session.request(method, url, data=question, headers=headers, max_redirects=REDIRECTS) as response,
        ):
            if response.status != 200:
                raise invalid("value", f"{url[:300]} answered {response.status}.")
            content = await response.content.read(most + 1)
            while len(content) <= most and (more := await response.content.read(most + 1 - len(content))):
                content += more
            if len(content) > most:
                raise invalid("value", f"The document at {url[:300]} is larger than {most} bytes.")
            return _text(content, response.charset)
    except (TimeoutError, aiohttp.ClientError, ValueError) as error:
        raise invalid("value", f"{url[:300]} could not be read: {error or 'it took too long'}.") from None
