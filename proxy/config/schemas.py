"""Schemas of a configuration: read into libraries, and made ready for the policies that will ask for them.

Rules
1. A library is kept while its resources stay the same, and with it every validator that was made.
2. Only what some policy in force asks for is made: a gateway without validation makes nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping

from proxy.config.documents import Document
from proxy.config.resources import Api, Product, Resource, ResourceIssue
from proxy.pipeline.described import prepare
from proxy.routing import ApiEntry
from proxy.schemas.library import Library, read_document

log = logging.getLogger("proxy.config")


def library(shelf: Mapping[str, Resource], held: object, unread: Mapping[str, ResourceIssue]) -> Library:
    """The library of schema resources; `held` itself when it is of the same ones. What cannot be read is left out."""
    sources = tuple(shelf.values())
    if isinstance(held, Library) and len(sources) == len(held.sources):
        known = {id(each) for each in held.sources}
        if all(id(each) in known for each in sources):
            return held
    assert isinstance(unread, dict)
    documents = {}
    for resource in sources:
        try:
            documents[resource.id.rpartition("/")[2]] = read_document(resource.body)
        except (ValueError, TypeError, AttributeError) as problem:
            message = f"The schema cannot be read and is left out: {problem}"
            log.error("%s: %s", resource.id, message)
            unread[resource.id] = ResourceIssue(resource.id, 0, 0, "", message)
    return Library(documents, sources)


def prepare_operations(
    entries: Mapping[str, ApiEntry], documents: Iterable[Document], products: Iterable[Product]
) -> None:
    """Make the validators that the documents in force will ask for."""
    for document in documents:
        needs = document.compiled.needs
        if not needs:
            continue
        scope = document.compiled.scope
        operation = ""
        if scope.kind == "global":
            reached = list(entries.values())
        elif scope.kind == "product":
            name = scope.id.rpartition("/")[2]
            apis = next((each.apis for each in products if each.id == name), frozenset[str]())
            reached = [entry for entry in entries.values() if entry.api.id.lower() in apis]
        else:
            parts = scope.id.split("/")
            reached = [entries[parts[2]]] if parts[2] in entries else []
            operation = parts[4] if scope.kind == "operation" else ""
        for entry in reached:
            for each in entry.operations:
                if not operation or each.id == operation:
                    for need in needs:
                        prepare(entry.api, each, need)


def unusable(api: Api) -> list[ResourceIssue]:
    """Schemas of an API that some policy asked for and that cannot be used."""
    return [
        ResourceIssue(f"/apis/{api.key}/schemas/{name}", 0, 0, "", message)
        for name, message in list(api.schemas.problems.items())  # requests may add to them meanwhile
    ]
