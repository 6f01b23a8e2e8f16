"""Operations that cannot be served: their last good state goes on, and no other operation notices."""

from __future__ import annotations

from typing import Any

import pytest
from sidecar_harness import FORWARD, api, operation, policy

from proxy.config.gateway import Gateway, build
from proxy.config.resources import Resource


def held(*resources: Resource) -> dict[str, Resource]:
    return {each.id: each for each in resources}


def named(name: str, method: str, template: str) -> Resource:
    return operation("a", method, template, name)


def base(*more: Resource) -> dict[str, Resource]:
    return held(policy("", FORWARD), api("a", "http://b"), named("good", "GET", "/good"), *more)


def found(gateway: Gateway, path: str, method: str = "GET") -> str:
    match = gateway.entries["a"].tree.find(method, path, "")
    return match.operation.id if match else ""


def broken(name: str, **changes: Any) -> Resource:
    fine = named(name, "GET", f"/{name}")
    return Resource(fine.id, "another", {**fine.body, **changes})


BAD = [{"method": None}, {"method": 5}, {"urlTemplate": 5}, {"responses": [{"statusCode": "many"}]}]


@pytest.mark.parametrize("bad", BAD)
def test_the_last_good_one_goes_on(bad: dict[str, Any]) -> None:
    fine = named("x", "GET", "/x")
    first, issues = build(base(fine))
    assert not issues
    resources = base(broken("x", **bad))
    second, issues = build(resources, first)
    assert (found(second, "x"), found(second, "good")) == ("x", "good")
    [issue] = issues
    assert issue.resource_id == "/apis/a/operations/x"
    assert "its last good state stays in force" in issue.message

    other = named("y", "GET", "/y")
    third, issues = build({**resources, other.id: other}, second)
    assert (found(third, "x"), found(third, "y"), len(issues)) == ("x", "y", 1), "also through changes of others"

    mended = named("x", "GET", "/new")
    fourth, issues = build({**resources, other.id: other, mended.id: mended}, third)
    assert (found(fourth, "x"), found(fourth, "new"), issues) == ("", "x", [])

    gone = {name: each for name, each in resources.items() if not name.endswith("/x")}
    fifth, issues = build(gone, third)
    assert (found(fifth, "x"), issues) == ("", [])


@pytest.mark.parametrize("bad", BAD)
def test_without_a_last_good_one_it_is_left_out(bad: dict[str, Any]) -> None:
    gateway, [issue] = build(base(broken("x", **bad)))
    assert (found(gateway, "x"), found(gateway, "good")) == ("", "good")
    assert issue.resource_id == "/apis/a/operations/x"
    assert "left out" in issue.message


def test_of_two_that_are_alike_the_first_stays() -> None:
    first, _ = build(base(named("z", "GET", "/things/{id}")))
    late = named("b", "get", "/Things/{name}/")
    second, [issue] = build({**first.resources, late.id: late}, first)
    assert found(second, "things/1") == "z"
    assert issue.resource_id == late.id
    assert "/apis/a/operations/z has the method and the template" in issue.message
    started, [issue] = build(second.resources)
    assert (found(started, "things/1"), issue.resource_id) == ("b", "/apis/a/operations/z")


def test_one_that_becomes_like_another_keeps_its_own_template() -> None:
    first, _ = build(base(named("x", "GET", "/x")))
    second, [issue] = build(base(named("x", "GET", "/good")), first)
    assert (found(second, "x"), found(second, "good")) == ("x", "good")
    assert issue.resource_id == "/apis/a/operations/x"


def test_two_that_change_places() -> None:
    first, _ = build(base(named("x", "GET", "/x")))
    swapped = held(named("x", "GET", "/good"), named("good", "GET", "/x"))
    second, issues = build({**base(), **swapped}, first)
    assert (found(second, "x"), found(second, "good"), issues) == ("good", "x", [])


def test_a_wildcard_is_no_parameter() -> None:
    _, issues = build(base(named("x", "GET", "/q/{id}"), named("y", "GET", "/q/{*rest}")))
    assert not issues
