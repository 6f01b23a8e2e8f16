"""Documents to steps: what is refused, where, and with which words."""

from __future__ import annotations

import dataclasses

import pytest

from proxy.check import check_document
from proxy.config.resources import Backend
from proxy.pipeline.compile import Environment, Scope, compile_document
from proxy.pipeline.element import Element
from proxy.pipeline.issue import Issue
from proxy.pipeline.registry import REGISTRY, Handler
from proxy.pipeline.steps import BASE, Step


def issues(text: str, scope: str = "api", **environment: object) -> list[Issue]:
    return check_document(text, scope, Environment(**environment))  # type: ignore[arg-type]


def only(text: str, scope: str = "api", **environment: object) -> Issue:
    found = issues(text, scope, **environment)
    assert len(found) == 1, found
    return found[0]


def in_inbound(policy: str) -> str:
    return f"<policies>\n  <inbound>\n    {policy}\n  </inbound>\n</policies>"


def test_a_good_document_has_no_issues_and_only_its_sections() -> None:
    text = "<policies><inbound><base/><set-method>PUT</set-method></inbound><on-error/></policies>"
    compiled = compile_document(text, Scope("api", "/apis/a"), Environment())
    assert compiled.issues == ()
    assert not compiled.broken
    assert set(compiled.sections) == {"inbound", "on-error"}
    base, step = compiled.sections["inbound"]
    assert base is BASE
    assert isinstance(step, Step)
    assert (step.origin.source, step.origin.scope, step.origin.section) == ("set-method", "api", "inbound")
    assert step.origin.path == "set-method[1]"


def test_places_are_those_of_the_element_name() -> None:
    issue = only(in_inbound('<set-heder name="a"><value>1</value></set-heder>'))
    assert (issue.line, issue.column, issue.element, issue.code) == (3, 6, "set-heder", "unknown-policy")
    assert str(issue) == (
        "Error in element 'set-heder' on line 3, column 6: Policy 'set-heder' is not known. Did you mean 'set-header'?"
    )


def test_an_attribute_issue_stands_at_the_attribute() -> None:
    issue = only(in_inbound('<set-header nam="b" name="a"><value>1</value></set-header>'))
    assert (issue.line, issue.column, issue.code) == (3, 17, "unknown-attribute")
    assert "Did you mean 'name'?" in issue.message


def test_every_mistake_is_found_at_once_in_the_order_of_the_text() -> None:
    found = issues(
        "<policies><outbound><rewrite-uri template='/'/></outbound>"
        "<inbound><nope/><set-method/><set-status code='x'/></inbound></policies>"
    )
    assert [issue.code for issue in found] == ["wrong-section", "unknown-policy", "missing-text", "invalid-attribute"]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("<policies><inbound>", "malformed"),
        ("<fragment/>", "wrong-root"),
        ("<policies><inbuond/></policies>", "unknown-element"),
        ("<policies><inbound/><inbound/></policies>", "duplicate-element"),
        ("<policies><inbound><base/><base/></inbound></policies>", "duplicate-base"),
        ("<policies><inbound>text</inbound></policies>", "unexpected-text"),
        ("<policies>text</policies>", "unexpected-text"),
        ("<policies><inbound><base x='1'/></inbound></policies>", "unknown-attribute"),
    ],
)
def test_the_frame_of_a_document(text: str, code: str) -> None:
    assert only(text).code == code


def test_wrong_section_names_the_right_ones() -> None:
    text = "<policies><outbound><set-method>GET</set-method></outbound></policies>"
    assert "is not allowed in outbound, only in inbound, backend, on-error" in only(text).message


def test_wrong_scope_names_the_right_ones() -> None:
    text = in_inbound('<rate-limit calls="1" renewal-period="1"/>')
    assert "not allowed at scope global, only at api, operation, product" in only(text, "global").message


def test_ids_are_allowed_everywhere() -> None:
    for policy in ("<base id='a'/>", "<choose id='a'><when condition='true' id='b'/></choose>"):
        assert issues(in_inbound(policy)) == []


def test_places_are_the_authors_behind_a_named_value() -> None:
    text = in_inbound("<!-- {{long}} --><set-mehod/>")
    issue = only(text, named_values={"long": "a\nb\nc"})
    assert text.split("\n")[issue.line - 1][issue.column - 1 :].startswith("set-mehod")


def test_a_missing_reference_is_a_warning_when_not_strict() -> None:
    text = in_inbound(
        "<include-fragment fragment-id='f'/><set-backend-service backend-id='b'/>"
        "<set-backend-service base-url='{{n}}'/><set-method>{{m}}</set-method><retry count='{{c}}'"
        " condition='{{t}}' interval='1'/>"
    )
    strict = issues(text)
    assert [issue.code for issue in strict] == ["unknown-fragment", "unknown-backend", *["unknown-named-value"] * 4]
    assert {issue.severity for issue in strict} == {"error"}
    lenient = issues(text, strict=False)
    assert [issue.code for issue in lenient] == [issue.code for issue in strict]
    assert {issue.severity for issue in lenient} == {"warning"}


def test_backends_may_be_names_only() -> None:
    assert issues(in_inbound("<set-backend-service backend-id='b'/>"), backends=["b"]) == []
    issue = only(in_inbound("<set-backend-service backend-id='backend1'/>"), backends={"backend-1"})
    assert "Did you mean 'backend-1'?" in issue.message


def partly(element: Element, compiler: object) -> Handler:
    element.has("rare")
    element.issue("Attribute 'rare' is not supported.", "unsupported")
    return lambda exchange: None


@pytest.mark.parametrize(
    ("text", "code"), [("<authentication-oauth2/>", "unsupported-policy"), ("<jsonp rare='1'/>", "unsupported")]
)
def test_a_documented_policy_that_is_not_here_is_refused_or_left_out(
    monkeypatch: pytest.MonkeyPatch, text: str, code: str
) -> None:
    sections = frozenset({"inbound"})
    monkeypatch.setitem(REGISTRY, "jsonp", dataclasses.replace(REGISTRY["jsonp"], factory=partly, sections=sections))
    document = in_inbound(text + "<set-method>GET</set-method>")
    issue = only(document)
    assert (issue.severity, issue.code) == ("error", code)
    found = issues(document, skipping=True)
    assert {each.severity for each in found} == {"warning"}
    assert [each.code for each in found][-1] == "skipped"
    compiled = compile_document(document, Scope("api"), Environment(skipping=True))
    assert [issue.line for issue in compiled.skipped] == [3]
    (step,) = compiled.sections["inbound"]
    assert isinstance(step, Step)
    assert step.origin.source == "set-method"


def test_a_policy_that_nobody_knows_is_refused_in_any_case() -> None:
    assert only(in_inbound("<set-methd/>"), skipping=True).code == "unknown-policy"


BLANKS = [
    "<rate-limit calls='${calls}' renewal-period='{{ period }}'/>",
    "<retry condition='@(${limit} > 3)' count='#{count}#' interval='__INTERVAL__'/>",
    "<set-backend-service base-url='${url}'/>",
    "<set-header name='{name}'><value>$(value)</value></set-header>",
    "<choose>%{ if a ~}<when condition='@(true)'>${steps}</when>%{ endif ~}</choose>",
    "<choose>{branches}</choose>",
    "<cors><allowed-origins><origin>${origin}</origin></allowed-origins></cors>",
    "<ip-filter action='allow'><address>${ip}</address></ip-filter>",
    "<set-backend-service base-url='[[url]]'/><set-backend-service base-url=\"@@url@@\"/>",
    "<set-variable name='a' value='@(new[] { %{ for each in names ~} \"${each}\", %{ endfor ~} }.Length)'/>",
]


@pytest.mark.parametrize("policy", BLANKS)
def test_what_a_template_leaves_open_is_an_error_or_a_warning_and_not_judged(policy: str) -> None:
    strict = issues(in_inbound(policy))
    assert {(issue.severity, issue.code) for issue in strict} <= {("error", "unfilled"), ("error", "missing-element")}
    assert {issue.severity for issue in issues(in_inbound(policy), strict=False)} <= {"warning"}


def test_a_blank_excuses_no_other_mistake() -> None:
    text = in_inbound(
        "<rate-limit calls='${calls}' renewal-period='often'/><set-variable name='a' value='@(${b} + Nope)'/>"
    )
    errors = [issue for issue in issues(text, strict=False) if issue.severity == "error"]
    assert [(issue.line, issue.column, issue.code) for issue in errors] == [
        (3, 50, "invalid-attribute"),
        (3, 97, "expression-syntax"),
    ]


def test_a_named_value_nobody_gave_may_be_anything_in_an_expression() -> None:
    text = in_inbound("<set-variable name='a' value='@(new Random().Next(1, 100) <= {{share}} ? {{a}} : {{b}})'/>")
    assert {issue.code for issue in issues(text)} == {"unknown-named-value"}


def test_an_expression_inside_a_text_is_told_of() -> None:
    issue = only(in_inbound("<set-header name='a'><value>Bearer @(context.RequestId)</value></set-header>"))
    assert (issue.severity, issue.code, issue.column) == ("warning", "literal-expression", 40)


def test_malformations_do_not_hide_other_mistakes() -> None:
    found = issues(
        "<policies><inbound>\n<set-header name='a' b/>\n<set-methd/>\n<when condition=\"@(a\"/>\n</outbound></policies>"
    )
    assert [(issue.line, issue.code) for issue in found if issue.severity == "error"] == [
        (2, "malformed"), (3, "unknown-policy"), (4, "unknown-policy"), (4, "malformed"), (5, "malformed"),
    ]  # fmt: skip


def test_a_mistake_in_a_fragment_names_the_fragment_and_its_place() -> None:
    issue = only(in_inbound("<include-fragment fragment-id='f'/>"), fragments={"f": "<fragment>\n<nope/></fragment>"})
    assert (issue.line, issue.column, issue.element, issue.fragment) == (2, 2, "nope", "f")
    assert issue.message.startswith("In fragment 'f': Policy 'nope' is not known.")


def test_a_fragment_alone_may_hold_policies_of_any_section() -> None:
    text = "<fragment><rewrite-uri template='/'/><forward-request/><set-status code='200'/></fragment>"
    assert issues(text, "fragment") == []
    assert only("<fragment><base/></fragment>", "fragment").code == "misplaced-base"


def test_references_are_listed() -> None:
    text = in_inbound(
        "<include-fragment fragment-id='f'/><set-backend-service backend-id='b'/>"
        "<set-backend-service backend-id='@(\"b\")'/><set-method>{{m}}</set-method>"
    )
    environment = Environment(
        {"m": "PUT", "n": "x"}, {"f": "<fragment>{{n}}</fragment>"}, {"b": Backend("b", "http://b")}
    )
    compiled = compile_document(text, Scope("api"), environment)
    assert compiled.references == {"policyFragments/f", "backends/b", "backends/*", "namedValues/m", "namedValues/n"}


def test_paths_count_among_siblings_of_the_same_name() -> None:
    text = in_inbound(
        "<set-method>GET</set-method><choose><when condition='true'/></choose><set-method>GET</set-method>"
        "<include-fragment fragment-id='f'/>"
    )
    environment = Environment(fragments={"f": "<fragment><set-method>GET</set-method></fragment>"})
    steps = compile_document(text, Scope("api"), environment).sections["inbound"]
    assert [step.origin.path for step in steps if isinstance(step, Step)] == [
        "set-method[1]",
        "choose[1]",
        "set-method[2]",
        "include-fragment[1]/set-method[1]",
    ]


def test_synchronous_policies_make_synchronous_containers() -> None:
    inner = "<choose><when condition='true'><set-method>GET</set-method></when></choose>"
    text = in_inbound(f"<choose><when condition='true'>{inner}</when></choose>")
    (step,) = compile_document(text, Scope("api"), Environment()).sections["inbound"]
    assert isinstance(step, Step)
    assert not step.is_async


def test_a_defect_of_a_policy_is_an_issue_not_an_exception(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(element: object, compiler: object) -> Handler:
        raise RuntimeError("oops")

    monkeypatch.setitem(REGISTRY, "set-method", dataclasses.replace(REGISTRY["set-method"], factory=broken))
    assert only(in_inbound("<set-method>GET</set-method>")).code == "internal"
    assert "oops" in caplog.text


def test_deep_documents_do_not_exhaust_the_stack() -> None:
    deep = "<choose><when condition='true'>" * 48 + "</when></choose>" * 48
    assert issues(f"<policies><inbound>{deep}</inbound></policies>") == []
    deeper = "<choose><when condition='true'>" * 400 + "</when></choose>" * 400
    assert only(f"<policies><inbound>{deeper}</inbound></policies>").code == "malformed"


SECRET = "s3cr3t-value"


@pytest.mark.parametrize(
    "policy",
    [
        "<rate-limit calls='{{s}}' renewal-period=' {{s}} '/>",
        "<set-backend-service base-url='{{s}}'/>",
        "<set-backend-service backend-id='{{s}}'/>",
        "<set-header name='{{s}} x'><value>a</value></set-header>",
        "<ip-filter action='{{s}}'><address>{{s}}</address><address-range from='{{s}}' to='10.0.0.{{s}}'/></ip-filter>",
        "<set-variable name='a' value='@({{s}} + Nope)'/>",
        "<set-variable name='a' value='@(1 + + {{s}} ( )'/>",
        "<set-variable name='a' value='@(new {{s}}())'/>",
        "<include-fragment fragment-id='{{s}}'/>",
        "<cors><allowed-origins><origin>{{s}}</origin></allowed-origins></cors>",
        "<forward-request http-version='{{s}}'/>",
    ],
)
def test_no_message_tells_what_a_named_value_holds(policy: str) -> None:
    found = issues(in_inbound(policy), named_values={"s": SECRET}, backends=["b"])
    assert found
    for issue in found:
        assert SECRET not in issue.message
        assert "s3cr" not in issue.message
