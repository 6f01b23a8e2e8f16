"""The log for people: who made a revision, what is different between two, and what a policy would say of itself."""

from __future__ import annotations

from tests.management.conftest import POLICY, Plane

SECRET = "sesame-open-the-door"


async def revision_of(plane: Plane) -> int:
    return int((await plane.get("/revisions", query={"$top": "1"}))["value"][0]["revision"])


async def test_who_made_a_revision(plane: Plane) -> None:
    await plane.put("/tags/a", {"displayName": "a"})
    plane.headers |= {"Passerelle-Author": "Ann O'Hara", "User-Agent": "shears/2.1 (tool)"}
    await plane.put("/tags/b", {"displayName": "b"})
    plane.headers |= {"Passerelle-Author": "x" * 500}
    await plane.put("/tags/c", {"displayName": "c"})
    newest = (await plane.get("/revisions", query={"$top": "3"}))["value"]
    assert [each["author"] for each in newest] == ["x" * 100, "Ann O'Hara", "admin"]
    assert newest[1]["client"] == "shears/2.1"
    assert newest[1]["resources"] == [{"id": "/tags/b", "operation": "put"}]
    assert (newest[1]["stored"], newest[1]["deleted"]) == (1, 0)
    assert newest[0]["time"] >= newest[1]["time"]
    one = await plane.get(f"/revisions/{newest[1]['name']}")
    assert one == newest[1]
    for nobody in ("0", "999999", "x", "²"):
        assert (await plane.call("GET", f"/revisions/{nobody}")).status == 404
    older = await plane.get("/revisions", query={"$top": "1", "$skip": "1"})
    assert older["value"][0]["name"] == newest[1]["name"]
    assert older["count"] == newest[0]["revision"]


async def test_who_came_with_a_token_of_the_endpoint(plane: Plane) -> None:
    form = {"grant_type": "client_credentials", "client_id": "pipeline", "client_secret": "the-admin-token"}
    url = f"{plane.server.make_url('/adfs/oauth2/token')}"
    async with plane.session.post(url, data=form) as response:
        token = (await response.json())["access_token"]
    plane.headers["Authorization"] = f"Bearer {token}"
    await plane.put("/tags/a", {"displayName": "a"})
    assert (await plane.get("/revisions", query={"$top": "1"}))["value"][0]["author"] == "pipeline"


async def test_what_is_different(plane: Plane) -> None:
    await plane.put("/tags/old", {"displayName": "old"})
    await plane.put("/namedValues/v", {"displayName": "v", "value": SECRET, "secret": True})
    start = await revision_of(plane)
    await plane.put("/tags/old", {"displayName": "new"})
    await plane.put("/tags/made", {"displayName": "made"})
    await plane.put("/namedValues/v", {"displayName": "v", "value": f"{SECRET}-2", "secret": True})
    await plane.put("/tags/brief", {"displayName": "brief"})
    await plane.delete("/tags/brief")
    await plane.delete("/tags/made")
    await plane.put("/tags/made", {"displayName": "made again"})
    end = await revision_of(plane)
    reply = await plane.call("GET", "/differences", query={"from": str(start), "to": str(end)})
    assert reply.body is not None
    assert SECRET not in str(reply.body)
    found = {each["id"]: each for each in reply.body["value"]}
    assert found["/tags/old"]["operation"] == "update"
    assert (found["/tags/old"]["before"], found["/tags/old"]["after"]) == (
        {"displayName": "old"},
        {"displayName": "new"},
    )
    assert (found["/tags/made"]["operation"], found["/tags/made"]["before"]) == ("create", None)
    assert found["/tags/brief"]["operation"] == "none"
    assert found["/namedValues/v"]["secrets"] == ["secretValue"]
    back = await plane.get("/differences", query={"from": str(end), "to": str(start)})
    undone = {each["id"]: each for each in back["value"]}
    assert undone["/tags/made"]["operation"] == "delete"
    assert undone["/tags/old"]["after"] == {"displayName": "old"}


async def test_a_roll_back_does_what_the_differences_said(plane: Plane) -> None:
    await plane.put("/tags/a", {"displayName": "one"})
    target = await revision_of(plane)
    await plane.put("/tags/a", {"displayName": "two"})
    await plane.put("/tags/b", {"displayName": "b"})
    reply = await plane.call("POST", "/rollback", body={"revision": target})
    assert reply.body is not None
    assert reply.body["restored"] == 2
    newest = (await plane.get("/revisions", query={"$top": "1"}))["value"][0]
    assert newest["restored"] == target
    same = await plane.get("/differences", query={"from": str(target), "to": str(newest["revision"])})
    assert {each["operation"] for each in same["value"]} == {"none"}


async def test_what_is_out_of_reach_is_refused(plane: Plane) -> None:
    for query in ({}, {"from": "1"}, {"from": "1", "to": "99999"}, {"from": "x", "to": "1"}, {"from": "²", "to": "1"}):
        reply = await plane.call("GET", "/differences", query=query)
        assert reply.status == 400


async def test_a_policy_is_checked_without_being_stored(plane: Plane) -> None:
    before = await revision_of(plane)
    text = "<policies>\n  <inbound>\n    <set-haeder name='x' />\n  </inbound>\n</policies>"
    reply = await plane.call("POST", "/checkPolicy", body={"scope": "", "value": text})
    assert reply.body is not None
    issue = reply.body["issues"][0]
    assert (issue["line"], issue["severity"], issue["code"]) == (3, "error", "unknown-policy")
    assert (await plane.call("POST", "/checkPolicy", body={"value": POLICY.format("")})).body == {"issues": []}
    # what stands at one scope may not stand at another
    quota = POLICY.format('<quota calls="1" renewal-period="60" />')
    for scope, good in (("/products/starter", True), ("/apis/shop", False), ("/apis/a/operations/b", False)):
        reply = await plane.call("POST", "/checkPolicy", body={"scope": scope, "value": quota})
        assert reply.body is not None
        assert (reply.body["issues"] == []) is good
    for scope in ("/nothing/x", "/apis", "/apis//operations/x", 7):
        assert (await plane.call("POST", "/checkPolicy", body={"scope": scope, "value": ""})).status == 400
    assert await revision_of(plane) == before


async def test_the_policy_that_runs(plane: Plane) -> None:
    await plane.api("shop")
    await plane.put("/apis/shop/operations/get", {"displayName": "get", "method": "GET", "urlTemplate": "/"})

    async def document(holder: str, inbound: str, more: str = "") -> None:
        value = f"<policies><inbound>{inbound}</inbound>{more}</policies>"
        await plane.put(f"{holder}/policies/policy", {"format": "rawxml", "value": value})

    async def told(**query: str) -> list[tuple[str, str, str]]:
        found = (await plane.get("/apis/shop/operations/get/effectivePolicy", query=query))["value"]
        return [(each["section"], each["name"], each["scope"]) for each in found]

    assert await told() == [("backend", "forward-request", "global")]
    await document("", '<set-variable name="a" value="1" />')
    await document("/apis/shop", '<set-method>GET</set-method><base /><set-variable name="b" value="2" />')
    await document("/apis/shop/operations/get", "<base /><!-- mine --><set-status code='200' reason='x' />")
    assert await told() == [
        ("inbound", "set-method", "api"),
        ("inbound", "set-variable", "global"),
        ("inbound", "set-variable", "api"),
        ("inbound", "set-status", "operation"),
        ("backend", "forward-request", "default"),
    ]
    await plane.put("/products/p", {"displayName": "p"})
    await document("/products/p", "<base />", "<backend><forward-request timeout='7' /></backend>")
    texts = (await plane.get("/apis/shop/operations/get/effectivePolicy", query={"productId": "p"}))["value"]
    assert texts[-1]["text"] == "<forward-request timeout='7' />"
    assert (
        await plane.call("GET", "/apis/shop/operations/get/effectivePolicy", query={"productId": "no"})
    ).status == 400
