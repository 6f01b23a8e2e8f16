"""Resources of a template -> what a plane takes: ids below the service, today's names of properties, inline texts.

Rules
- Only resources below a service are taken. The service itself (its tier, network and host names), what every service
  has from the start, and what is not API Management's are left out, with the reason.
- A resource that stands there twice, as extracted APIs do (first the API, then its operations), is merged in the order
  of dependsOn.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from management import check_fields
from management.declare import BOOLEAN, INTEGER
from management.links import LINKS
from management.resources import TYPES
from passerelle.apiops.layout import BUILT_IN
from passerelle.templates.deployment import MISSHAPEN, SHAPE, Found
from passerelle.templates.links import Links
from passerelle.templates.template import Properties
from passerelle.templates.wrong import TemplateWrong

SERVICE = "microsoft.apimanagement/service"
# collections that had another name
FORMER = {"properties": "namedValues", "api-version-sets": "apiVersionSets"}
_ID = re.compile(
    r"(?:/subscriptions/[^/]*/resourceGroups/[^/]*)?/providers/Microsoft\.ApiManagement/service/[^/]*(?P<below>/.*)?",
    re.IGNORECASE | re.DOTALL,
)
# what a plane computes and what has no meaning here
COMPUTED = frozenset({"provisioningState", "isOnline", "builtIn", "createdDate", "registrationDate"})


@dataclass
class Service:
    """`resources`: id -> properties, in order; `origins`: lower-case id -> where it stands."""

    names: list[str] = field(default_factory=list)
    resources: dict[str, Properties] = field(default_factory=dict)
    origins: dict[str, str] = field(default_factory=dict)
    skipped: list[tuple[str, str]] = field(default_factory=list)
    problems: list[TemplateWrong] = field(default_factory=list)


def gather(
    found: list[Found],
    links: Links,
    wanted: Callable[[str], bool],
    given: Mapping[str, Mapping[str, str]] = MappingProxyType({}),
) -> Service:
    """`wanted` says of an id whether it is taken; `given` are properties by lower-case id and dotted path."""
    service = Service()
    known: dict[str, str] = {}
    for each in found:
        kind = each.type.lower()
        if kind == SERVICE:
            service.skipped.append((each.name, "the service itself: its tier, network and host names"))
            continue
        if not kind.startswith(f"{SERVICE}/"):
            service.skipped.append((f"{each.type} {each.name}", "not API Management's"))
            continue
        try:
            id = _id(each)
        except TemplateWrong as error:
            service.problems.append(error.at(each.place).at(each.source))
            continue
        reason = _left_out(id) if wanted(id) else "by --skip"
        if reason:
            service.skipped.append((id, reason))
            continue
        try:
            properties = _properties(each, id, links, given.get(id.lower(), {}))
        except (TemplateWrong, *MISSHAPEN) as error:
            wrong = error if isinstance(error, TemplateWrong) else TemplateWrong(SHAPE)
            service.problems.append(wrong.at(f"{each.place} ({id})").at(each.source))
            continue
        name = each.name.split("/")[0]
        if name.lower() not in (other.lower() for other in service.names):
            service.names.append(name)
        if id.lower().rpartition("/")[0].endswith("/certificates") and not {"data", "keyVault"} & set(properties):
            service.skipped.append((id, "no private key: add it by hand"))
            continue
        id = known.setdefault(id.lower(), id)
        service.resources[id] = {**service.resources.get(id, {}), **properties}
        service.origins[id.lower()] = f"{each.source}: {each.place} ({id})"
    return service


def _id(found: Found) -> str:
    kinds, names = found.type.split("/")[2:], found.name.split("/")[1:]
    if len(kinds) != len(names):
        raise TemplateWrong(
            f"the name of a {found.type} has {len(kinds) + 1} parts, not {len(names) + 1}: {found.name}", "name"
        )
    kinds[0] = FORMER.get(kinds[0].lower(), kinds[0])
    # the plane's spelling of the collections
    path = "/".join(kinds).lower().removeprefix("workspaces/")
    known = TYPES.get(path)
    if known is not None:
        kinds[-len(known.segments) :] = known.segments
    return "".join(f"/{kind}/{name}" for kind, name in zip(kinds, names, strict=True))


def _left_out(id: str) -> str:
    path = "/".join(id.lower().split("/")[1::2])
    if path.removeprefix("workspaces/") not in TYPES:
        return f"there are no {path} here"
    if id.lower() in BUILT_IN or (path == "groups/users" and id.lower().startswith("/groups/developers/")):
        return "every service has it"
    return ""


def _properties(found: Found, id: str, links: Links, given: Mapping[str, str]) -> Properties:
    said = found.properties(given).items()
    properties = {name: relative(value) for name, value in said if name not in COMPUTED and value is not None}
    path = "/".join(id.lower().split("/")[1::2]).removeprefix("workspaces/")
    _today(path, properties)
    _typed(path, properties)
    if id.lower().startswith("/workspaces/") and id.count("/") > 2:
        properties = within(properties, "/".join(id.split("/")[:3]))
    format = properties.get("format")
    if isinstance(format, str) and format.lower() in LINKS:
        if not isinstance(properties.get("value"), str):
            raise TemplateWrong(f"with format {format}, value must be a link", "properties/value")
        properties["value"] = links.open(properties["value"], found.source)[1]
        properties["format"] = LINKS[format.lower()]
    return properties


def _typed(path: str, properties: Properties) -> None:
    """Numbers and truths that are written as texts, which ARM takes for what they say."""
    for each in TYPES[path].fields:
        value = check_fields.read(properties, each.name)
        if not isinstance(value, str):
            continue
        if each.kind == INTEGER and re.fullmatch(r"-?\d{1,9}", value):
            check_fields.write(properties, each.name, int(value))
        elif each.kind == BOOLEAN and value.lower() in ("true", "false"):
            check_fields.write(properties, each.name, value.lower() == "true")


def _today(path: str, properties: Properties) -> None:
    """Names that properties had in former api-versions."""
    for former, now in (("policyContent", "value"), ("contentValue", "value"), ("contentFormat", "format")):
        if former in properties:
            properties.setdefault(now, properties.pop(former))
    if path.endswith("policies") and "format" not in properties:
        properties["format"] = "xml"
    if path == "subscriptions":
        product, user = properties.pop("productId", None), properties.pop("userId", None)
        if product is not None:
            properties.setdefault("scope", product)
        if user is not None:
            properties.setdefault("ownerId", user)
        if "displayName" not in properties and "name" in properties:
            properties["displayName"] = properties.pop("name")
    if path == "subscriptions" and properties.get("scope") == "":
        properties["scope"] = "/"


def relative(value: Any) -> Any:
    """`value` with every id of a resource of some service as an id below the service."""
    if isinstance(value, str):
        match = _ID.fullmatch(value) if value[:1] == "/" and len(value) < 2000 else None
        if match is None:
            return value
        _, collection, *rest = (match["below"] or "/").split("/")
        return "/".join(("", FORMER.get(collection.lower(), collection), *rest))
    if isinstance(value, dict):
        return {key: relative(each) for key, each in value.items()}
    return [relative(each) for each in value] if isinstance(value, list) else value


def within(value: Any, workspace: str) -> Any:
    """Ids of resources of the workspace (`/workspaces/w`) itself, as they are called in it."""
    if isinstance(value, str):
        inside = value.lower().startswith(f"{workspace.lower()}/")
        return value[len(workspace) :] if inside else "/" if value.lower() == workspace.lower() else value
    if isinstance(value, dict):
        return {key: within(each, workspace) for key, each in value.items()}
    return [within(each, workspace) for each in value] if isinstance(value, list) else value
