"""The routing table of tests/conformance/routing.yaml, and routes that change one API at a time."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import pytest
import yaml
from multidict import CIMultiDict
from sidecar_harness import api, operation, resource

from proxy.config.gateway import Gateway, build
from proxy.config.resources import Resource
from proxy.errors import OperationNotFound
from proxy.routing import MOST_KNOWN, Match
from proxy.target import canonical

TABLE = yaml.safe_load((Path(__file__).parents[1] / "conformance" / "routing.yaml").read_text())
KNOWN = {"api", "operation", "parameters", "rest", "missing", "headers", "preflight"}


def gateway(group: dict[str, Any]) -> Gateway:
    listed = [resource(f"/apiVersionSets/{name}", body) for name, body in group.get("sets", {}).items()]
    for name, given in group["apis"].items():
        extra: dict[str, Any] = {}
        if "set" in given:
            extra = {"apiVersionSetId": f"/apiVersionSets/{given['set']}", "apiVersion": given.get("version", "")}
        listed.append(api(name, "http://b", given["path"], **extra))
        for index, text in enumerate(given["operations"]):
            method, _, template = text.partition(" ")
            listed.append(operation(name, method, template, f"op{index}"))
    built, issues = build({each.id: each for each in listed})
    assert not issues
    return built


CASES = [
    pytest.param(group, case, id=f"{group['name']}: {next(iter(case))} {next(iter(case.values()))}")
    for group in TABLE
    for case in group["cases"]
]


def find(built: Gateway, case: dict[str, Any]) -> Match:
    method, raw = next((key, value) for key, value in case.items() if key not in KNOWN)
    path, query = ("*", "") if raw == "*" else canonical(raw)[:2]
    return built.routes.match(method.upper(), path, query, CIMultiDict(case.get("headers", {})))


@pytest.mark.parametrize(("group", "case"), CASES)
def test_routing_table(group: dict[str, Any], case: dict[str, Any]) -> None:
    built = gateway(group)
    if "missing" in case:
        with pytest.raises(OperationNotFound) as refused:
            find(built, case)
        assert case["missing"] in refused.value.detail
        return
    found = find(built, case)
    if "api" in case:
        assert found.api.key == case["api"]
    if "operation" in case:
        assert f"{found.operation.method} {found.operation.url_template}" == case["operation"]
    if "parameters" in case:
        assert found.parameters == case["parameters"]
    if "rest" in case:
        assert found.path == case["rest"]
    assert found.preflight is case.get("preflight", False)


def answer(built: Gateway, case: dict[str, Any]) -> tuple[Any, ...]:
    try:
        found = find(built, case)
    except OperationNotFound as missing:
        return (missing.detail,)
    return found.api.key, found.operation.id, found.parameters, found.path, found.preflight


@pytest.mark.parametrize("group", TABLE, ids=[group["name"] for group in TABLE])
def test_what_was_asked_before_changes_no_answer(group: dict[str, Any]) -> None:
    asked = gateway(group)
    for case in [*group["cases"], *reversed(group["cases"])]:
        assert answer(asked, case) == answer(gateway(group), case)


def test_what_is_remembered_of_paths_is_bounded() -> None:
    routes = gateway({"apis": {"a": {"path": "a", "operations": ["GET /item", "GET /of/{id}"]}}}).routes
    for number in range(2 * MOST_KNOWN):
        name = "".join(letter.upper() if number >> bit & 1 else letter for bit, letter in enumerate("itemitemitemi"))
        for path in (f"/a{'/' * (number % 3)}/item", f"/a/of/{name}", f"/a/{name[:4]}"):
            with contextlib.suppress(OperationNotFound):
                routes.match("GET", path, "", CIMultiDict())
    assert 0 < len(routes._known) <= 32
    assert all(path.lower().rstrip("/").endswith("item") for _, path in routes._known)


def test_a_websocket_api_takes_upgrades_only() -> None:
    built, _ = build({"/apis/ws": api("ws", "ws://b", type="websocket")})
    headers: CIMultiDict[str] = CIMultiDict()
    assert built.routes.match("GET", "/ws/any/path", "", headers, upgrade=True).path == "/any/path"
    with pytest.raises(OperationNotFound, match="Unable to match"):
        built.routes.match("GET", "/ws/any/path", "", headers)


def test_an_api_that_moves_leaves_nothing_behind() -> None:
    first = {each.id: each for each in (api("a", "http://b", "one"), operation("a", "GET", "/x"))}
    before, _ = build(first)
    moved = api("a", "http://b", "two/deep")
    after, _ = build({**first, moved.id: moved}, before)
    headers: CIMultiDict[str] = CIMultiDict()
    assert after.routes.match("GET", "/two/deep/x", "", headers).api.id == "a"
    with pytest.raises(OperationNotFound):
        after.routes.match("GET", "/one/x", "", headers)
    assert before.routes.match("GET", "/one/x", "", headers).api.id == "a"
    gone, _ = build({}, after)
    assert not gone.routes.mounts


def test_a_version_set_that_changes_moves_its_apis() -> None:
    held: dict[str, Resource] = {}
    for each in (
        resource("/apiVersionSets/s", {"versioningScheme": "Segment"}),
        api("a", "http://b", "p", apiVersionSetId="/apiVersionSets/s", apiVersion="v1"),
        operation("a", "GET", "/x"),
    ):
        held[each.id] = each
    before, _ = build(held)
    assert list(before.routes.mounts) == ["p/v1"]
    changed = resource("/apiVersionSets/s", {"versioningScheme": "Query", "versionQueryName": "v"})
    after, _ = build({**held, changed.id: changed}, before)
    assert list(after.routes.mounts) == ["p"]
    assert after.routes.match("GET", "/p/x", "v=v1", CIMultiDict()).api.id == "a"
