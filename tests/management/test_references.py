"""References are kept both ways: nothing links to what is not there, nothing goes that is in use, and what lives
through something goes with it. A model of the rules, written from ARM's documentation, walks beside the plane at
random.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field

import pytest

from tests.management.conftest import POLICY, Plane, Reply

NAMES = ("a", "b", "c")
STEPS = 500


@dataclass(frozen=True)
class Kind:
    """What a resource may refer to: field -> (collection, what the target's deletion means to it)."""

    collection: str
    refers: tuple[tuple[str, str, str], ...] = ()


# restrict: the target stays as long as it is referred to; cascade: the resource goes with the target
KINDS = (
    Kind("apiVersionSets"),
    Kind("backends"),
    Kind("loggers"),
    Kind("tags"),
    Kind("users"),
    Kind("groups"),
    Kind("products"),
    Kind("gateways"),
    Kind("policyFragments"),
    Kind("apis", (("apiVersionSetId", "apiVersionSets", "restrict"),)),
    Kind("diagnostics", (("loggerId", "loggers", "restrict"),)),
    Kind("subscriptions", (("scope", "products", "restrict"), ("ownerId", "users", "restrict"))),
)
# {holder}/{id}/{collection}/{id}: goes with either
ASSOCIATIONS = (
    ("products", "apis"),
    ("products", "groups"),
    ("groups", "users"),
    ("gateways", "apis"),
    ("apis", "tags"),
    ("products", "tags"),
)
# in policies of an API: element -> what it names
POLICIES = {
    "backends": '<set-backend-service backend-id="{}" />',
    "policyFragments": '<include-fragment fragment-id="{}" />',
}
DIAGNOSTICS = ("applicationinsights", "azuremonitor")


@dataclass
class Model:
    """What should be there: id -> id it refers to -> rule."""

    there: dict[str, dict[str, str]] = field(default_factory=dict)

    def users_of(self, ids: set[str]) -> list[str]:
        return [
            id for id, to in self.there.items() for target, rule in to.items() if target in ids and rule == "restrict"
        ]

    def closure(self, id: str) -> set[str]:
        """`id`, what stands below it, and what lives through any of that."""
        gone: set[str] = set()
        todo = [id]
        while todo:
            head = todo.pop()
            gone.add(head)
            for other, to in self.there.items():
                below = other.startswith(f"{head}/")
                if other not in gone and (below or to.get(head) == "cascade"):
                    todo.append(other)
        return gone

    def delete(self, id: str) -> bool:
        """False when something that stays needs it."""
        gone = self.closure(id)
        if any(user not in gone for user in self.users_of(gone)):
            return False
        for each in gone:
            self.there.pop(each, None)
        return True


class Walk:
    def __init__(self, plane: Plane, seed: int) -> None:
        self.plane, self.random, self.model = plane, random.Random(seed), Model()
        self.trace: list[str] = []

    async def call(self, method: str, id: str, properties: dict[str, object] | None = None) -> Reply:
        reply = await self.plane.call(method, id, properties)
        self.trace.append(f"{method} {id} {properties or ''} -> {reply.status}")
        return reply

    def names(self, collection: str) -> tuple[str, ...]:
        return DIAGNOSTICS if collection == "diagnostics" else NAMES

    async def put(self) -> None:
        kind = self.random.choice(KINDS)
        name = self.random.choice(self.names(kind.collection))
        id = f"/{kind.collection}/{name}"
        properties = body(kind.collection, name)
        refers: dict[str, str] = {}
        for each, collection, rule in kind.refers:
            needed = each in ("scope", "loggerId")
            if needed or self.random.random() < 0.5:
                target = f"/{collection}/{self.random.choice(NAMES)}"
                properties[each] = target
                refers[target] = rule
        if "apiVersionSetId" in properties:
            properties |= {"apiVersion": name}
        missing = [target for target in refers if target not in self.model.there]
        reply = await self.call("PUT", id, properties)
        if missing:
            assert (reply.status, reply.error()["code"]) == (400, "ValidationError"), reply.body
            field = reply.error()["details"][0]["target"]
            assert properties[field] in missing
        else:
            assert reply.status == (200 if id in self.model.there else 201), reply.body
            self.model.there[id] = refers

    async def associate(self) -> None:
        holder, collection = self.random.choice(ASSOCIATIONS)
        left, right = (f"/{each}/{self.random.choice(NAMES)}" for each in (holder, collection))
        id = left + right
        if self.random.random() < 0.7:
            reply = await self.call("PUT", id, {})
            if left in self.model.there and right in self.model.there:
                assert reply.status in (200, 201), reply.body
                self.model.there[id] = {right: "cascade"}
            else:
                assert (reply.status, reply.error()["code"]) == (404, "ResourceNotFound")
        else:
            reply = await self.call("DELETE", id)
            assert reply.status == (200 if id in self.model.there else 204), reply.body
            self.model.there.pop(id, None)

    async def set_policy(self) -> None:
        collection = self.random.choice(tuple(POLICIES))
        api, target = f"/apis/{self.random.choice(NAMES)}", f"/{collection}/{self.random.choice(NAMES)}"
        value = POLICY.format(POLICIES[collection].format(target.rsplit("/", 1)[1]))
        reply = await self.call("PUT", f"{api}/policies/policy", {"format": "rawxml", "value": value})
        if api not in self.model.there:
            assert reply.status == 404, reply.body
        elif target not in self.model.there:
            assert (reply.status, reply.error()["code"]) == (400, "ValidationError"), reply.body
            assert reply.error()["details"][0]["message"].startswith("Error in element")
        else:
            assert reply.status in (200, 201), reply.body
            self.model.there[f"{api}/policies/policy"] = {target: "restrict"}

    async def delete(self) -> None:
        kind = self.random.choice(KINDS)
        id = f"/{kind.collection}/{self.random.choice(self.names(kind.collection))}"
        known = id in self.model.there
        reply = await self.call("DELETE", id)
        if not known:
            assert reply.status == 204, reply.body
        elif self.model.delete(id):
            assert reply.status in (200, 202, 204), reply.body
        else:
            assert (reply.status, reply.error()["code"]) == (400, "ValidationError"), reply.body
            assert reply.error()["details"] or "subscriptions" in reply.error()["message"]

    async def compare(self) -> None:
        """Every list has what it should have."""
        shown = set()
        collections = {f"/{kind.collection}" for kind in KINDS}
        for holder, collection in ASSOCIATIONS:
            collections |= {
                f"{id}/{collection}" for id in self.model.there if id.startswith(f"/{holder}/") and id.count("/") == 2
            }
        collections |= {f"{id}/policies" for id in self.model.there if id.startswith("/apis/") and id.count("/") == 2}
        for each in collections:
            shown |= {f"{each}/{name}" for name in await self.plane.names(each)}
        born = {"/loggers/azuremonitor", "/users/1", "/subscriptions/master"}
        born |= {f"/groups/{name}" for name in ("administrators", "developers", "guests")}
        shown -= born
        shown = {id for id in shown if not id.endswith(("/groups/administrators", "/groups/developers"))}
        assert shown == set(self.model.there), shown ^ set(self.model.there)


def body(collection: str, name: str) -> dict[str, object]:
    """What a resource needs besides references."""
    own: dict[str, dict[str, object]] = {
        "apiVersionSets": {"versioningScheme": "Segment"},
        "backends": {"url": "https://b.example", "protocol": "http"},
        "loggers": {"loggerType": "azureMonitor"},
        "users": {"email": f"{name}@example.com", "firstName": name, "lastName": name},
        "policyFragments": {"value": "<fragment><set-variable name='x' value='y' /></fragment>", "format": "rawxml"},
        "apis": {"path": name},
    }
    named = (
        {}
        if collection in ("backends", "loggers", "users", "policyFragments", "gateways", "diagnostics")
        else {"displayName": name}
    )
    return {**named, **own.get(collection, {})}


@pytest.mark.parametrize("seed", [1, 2])
async def test_a_walk(plane: Plane, seed: int) -> None:
    walk = Walk(plane, seed)
    try:
        for number in range(STEPS):
            await walk.random.choice((walk.put, walk.put, walk.put, walk.associate, walk.set_policy, walk.delete))()
            if number % 50 == 49:
                await walk.compare()
    except AssertionError as error:
        raise AssertionError(f"{error}\n" + "\n".join(walk.trace[-60:])) from None
    assert len(walk.model.there) > 10
