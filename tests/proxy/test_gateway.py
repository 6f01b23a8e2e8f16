"""Building a gateway: what is shared, what is made anew, what is reported; and diffs that converge."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sidecar_harness import FORWARD, api, open_api, operation, policy, resource

from proxy.config import documents, gateway
from proxy.config.gateway import build
from proxy.config.resources import Resource
from proxy.config.snapshot import apply
from proxy.pipeline.compile import CompiledDocument, Environment, Scope, compile_document

HEADER = (
    '<policies><inbound><set-header name="X" exists-action="override"><value>{}</value></set-header>'
    "</inbound></policies>"
)


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The scope ids of the documents that are compiled."""
    seen: list[str] = []

    def spy(text: str, scope: Scope, environment: Environment) -> CompiledDocument:
        seen.append(scope.id or scope.kind)
        return compile_document(text, scope, environment)

    monkeypatch.setattr(documents, "compile_document", spy)
    return seen


def held(*resources: Resource) -> dict[str, Resource]:
    return {each.id: each for each in resources}


def named(name: str, value: str) -> Resource:
    return resource(f"/namedValues/{name}", {"displayName": name, "value": value})


def test_only_what_was_touched_is_compiled_again(compiled: list[str]) -> None:
    first = held(
        policy("", FORWARD),
        *open_api("a", "http://b"),
        *open_api("b", "http://b"),
        *open_api("c", "http://b"),
        policy("/apis/a", HEADER.format("{{one}}")),
        policy("/apis/b", HEADER.format("{{two}}")),
        policy("/apis/c", '<policies><inbound><include-fragment fragment-id="f"/></inbound></policies>'),
        named("one", "1"),
        named("two", "2"),
        resource("/policyFragments/f", {"value": '<fragment><set-variable name="v" value="{{two}}"/></fragment>'}),
    )
    before, issues = build(first)
    assert not issues
    assert sorted(compiled) == ["/apis/a", "/apis/b", "/apis/c", "global"]

    compiled.clear()
    after, _ = build({**first, "/namedValues/two": named("two", "3")}, before)
    assert sorted(compiled) == ["/apis/b", "/apis/c"]
    assert after.entries is before.entries
    assert after.routes is before.routes

    compiled.clear()
    text = policy("/apis/a", HEADER.format("x"))
    again, _ = build({**after.resources, text.id: text}, after)
    assert compiled == ["/apis/a"]
    assert again.documents["/apis/b/policies/policy"] is after.documents["/apis/b/policies/policy"]

    compiled.clear()
    same, _ = build(dict(again.resources), again)
    assert compiled == []
    assert same.documents is again.documents


def test_the_last_good_document_stays_in_force_until_it_is_mended() -> None:
    first = held(policy("", FORWARD), *open_api("a", "http://b"), policy("/apis/a", HEADER.format("good")))
    good, _ = build(first)
    bad = policy("/apis/a", "<policies><inbound>\n  <nonsense/></inbound></policies>")
    broken, issues = build({**first, bad.id: bad}, good)
    assert [(each.resource_id, each.line, each.column, each.element) for each in issues] == [(bad.id, 2, 4, "nonsense")]
    assert not broken.documents[bad.id].compiled.broken
    assert broken.documents[bad.id].good is good.documents[bad.id].resource
    worse = policy("/apis/a", "<policies")
    still, issues = build({**first, bad.id: worse}, broken)
    assert len(issues) == 1
    assert still.documents[bad.id].good is good.documents[bad.id].resource
    mended, issues = build(first, still)
    assert not issues
    assert not mended.documents[bad.id].issues


def test_the_last_good_document_has_the_named_values_of_today(monkeypatch: pytest.MonkeyPatch) -> None:
    texts: list[str] = []
    first = held(policy("", FORWARD), *open_api("a", "http://b"), policy("/apis/a", HEADER.format("{{key}}")))
    first = {**first, "/namedValues/key": named("key", "old")}
    good, _ = build(first)
    bad = policy("/apis/a", "<policies><inbound><nonsense/></inbound></policies>")
    broken, _ = build({**first, bad.id: bad}, good)

    def compiled(text: str, scope: Any, environment: Any) -> Any:
        texts.append(f"{text} with {environment.named_values['key']}")
        return compile_document(text, scope, environment)

    monkeypatch.setattr(documents, "compile_document", compiled)
    rotated, issues = build({**broken.resources, "/namedValues/key": named("key", "new")}, broken)
    assert len(issues) == 1
    assert not rotated.documents[bad.id].compiled.broken
    assert any("{{key}}" in text and text.endswith(" with new") for text in texts)
    monkeypatch.undo()
    # and when both come at once
    both, _ = build({**first, bad.id: bad, "/namedValues/key": named("key", "new")}, good)
    assert both.documents[bad.id].compiled is not good.documents[bad.id].compiled


def test_a_missing_named_value_breaks_its_users_and_heals_when_it_comes() -> None:
    first = held(policy("", FORWARD), *open_api("a", "http://b"), policy("/apis/a", HEADER.format("{{later}}")))
    before, issues = build(first)
    assert [each.resource_id for each in issues] == ["/apis/a/policies/policy"]
    _, issues = build({**first, "/namedValues/later": named("later", "x")}, before)
    assert not issues


def test_a_resource_that_cannot_be_read_is_left_out_and_its_last_state_stays() -> None:
    first = held(api("a", "http://b"), operation("a", "GET", "/x"))
    before, issues = build(first)
    assert not issues
    bad = resource("/apis/a", {"path": 7})
    after, issues = build(
        {**first, "/apis/a": bad, "/apis/a/operations/y": resource("/apis/a/operations/y", {})}, before
    )
    assert [each.resource_id for each in issues] == ["/apis/a"]
    assert after.entries["a"].api.path == "a"
    mended, issues = build(first, after)
    assert not issues
    assert len(mended.entries["a"].operations) == 1


def test_build_never_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    before, _ = build(held(api("a", "http://b")))

    def explode(*_: Any) -> Any:
        raise RuntimeError("a defect")

    monkeypatch.setattr(gateway, "_apis", explode)
    after, issues = build({}, before)
    assert after is before
    assert "a defect" in issues[-1].message


IDS = st.sampled_from(
    [
        "/apis/a",
        "/apis/b",
        "/apis/a/operations/x",
        "/apis/b/operations/y",
        "/apis/a/policies/policy",
        "/policies/policy",
        "/products/p",
        "/products/p/apis/a",
        "/subscriptions/s",
        "/namedValues/n",
        "/users/u",
        "/groups/g/users/u",
        "/apiVersionSets/v",
        "/backends/k",
        "/groups/g",
        "/policyFragments/f",
        "/",
        "/loggers/l",
    ]
)


def body(name: str, variant: int) -> dict[str, Any]:
    kind = name.rsplit("/", 2)[-2]
    by_kind: dict[str, dict[str, Any]] = {
        "apis": {
            "path": f"p{variant}",
            "serviceUrl": "http://b",
            "apiVersionSetId": "/apiVersionSets/v",
            "apiVersion": "1",
        },
        "operations": {"method": "GET", "urlTemplate": f"/t{variant}"},
        "policies": {"value": HEADER.format("{{n}}" if variant else "x")},
        "subscriptions": {"scope": "/products/p", "state": "active", "primaryKey": f"k{variant}"},
        "namedValues": {"displayName": "n", "value": str(variant)},
        "apiVersionSets": {"versioningScheme": "Query" if variant else "Segment", "versionQueryName": "v"},
        "backends": {"url": f"http://b{variant}"},
        "policyFragments": {"value": "<fragment/>"},
    }
    return by_kind.get(kind, {"displayName": f"d{variant}"})


STATES = st.dictionaries(IDS, st.integers(0, 2), max_size=10).map(
    lambda chosen: {name: resource(name, body(name, variant)) for name, variant in chosen.items()}
)


@settings(max_examples=60, deadline=None)
@given(st.lists(STATES, min_size=2, max_size=4))
def test_a_gateway_built_step_by_step_equals_one_built_at_once(states: list[dict[str, Resource]]) -> None:
    current, made = states[0], build(states[0])[0]
    for wanted in states[1:]:
        upserts = [each for name, each in wanted.items() if current.get(name) != each]
        removals = [name for name in current if name not in wanted]
        current = apply(current, upserts, removals, full=False)
        assert current == wanted
        assert apply(current, list(wanted.values()), [], full=True) == wanted
        made, _ = build(current, made)
    fresh, _ = build(states[-1])
    assert made.entries.keys() == fresh.entries.keys()
    assert {k: v.api for k, v in made.entries.items()} == {k: v.api for k, v in fresh.entries.items()}
    assert {k: set(m.plain) for k, m in made.routes.mounts.items()} == {
        k: set(m.plain) for k, m in fresh.routes.mounts.items()
    }
    assert made.access == fresh.access
    assert made.environment == fresh.environment
    assert {k: d.resource.digest for k, d in made.documents.items()} == {
        k: d.resource.digest for k, d in fresh.documents.items()
    }


def test_a_thousand_apis_build_in_less_than_a_second_and_one_change_in_a_fraction() -> None:
    listed = [policy("", FORWARD)]
    for number in range(1000):
        name = f"api-{number}"
        listed.append(api(name, "http://b", f"group/{name}"))
        listed += [operation(name, "GET", f"/things/{{id}}/part{index}", f"op{index}") for index in range(5)]
        listed.append(policy(f"/apis/{name}", HEADER.format(number)))
    began = time.perf_counter()
    before, issues = build(held(*listed))
    full = time.perf_counter() - began
    assert not issues
    text = policy("/apis/api-7", HEADER.format("new"))
    began = time.perf_counter()
    after, _ = build({**before.resources, text.id: text}, before)
    one = time.perf_counter() - began
    print(f"\n1,000 APIs with 5 operations and a policy: {full * 1000:.0f} ms; one policy changed: {one * 1000:.1f} ms")
    assert full < 3
    assert one < full / 20
    assert after.documents[text.id].resource is text


UNSUPPORTED = "<policies><inbound><authentication-oauth2/><set-method>GET</set-method></inbound></policies>"


def test_strict_breaks_a_document_with_a_policy_that_is_not_supported() -> None:
    built, issues = build(held(policy("", UNSUPPORTED)))
    assert [issue.element for issue in issues] == ["authentication-oauth2"]
    assert built.documents["/policies/policy"].compiled.broken


def test_lenient_leaves_it_out_and_the_log_says_so(caplog: pytest.LogCaptureFixture) -> None:
    built, issues = build(held(policy("", UNSUPPORTED)), skipping=True)
    assert not issues
    assert "policy /policies/policy, line 1, column 21: Policy 'authentication-oauth2'" in caplog.text
    later, issues = build(
        {**built.resources, "/namedValues/a": named("a", "1"), "/policies/policy": policy("", UNSUPPORTED)}, built
    )
    assert not issues
    assert [step.origin.source for step in later.documents["/policies/policy"].compiled.sections["inbound"]] == [
        "set-method"
    ]
