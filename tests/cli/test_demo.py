"""The demo: its backend, its documents, and that seeding happens once and keeps what a person changed."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml
from aiohttp.test_utils import TestClient, TestServer
from lxml import etree

from passerelle.demo import page, seed
from passerelle.demo.backend import BOOKS, application
from passerelle.home import Home
from passerelle.plan import Options, Plan, make_plan
from passerelle.plane import PlaneError

POLICIES = sorted((Path(seed.__file__).parent / "policies").glob("*.xml"))


class RememberingPlane:
    """Keeps resources by path, as the plane does."""

    def __init__(self) -> None:
        self.resources: dict[str, dict[str, Any]] = {}
        self.writes: list[str] = []

    def get(self, path: str) -> dict[str, Any]:
        if path not in self.resources:
            raise PlaneError(404, "not found")
        return {"properties": self.resources[path]}

    def put(self, path: str, properties: dict[str, Any] | None = None) -> None:
        self.writes.append(path)
        self.resources[path] = dict(properties or {})

    def patch(self, path: str, properties: dict[str, Any]) -> None:
        self.writes.append(path)
        self.resources[path] |= properties

    def exists(self, path: str) -> bool:
        return path in self.resources

    def put_policy(self, path: str, document: str) -> None:
        self.put(f"{path}/policies/policy", {"value": document})

    def gateway_token(self, gateway: str) -> None:
        self.put(f"/gateways/{gateway}")


def plan_in(home: Home, backend_port: int = 0) -> Plan:
    return make_plan(Options(home.root, 0, 0, 0), home, backend_port)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path / "data")
    home.prepare()
    return home


async def test_the_backend_serves_what_its_document_says() -> None:
    async with TestClient(TestServer(application())) as client:
        books = await (await client.get("/books")).json()
        assert [book["title"] for book in books] == [book["title"] for book in BOOKS]
        assert len(await (await client.get("/books?author=eliot")).json()) == 2
        assert (await client.get("/books/99")).status == 404
        assert [b["id"] for b in await (await client.get("/search?q=wa")).json()] == [1, 3]
        answer = await client.post("/orders", json={"book": 1, "quantity": 2})
        assert (answer.status, (await answer.json())["total"]) == (201, 25.0)
        assert (await client.post("/orders", data="no json")).status == 400
        echo = await (await client.get("/echo?a=1", headers={"X-Shop": "s"})).json()
        assert (echo["query"], echo["headers"]["X-Shop"]) == ({"a": "1"}, "s")


def test_every_policy_is_of_an_operation_in_the_document() -> None:
    document = yaml.safe_load(seed.document("shop.yaml"))
    operations = {operation["operationId"] for path in document["paths"].values() for operation in path.values()}
    assert set(seed.OPERATIONS_WITH_POLICY) < operations
    assert {path.stem for path in POLICIES} == {*seed.OPERATIONS_WITH_POLICY, "shop", "changed-book"}


def test_the_page_knows_the_limit() -> None:
    limit = etree.fromstring(seed.document("policies/search.xml")).find(".//rate-limit-by-key")
    assert limit.get("calls") == str(page.LIMIT)


def test_seeding_happens_once(home: Home) -> None:
    plane, plan = RememberingPlane(), plan_in(home)
    seed.seed(plan, plane)  # type: ignore[arg-type]
    key = seed.read_state(home).key
    assert plane.resources["/subscriptions/demo"]["primaryKey"] == key
    assert plane.resources["/apis/shop"]["serviceUrl"] == plan.backend_url
    plane.writes.clear()
    seed.seed(plan, plane)  # type: ignore[arg-type]
    assert plane.writes == []
    assert seed.read_state(home).key == key


def test_an_interrupted_seeding_goes_on_with_the_same_key(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    plane, plan = RememberingPlane(), plan_in(home)
    with monkeypatch.context() as patch:
        patch.setattr(plane, "put_policy", lambda *_: (_ for _ in ()).throw(PlaneError(500, "broken")))
        with pytest.raises(PlaneError):
            seed.seed(plan, plane)  # type: ignore[arg-type]
    key = seed.read_state(home).key
    seed.seed(plan, plane)  # type: ignore[arg-type]
    assert plane.resources["/subscriptions/demo"]["primaryKey"] == key


def test_the_api_follows_the_backend_unless_a_person_moved_it(home: Home) -> None:
    plane, first = RememberingPlane(), plan_in(home)
    seed.seed(first, plane)  # type: ignore[arg-type]
    assert seed.last_backend_port(home) == first.backend_port
    assert plan_in(home, first.backend_port).backend_port == first.backend_port
    second = plan_in(home)
    seed.seed(second, plane)  # type: ignore[arg-type]
    assert plane.resources["/apis/shop"]["serviceUrl"] == second.backend_url
    plane.resources["/apis/shop"]["serviceUrl"] = "https://books.example"
    seed.seed(plan_in(home), plane)  # type: ignore[arg-type]
    assert plane.resources["/apis/shop"]["serviceUrl"] == "https://books.example"
    del plane.resources["/apis/shop"]
    seed.seed(plan_in(home), plane)  # type: ignore[arg-type]
    assert "/apis/shop" not in plane.resources


def test_every_command_of_the_page_is_one_line_of_shell(home: Home) -> None:
    plan = plan_in(home)
    seed.seed(plan, RememberingPlane())  # type: ignore[arg-type]
    text = page.write_page(plan)
    commands = [line.strip() for line in text.splitlines() if line.startswith("  ") and "curl" in line]
    assert len(commands) >= 8
    assert all(shlex.split(command, comments=True) for command in commands)
    for port in (plan.management_port, plan.portal_port, *plan.gateway_ports, *plan.metrics_ports):
        assert f":{port}" in text


def test_the_script_of_the_page_compiles(home: Home) -> None:
    plan = plan_in(home)
    _, script = page.write_files(plan)
    text = Path(script).read_text()
    compile(text, script, "exec")
    assert plan.management_tls_url in text
    assert '@($"{context.Api.Name}' in text
