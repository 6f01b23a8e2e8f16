"""The engine: what all resource types have in common, seen through a few of them."""

from __future__ import annotations

import pytest

from tests.management.conftest import Plane


async def test_create_then_replace(plane: Plane) -> None:
    first = await plane.call("PUT", "/tags/t1", {"displayName": "one"})
    assert first.status == 201
    assert first.body == {
        "id": f"{plane.service}/tags/t1",
        "type": "Microsoft.ApiManagement/service/tags",
        "name": "t1",
        "properties": {"displayName": "one"},
    }
    second = await plane.call("PUT", "/tags/t1", {"displayName": "two"})
    assert second.status == 200
    assert second.headers["ETag"] != first.headers["ETag"]
    assert (await plane.get("/tags/t1"))["properties"] == {"displayName": "two"}


async def test_paths_have_no_case_but_names_keep_theirs(plane: Plane) -> None:
    await plane.put("/tags/MyTag", {"displayName": "x"})
    url = plane.server.make_url(plane.service.replace("resourceGroups", "RESOURCEGROUPS").upper() + "/TAGS/mytag")
    found = await plane.call("GET", str(url))
    assert found.body["name"] == "MyTag"
    assert found.body["id"] == f"{plane.service}/tags/MyTag"
    again = await plane.put("/tags/mytag", {"displayName": "y"})
    assert again["name"] == "MyTag"


async def test_head_tells_the_etag(plane: Plane) -> None:
    put = await plane.call("PUT", "/tags/t1", {"displayName": "one"})
    head = await plane.call("HEAD", "/tags/t1")
    assert (head.status, head.headers["ETag"]) == (200, put.headers["ETag"])
    assert (await plane.call("HEAD", "/tags/none")).status == 404


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
async def test_stale_tags_are_refused(plane: Plane, method: str) -> None:
    first = await plane.call("PUT", "/tags/t1", {"displayName": "one"})
    await plane.put("/tags/t1", {"displayName": "two"})
    reply = await plane.call(method, "/tags/t1", {"displayName": "three"}, match=first.headers["ETag"])
    assert reply.status == 412
    assert reply.error()["message"] == "Resource was modified since last retrieval."
    assert (await plane.get("/tags/t1"))["properties"] == {"displayName": "two"}


async def test_exact_tag_is_good(plane: Plane) -> None:
    put = await plane.call("PUT", "/tags/t1", {"displayName": "one"})
    patched = await plane.call("PATCH", "/tags/t1", {"displayName": "two"}, match=put.headers["ETag"])
    assert patched.status == 200
    assert (await plane.call("DELETE", "/tags/t1", match=patched.headers["ETag"])).status == 200


@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
async def test_if_match_is_required(plane: Plane, method: str) -> None:
    await plane.put("/tags/t1", {"displayName": "one"})
    reply = await plane.call(method, "/tags/t1", {"displayName": "two"}, match=None)
    assert (reply.status, reply.error()["code"]) == (400, "MissingIfMatch")


async def test_if_none_match_asks_for_a_new_one(plane: Plane) -> None:
    plane.headers["If-None-Match"] = "*"
    assert (await plane.call("PUT", "/tags/t1", {"displayName": "one"})).status == 201
    reply = await plane.call("PUT", "/tags/t1", {"displayName": "two"})
    assert (reply.status, reply.error()["code"]) == (412, "PreconditionFailed")
    assert (await plane.get("/tags/t1"))["properties"] == {"displayName": "one"}


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE"])
async def test_a_workspace_that_is_not_there(plane: Plane, method: str) -> None:
    reply = await plane.call(method, "/workspaces/none/tags/t", {"displayName": "t"} if method != "GET" else None)
    assert (reply.status, reply.error()["message"]) == (404, "Workspace not found.")


@pytest.mark.parametrize(
    ("id", "why"),
    [
        ("/tags/a:b", "are not allowed"),
        (f"/tags/{'a' * 81}", "it has 81 characters, and 80 are allowed"),
        ("/policyFragments/a.b", "must match the pattern"),
    ],
)
async def test_names_that_cannot_be(plane: Plane, id: str, why: str) -> None:
    reply = await plane.call("PUT", id, {"displayName": "x", "value": "<fragment />"})
    assert (reply.status, reply.error()["details"][0]["target"]) == (400, "name")
    assert why in reply.error()["details"][0]["message"]


async def test_what_is_required_is_not_empty(plane: Plane) -> None:
    reply = await plane.call("PUT", "/tags/t", {"displayName": ""})
    assert (reply.status, reply.error()["details"][0]["target"]) == (400, "displayName")


async def test_patch_merges_and_null_removes(plane: Plane) -> None:
    await plane.put("/groups/g", {"displayName": "G", "description": "old"})
    patched = await plane.call("PATCH", "/groups/g", {"displayName": "H"})
    assert patched.body["properties"]["description"] == "old"
    patched = await plane.call("PATCH", "/groups/g", {"description": None})
    assert "description" not in patched.body["properties"]
    assert (await plane.call("PATCH", "/groups/none", {"displayName": "x"})).status == 404


async def test_deleting_what_is_not_there(plane: Plane) -> None:
    assert (await plane.call("DELETE", "/tags/none")).status == 204


async def test_every_finding_is_a_detail(plane: Plane) -> None:
    reply = await plane.call("PUT", "/apiVersionSets/v", {"versioningScheme": "Odd"})
    assert reply.status == 400
    error = reply.error()
    assert error["code"] == "ValidationError"
    assert {each["target"] for each in error["details"]} == {"displayName", "versioningScheme"}


async def test_wrong_kinds_are_refused(plane: Plane) -> None:
    reply = await plane.call("PUT", "/products/p", {"displayName": 7, "subscriptionRequired": "yes"})
    assert {each["target"] for each in reply.error()["details"]} == {"displayName", "subscriptionRequired"}


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({"api-version": ""}, "MissingApiVersionParameter"),
        ({"api-version": "1999"}, "InvalidApiVersionParameter"),
        ({"api-version": "2020-12-31"}, "InvalidApiVersionParameter"),
        ({"api-version": "2024-13-01"}, "InvalidApiVersionParameter"),
    ],
)
async def test_api_version(plane: Plane, query: dict[str, str], code: str) -> None:
    reply = await plane.call("GET", "/tags", query=query)
    assert (reply.status, reply.error()["code"]) == (400, code)


@pytest.mark.parametrize("version", ["2022-08-01", "2024-05-01", "2025-03-01-preview"])
async def test_known_versions(plane: Plane, version: str) -> None:
    assert (await plane.call("GET", "/tags", query={"api-version": version})).status == 200


@pytest.mark.parametrize("header", [None, "Bearer wrong", "GatewayKey the-admin-token", "the-admin-token", "Bearer "])
async def test_only_the_admin_comes_in(plane: Plane, header: str | None) -> None:
    plane.headers = {"Authorization": header} if header is not None else {}
    reply = await plane.call("GET", "/tags")
    assert (reply.status, reply.error()["code"]) == (401, "AuthenticationFailed")


async def test_health_needs_nobody(plane: Plane) -> None:
    async with plane.session.get(plane.server.make_url("/health")) as response:
        assert response.status == 200


@pytest.mark.parametrize("path", ["/nothing/here", "/nothing", "/apis/a/nothing", "/tags/t/nothing/x"])
async def test_unknown_types(plane: Plane, path: str) -> None:
    await plane.api("a")
    reply = await plane.call("GET", path)
    assert (reply.status, reply.error()["code"]) == (404, "InvalidResourceType")


async def test_missing_resources_are_named(plane: Plane) -> None:
    reply = await plane.call("GET", "/apis/none")
    assert reply.body == {"error": {"code": "ResourceNotFound", "message": "Api not found.", "details": None}}
    reply = await plane.call(
        "PUT", "/apis/none/operations/x", {"displayName": "x", "method": "GET", "urlTemplate": "/"}
    )
    assert (reply.status, reply.error()["message"]) == (404, "Api not found.")


@pytest.mark.parametrize("content", [b"{", b"[1]", b'{"a": NaN}', b'{"a": "\\ud800"}', b"\xff", b"[" * 100_000])
async def test_bad_json(plane: Plane, content: bytes) -> None:
    url = plane.server.make_url(plane.service + "/tags/t?api-version=2024-05-01")
    async with plane.session.put(url, data=content, headers=plane.headers) as response:
        assert response.status == 400
        assert (await response.json())["error"]["code"] == "InvalidRequestContent"


@pytest.mark.parametrize("name", ["a*b", "a&b", "a%0Ab", "a%2Fb", "..", "x" * 81])
async def test_impossible_names(plane: Plane, name: str) -> None:
    import yarl

    url = yarl.URL(
        f"{plane.server.make_url('/')}".rstrip("/") + f"{plane.service}/tags/{name}?api-version=2024-05-01",
        encoded=True,
    )
    async with plane.session.put(url, json={"properties": {"displayName": "x"}}, headers=plane.headers) as response:
        assert response.status in (400, 404), await response.text()


async def test_paging(plane: Plane) -> None:
    for number in range(5):
        await plane.put(f"/tags/t{number}", {"displayName": str(number)})
    first = await plane.get("/tags", query={"$top": "2"})
    assert [each["name"] for each in first["value"]] == ["t0", "t1"]
    assert first["count"] == 5
    assert first["nextLink"].startswith(str(plane.server.make_url("/")))
    second = await plane.call("GET", first["nextLink"], query={"$top": "2", "$skip": "2"})
    assert [each["name"] for each in second.body["value"]] == ["t2", "t3"]
    last = await plane.get("/tags", query={"$top": "2", "$skip": "4"})
    assert [each["name"] for each in last["value"]] == ["t4"]
    assert "nextLink" not in last
    assert (await plane.call("GET", "/tags", query={"$top": "0"})).status == 400
    assert (await plane.call("GET", "/tags", query={"$skip": "-1"})).status == 400


async def test_filter_pages_too(plane: Plane) -> None:
    for number in range(6):
        await plane.put(f"/tags/t{number}", {"displayName": "even" if number % 2 == 0 else "odd"})
    found = await plane.get("/tags", query={"$filter": "displayName eq 'even'", "$top": "2"})
    assert ([each["name"] for each in found["value"]], found["count"]) == (["t0", "t2"], 3)
    assert "nextLink" in found


async def test_lists_of_what_is_not_there(plane: Plane) -> None:
    reply = await plane.call("GET", "/apis/none/operations")
    assert (reply.status, reply.error()["message"]) == (404, "Api not found.")


async def test_methods_that_are_not_possible(plane: Plane) -> None:
    assert (await plane.call("POST", "/tags/t")).status == 405
    assert (await plane.call("PUT", "/tags")).status == 405
    await plane.api("a")
    await plane.put("/apis/a/policies/policy", {"format": "rawxml", "value": "<policies />"})
    assert (await plane.call("PATCH", "/apis/a/policies/policy", {"value": "x"})).status == 405


async def test_failed_changes_leave_nothing(plane: Plane) -> None:
    """One change is one transaction: an import that fails half-way has not created the API."""
    reply = await plane.call(
        "PUT",
        "/apis/a",
        {
            "displayName": "a",
            "path": "a",
            "apiVersion": "v1",
            "apiVersionSet": {"name": "s", "versioningScheme": "Odd"},
        },
    )
    assert reply.status == 400
    assert (await plane.names("/apiVersionSets"), await plane.names("/apis")) == ([], [])
