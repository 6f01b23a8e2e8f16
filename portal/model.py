"""What pages show, read tolerantly from ARM resources: a missing field is an empty one, never an error. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from portal.plain import description_of

Resource = Mapping[str, Any]


def name_of(resource: Resource) -> str:
    return str(resource.get("name") or "")


def properties_of(resource: Resource) -> Mapping[str, Any]:
    value = resource.get("properties")
    return value if isinstance(value, Mapping) else {}


def display_name(resource: Resource) -> str:
    return str(properties_of(resource).get("displayName") or name_of(resource))


def mappings(value: Any) -> list[Mapping[str, Any]]:
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []


@dataclass(frozen=True)
class Product:
    """`groups` are the names, in lower case, of those that may see it."""

    id: str
    name: str
    description: str
    published: bool
    subscription_required: bool
    approval_required: bool
    terms: str
    groups: frozenset[str] = frozenset()

    @classmethod
    def read(cls, resource: Resource) -> Product:
        properties = properties_of(resource)
        return cls(
            groups=frozenset(name_of(each).lower() for each in mappings(properties.get("groups"))),
            id=name_of(resource),
            name=display_name(resource),
            description=description_of(properties),
            published=properties.get("state") == "published",
            subscription_required=properties.get("subscriptionRequired", True) is not False,
            approval_required=properties.get("approvalRequired") is True,
            terms=str(properties.get("terms") or ""),
        )


@dataclass(frozen=True)
class Api:
    """`version_set` is the name of the version set, "" for an API without versions."""

    id: str
    name: str
    description: str
    path: str
    type: str
    revision: str
    current: bool
    version: str
    version_set: str
    subscription_required: bool
    key_header: str
    key_query: str
    service_url: str

    @classmethod
    def read(cls, resource: Resource) -> Api:
        properties = properties_of(resource)
        keys = properties.get("subscriptionKeyParameterNames")
        keys = keys if isinstance(keys, Mapping) else {}
        return cls(
            id=name_of(resource),
            name=display_name(resource),
            description=description_of(properties),
            path=str(properties.get("path") or "").strip("/"),
            type=str(properties.get("type") or "http"),
            revision=str(properties.get("apiRevision") or "1"),
            current=properties.get("isCurrent", True) is not False,
            version=str(properties.get("apiVersion") or ""),
            version_set=str(properties.get("apiVersionSetId") or "").rstrip("/").rsplit("/", 1)[-1],
            subscription_required=properties.get("subscriptionRequired", True) is not False,
            key_header=str(keys.get("header") or "Ocp-Apim-Subscription-Key"),
            key_query=str(keys.get("query") or "subscription-key"),
            service_url=str(properties.get("serviceUrl") or ""),
        )

    @cached_property
    def text(self) -> str:
        """What is searched."""
        return f"{self.name}\n{self.path}\n{self.id}\n{self.description}".casefold()

    def has(self, words: Iterable[str]) -> bool:
        """Does every word, case-folded, occur somewhere in the name, path, id or description?"""
        return all(word in self.text for word in words)


@dataclass(frozen=True)
class Release:
    """A line of the change log; `revision` is what was made current, `on` a day."""

    revision: str
    notes: str
    on: str

    @classmethod
    def read(cls, resource: Resource) -> Release:
        properties = properties_of(resource)
        return cls(
            revision=str(properties.get("apiId") or "").partition(";rev=")[2],
            notes=str(properties.get("notes") or ""),
            on=str(properties.get("createdDateTime") or ""),
        )


@dataclass(frozen=True)
class Subscription:
    """`scope` is below the service, such as /products/starter; "/" for all of it; `owner` the name of a user."""

    id: str
    name: str
    scope: str
    state: str
    owner: str
    created: str

    @classmethod
    def read(cls, resource: Resource) -> Subscription:
        properties = properties_of(resource)
        scope = re.split(r"/service/[^/]+", str(properties.get("scope") or ""), maxsplit=1, flags=re.IGNORECASE)[-1]
        return cls(
            id=name_of(resource),
            name=display_name(resource),
            scope=scope or "/",
            state=str(properties.get("state") or ""),
            owner=str(properties.get("ownerId") or "").rsplit("/", 1)[-1],
            created=str(properties.get("createdDate") or "")[:10],
        )

    def opens(self, api: Api, products: Iterable[Product]) -> bool:
        """Is the key of it good for this API, which is in these products?"""
        scopes = {"/", "/apis", f"/apis/{api.id}".lower(), *(f"/products/{one.id}".lower() for one in products)}
        return self.state == "active" and self.scope.lower() in scopes


@dataclass(frozen=True)
class Parameter:
    """`place` is path, query or header."""

    name: str
    place: str
    type: str
    required: bool
    description: str
    default: str
    values: tuple[str, ...]
    example: str

    @classmethod
    def read(cls, contract: Mapping[str, Any], place: str) -> Parameter:
        values = contract.get("values")
        shown = example(contract.get("examples"))
        return cls(
            name=str(contract.get("name") or ""),
            place=place,
            type=str(contract.get("type") or "string"),
            required=contract.get("required") is True,
            description=description_of(contract),
            default=str(contract.get("defaultValue") or ""),
            values=tuple(str(value) for value in values) if isinstance(values, list) else (),
            example=shown if shown is not None else "",
        )


@dataclass(frozen=True)
class Representation:
    """`example` is None when there is none."""

    content_type: str
    type_name: str
    example: str | None

    @classmethod
    def read(cls, contract: Mapping[str, Any]) -> Representation:
        return cls(
            str(contract.get("contentType") or ""),
            str(contract.get("typeName") or ""),
            example(contract.get("examples")),
        )


@dataclass(frozen=True)
class Response:
    status: str
    description: str
    representations: tuple[Representation, ...]


@dataclass(frozen=True)
class Operation:
    id: str
    name: str
    method: str
    template: str
    description: str
    parameters: tuple[Parameter, ...]
    bodies: tuple[Representation, ...]
    responses: tuple[Response, ...]

    @classmethod
    def read(cls, resource: Resource) -> Operation:
        properties = properties_of(resource)
        request = properties.get("request")
        request = request if isinstance(request, Mapping) else {}
        template = str(properties.get("urlTemplate") or "/")
        path = template.split("?", 1)[0]
        in_template = [
            Parameter.read(
                one, "path" if f"{{{one.get('name')}}}" in path or f"{{*{one.get('name')}}}" in path else "query"
            )
            for one in mappings(properties.get("templateParameters"))
        ]
        return cls(
            id=name_of(resource),
            name=display_name(resource),
            method=str(properties.get("method") or "GET").upper(),
            template=template,
            description=description_of(properties),
            parameters=(
                *in_template,
                *(Parameter.read(one, "query") for one in mappings(request.get("queryParameters"))),
                *(Parameter.read(one, "header") for one in mappings(request.get("headers"))),
            ),
            bodies=tuple(map(Representation.read, mappings(request.get("representations")))),
            responses=tuple(
                Response(
                    str(one.get("statusCode") or ""),
                    description_of(one),
                    tuple(map(Representation.read, mappings(one.get("representations")))),
                )
                for one in mappings(properties.get("responses"))
            ),
        )


def example(examples: Any) -> str | None:
    """The first example with a value, as text; JSON is indented."""
    for one in examples.values() if isinstance(examples, Mapping) else ():
        value = one.get("value") if isinstance(one, Mapping) else None
        if value is not None:
            return value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False)
    return None
