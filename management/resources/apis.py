"""APIs: their revisions, versions, and where they come from (nothing, another API, an imported document)."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from management import history, importing
from management.declare import (
    ARRAY,
    BOOLEAN,
    OBJECT,
    Call,
    Change,
    Field,
    Properties,
    Reference,
    ResourceType,
)
from management.errors import ArmError, Detail, invalid
from management.exchange_revisions import make_current
from management.resources.by_tags import of_kind
from management.revisions import number_of, resolve, root_of
from management.store import Row
from management.transaction import Transaction
from management.wire import relative

KEY_NAMES = {"header": "Ocp-Apim-Subscription-Key", "query": "subscription-key"}
KINDS = ("http", "soap", "websocket", "graphql", "odata", "grpc")
HANDSHAKE = "onHandshake"
# not defaults of the fields: a copy of another API has that one's
DEFAULTS: Mapping[str, Any] = {"type": "http", "protocols": ["https"], "subscriptionRequired": True}
SETTINGS = {"oAuth2": "oAuth2AuthenticationSettings", "openid": "openidAuthenticationSettings"}


def prepare(change: Change) -> None:
    properties = change.properties
    if change.query.get("import", "").lower() == "true":  # a document for an API that is there, and nothing else
        for key, value in change.former.items():
            properties.setdefault(key, value)
    _place_revision(change)
    source = _source(change)
    if source is not None:
        for key, value in source.clear().items():
            if key not in ("isCurrent", "apiRevision", "apiRevisionDescription", "apiVersion"):
                properties.setdefault(key, value)
        change.notes["source"] = source
    kind = properties.pop("apiType", None)  # how clients say it when they create one
    if kind is not None and str(kind).lower() not in KINDS:
        raise invalid("apiType", f"apiType must be one of {', '.join(KINDS)}.")
    if properties.get("type") is None:
        # what a PUT does not say does not turn an API into one of another type
        properties["type"] = str(kind).lower() if kind else change.former.get("type")
    for key, value in DEFAULTS.items():
        if properties.get(key) is None:
            properties[key] = copy.copy(value)
    settings = properties.get("authenticationSettings")
    if isinstance(settings, dict):  # what `shape` shows twice is stored once, so that what was read can be put again
        twice = [several for one, several in SETTINGS.items() if settings.get(several) == [settings.get(one)]]
        properties["authenticationSettings"] = {key: value for key, value in settings.items() if key not in twice}
    _version_set(change)
    if "format" in properties or "value" in properties:
        importing.read(change)
    for option in importing.OPTIONS:
        properties.pop(option, None)
    if properties.get("serviceUrl") == "":  # says that there is none, also where a document names one
        del properties["serviceUrl"]
    _complete(change)
    _check_path(change)


def _place_revision(change: Change) -> None:
    """Number the revision; a revision that is not current stands beside its root."""
    properties = change.properties
    number = number_of(change.name)
    if ";" in change.name and number is None:
        raise invalid("name", f"'{change.name[:80]}' is not an API id: a revision is written 'name;rev=2'.")
    if number is None:
        former = change.former.get("apiRevision", "1")
        properties["apiRevision"] = former if change.old else str(properties.get("apiRevision") or former)
        properties["isCurrent"] = True
        return
    root = change.tx.get(f"/apis/{root_of(change.name)}")
    if root is None:
        raise invalid("name", f"There is no API '{root_of(change.name)}' to make a revision of.")
    properties["apiRevision"] = number
    for key in ("path", "apiVersion", "apiVersionSetId"):
        if key in root.body:
            properties[key] = root.body[key]
    properties.setdefault("displayName", root.body.get("displayName"))
    change.notes["make current"] = bool(properties.get("isCurrent"))
    properties["isCurrent"] = False


def _source(change: Change) -> Row | None:
    value = change.properties.pop("sourceApiId", None)
    if value is None or change.old is not None:
        return None
    if isinstance(value, str):
        id = relative(value, change.tx.service.id)
        row = change.tx.get(resolve(change.tx, id))
        if row is not None and row.type == "apis":
            return row
    raise invalid("sourceApiId", f"API '{str(value)[:300]}' could not be found.")


def _version_set(change: Change) -> None:
    """An inline `apiVersionSet` is the reference to one, or makes one."""
    inline = change.properties.pop("apiVersionSet", None)
    if not isinstance(inline, dict) or change.properties.get("apiVersionSetId"):
        return
    if inline.get("id"):
        change.properties["apiVersionSetId"] = inline["id"]
        return
    id = f"/apiVersionSets/{root_of(change.name)}"
    fields = {key: value for key, value in inline.items() if key not in ("id", "name")}
    row = change.write.put(id, {"displayName": inline.get("name"), **fields})
    change.properties["apiVersionSetId"] = row.id


def _complete(change: Change) -> None:
    properties = change.properties
    findings = [
        Detail(name, f"{name} is required.")
        for name in ("path", "displayName")
        if not isinstance(properties.get(name), str)
    ]
    if findings:
        raise ArmError(400, "ValidationError", "One or more fields contain incorrect values:", tuple(findings))
    properties["path"] = properties["path"].strip("/")
    names = properties.get("subscriptionKeyParameterNames") or {}
    properties["subscriptionKeyParameterNames"] = KEY_NAMES | {k: v for k, v in names.items() if v}
    protocols = properties["protocols"]
    if not protocols or not all(each in ("http", "https", "ws", "wss") for each in protocols):
        raise invalid("protocols", "protocols must be a list of http, https, ws and wss.")
    if properties.get("apiVersion") and not properties.get("apiVersionSetId"):
        raise invalid("apiVersionSetId", "An API with apiVersion must name its apiVersionSetId.")


def _check_path(change: Change) -> None:
    """A path belongs to one API; versions of one version set share it, each with its own version."""
    properties = change.properties
    if number_of(change.name) is not None:
        return
    change.lookup = f"path:{properties['path'].lower()}"
    version_set = str(properties.get("apiVersionSetId") or "").rsplit("/", 1)[-1].lower()
    version = str(properties.get("apiVersion") or "")
    for other in change.tx.find(change.lookup):
        if other.key == change.key:
            continue
        other_set = str(other.body.get("apiVersionSetId") or "").rsplit("/", 1)[-1].lower()
        other_version = str(other.body.get("apiVersion") or "")
        if not version_set or version_set != other_set or version == other_version:
            raise invalid(
                "path",
                f"Cannot create API '{change.name}' with the same Path '{properties['path']}', Version "
                f"'{version or 'Original'}' and Revision '{properties['apiRevision']}' as API '{other.name}'.",
            )


def after(change: Change) -> None:
    source = change.notes.get("source")
    if source is not None:
        change.write.copy(source.id, change.id)
    if "import" in change.notes:
        importing.write(change)
    if change.properties["type"] == "websocket" and not change.tx.get(f"{change.id}/operations/{HANDSHAKE}"):
        # the request that opens the connection: every WebSocket API has it without anyone making it
        operation = {"displayName": HANDSHAKE, "method": "GET", "urlTemplate": "/"}
        change.write.put(f"{change.id}/operations/{HANDSHAKE}", operation)
    if change.notes.get("make current"):
        make_current(change.tx, change.write, change.id)


def leaving(call: Call) -> None:
    """The current revision takes the others with it, and only when that was asked for."""
    if ";" in call.row.name:
        return
    others = revisions_of(call.tx, call.row)
    if others and call.query.get("deleteRevisions", "").lower() != "true":
        raise invalid(
            "id", f"API '{call.row.name}' has other revisions: delete them first, or add deleteRevisions=true."
        )
    for other in others:
        call.write.delete(other.id)


def revisions_of(tx: Transaction, row: Row) -> list[Row]:
    """The revisions of an API other than the current one."""
    prefix = f"{row.key};rev="
    return [each for each in tx.siblings(prefix) if each.type == "apis"]


def shape(tx: Transaction, row: Row, properties: Properties, query: Mapping[str, str]) -> Properties:
    properties["isOnline"] = True
    settings = properties.get("authenticationSettings")
    if isinstance(settings, dict):
        # the one that older clients name is the first of the list that newer ones read
        for one, several in SETTINGS.items():
            if settings.get(one) and not settings.get(several):
                settings[several] = [settings[one]]
    set_id = row.body.get("apiVersionSetId")
    if set_id and query.get("expandApiVersionSet", "").lower() == "true":
        version_set = tx.get(set_id)
        if version_set is not None:
            properties["apiVersionSet"] = {"id": tx.service.id + set_id, "name": version_set.body["displayName"]} | {
                key: value for key, value in version_set.body.items() if key != "displayName"
            }
    return properties


def list_revisions(call: Call) -> list[dict[str, Any]]:
    root = call.tx.get(f"/apis/{root_of(call.row.name)}")
    rows = [root or call.row, *revisions_of(call.tx, root or call.row)]
    return [
        {
            "apiId": f"{call.tx.service.id}/apis/{root_of(row.name)};rev={row.body['apiRevision']}",
            "apiRevision": row.body["apiRevision"],
            **history.times_of(call.tx, row),
            **({"description": text} if (text := row.body.get("apiRevisionDescription")) else {}),
            "isOnline": True,
            "isCurrent": row.body["isCurrent"],
            "privateUrl": f"/{row.body['path']};rev={row.body['apiRevision']}",
        }
        for row in rows
    ]


def list_products(call: Call) -> list[dict[str, Any]]:
    """Products that contain the API."""
    found = []
    for source, _, _ in call.tx.links_to(f"/apis/{root_of(call.row.key.split('/')[2])}"):
        if source.startswith("/products/") and "/apis/" in source:
            product = call.tx.get(source.split("/apis/", 1)[0])
            if product is not None:
                found.append(call.show(product))
    return found


TYPES = (
    ResourceType(
        path="apis",
        title="API",
        audience="api",
        name_limit=256,
        # a revision has "=" and ";" in its name, which the pattern allows
        fields=(
            Field("displayName", longest=300),
            Field("path", longest=400),
            Field("description"),
            Field("serviceUrl", longest=2000),
            Field("type", choices=KINDS),
            Field("protocols", ARRAY),
            Field("subscriptionRequired", BOOLEAN),
            Field("subscriptionKeyParameterNames", OBJECT),
            Field("authenticationSettings", OBJECT),
            Field("apiRevision", longest=100),
            Field("apiRevisionDescription", longest=256),
            Field("apiVersion", longest=100),
            Field("apiVersionDescription", longest=256),
            Field("isCurrent", BOOLEAN),
            Field("format"),
        ),
        readonly=frozenset({"provisioningState", "isOnline"}),
        references=(Reference("apiVersionSetId", "apiVersionSets"),),
        provisioned=True,
        prepare=prepare,
        after=after,
        leaving=leaving,
        shape=shape,
        views={
            "revisions": list_revisions,
            "products": list_products,
            "operationsByTags": of_kind("operation", "includeNotTaggedOperations"),
        },
    ),
)
