"""Documents behind links: `format: openapi-link` with a URL as `value` is `format: openapi` with what the URL gives.

Fetched before the store is asked, so that a slow server holds nobody up; http and https only, without credentials,
bounded in size and time. Who may write to the plane may thereby have it open any address that it reaches.
"""

from __future__ import annotations

from typing import Any

import aiohttp

from management.errors import invalid

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
SECONDS = 30.0
REDIRECTS = 5


async def inline(document: dict[str, Any]) -> dict[str, Any]:
    """The document of a PUT with its link replaced by what is there. Raises ArmError."""
    properties = document.get("properties")
    format = properties.get("format") if isinstance(properties, dict) else None
    if not isinstance(properties, dict) or not isinstance(format, str) or format.lower() not in LINKS:
        return document
    url = properties.get("value")
    if not isinstance(url, str) or not url.lower().startswith(("http://", "https://")):
        raise invalid("value", f"With format {format}, value must be an http or https address.")
    return {**document, "properties": {**properties, "format": LINKS[format.lower()], "value": await _fetch(url)}}


async def _fetch(url: str) -> str:
    try:
        timeout = aiohttp.ClientTimeout(total=SECONDS)
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.get(url, max_redirects=REDIRECTS) as response,
        ):
            if response.status != 200:
                raise invalid("value", f"{url[:300]} answered {response.status}.")
            content = await response.content.read(LARGEST + 1)
            while len(content) <= LARGEST and (more := await response.content.read(LARGEST + 1 - len(content))):
                content += more
            if len(content) > LARGEST:
                raise invalid("value", f"The document at {url[:300]} is larger than {LARGEST} bytes.")
            return content.decode("utf-8-sig")
    except (TimeoutError, aiohttp.ClientError, ValueError) as error:
        raise invalid("value", f"{url[:300]} could not be read: {error or 'it took too long'}.") from None
