"""`passerelle policy run`: one document, one request: the trace, what the backend got, and the outcome."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from passerelle.main import main

DOCUMENT = """<policies>
  <inbound>
    <base />
    <set-variable name="who" value="@(context.Request.Headers.GetValueOrDefault("X-Who", "nobody"))" />
    <choose>
      <when condition="@(context.Request.Method == "POST")">
        <set-body>@(context.Request.Body.As<string>().ToUpper())</set-body>
      </when>
    </choose>
    <include-fragment fragment-id="shared" />
    <rewrite-uri template="/v2/things" />
  </inbound>
  <backend>
    <retry condition="@(context.Response.StatusCode >= 500)" count="2" interval="10"><forward-request /></retry>
  </backend>
  <outbound>
    <set-header name="Server" exists-action="delete" />
    <set-status code="201" reason="Created" />
  </outbound>
</policies>
"""
STORY = """\
▶ POST https://api.example/orders?x=1

inbound ────────────────────────────────────────────────────────────────────────
• set-variable                      api        line 4           ? ms
    @(context.Request.Headers.GetValueOrDefault("X-Who", "nobody")) → "ann"
    + variable who: "ann"
• choose                            api        line 5           ? ms
    @(context.Request.Method == "POST") → true
  • set-body                        api        line 7           ? ms
      @(context.Request.Body.As<string>().ToUpper()) → "HELLO"
      ~ request body: "hello" → "HELLO"
• set-header                        api        shared:2     ? ms
    + request header X-Tenant: 9
• rewrite-uri                       api        line 11          ? ms
    ~ path: /orders?x=1 → /v2/things?x=1

backend ────────────────────────────────────────────────────────────────────────
• retry                             api        line 14          ? ms
    @(context.Response.StatusCode >= 500) → true
    @(context.Response.StatusCode >= 500) → false
  • forward-request                 api        line 14          ? ms
      + status: 503
      + response body: (a stream, not read yet)
  • forward-request                 api        line 14          ? ms
      ~ status: 503 → 200 OK
      + response header Server: nginx

outbound ───────────────────────────────────────────────────────────────────────
• set-header                        api        line 17          ? ms
    - response header Server: nginx
• set-status                        api        line 18          ? ms
    ~ status: 200 OK → 201 Created

call 1 to a backend ────────────────────────────────────────────────────────────
POST https://backend.example/base/v2/things?x=1
X-Who: ann
X-Tenant: 9

HELLO

call 2 to a backend ────────────────────────────────────────────────────────────
POST https://backend.example/base/v2/things?x=1
X-Who: ann
X-Tenant: 9

HELLO

outcome ────────────────────────────────────────────────────────────────────────
201 Created   in ? ms

{
  "ok": true
}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "p.xml").write_text(DOCUMENT)
    (tmp_path / "r.http").write_text("POST /orders?x=1 HTTP/1.1\r\nHost: api.example\r\nX-Who: ann\r\n\r\nhello\n")
    (tmp_path / "b.yaml").write_text("[{status: 503}, {headers: {Server: nginx}, body: {ok: true}}]")
    (tmp_path / "fragments").mkdir()
    (tmp_path / "fragments" / "shared.xml").write_text(
        '<fragment>\n<set-header name="X-Tenant"><value>{{Tenant}}</value></set-header></fragment>'
    )
    (tmp_path / "v.yaml").write_text("Tenant: 9")
    return tmp_path


def run(*arguments: str, given: str | None = None) -> Result:
    return CliRunner().invoke(main, ["policy", "run", *arguments], input=given)


def inbound(folder: Path, policies: str) -> None:
    (folder / "small.xml").write_text(f"<policies><inbound>{policies}</inbound></policies>")


def told(*arguments: str, given: str | None = None) -> Any:
    result = run("small.xml", "--format", "json", *arguments, given=given)
    assert result.exit_code == 0, result.output
    return json.loads(result.output)


OPTIONS = ("--request", "r.http", "--backend", "b.yaml", "--fragments", "fragments", "--named-values", "v.yaml")


def test_the_whole_story(folder: Path) -> None:
    result = run("p.xml", *OPTIONS)
    assert result.exit_code == 0
    assert re.sub(r" +\d+\.\d\d ms", " ? ms", result.output) == re.sub(r" +\? ms", " ? ms", STORY)


def test_the_same_for_programs(folder: Path) -> None:
    result = run("p.xml", *OPTIONS, "--format", "json")
    story = json.loads(result.output)
    assert story["outcome"] == {"status": 201, "reason": "Created", "headers": [], "body": '{"ok": true}'}
    assert story["lastError"] is None
    assert [call["body"] for call in story["backend"]] == ["HELLO", "HELLO"]
    body = next(entry for entry in story["trace"] if entry["policy"] == "set-body")
    assert (body["depth"], body["section"], body["scope"], body["line"]) == (1, "inbound", "api", 7)
    assert body["path"] == "choose[1]/when[1]/set-body[1]"
    assert body["changes"] == [{"what": "request body", "before": '"hello"', "after": '"HELLO"'}]
    assert all(entry["milliseconds"] >= 0 for entry in story["trace"])


def test_an_expression_that_fails_is_shown_where_it_stands(folder: Path) -> None:
    inbound(
        folder, '<choose><when condition="true"><set-variable name="a" value="@(int.Parse("x"))" /></when></choose>'
    )
    result = run("small.xml")
    assert result.exit_code == 0
    assert "  ✗ set-variable" in result.output
    assert "✗ choose" not in result.output
    assert '@(int.Parse("x")) → ✗ Expression evaluation failed. Input string' in result.output
    assert "the backend was not called" in result.output
    assert "500 Internal Server Error" in result.output
    assert "✗ set-variable at choose[1]/when[1]/set-variable[1] in inbound of api" in result.output


def test_the_end_of_a_pipeline_is_told(folder: Path) -> None:
    inbound(folder, '<return-response><set-status code="404" reason="No" /></return-response>')
    story = told()
    assert story["trace"][0]["outcome"] == "ends the request with its response"
    assert (story["outcome"]["status"], story["backend"]) == (404, [])


def test_a_sleep_takes_no_time_and_a_failing_backend_is_told(folder: Path) -> None:
    result = run("p.xml", *OPTIONS, "--format", "json")
    assert json.loads(result.output)["milliseconds"] < 5_000
    inbound(folder, "")
    story = told("--backend", "-", given="refused")
    assert story["trace"][-1]["error"] == "The backend refused the connection."
    assert story["lastError"]["reason"] == "BackendConnectionFailure"


@pytest.mark.parametrize(
    ("text", "method", "url", "body"),
    [
        (
            "{method: put, url: 'http://h.example:81/a?b=1', body: {c: [1]}}",
            "PUT",
            "http://h.example:81/a",
            '{"c": [1]}',
        ),
        ('{"path": "/a", "headers": {"X-A": ["1", "2"]}}', "GET", "https://gateway.example/a", ""),
        ("GET https://h.example/a", "GET", "https://h.example/a", ""),
        ("DELETE /a HTTP/1.1\nHost: h.example:8443\n", "DELETE", "https://h.example:8443/a", ""),
        ("POST /a HTTP/1.1\n\nline\n\nline\n", "POST", "https://gateway.example/a", "line\n\nline"),
    ],
)
def test_requests_as_files(folder: Path, text: str, method: str, url: str, body: str) -> None:
    inbound(
        folder,
        """<set-header name="Seen"><value>@{
        var url = context.Request.OriginalUrl;
        return url.Scheme + "://" + url.Host + (url.Port == 443 ? "" : ":" + url.Port) + url.Path;
    }</value></set-header>""",
    )
    sent = told("--request", "-", given=text)["backend"][0]
    assert (sent["method"], sent["body"]) == (method, body)
    assert ["Seen", url] in sent["headers"]


def test_an_answer_as_an_http_message(folder: Path) -> None:
    inbound(folder, "")
    outcome = told("--backend", "-", given="HTTP/1.1 418 I'm a teapot\nX-A: 1\nX-A: 2\n\nshort\n")["outcome"]
    assert outcome == {
        "status": 418, "reason": "I'm a teapot", "headers": [["X-A", "1"], ["X-A", "2"]], "body": "short",
    }  # fmt: skip


def test_what_runs_in_parallel_keeps_its_place(folder: Path) -> None:
    calls = "".join(
        f'<send-request response-variable-name="{name}"><set-url>https://{name}.example</set-url></send-request>'
        for name in "ab"
    )
    inbound(folder, f'<wait for="all">{calls}</wait>')
    assert [(entry["policy"], entry["depth"]) for entry in told()["trace"]] == [
        ("wait", 0), ("send-request", 1), ("send-request", 1), ("forward-request", 0),
    ]  # fmt: skip


def test_a_document_with_errors_does_not_run(folder: Path) -> None:
    inbound(folder, "<set-method />")
    result = run("small.xml")
    assert result.exit_code == 1
    assert "small.xml:1:21 error missing-text" in result.output
    assert json.loads(run("small.xml", "--format", "json").output)[0]["code"] == "missing-text"


def test_what_nobody_told_of_is_a_warning(folder: Path) -> None:
    result = run("p.xml", "--fragments", "fragments")
    assert result.exit_code == 0
    assert result.output.startswith("! fragments/shared.xml:2:36 Included by p.xml: Named value 'Tenant' does")
    assert "+ request header X-Tenant: \n" in result.output
    (folder / "v.yaml").write_text("Other: 9")
    result = run("p.xml", "--fragments", "fragments", "--named-values", "v.yaml", "--format", "json")
    assert result.exit_code == 1
    assert json.loads(result.output)[0]["code"] == "unknown-named-value"


def test_schemas_of_the_service_and_of_the_api(folder: Path) -> None:
    (folder / "schemas").mkdir()
    (folder / "schemas" / "person.json").write_text('{"type": "object", "required": ["name"]}')
    check = (
        '<validate-content unspecified-content-type-action="prevent" max-size="100" size-exceeded-action="prevent">'
        '<content type="application/json" validate-as="json" action="prevent" {} /></validate-content>'
    )
    request = {
        "method": "POST",
        "headers": {"Content-Type": "application/json"},
        "body": "{}",
        "operation": {
            "described": {
                "request": {
                    "representations": [{"contentType": "application/json", "schemaId": "x", "typeName": "Name"}]
                }
            }
        },
        "api-schemas": {
            "x": {
                "contentType": "application/vnd.oai.openapi.components+json",
                "document": {"components": {"schemas": {"Name": {"type": "string"}}}},
            }
        },
    }
    for more, words in (('schema-id="person"', "Required properties are missing from object: name."),
                        ("", "Expected String but got Object.")):  # fmt: skip
        inbound(folder, check.format(more))
        arguments = ("small.xml", "--schemas", "schemas", "--request", "-", "--format", "json")
        ran = json.loads(run(*arguments, given=json.dumps(request)).output)
        assert ran["outcome"]["status"] == 400
        assert words in ran["outcome"]["body"]


@pytest.mark.parametrize(
    ("arguments", "given", "said"),
    [
        (("small.xml", "--schemas", "fragments"), "", "fragments holds no schema."),
        ((), "", "Missing argument"),
        (("nowhere.xml",), "", "nowhere.xml cannot be read"),
        (("small.xml", "--request", "-"), "just text", "- must be a mapping"),
        (("small.xml", "--request", "-"), "{verb: GET}", "-: unknown keys verb; known are api-schemas, body,"),
        (("small.xml", "--request", "-"), "GET /\nno header\n\n", "'no header' is no header line"),
        (("small.xml", "--request", "-"), "{operation: {verb: GET}}", "the request cannot be made"),
        (("small.xml", "--backend", "-"), "soon", "an answer is a mapping"),
        (("small.xml", "--backend", "-"), "[]", "holds no answer"),
        (("fragments/shared.xml",), "", "is a fragment"),
    ],
)
def test_wrong_usage(folder: Path, arguments: tuple[str, ...], given: str, said: str) -> None:
    inbound(folder, "")
    result = run(*arguments, given=given)
    assert result.exit_code == 2
    assert said in " ".join(result.output.split())
