"""Wire resources (ARM `properties` with relative ids) to the dataclasses that requests use.

Every reader takes the resource's name and body and returns a dataclass; unknown fields are ignored, a missing one gets
APIM's default. A body that cannot be read raises ValueError, TypeError, KeyError or AttributeError; `gateway.build`
turns that into an issue of this one resource.
"""

from __future__ import annotations

import base64
import datetime
import json
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

from proxy.config.certificates import open_pfx
from proxy.config.resources import (
    Api,
    Certificate,
    Example,
    Group,
    Identity,
    Logger,
    Operation,
    Parameter,
    Product,
    Representation,
    ResponseShape,
    Subscription,
    User,
    VersionSet,
)
from proxy.pipeline.source import substitute
from telemetry.event_hub import event_hub

Body = Mapping[str, Any]


def name_of(reference: str | None) -> str:
    """The last segment of an id, relative or absolute: "/products/starter" -> "starter"."""
    return (reference or "").rstrip("/").rpartition("/")[2]


def version_set(name: str, body: Body) -> VersionSet:
    return VersionSet(
        id=name,
        name=body.get("displayName") or name,
        scheme=str(body.get("versioningScheme") or "Segment").capitalize(),
        query_name=body.get("versionQueryName") or "",
        header_name=body.get("versionHeaderName") or "",
    )


def api(name: str, body: Body, version_sets: Mapping[str, VersionSet]) -> Api:
    plain, _, revision = name.partition(";rev=")
    keys = body.get("subscriptionKeyParameterNames") or {}
    wanted = name_of(body.get("apiVersionSetId"))
    given = body.get("apiVersionSet")
    versions = version_sets.get(wanted.lower()) if wanted else None
    if versions is None and given:
        versions = version_set(name_of(given.get("id")) or plain, {"displayName": given.get("name"), **given})
    number = str(body.get("apiRevision") or revision or "1")
    return Api(
        id=plain,
        key=name,
        name=body.get("displayName") or plain,
        path=(body.get("path") or "").strip("/"),
        type=str(body.get("type") or body.get("apiType") or "http").lower(),
        service_url=body.get("serviceUrl") or "",
        backend_id=name_of(body.get("backendId")),
        protocols=tuple(body.get("protocols") or ("https",)),
        revision=number,
        is_current=body["isCurrent"] if body.get("isCurrent") is not None else not revision,
        version=body.get("apiVersion") or "",
        version_set=versions,
        subscription_required=body.get("subscriptionRequired") is not False,
        key_header=keys.get("header") or "Ocp-Apim-Subscription-Key",
        key_query=keys.get("query") or "subscription-key",
    )


def operation(name: str, api_name: str, body: Body) -> Operation:
    request = body.get("request") or {}
    return Operation(
        id=name,
        name=body.get("displayName") or name,
        method=body["method"].upper(),
        url_template=body.get("urlTemplate") or "/",
        api=api_name,
        template_parameters=_parameters(body.get("templateParameters")),
        examples=_all_examples(body.get("responses") or ()),
        query_parameters=_parameters(request.get("queryParameters")),
        headers=_parameters(request.get("headers")),
        request=_representations(request),
        responses=tuple(_response(each) for each in body.get("responses") or ()),
    )


def _response(body: Body) -> ResponseShape:
    return _shape(int(body["statusCode"]), _representations(body), _parameters(body.get("headers")))


def _parameters(bodies: Iterable[Body] | None) -> tuple[Parameter, ...]:
    return tuple(map(parameter, bodies)) if bodies else ()


def parameter(body: Body) -> Parameter:
    default, values, schema = body.get("defaultValue"), body.get("values"), body.get("schemaId")
    return _parameter(
        body["name"],
        bool(body.get("required")),
        body.get("type") or "string",
        None if default is None else str(default),
        tuple(map(str, values)) if values else (),
        name_of(schema) if schema else "",
        body.get("typeName") or "",
    )


# The same parameters and responses stand in thousands of operations: what is equal is one object.
_parameter = lru_cache(maxsize=16_384)(Parameter)
_shape = lru_cache(maxsize=16_384)(ResponseShape)


def _representations(message: Body) -> tuple[Representation, ...]:
    if not message.get("representations"):
        return ()
    return tuple(
        Representation(each.get("contentType") or "", name_of(each.get("schemaId")), each.get("typeName") or "")
        for each in message.get("representations") or ()
    )


def _all_examples(responses: Iterable[Body]) -> tuple[Example, ...]:
    found: list[Example] = []
    for response in responses:
        for shape in response.get("representations") or ():
            found += _examples(int(response["statusCode"]), shape)
    return tuple(found)


def _examples(status: int, shape: Body) -> list[Example]:
    media = shape.get("contentType") or ""
    listed = []
    for name, example in (shape.get("examples") or {}).items():
        value = example.get("value") if isinstance(example, Mapping) else example
        listed.append(Example(status, media, value if isinstance(value, str) else json.dumps(value), name))
    if not listed and shape.get("sample"):
        listed.append(Example(status, media, shape["sample"]))
    return listed or [
        Example(status, media, "", schema=name_of(shape.get("schemaId")), type_name=shape.get("typeName") or "")
    ]


def product(name: str, body: Body, groups: tuple[Group, ...], apis: frozenset[str]) -> Product:
    """`apis` are API names in lower case."""
    limit = body.get("subscriptionsLimit")
    return Product(
        id=name,
        name=body.get("displayName") or name,
        published=body.get("state") == "published",
        subscription_required=body.get("subscriptionRequired") is not False,
        approval_required=bool(body.get("approvalRequired")),
        subscriptions_limit=None if limit is None else int(limit),
        groups=groups,
        apis=apis,
    )


def subscription(name: str, body: Body) -> Subscription:
    return Subscription(
        id=name,
        name=body.get("displayName") or name,
        scope=scope(body.get("scope") or ""),
        state=body.get("state") or "submitted",
        primary_key=body.get("primaryKey") or "",
        secondary_key=body.get("secondaryKey") or "",
        user=name_of(body.get("ownerId")),
        created=moment(body.get("createdDate")),
        start=moment(body.get("startDate")),
        end=moment(body.get("endDate")) or moment(body.get("expirationDate")),
    )


def scope(reference: str) -> str:
    """ "/products/a" -> "product:a", "/apis/b" -> "api:b", "/apis" -> "apis", anything above -> "service"."""
    parts = reference.strip("/").split("/")
    if len(parts) >= 2 and parts[-2].lower() == "products":
        return f"product:{parts[-1]}"
    if len(parts) >= 2 and parts[-2].lower() == "apis":
        return f"api:{parts[-1].partition(';rev=')[0]}"
    return "apis" if parts[-1].lower() == "apis" else "service"


def group(name: str, body: Body) -> Group:
    return Group(id=name, name=body.get("displayName") or name)


def user(name: str, body: Body, groups: tuple[Group, ...]) -> User:
    return User(
        id=name,
        email=body.get("email") or "",
        first_name=body.get("firstName") or "",
        last_name=body.get("lastName") or "",
        note=body.get("note") or "",
        registration_date=moment(body.get("registrationDate")),
        groups=groups,
        identities=tuple(Identity(each["id"], each["provider"]) for each in body.get("identities") or ()),
    )


def certificate(name: str, body: Body) -> Certificate:
    return open_pfx(name, base64.b64decode(body["data"], validate=True), body.get("password") or "")


def logger(name: str, body: Body, named_values: Mapping[str, str]) -> Logger:
    """Credentials may be named values. Raises ValueError for a connection string that cannot be used."""
    kind = str(body.get("loggerType") or "")
    if kind != "azureEventHub":
        return Logger(name, kind)
    given = {
        key: substitute(str(text or ""), named_values).text for key, text in (body.get("credentials") or {}).items()
    }
    return Logger(name, kind, event_hub(given))


def moment(text: str | None) -> datetime.datetime | None:
    """An ISO 8601 time in UTC; fractions of any length."""
    if not text:
        return None
    parsed = datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))
    return parsed if parsed.tzinfo is not None else parsed.replace(tzinfo=datetime.UTC)
