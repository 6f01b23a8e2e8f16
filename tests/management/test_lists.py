"""What lists can be asked: every query parameter of the official specification, and every field, comparison and
function that it documents for `$filter`, list by list.

What is expected is worked out here from the whole list, without the plane's own reading of filters.
"""

from __future__ import annotations

import json
import operator
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.management.conftest import Plane
from tests.management.fuzz import Fuzzer
from tests.management.specification import Specification

ROW = re.compile(r"^\|([^|\n]+)\|([^|\n]*)\|([^|\n]*)\|([^|\n]*)\|\s*$", re.MULTILINE)
COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    name: getattr(operator, name) for name in ("eq", "ne", "gt", "ge", "lt", "le")
}
FUNCTIONS: dict[str, tuple[str, Callable[[str, str], bool]]] = {
    "contains": ("contains({field},{text})", lambda whole, part: part in whole),
    "substringof": ("substringof({text},{field})", lambda whole, part: part in whole),
    "startswith": ("startswith({field},{text})", str.startswith),
    "endswith": ("endswith({field},{text})", str.endswith),
}
# where an item has a field of the documentation under another name
ELSEWHERE = {
    "userId": "ownerId",
    "productId": "scope",
    "region": "locationData.name",
    "aid": "id",
    "displayName": "name",
}
# (list, field): the items do not have it -> why
ABSENT = {
    ("attachments", "userId"): "the model of an attachment has no user",
    ("issues", "authorName"): "the model of an issue has only the author's id",
    ("products", "groups"): "not a filter: see expandGroups",
    ("subscriptions", "user"): "not a filter, and no parameter expands it",
    ("users", "groups"): "not a filter: see expandGroups",
}


@dataclass(frozen=True)
class Documented:
    operation: str
    path: str
    field: str
    comparisons: tuple[str, ...]
    functions: tuple[str, ...]

    @property
    def list(self) -> str:
        return self.path.rsplit("/", 1)[1]


def documented(folder: Path) -> Iterator[Documented]:
    """The rows of the tables that describe `$filter`."""
    for file in sorted(folder.glob("specification/**/*.json")):
        if "examples" in file.parts:
            continue
        for path, operations in json.loads(file.read_text(encoding="utf-8-sig")).get("paths", {}).items():
            for parameter in operations.get("get", {}).get("parameters", []):
                if parameter.get("name") != "$filter":
                    continue
                text = re.sub(r"</?br\s*/?>", "\n", parameter.get("description", ""))
                for cells in ROW.findall(text):
                    field, _, comparisons, functions = (cell.strip() for cell in cells)
                    words = [re.findall(r"\w+", each) for each in (comparisons, functions)]
                    if field.strip("- ") and field != "Field":
                        yield Documented(operations["get"]["operationId"], path, field, *map(tuple, words))


def value_of(item: dict[str, Any], field: str) -> Any:
    holders = (item, item.get("properties"), *(item.get(kind) for kind in ("api", "operation", "product")))
    for path in (field, ELSEWHERE.get(field, field)):
        for holder in holders:
            value: Any = holder
            for step in path.split("."):
                value = value.get(step) if isinstance(value, dict) else None
            if value is not None:
                return value
    return None


@pytest.fixture
async def world(plane: Plane, shared_data: Path) -> Fuzzer:
    """A plane with one resource of each type, and what the examples leave out."""
    fuzzer = Fuzzer(plane, Specification.read(shared_data / "arm-2024-05-01"), 0)
    await fuzzer.seed()
    for id, properties in (
        ("/subscriptions/subscriptions", {"stateComment": "is new", "scope": "/products/products"}),
        ("/users/1", {"note": "a note"}),
        ("/groups/groups", {"description": "all of them", "externalId": "aad://x"}),
        ("/loggers/loggers", {"resourceId": "/subscriptions/x/y", "description": "a logger"}),
        ("/products/products", {"terms": "none", "description": "a product"}),
        ("/apis/apis", {"description": "an API", "serviceUrl": "https://a.example"}),
        ("/apis/apis/operations/operations", {"description": "an operation"}),
        ("/gateways/gateways", {"locationData": {"name": "hall"}, "description": "a gateway"}),
        ("/backends/backends", {"title": "a backend"}),
    ):
        reply = await plane.call("PATCH", id, properties)
        assert reply.status == 200, reply.body
    for id in ("/apis/apis", "/apis/apis/operations/operations", "/products/products"):
        await plane.put(f"{id}/tags/tags")
    await plane.put("/policyFragments/policyFragments", {"value": "<fragment/>", "description": "a fragment"})
    await plane.put("/policyFragments/another", {"value": "<fragment/>", "description": "another"})
    return fuzzer


async def test_filters_as_documented(world: Fuzzer, plane: Plane, shared_data: Path) -> None:
    """Each documented field with each comparison and function, against what a client can work out itself."""
    tested, wrong = 0, []
    here: dict[tuple[str, str], bool] = {}
    rows = [each for each in documented(shared_data / "arm-2024-05-01") if not each.operation.startswith("Reports_")]
    for row in rows:
        path = world.world.path(row.path).removeprefix(plane.service)
        whole = (await plane.get(path))["value"]
        found = [value for item in whole if (value := value_of(item, row.field)) is not None]
        here[row.list, row.field] = bool(found) or here.get((row.list, row.field), False)
        for text, expected in questions(row, found[0], whole) if found else ():
            reply = await plane.call("GET", path, query={"$filter": text})
            got = reply.body["value"] if reply.status == 200 else reply.body
            tested += 1
            if got != expected:
                wrong.append(f"{path}?$filter={text}: {str(got)[:200]} instead of {len(expected)}")
    assert not wrong, "\n".join(wrong)
    assert sorted(ABSENT) == sorted(key for key, present in here.items() if not present)
    assert tested > 1500


def questions(row: Documented, value: Any, whole: list[dict[str, Any]]) -> Iterator[tuple[str, list[Any]]]:
    """Filters, and what each leaves of the list."""
    if isinstance(value, list):
        for name, some in (("any", any), ("all", all)):
            if name in row.functions:
                texts = [value_of(item, row.field) for item in whole]
                yield (
                    f"{row.field}/{name}(t: t eq '{value[0]}')",
                    [
                        item
                        for item, each in zip(whole, texts, strict=True)
                        if each is not None and some(x == value[0] for x in each)
                    ],
                )
        return
    literals = [value] if isinstance(value, bool) or "/workspaces/" in row.path else [value, f"{value}x"]
    for literal in literals:
        written = str(literal).lower() if isinstance(literal, bool) else "'" + str(literal).replace("'", "''") + "'"
        for name in row.comparisons:
            yield f"{row.field} {name} {written}", [item for item in whole if holds(name, item, row.field, literal)]
    for name in row.functions:
        form, function = FUNCTIONS[name]
        part = str(value)[-3:]
        text = form.format(field=row.field, text="'" + part.replace("'", "''") + "'")
        yield text, [item for item in whole if function(folded(value_of(item, row.field)), part.lower())]


def holds(name: str, item: dict[str, Any], field: str, literal: Any) -> bool:
    value = value_of(item, field)
    if value is None:
        return name == "ne"
    return (
        COMPARISONS[name](folded(value), folded(literal))
        if not isinstance(literal, bool)
        else (COMPARISONS[name](value, literal))
    )


def folded(value: Any) -> str:
    return "" if value is None else str(value).lower()


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("name eq 'A'", ["a"]),
        ("properties/displayName eq 'one'", ["a"]),
        ("not (name eq 'a')", ["b", "c"]),
        ("not contains(name,'a') and name ne 'b'", ["c"]),
        ("name eq 'a' or name eq 'b' and name eq 'c'", ["a"]),
        ("(name eq 'a' or name eq 'b') and name ne 'a'", ["b"]),
        ("contains(displayName,'e') eq true", ["a", "c"]),
        ("contains(displayName,'e') eq false", ["b"]),
        ("tags/any(t: t eq 'x')", ["a", "b"]),
        ("tags/any(t:t eq 'x' or t eq 'z')", ["a", "b", "c"]),
        ("tags/all(t: startswith(t,'x'))", ["b"]),
        ("tags/any(t: contains(t,'Y'))", ["a"]),
        ("displayName eq 'it''s'", []),
        ("nothing eq null", ["a", "b", "c"]),
        ("nothing eq 'x'", []),
        ("secret eq true", ["c"]),
    ],
)
async def test_filters_put_together(plane: Plane, text: str, names: list[str]) -> None:
    for name, display, tags in (("a", "one", ["x", "y"]), ("b", "two", ["x"]), ("c", "three", ["z"])):
        await plane.put(
            f"/namedValues/{name}", {"displayName": display, "value": "v", "tags": tags, "secret": name == "c"}
        )
    found = (await plane.get("/namedValues", query={"$filter": text}))["value"]
    assert [each["name"] for each in found] == names


@pytest.mark.parametrize(
    "text",
    ["tags/any(t eq 'x')", "tags/any(t: )", "tags/any(t: t eq 'x'", "contains(name,'x') eq maybe", "name has 'x'"],
)
async def test_what_is_no_filter(plane: Plane, text: str) -> None:
    reply = await plane.call("GET", "/namedValues", query={"$filter": text})
    assert (reply.status, reply.error()["code"]) == (400, "InvalidFilter")


async def test_ids_in_filters_whole_or_short(plane: Plane) -> None:
    await plane.api("shop")
    await plane.put("/subscriptions/s", {"displayName": "s", "scope": "/apis/shop", "ownerId": "/users/1"})
    for text in (
        f"scope eq '{plane.service}/apis/shop'",
        "scope eq '/apis/shop'",
        "ownerId eq '/users/1' and scope ne '/products/x' and startswith(name,'s')",
        f"userId eq '{plane.service.upper()}/users/1' and contains(scope,'/apis/shop')",
    ):
        found = (await plane.get("/subscriptions", query={"$filter": text}))["value"]
        assert [each["name"] for each in found] == ["s"], text


async def test_orders(plane: Plane) -> None:
    for name, display in (("a", "Zoe"), ("b", "adam"), ("c", "Eve")):
        await plane.put(f"/tags/{name}", {"displayName": display})

    async def names(order: str, **query: str) -> list[str]:
        found = await plane.get("/tags", query={"$orderby": order, **query})
        return [each["name"] for each in found["value"]]

    assert await names("name desc") == ["c", "b", "a"]
    assert await names("displayName") == ["b", "c", "a"]
    assert await names("properties/displayName DESC, name asc") == ["a", "c", "b"]
    assert await names("displayName", **{"$top": "1", "$skip": "1"}) == ["c"]
    assert await names("missing, name desc") == ["c", "b", "a"]
    for wild in ("name down", ",", "name;drop", "a,b,c,d,e,f"):
        reply = await plane.call("GET", "/tags", query={"$orderby": wild})
        assert (reply.status, reply.error()["code"]) == (400, "InvalidOrderBy")


async def test_expanded(plane: Plane) -> None:
    await plane.put("/products/p", {"displayName": "p"})
    for list in ("/products", "/users"):
        plain, whole = await plane.get(list), await plane.get(list, query={"expandGroups": "true"})
        assert "groups" not in plain["value"][0]["properties"]
        groups = whole["value"][0]["properties"]["groups"]
        assert (groups[0]["name"], groups[0]["displayName"]) == ("administrators", "Administrators")
    await plane.put("/apiVersionSets/v", {"displayName": "v", "versioningScheme": "Segment"})
    await plane.api("shop", apiVersion="v1", apiVersionSetId="/apiVersionSets/v")
    assert "apiVersionSet" not in (await plane.get("/apis"))["value"][0]["properties"]
    found = (await plane.get("/apis", query={"expandApiVersionSet": "TRUE"}))["value"][0]["properties"]
    assert found["apiVersionSet"]["versioningScheme"] == "Segment"
    issue = {"title": "t", "description": "d", "userId": "/users/1"}
    await plane.put("/apis/shop/issues/i", issue)
    await plane.put("/apis/shop/issues/i/comments/c", {"text": "hm", "userId": "/users/1"})
    await plane.put("/apis/shop/issues/i/attachments/a", {"title": "a", "contentFormat": "link", "content": "x"})
    for id in ("/apis/shop/issues", "/apis/shop/issues/i"):
        body = await plane.get(id, query={"expandCommentsAttachments": "true"})
        found = (body["value"][0] if "value" in body else body)["properties"]
        assert (found["comments"][0]["text"], found["attachments"][0]["title"]) == ("hm", "a")
        assert found["comments"][0]["userId"] == f"{plane.service}/users/1"
    assert "comments" not in (await plane.get("/apis/shop/issues/i"))["properties"]


async def test_tags_in_a_scope(plane: Plane) -> None:
    await plane.api("shop")
    await plane.put("/products/p", {"displayName": "p"})
    for name in ("a", "b", "c"):
        await plane.put(f"/tags/{name}", {"displayName": name})
    await plane.put("/apis/shop/tags/a")
    await plane.put("/products/p/tags/b")
    for scope, names in (
        ("apis", ["a"]),
        ("products", ["b"]),
        ("apis/shop", ["a"]),
        ("apis/none", []),
        ("", ["a", "b", "c"]),
    ):
        found = (await plane.get("/tags", query={"scope": scope}))["value"]
        assert [each["name"] for each in found] == names, scope


async def test_what_could_not_be_read_from_a_vault(plane: Plane) -> None:
    vault = {"keyVault": {"secretIdentifier": "https://name.vault.azure.net/secrets/key"}}
    await plane.put("/namedValues/a", {"displayName": "a", "secret": True, **vault})
    await plane.put("/namedValues/b", {"displayName": "b", "value": "b"})
    for value, names in (("true", ["a"]), ("false", ["a", "b"])):
        found = (await plane.get("/namedValues", query={"isKeyVaultRefreshFailed": value}))["value"]
        assert [each["name"] for each in found] == names
    assert (await plane.get("/certificates", query={"isKeyVaultRefreshFailed": "true"}))["value"] == []


async def test_untagged(plane: Plane) -> None:
    await plane.api("shop")
    await plane.put("/apis/shop/operations/get", {"displayName": "g", "method": "GET", "urlTemplate": "/"})
    await plane.put("/products/p", {"displayName": "p"})
    for list, switch in (
        ("/apisByTags", "includeNotTaggedApis"),
        ("/productsByTags", "includeNotTaggedProducts"),
        ("/apis/shop/operationsByTags", "includeNotTaggedOperations"),
    ):
        assert (await plane.get(list))["value"] == []
        assert len((await plane.get(list, query={switch: "true"}))["value"]) == 1


async def test_switches_of_deletions(plane: Plane) -> None:
    await plane.api("shop")
    await plane.put("/apis/shop;rev=2", {"sourceApiId": "/apis/shop", "path": "shop"})
    await plane.put("/products/p", {"displayName": "p"})
    await plane.put("/users/u", {"email": "u@example.com", "firstName": "u", "lastName": "u"})
    for name, scope in (("s", "/products/p"), ("t", "/apis/shop")):
        await plane.put(f"/subscriptions/{name}", {"displayName": name, "scope": scope, "ownerId": "/users/u"})
    for id, switch in (
        ("/products/p", "deleteSubscriptions"),
        ("/users/u", "deleteSubscriptions"),
        ("/apis/shop", "deleteRevisions"),
    ):
        for value in ("", "false"):
            reply = await plane.call("DELETE", id, query={switch: value})
            assert (reply.status, reply.error()["code"]) == (400, "ValidationError")
        assert (await plane.call("DELETE", id, query={switch: "True"})).status in (200, 202, 204)
    assert await plane.names("/subscriptions") == ["master"]


# parameters that change nothing here: what they ask for happens elsewhere, or always
IGNORED = {
    "notify": "no mail is sent",
    "appType": "it chooses the portal that a mail links to",
    "force": "a schema may always be deleted",
    "tags": "how tags would be shown in lists is not documented",
}
TESTED = {
    *("$filter", "$orderby", "$top", "$skip", "api-version", "format", "export", "scope", "isKeyVaultRefreshFailed"),
    *("deleteRevisions", "deleteSubscriptions", "expandApiVersionSet", "expandCommentsAttachments", "expandGroups"),
    *("includeNotTaggedApis", "includeNotTaggedOperations", "includeNotTaggedProducts", "interval"),
}


def test_no_parameter_is_forgotten(shared_data: Path, root: Path) -> None:
    operations = json.loads((shared_data / "arm-2024-05-01" / "index.json").read_text())
    names = {each["name"] for operation in operations for each in operation["params"] if each["in"] == "query"}
    assert names == TESTED | IGNORED.keys()
    page = (root / "docs" / "management.md").read_text()
    assert all(f"`{name}`" in page for name in names), sorted(n for n in names if f"`{n}`" not in page)
