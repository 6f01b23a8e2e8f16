"""What a plane has beside what was read, and how what was read is given to it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from passerelle.apiops.layout import BUILT_IN
from passerelle.live.kinds import Kind
from passerelle.live.shape import Properties
from passerelle.plane import Plane

# never taken away: what was made here for agents, and what no source can give
KEPT = frozenset({"gateways", "certificates", "apis/releases"})


def superfluous(
    plane: Plane, kinds: Iterable[Kind], wanted: Mapping[str, Properties], unread: Iterable[str]
) -> list[str]:
    """Ids that the plane has and the source has not; nothing of kinds that could not be read."""
    blind = {*unread, *KEPT}
    lower = {id.lower() for id in wanted}
    here = [id for id in _ids(plane, kinds) if id.lower() not in lower and id.lower() not in BUILT_IN]
    return [id for id in here if not any(part in blind for part in _paths(id)) and not _of_itself(id, here)]


def _paths(id: str) -> list[str]:
    """`apis` and `apis/operations` of an operation."""
    parts = id.strip("/").split("/")[0::2]
    return ["/".join(parts[: n + 1]) for n in range(len(parts))]


def _of_itself(id: str, gone: list[str]) -> bool:
    """Whether it goes with what it stands below."""
    parent = id.rsplit("/", 2)[0]
    return bool(parent) and parent in gone


def _ids(plane: Plane, kinds: Iterable[Kind]) -> list[str]:
    found: dict[str, list[str]] = {"": [""]}
    for kind in kinds:
        if kind.collection == "policies":
            continue
        for owner in found.get(kind.above, []):
            if kind.above == "groups" and owner in BUILT_IN:
                continue
            for each in plane.all(f"{owner}/{kind.collection}"):
                found.setdefault(kind.path, []).append(f"{owner}/{kind.collection}/{each['name']}")
    del found[""]
    policies = [plane.relative(each["properties"]["referencePolicyId"]) for each in plane.all("/allPolicies")]
    return [id for ids in found.values() for id in ids] + policies


def prepared(
    plane: Plane, resources: Mapping[str, Properties], given: Mapping[str, str]
) -> tuple[dict[str, Properties], list[str]]:
    """(what the plane gets, notes of what was left out). `given` are values of named values, by name."""
    found: dict[str, Properties] = {}
    notes: list[str] = []
    values = {name.lower(): value for name, value in given.items()}
    for id, properties in resources.items():
        parts = id.split("/")
        if parts[1] == "namedValues":
            name = parts[2].lower()
            value = values.get(
                name, values.get(str(properties.get("displayName", "")).lower(), properties.get("value"))
            )
            if value is None and not plane.exists(id):
                notes.append(f"{id} has no value: give it by --secret {parts[2]}=@FILE")
                continue
            properties = properties if value is None else {**properties, "value": value}
        found[id] = properties
    return found, notes
