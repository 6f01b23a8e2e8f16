"""Products, groups and users: small collections that refer to one another, so each is read as a whole."""

from __future__ import annotations

from collections.abc import Mapping

from proxy.config import read
from proxy.config.resources import Group, Product, Resource, User

Shelf = Mapping[str, Resource]
_EMPTY: Shelf = {}


def groups_of(shelves: Mapping[str, Shelf]) -> dict[str, Group]:
    """By name in lower case."""
    found: dict[str, Group] = {}
    for resource in shelves.get("groups", _EMPTY).values():
        parts = resource.id.split("/")
        if len(parts) == 3:
            found[parts[2].lower()] = read.group(parts[2], resource.body)
    return found


def products_of(shelves: Mapping[str, Shelf]) -> list[Product]:
    """Products with the APIs and groups that are linked to them, either way of linking ("apis/x" or "apiLinks/y")."""
    groups = groups_of(shelves)
    apis: dict[str, set[str]] = {}
    seen_by: dict[str, list[Group]] = {}
    own: list[Resource] = []
    for resource in shelves.get("products", _EMPTY).values():
        parts = resource.id.split("/")
        if len(parts) == 3:
            own.append(resource)
            continue
        product, kind, name = parts[2], parts[3], parts[4]
        if kind in ("apis", "apiLinks"):
            linked = name if kind == "apis" else read.name_of(resource.body.get("apiId"))
            apis.setdefault(product, set()).add(linked.partition(";rev=")[0].lower())
        elif kind in ("groups", "groupLinks"):
            linked = name if kind == "groups" else read.name_of(resource.body.get("groupId"))
            seen_by.setdefault(product, []).append(groups.get(linked.lower()) or Group(linked, linked))
    return [
        read.product(name, resource.body, tuple(seen_by.get(name, ())), frozenset(apis.get(name, ())))
        for resource in own
        for name in (resource.id.split("/")[2],)
    ]


def users_of(shelves: Mapping[str, Shelf]) -> list[User]:
    groups = groups_of(shelves)
    members: dict[str, list[Group]] = {}
    for resource in shelves.get("groups", _EMPTY).values():
        parts = resource.id.split("/")
        if len(parts) == 5 and parts[3] == "users" and parts[2].lower() in groups:
            members.setdefault(parts[4].lower(), []).append(groups[parts[2].lower()])
    found: list[User] = []
    for resource in shelves.get("users", _EMPTY).values():
        parts = resource.id.split("/")
        if len(parts) == 3:
            found.append(read.user(parts[2], resource.body, tuple(members.get(parts[2].lower(), ()))))
    return found
