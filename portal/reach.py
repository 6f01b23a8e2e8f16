"""Which API a gateway gives a call to, found as gateways find it: by their own code, from the APIs that the plane has.

Rules
1. The longest path in whole segments takes a call, with the version that its path, query or header says. So an API that
   is not seen, below the path of one that is, takes its calls here as it does there.
2. What stands between us and a gateway may join slashes and decode %2F. So a call goes on only when every way to read
   its path leads to an API that is seen.
3. A gateway need not have every API. Where one that is not seen would take the call in the absence of the one that is,
   `Reach.contested` says so, and whoever asks makes sure that no gateway lacks the latter, by any reading of rule 2.
4. A revision is asked for by name nowhere in the portal: `;rev=` is refused.
Pure.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property

from multidict import MultiMapping

from portal.model import Resource, name_of, properties_of
from proxy.config import read
from proxy.config.resources import Api, VersionSet
from proxy.errors import BadRequest, OperationNotFound
from proxy.routing import ApiEntry, Routes, UnknownOperation, build_routes
from proxy.target import canonical_path

PIECE = 50  # APIs that are made before others have their turn
Entries = dict[str, tuple[Resource, ApiEntry]]  # by the name of the API, with what it was made of

_REVISION = re.compile(r"(?:;|%3B)rev=", re.IGNORECASE)
_SLASH = re.compile(r"%(?:25)*2F", re.IGNORECASE)


class Unreachable(Exception):
    """No API of those that are seen takes the call; the text says why, and names none that is not seen."""


class Whole:
    """All APIs of the service, made of what the plane tells when the first call is tried. `made` is what others of the
    same version sets have made already, and grows."""

    def __init__(self, apis: Sequence[Resource], version_sets: Sequence[Resource], made: Entries | None = None) -> None:
        self._rows, self._sets = apis, version_sets
        self._made: Entries = {} if made is None else made

    async def prepare(self) -> None:
        """Make what is needed to find an API; others have their turn meanwhile."""
        if "entries" not in self.__dict__:
            for at, row in enumerate(self._rows, 1):
                self._entry(row)
                if at % PIECE == 0:
                    await asyncio.sleep(0)

    @cached_property
    def entries(self) -> tuple[ApiEntry, ...]:
        return tuple(map(self._entry, self._rows))

    @cached_property
    def routes(self) -> Routes:
        return build_routes(self.entries)

    @cached_property
    def _schemes(self) -> Mapping[str, VersionSet]:
        return {name_of(each).lower(): read.version_set(name_of(each), properties_of(each)) for each in self._sets}

    def _entry(self, row: Resource) -> ApiEntry:
        name = name_of(row)
        known, entry = self._made.get(name, (None, None))
        if entry is None or known is not row:
            entry = ApiEntry.of(_plain(row, self._schemes), ())
            self._made[name] = row, entry
        return entry


class Reach:
    """`seen` are the names of the APIs that somebody sees."""

    def __init__(self, whole: Whole, seen: Iterable[str]) -> None:
        self._whole, self._seen = whole, frozenset(each.partition(";rev=")[0].lower() for each in seen)

    async def prepare(self) -> None:
        """What `find` would do at once the first time, in pieces."""
        await self._whole.prepare()

    def find(self, path: str, query: str, headers: MultiMapping[str]) -> tuple[str, set[str]]:
        """(the path as gateways read it, the names of the APIs that take it: nearly always one). Raises Unreachable."""
        if _REVISION.search(path):
            raise Unreachable("Revisions cannot be asked for here: what is current answers.")
        try:
            sent, *others = [canonical_path(each) for each in _readings(path)]
        except BadRequest as refused:
            raise Unreachable(str(refused)) from None
        takers = {_taker(self._whole.routes, each, query, headers) for each in (sent, *others)}
        if not takers <= self._seen:
            raise Unreachable("Only the APIs that you see here can be tried.")
        return sent, takers

    def contested(self, path: str, query: str, headers: MultiMapping[str]) -> bool:
        """Would an API that is not seen take the call, where none that is seen is there?"""
        return any(_taker(self._hidden, canonical_path(each), query, headers) for each in _readings(path))

    @cached_property
    def _hidden(self) -> Routes:
        return build_routes(each for each in self._whole.entries if each.api.id.lower() not in self._seen)


def _plain(resource: Resource, sets: Mapping[str, VersionSet]) -> Api:
    """An API as far as its path goes: how its operations are found does not matter."""
    return read.api(name_of(resource), {**properties_of(resource), "type": "http", "apiType": "http"}, sets)


def _readings(path: str) -> list[str]:
    """The path, and what others might make of it."""
    decoded = _SLASH.sub("/", path)
    return list(dict.fromkeys([path, decoded, re.sub(r"/{2,}", "/", path), re.sub(r"/{2,}", "/", decoded)]))


def _taker(routes: Routes, path: str, query: str, headers: MultiMapping[str]) -> str:
    """The name of an API in lower case; "" for none."""
    try:
        return routes.match("GET", path, query, headers).api.id.lower()
    except UnknownOperation as unknown:  # they have no operations here
        return unknown.api.id.lower()
    except OperationNotFound:
        return ""
