"""The catalogue follows the plane's log: whatever is changed, it is what a portal that starts now would read."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from multidict import CIMultiDict

from portal import keeper
from portal.catalogue import GUESTS, Catalogue
from portal.model import Product
from portal.page import PLANE
from portal.plane import Plane
from portal.reach import Unreachable
from portal.stock import FEW, PIECE, Stock
from portal.visits import CATALOGUES
from tests.portal.house import House, house

APIS = ("shop", "Books")
STEPS = 200


@pytest.fixture
async def people(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[House]:
    async with house(tmp_path, monkeypatch, gateways=("https://api.example.com",)) as found:
        for api in APIS[:2]:
            await found.plane.api(api)
        await found.product("public", "guests", "developers", apis=("shop",))
        yield found


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The paths that the portal asks the plane for."""
    made: list[str] = []
    whole = Plane._address

    def noted(self: Plane, path: str, query: dict[str, str]) -> Any:
        made.append(path)
        return whole(self, path, query)

    monkeypatch.setattr(Plane, "_address", noted)
    return made


def catalogues(people: House) -> keeper.Catalogues:
    return people.client.app[CATALOGUES]  # type: ignore[index]


def plane(people: House) -> Plane:
    return people.client.app[PLANE]  # type: ignore[index]


def told(catalogue: Catalogue) -> list[Any]:
    """All that pages may show of it."""
    views = [catalogue, *(catalogue.seen_by(frozenset({group})) for group in ("guests", "developers", "friends"))]
    paths = sorted((each.api.id, each.api.path) for each in catalogue.reach._whole.entries)
    return [paths, *((view.apis, view.products, view.entries, view.tags, view.closed) for view in views)]


async def test_any_changes_show(people: House) -> None:
    """Made at random, the same in every run; some are refused, which changes nothing."""
    dice = random.Random(11)
    await people.plane.put("/tags/t", {"displayName": "Tea"})
    await people.plane.put("/groups/friends", {"displayName": "Friends"})
    scheme = {"displayName": "V", "versioningScheme": "Segment"}
    done: dict[str, int] = {}
    for step in range(STEPS):
        api, product = dice.choice(APIS), dice.choice(("public", "public", "inner"))
        group = dice.choice(("guests", "developers", "friends"))
        held = {"displayName": f"{api} {step}", "path": api, "description": "It <b>is</b>"}
        published = {"displayName": f"{product} {step}", "state": dice.choice(("published",) * 3 + ("notPublished",))}
        versioned = {**held, "apiVersion": "v1", "apiVersionSetId": "/apiVersionSets/v"}
        changes: list[tuple[str, str, dict[str, Any] | None]] = [
            ("PUT", f"/apis/{api}", held),
            ("PUT", f"/apis/{api.lower()}", held),
            ("DELETE", f"/apis/{api}?deleteRevisions=true", None),
            ("PUT", f"/products/{product}", published),
            ("DELETE", f"/products/{product}?deleteSubscriptions=true", None),
            ("PUT", f"/products/{product}/apis/{api}", {}),
            ("PUT", f"/products/{product}/apis/{api.upper()}", {}),
            ("PUT", f"/products/{product}/apiLinks/l{step % 3}", {"apiId": f"/apis/{api}"}),
            ("DELETE", f"/products/{product}/apis/{api}", None),
            ("DELETE", f"/products/{product}/apiLinks/{api}", None),
            ("PUT", f"/products/{product}/groupLinks/l{step % 3}", {"groupId": f"/groups/{group}"}),
            ("DELETE", f"/products/{product}/groupLinks/{group}", None),
            ("PUT", f"/tags/t/apiLinks/l{step % 3}", {"apiId": f"/apis/{api}"}),
            ("PATCH", f"/apis/{api}", {"path": dice.choice(("x", api))}),
            ("PUT", "/portalsettings/signin", {"enabled": dice.choice((True, False))}),
            *[("PUT", f"/products/{product}/groups/{group}", {})] * 4,
            *[("DELETE", f"/products/{product}/groups/{group}", None)] * 2,
            ("DELETE", "/groups/friends", None),
            ("PUT", "/groups/friends", {"displayName": "Friends"}),
            *[("PUT", f"/apis/{api}/tags/t", {})] * 4,
            ("DELETE", f"/apis/{api}/tags/t", None),
            *[("PUT", "/tags/t", {"displayName": f"Tag {step}"})] * 2,
            ("PUT", "/apiVersionSets/v", {**scheme, "versioningScheme": dice.choice(("Segment", "Query"))}),
            ("PUT", f"/apis/{api}", versioned),
            ("PUT", f"/apis/{api}", versioned),
            ("PUT", f"/products/{product}/apis/{api}", {}),
            ("PUT", f"/products/{product}", published),
            ("PUT", f"/apis/{api};rev=2", {**held, "sourceApiId": f"/apis/{api}"}),
            ("PUT", f"/apis/{api}/releases/r{step}", {"apiId": f"/apis/{api};rev=2"}),
            ("PUT", f"/apis/{api}/operations/o", {"displayName": "O", "method": "GET", "urlTemplate": f"/{step}"}),
            ("POST", "/rollback", None),
        ]
        method, id, properties = dice.choice(changes)
        if "delete" in id and dice.random() < 0.7:
            continue  # there should be something that other changes are about
        path, _, query = id.partition("?")
        more = dict([query.split("=")]) if query else {}
        body = None
        if method == "POST":
            newest = (await people.plane.get("/revisions", query={"$top": "1"}))["count"]
            body = {"revision": max(0, newest - dice.randint(1, 5))}
        if "versioningScheme" in (properties or {}):
            properties = {**(properties or {}), "versionQueryName": "v"}
        reply = await people.plane.call(method, path, properties, query=more, body=body)
        done[method] = done.get(method, 0) + (reply.status < 300)
        kept = await catalogues(people).current()
        fresh = await (await Stock.read(plane(people))).catalogue()
        assert told(kept) == told(fresh), (step, method, id)
    assert min(done.values()) > 3, done


async def test_one_change_is_one_call(people: House, calls: list[str]) -> None:
    await people.go("/apis/shop")
    await people.plane.api("shop", description="Another one.")
    calls.clear()
    assert "Another one." in await people.go("/")
    assert list(dict.fromkeys(calls)) == ["/changes", "/apis/shop"]
    await people.plane.put("/namedValues/n", {"displayName": "n", "value": "v"})
    calls.clear()
    await people.go("/")
    assert set(calls) == {"/changes"}, "it is nothing to the portal"


async def test_an_api_is_read_anew_when_it_has_changed_and_not_when_another_has(
    people: House, calls: list[str]
) -> None:
    await people.plane.put("/products/public/apis/Books")
    for api in ("shop", "Books"):
        await people.go(f"/apis/{api}")
    operation = {"displayName": "Buy a book", "method": "GET", "urlTemplate": "/x"}
    await people.plane.put("/apis/Books/operations/buy", operation)
    calls.clear()
    await people.go("/apis/shop")
    assert "/apis/shop/operations" not in calls
    assert "Buy a book" in await people.go("/apis/books")


async def test_many_changes_are_read_as_lists(people: House, calls: list[str]) -> None:
    await people.go("/")
    for number in range(FEW + 1):
        await people.plane.api(f"new-{number:02}")
        await people.plane.put(f"/products/public/apis/new-{number:02}")
    calls.clear()
    page = await people.go("/")
    assert all(f"new-{number:02}" in page for number in range(FEW + 1))
    assert list(dict.fromkeys(calls)) == ["/changes", "/apis"]


async def test_a_plane_with_another_past_is_read_anew(people: House, calls: list[str]) -> None:
    await people.go("/")
    catalogues(people)._mark = keeper.Mark(1_000_000)  # as from before it was restored
    await people.plane.api("shop", description="Another one.")
    assert "Another one." in await people.go("/")
    assert "/revisions" in calls
    calls.clear()
    await people.go("/")
    assert "/revisions" not in calls


async def test_so_is_one_whose_revision_of_this_number_was_made_at_another_time(people: House) -> None:
    """It was restored, and has had as many changes since as were lost."""
    await people.go("/")
    await people.plane.api("shop", description="Another one.")
    (newest,) = (await people.plane.get("/revisions", query={"$top": "1"}))["value"]
    catalogues(people)._mark = keeper.Mark(newest["revision"], "2001-01-01T00:00:00.000+00:00")
    assert "Another one." in await people.go("/")
    assert catalogues(people)._mark == keeper.Mark(newest["revision"], newest["time"])


async def test_a_revision_that_became_current_is_not_there_twice(people: House) -> None:
    """Its former path would seem to be that of an API that is seen, whoever has it by then."""
    await people.plane.api("hidden")
    await people.go("/")
    held = {"displayName": "Shop", "path": "shop"}
    await people.plane.put("/apis/shop;rev=2", {**held, "sourceApiId": "/apis/shop"})
    await people.go("/")
    await people.plane.put("/apis/shop/releases/r", {"apiId": "/apis/shop;rev=2"})
    await people.go("/")
    await people.plane.put("/apis/shop", {**held, "path": "elsewhere"})
    await people.plane.delete("/apis/shop;rev=1")
    await people.plane.api("hidden", path="shop")
    reach = (await catalogues(people).current()).seen_by(GUESTS).reach
    assert reach.find("/elsewhere", "", CIMultiDict())[1] == {"shop"}
    with pytest.raises(Unreachable):
        reach.find("/shop", "", CIMultiDict())


async def test_what_never_was_together_is_not_shown_together(people: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """A product loses an API and is then opened to guests, between the look at the log and the product's reading."""
    await people.product("inner", "developers", apis=("Books",))
    await people.go("/")
    whole, opened = Plane.get, False

    async def between(self: Plane, path: str, **query: str) -> dict[str, Any]:
        nonlocal opened
        if path == "/products/inner" and not opened:
            opened = True
            await people.plane.delete("/products/inner/apis/Books")
            await people.plane.put("/products/inner/groups/guests")
        return await whole(self, path, **query)

    monkeypatch.setattr(Plane, "get", between)
    await people.plane.put("/products/inner", {"displayName": "In", "state": "published"})
    seen = (await catalogues(people).current()).seen_by(GUESTS)
    assert opened
    assert [(one.id, len(seen.of_product(one.id))) for one in seen.products] == [("inner", 0), ("public", 1)]


async def test_what_changes_while_all_is_read_is_shown_with_it(people: House, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, done = Stock.read, False

    async def after(plane: Plane, edition: int = 0) -> Stock:
        nonlocal done
        stock = await whole(plane, edition)
        if not done:
            done = True
            await people.plane.put("/products/public", {"displayName": "P", "state": "notPublished"})
        return stock

    monkeypatch.setattr(Stock, "read", after)
    own = keeper.Catalogues(plane(people))
    assert (await own.current()).products == ()


async def test_what_cannot_be_followed_is_read_anew(people: House, monkeypatch: pytest.MonkeyPatch) -> None:
    await people.go("/")

    async def broken(self: Stock, *_: object) -> None:
        raise RuntimeError

    with monkeypatch.context() as patched:
        patched.setattr(Stock, "follow", broken)
        await people.plane.api("shop", description="Another one.")
        await people.go("/")
        assert "Another one." in await people.go("/")


async def test_an_api_that_changes_while_it_is_read_is_read_anew(
    people: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on, held = asyncio.Event(), asyncio.Event()
    whole = Plane.every

    async def slow(self: Plane, path: str, **query: str) -> list[Any]:
        found = await whole(self, path, **query)
        if path.endswith("/operations") and not go_on.is_set():
            held.set()
            await go_on.wait()
        return found

    monkeypatch.setattr(Plane, "every", slow)
    first = asyncio.create_task(people.go("/apis/shop"))
    await held.wait()
    await people.plane.put("/apis/shop/operations/b", {"displayName": "Buy it", "method": "GET", "urlTemplate": "/b"})
    await catalogues(people).current()
    second = asyncio.create_task(people.go("/apis/shop"))
    await asyncio.sleep(0.05)
    go_on.set()
    await first
    assert "Buy it" in await second
    assert "Buy it" in await people.go("/apis/shop")


async def test_what_changes_while_it_is_read_is_not_missed(people: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """An API is deleted between two pages, so the first of the second page moves to the first page."""
    monkeypatch.setattr("portal.plane.PAGE", 2)
    for name in ("a1", "a2", "a3", "a4"):
        await people.plane.api(name)
        await people.plane.put(f"/products/public/apis/{name}")
    whole, deleted = Plane._call, False

    async def between(self: Plane, method: str, address: Any, *more: Any, **others: Any) -> Any:
        nonlocal deleted
        if "/apis?" in str(address) and "skip" in str(address) and not deleted:
            deleted = True
            await people.plane.delete("/apis/a1")
        return await whole(self, method, address, *more, **others)

    monkeypatch.setattr(Plane, "_call", between)
    own = keeper.Catalogues(plane(people))
    await own.current()
    assert deleted
    assert [one.api.id for one in (await own.current()).apis] == ["a2", "a3", "a4", "shop"]


async def test_it_is_looked_at_when_nobody_comes(people: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeper, "LOOK", 0.02)
    own = keeper.Catalogues(plane(people))
    own.open()
    try:
        await own.ready(10)
        await people.plane.api("shop", description="Another one.")
        async with asyncio.timeout(10):
            while own._kept is None or own._kept.find("shop").api.description != "Another one.":  # noqa: ASYNC110
                await asyncio.sleep(0.01)
    finally:
        await own.close()


async def test_others_have_their_turn_while_it_is_made() -> None:
    count = 20 * PIECE
    stock = Stock()
    for number in range(count):
        stock._take(f"a{number}", {"name": f"a{number}", "properties": {"displayName": f"A {number}"}})
    stock._members = {"p": set(stock._apis)}
    stock._products = {"p": Product.read({"name": "p", "properties": {"state": "published"}})}
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    task = asyncio.create_task(others())
    await asyncio.sleep(0)
    made = await stock.catalogue()
    seen, turns = turns, 0
    await made.reach.prepare()
    task.cancel()
    assert len(made.apis) == count
    assert seen >= count // PIECE
    assert turns >= count // PIECE - 1


async def test_who_must_sign_in_must_so_while_the_plane_is_away(people: House) -> None:
    await people.plane.put("/portalsettings/signin", {"enabled": True})
    response = await people.client.get("/", allow_redirects=False)
    assert response.status == 303
    await people.plane.server.close()
    response = await people.client.get("/", allow_redirects=False)
    assert (response.status, response.headers["Location"]) == (303, "/sign-in?back=/")


async def test_who_comes_while_it_is_read_waits_once_and_a_little(
    people: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    await people.go("/")
    monkeypatch.setattr(keeper, "PATIENCE", 0.01)
    waited: list[float] = []
    wait = asyncio.wait

    async def noted(tasks: Any, *, timeout: float | None = None) -> Any:
        waited.append(timeout or 0.0)
        return await wait(tasks, timeout=timeout)

    go_on = asyncio.Event()

    async def slow(self: Plane, path: str, **query: str) -> list[Any]:
        await go_on.wait()
        return []

    monkeypatch.setattr(Plane, "every", slow)
    monkeypatch.setattr(asyncio, "wait", noted)
    for _ in range(3):
        assert (await catalogues(people).current()).find("shop")
    go_on.set()
    assert 0 < sum(waited) < 0.02
