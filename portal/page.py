"""One rendered page, and the keys under which the application holds what pages need."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import jinja2
from aiohttp import web

from portal.model import Resource, name_of, properties_of
from portal.plane import Plane
from portal.settings import Settings

SETTINGS: web.AppKey[Settings] = web.AppKey("settings", Settings)
PLANE: web.AppKey[Plane] = web.AppKey("plane", Plane)
# in a request: the user who is signed in, as the plane shows it
VISITOR: web.RequestKey[Resource] = web.RequestKey("visitor", Mapping)
ENVIRONMENT: web.AppKey[jinja2.Environment] = web.AppKey("environment", jinja2.Environment)

SIZE = 50  # rows of a list


def page(request: web.Request, template: str, *, status: int = 200, **values: Any) -> web.Response:
    """`template` with `values`. Every template also has `path`, `segment`, `operator`: is this the console?, and
    `visitor`: the name of the user who is signed in, or ""."""
    text = (
        request.app[ENVIRONMENT]
        .get_template(template)
        .render(
            path=request.path,
            operator=request.path == "/console" or request.path.startswith("/console/"),
            visitor=_full_name(request.get(VISITOR)),
            segment=lambda name: quote(name, safe=""),
            **values,
        )
    )
    return web.Response(text=text, content_type="text/html", charset="utf-8", status=status)


def _full_name(user: Resource | None) -> str:
    if user is None:
        return ""
    names = (str(properties_of(user).get(each) or "") for each in ("firstName", "lastName"))
    return " ".join(filter(None, names)) or name_of(user)


@dataclass(frozen=True)
class Pages:
    """Where a list of `count` rows stands: `number` counts from 1; `query` and `more` (encoded) are what else the links
    carry."""

    number: int
    count: int
    query: str = ""
    more: str = ""

    @property
    def last(self) -> int:
        return max(1, -(-self.count // SIZE))

    def link(self, number: int) -> str:
        query = f"&q={quote(self.query, safe='')}" if self.query else ""
        return f"?page={number}{query}{f'&{self.more}' if self.more else ''}"


def number_of(request: web.Request) -> int:
    """The page that was asked for; 1 when the question makes no sense."""
    text = request.query.get("page", "1")
    return max(1, int(text)) if text.isascii() and text.isdecimal() and len(text) < 7 else 1
