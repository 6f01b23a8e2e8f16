"""Exports of an API: `GET {api}?export=true&format=openapi-link` tells a link; who has the link gets the document.

WADL and GraphQL schemas are given as they came, as long as they tell of the API, WSDL with the gateway's address in it;
OpenAPI is written anew.

Clients open the link without credentials, so it is signed, for one API and one format, and good for some minutes.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import json
import time
from typing import Any

import yaml
from aiohttp import web

from management.errors import invalid, not_found
from management.exporters.openapi import openapi, swagger
from management.exporters.wsdl import wsdl
from management.keys import same
from management.resources import specifications
from management.resources.schemas import is_graphql
from management.revisions import resolve
from management.store import Row, Store
from management.transaction import Transaction, reading

LIFE = 300
# format asked for -> media type of the document
WRITTEN = {
    "openapi-link": "application/vnd.oai.openapi",
    "openapi+json-link": "application/vnd.oai.openapi+json",
    "swagger-link": "application/vnd.swagger.doc+json",
    "swagger-link-json": "application/vnd.swagger.doc+json",
    "wsdl-link": "application/wsdl+xml",
}
# those that are only to be had as they came: format asked for -> (format of the import, media type)
KEPT = {
    "wadl-link": ("wadl-xml", "application/vnd.sun.wadl+xml"),
    "graphql-link": ("graphql", "application/graphql"),
}
MEDIA_TYPES = WRITTEN | {asked: media for asked, (_, media) in KEPT.items()}


class Exports:
    def __init__(self, store: Store, secret: bytes) -> None:
        self._store = store
        self._key = hmac.digest(secret, b"links to exports of the management plane", "sha256")

    def tell(self, request: web.Request, tx: Transaction, row: Row) -> dict[str, Any]:
        """The answer to a GET of an API with export=true."""
        asked = request.query.get("format", "").lower()
        if asked not in MEDIA_TYPES:
            raise invalid("format", f"An API is exported as {', '.join(MEDIA_TYPES)}, not as '{asked[:40]}'.")
        if asked in KEPT and _kept(tx, row, KEPT[asked][0]) is None:
            why = "it came from no such document, or its operations were changed since"
            raise invalid("format", f"API '{row.name}' cannot be exported as {asked}: {why}.")
        if asked == "wsdl-link" and _wsdl(tx, row) is None:
            raise invalid("format", f"API '{row.name}' has no WSDL: it was not imported from one.")
        text = json.dumps([tx.service.id, row.id, asked, int(time.time()) + LIFE])
        ticket = base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")
        link = str(request.url.origin() / "exports" / f"{ticket}.{self._sign(ticket)}")
        told = {"format": asked, "value": {"link": link}}
        # as its specification has it, and as the service says it, which other clients read
        envelope = {"id": tx.service.id + row.id, "type": "Microsoft.ApiManagement/service/apis", "name": row.name}
        return {**envelope, **told, "properties": told}

    async def open(self, request: web.Request) -> web.Response:
        """Who follows a link."""
        ticket, _, signature = request.match_info["ticket"].partition(".")
        if not same(signature, self._sign(ticket)):
            raise not_found("Export")
        try:
            service, id, format, ends = json.loads(base64.urlsafe_b64decode(ticket + "=" * (-len(ticket) % 4)))
        except (binascii.Error, ValueError):
            raise not_found("Export") from None
        if ends < time.time():
            raise not_found("Export")
        text = await self._store.read(lambda: self._text(service, id, format))
        return web.Response(text=text, content_type=MEDIA_TYPES[format])

    def _text(self, service: str, id: str, format: str) -> str:
        with reading(self._store, service) as tx:
            row = tx.get(resolve(tx, id)) if tx else None
            if tx is None or row is None:
                raise not_found("Export")
            if format in KEPT:
                kept = _kept(tx, row, KEPT[format][0])
                if kept is None:
                    raise not_found("Export")
                return kept
            if format == "wsdl-link":
                held = _wsdl(tx, row)
                if held is None:
                    raise not_found("Export")
                return wsdl(held, _url(tx, row))
            document = _document(tx, row, format)
        return yaml.safe_dump(document, sort_keys=False) if format == "openapi-link" else json.dumps(document, indent=2)

    def _sign(self, ticket: str) -> str:
        return hmac.new(self._key, ticket.encode("utf-8", "surrogateescape"), "sha256").hexdigest()


def _kept(tx: Transaction, row: Row, format: str) -> str | None:
    """What the API was imported from, if it is of this format and tells of it."""
    if format == "graphql":
        schemas = [each.body for each in tx.children(f"{row.key}/schemas") if is_graphql(each.body)]
        # one that was not checked may have no text
        texts = [text for each in schemas if isinstance(text := (each.get("document") or {}).get("value"), str)]
        return texts[0] if texts and row.body.get("type") == "graphql" else None
    found = specifications.kept(tx, row.key)
    return str(found.body["value"]) if found and found.body["format"] == format else None


def _document(tx: Transaction, row: Row, format: str) -> dict[str, Any]:
    operations = [(each.name, each.body) for each in tx.children(f"{row.key}/operations")]
    schemas: dict[str, Any] = {}
    for each in tx.children(f"{row.key}/schemas"):
        document = each.body.get("document") or {}
        components = document.get("components") or {}
        schemas |= components.get("schemas") or document.get("definitions") or {}
    write = swagger if format.startswith("swagger") else openapi
    return write(row.name, row.body, operations, schemas, _url(tx, row))


def _url(tx: Transaction, row: Row) -> str:
    """Where the gateway has the API."""
    home = tx.get("/")
    gateway = (home.body.get("properties") or {}).get("gatewayUrl", "") if home else ""
    return f"{gateway}/{row.body['path']}".rstrip("/")


def _wsdl(tx: Transaction, row: Row) -> str | None:
    """The WSDL document that an API came from, also when its operations were changed since: nothing else could say what
    messages look like."""
    held = tx.get(f"{row.key}/specifications/{specifications.NAME}")
    return str(held.body["value"]) if held is not None and held.body["format"] == "wsdl" else None
