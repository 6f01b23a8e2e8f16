"""`passerelle policy test`: a team's own cases, their report for people and for CI systems, and the exit codes."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner, Result

from passerelle.cases.table import TableError, rows
from passerelle.main import main

DOCUMENT = """<policies>
  <inbound>
    <base />
    <set-header name="X-Key"><value>{{Key}}</value></set-header>
    <include-fragment fragment-id="shared" />
  </inbound>
  <outbound><set-status code="201" reason="Created" /></outbound>
</policies>
"""
TABLE = """
defaults:
  document: ../orders.xml
  named-values: {Key: k1}
  fragments: {shared: ../fragments/shared.xml}
cases:
- name: the key goes to the backend
  expect: {status: 201, sent: {headers: {X-Key: k1}}, variables: {tenant: "9"}}
- name: another key
  named-values: {Key: k2}
  expect: {sent: {headers: {X-Key: k2}}}
- name: not known
  fragments: {}
  issues: [[include-fragment, unknown-fragment]]
"""
WRONG = """
- name: a wrong expectation
  inbound: <set-variable name="a" value="@(1 + 1)" />
  expect:
    status: 429
    headers: {Retry-After: "1"}
    variables: {a: 3}
    sent: {method: POST, body: "<&>"}
    errors: [RateLimitExceeded]
- name: a document that does not compile
  inbound: <set-method />
  expect: {status: 200}
- name: a request that cannot be
  request: {methd: GET}
  expect: {status: 200}
- name: an issue that is not there
  issues: [[set-method, missing-text]]
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "orders.xml").write_text(DOCUMENT)
    (tmp_path / "fragments").mkdir()
    (tmp_path / "fragments" / "shared.xml").write_text('<fragment><set-variable name="tenant" value="9" /></fragment>')
    (tmp_path / "cases").mkdir()
    (tmp_path / "cases" / "orders.yaml").write_text(TABLE)
    return tmp_path


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["policy", "test", *arguments])


def test_all_pass(folder: Path) -> None:
    result = run("cases", "-v")
    assert result.exit_code == 0
    lines = result.output.splitlines()
    assert lines[0] == "✓ cases/orders.yaml  3 passed"
    assert lines[1].startswith("  ✓ the key goes to the backend  ")
    assert lines[-1].startswith("✓ 3 cases passed in ")


def test_what_is_different_is_told(folder: Path) -> None:
    (folder / "cases" / "wrong.yaml").write_text(WRONG)
    result = run("cases")
    assert result.exit_code == 1
    assert result.output.splitlines()[:-1] == [
        "✓ cases/orders.yaml  3 passed",
        "✗ cases/wrong.yaml  0 of 4 passed",
        "  ✗ a wrong expectation",
        "      status: expected 429, got 200",
        "      errors: expected ['RateLimitExceeded'], got []",
        "      header Retry-After: expected '1', got None",
        "      variable a: expected 3, got 2",
        "      sent method: expected 'POST', got 'GET'",
        "      sent body: expected '<&>', got ''",
        "  ✗ a document that does not compile",
        "      Error in element 'set-method' on line 1, column 21: <set-method> needs text.",
        "  ✗ a request that cannot be",
        "      the case cannot be run: TypeError: World.exchange() got an unexpected keyword argument 'methd'",
        "  ✗ an issue that is not there",
        "      issues: expected [['set-method', 'missing-text']], got []",
    ]
    assert result.output.splitlines()[-1].startswith("✗ 4 of 7 cases failed in ")


def test_junit(folder: Path) -> None:
    (folder / "cases" / "wrong.yaml").write_text(WRONG)
    assert run("cases", "--junit", "out/report.xml").exit_code == 1
    report = ElementTree.parse(folder / "out" / "report.xml").getroot()
    assert (report.tag, report.get("tests"), report.get("failures")) == ("testsuites", "7", "4")
    suites = {suite.get("name"): suite for suite in report}
    assert {name: (suite.get("tests"), suite.get("failures")) for name, suite in suites.items()} == {
        "cases/orders.yaml": ("3", "0"),
        "cases/wrong.yaml": ("4", "4"),
    }
    case = suites["cases/wrong.yaml"][0]
    assert (case.get("classname"), case.get("name")) == ("wrong", "a wrong expectation")
    failure = case.find("failure")
    assert failure is not None
    assert failure.get("message") == "status: expected 429, got 200"
    assert "sent body: expected '<&>', got ''" in (failure.text or "")
    assert suites["cases/orders.yaml"][0].find("failure") is None


def test_some_only(folder: Path) -> None:
    result = run("cases", "-k", "ANOTHER")
    assert result.exit_code == 0
    assert "✓ 1 case passed" in result.output
    assert run("cases", "-k", "none such").exit_code == 2


def test_other_yaml_files_are_left_out_and_said(folder: Path) -> None:
    (folder / "cases" / "values.yml").write_text("Key: k1")
    result = run("cases")
    assert result.exit_code == 0
    assert "- cases/values.yml: no list of cases, left out" in result.output


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("- expect: {status: 200}", "case 1 needs a name"),
        ("- {name: a, expct: {}}", "a: unknown keys 'expct'; known are 'answers',"),
        ("- {name: a}", "a: a case has either 'expect' or 'issues'"),
        ("- {name: a, expect: {}, document: x.xml}", "a: x.xml cannot be read"),
        ("- {name: a, expect: {}, document: x.xml, inbound: b}", "a: a case has a document or sections, not both"),
        ("{cases: [], default: {}}", "unknown keys 'default'"),
        ("{cases: []}", "a table is a list of cases"),
        ("- [", "line 1"),
    ],
)
def test_a_table_that_cannot_be_read(folder: Path, text: str, said: str) -> None:
    (folder / "cases" / "bad.yaml").write_text(text)
    with pytest.raises(TableError, match=r"bad\.yaml"):
        rows(folder / "cases" / "bad.yaml")
    result = run("cases")
    assert result.exit_code == 2
    assert said in result.output.replace("\n", " ")


def test_a_folder_without_cases(folder: Path) -> None:
    assert run("fragments").exit_code == 2
    assert run("nowhere").exit_code == 2


def test_json_and_numbers_may_be_written_as_yaml(tmp_path: Path) -> None:
    (tmp_path / "cases.yaml").write_text(
        """
- name: as one would write them
  inbound: <set-header name="X-Seen"><value>@((string)context.Request.Body.As<JObject>(true)["b"])</value></set-header>
  request: {method: POST, body: {a: [1, 2], b: x}, headers: {X-Count: 5, X-On: true}}
  answers: [{body: {ok: true}, headers: {X-Left: 3, X-Two: [a, b]}}]
  expect:
    body: {ok: true}
    headers: {X-Left: 3, X-Two: [a, b]}
    sent: {body: {a: [1, 2], b: x}, headers: {X-Count: 5, X-On: true, X-Seen: x}}
- name: and what differs is told
  answers: [{body: {ok: true}}]
  expect: {body: {ok: false}}
"""
    )
    result = CliRunner().invoke(main, ["policy", "test", str(tmp_path)])
    assert result.exit_code == 1
    assert "1 of 2 passed" in result.output
    assert "body: expected {'ok': False}, got {'ok': True}" in result.output


def test_the_steps_of_a_failing_case_are_told(tmp_path: Path) -> None:
    (tmp_path / "cases.yaml").write_text(
        """
- {name: good, inbound: '<set-method>PUT</set-method>', expect: {status: 200}}
- {name: bad, inbound: '<set-variable name="a" value="@(1 + 1)" />', times: 2, expect: {status: 201}}
- {name: broken, inbound: '<set-methd />', expect: {status: 201}}
"""
    )
    result = CliRunner().invoke(main, ["policy", "test", str(tmp_path), "--trace"])
    assert result.exit_code == 1
    assert "• set-method" not in result.output
    assert result.output.count("• set-variable") == 2
    assert "@(1 + 1) → 2" in result.output
