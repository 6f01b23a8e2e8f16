"""`passerelle policy check`: findings with their places, in two formats, and the exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from passerelle.main import main

SOUND = '<policies><inbound><base /><set-header name="a"><value>1</value></set-header></inbound></policies>'
BROKEN = """<policies>
  <inbound>
    <set-heder name="x" />
    <set-header name="x"><value>@(context.Nothing)</value></set-header>
  </inbound>
</policies>
"""
REFERRING = """<policies><inbound>
<set-variable name="a" value="{{Known}}{{Unknown}}" />
<include-fragment fragment-id="here" /><include-fragment fragment-id="gone" />
<set-backend-service backend-id="b" />
</inbound></policies>
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sound.xml").write_text(SOUND)
    (tmp_path / "broken.xml").write_text(BROKEN)
    (tmp_path / "referring.xml").write_text(REFERRING)
    (tmp_path / "values.json").write_text('{"Known": true}')
    (tmp_path / "fragments").mkdir()
    (tmp_path / "fragments" / "here.xml").write_text("<fragment><base-url /></fragment>")
    return tmp_path


def check(*arguments: str, given: bytes | None = None) -> Result:
    return CliRunner().invoke(main, ["policy", "check", *arguments], input=given)


def test_nothing_found(folder: Path) -> None:
    result = check("sound.xml")
    assert (result.exit_code, result.output) == (0, "✓ 1 document, nothing found\n")
    assert json.loads(check("--format", "json", "sound.xml").output) == []


def test_findings_for_a_person(folder: Path) -> None:
    result = check("broken.xml", "sound.xml")
    assert result.exit_code == 1
    assert result.output.startswith(
        "broken.xml:3:6 error unknown-policy\n"
        "  Policy 'set-heder' is not known. Did you mean 'set-header'?\n"
        '    3 │ <set-heder name="x" />\n'
        "      │  ^\n"
        "\n"
        "broken.xml:4:43 error expression-syntax\n"
        "  Usage of member 'Nothing' "
    )
    assert result.output.endswith("✗ 2 errors, 0 warnings in 2 documents\n")


def test_findings_for_an_editor(folder: Path) -> None:
    result = check("--format", "json", "broken.xml")
    assert result.exit_code == 1
    first, second = json.loads(result.output)
    assert first == {
        "file": "broken.xml",
        "line": 3,
        "column": 6,
        "severity": "error",
        "code": "unknown-policy",
        "element": "set-heder",
        "message": "Policy 'set-heder' is not known. Did you mean 'set-header'?",
    }
    assert (second["line"], second["code"]) == (4, "expression-syntax")


def test_standard_input_and_a_byte_order_mark(folder: Path) -> None:
    assert check("-", given=b"\xef\xbb\xbf" + SOUND.encode()).exit_code == 0
    assert check("-", given=SOUND.encode("utf-16")).exit_code == 0
    assert check("-", given=SOUND.encode("utf-16-be")).exit_code == 0
    assert check("-", given=b'<?xml version="1.0" encoding="utf-16"?>' + SOUND.encode()).exit_code == 0
    latin = '<?xml version="1.0" encoding="iso-8859-1"?><!-- \u00e9 -->' + SOUND
    assert check("-", given=latin.encode("latin-1")).exit_code == 0
    assert check("-", given=latin.replace("8859-1", "8859-99").encode("latin-1")).exit_code == 2
    result = check("--format", "json", "-", given=BROKEN.encode())
    assert result.exit_code == 1
    assert {finding["file"] for finding in json.loads(result.output)} == {"-"}


def severities(*arguments: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for finding in json.loads(check("--format", "json", "referring.xml", *arguments).output):
        found.setdefault(finding["code"], []).append(finding["severity"])
    return found


def test_references_are_errors_once_one_says_what_there_is(folder: Path) -> None:
    assert severities() == {
        "unknown-named-value": ["warning", "warning"],
        "unknown-fragment": ["warning", "warning"],
        "unknown-backend": ["warning"],
    }
    assert check("referring.xml").exit_code == 0
    told = ("--named-values", "values.json", "--fragments", "fragments", "--backend-id", "c")
    assert severities(*told) == {
        "unknown-named-value": ["error"],
        "unknown-policy": ["error"],
        "unknown-fragment": ["error"],
        "unknown-backend": ["error"],
    }
    lenient = severities(*told, "--lenient")
    assert lenient["unknown-policy"] == ["error"]
    assert {kind for code, kinds in lenient.items() if code != "unknown-policy" for kind in kinds} == {"warning"}


def test_a_folder_of_artifacts_tells_of_its_own(folder: Path) -> None:
    """A secret without a value stays a warning: an export leaves it out."""
    artifacts = folder / "artifacts"
    for name, text in {
        "named values/1/namedValueInformation.json": '{"properties": {"displayName": "colour", "value": "red"}}',
        "named values/2/namedValueInformation.json": '{"properties": {"displayName": "hidden", "secret": true}}',
        "backends/one/backendInformation.json": '{"properties": {"url": "https://one"}}',
        "policy fragments/piece/policyFragmentInformation.json": '{"properties": {}}',
        "policy fragments/piece/policy.xml": "<fragment><base-url /></fragment>",
        "policy.xml": "<policies><inbound><set-backend-service backend-id='one' />"
        "<set-header name='{{colour}}'><value>{{hidden}}</value></set-header><include-fragment fragment-id='piece' />"
        "</inbound></policies>",
    }.items():
        (artifacts / name).parent.mkdir(parents=True, exist_ok=True)
        (artifacts / name).write_text(text)
    found = json.loads(check("--format", "json", "artifacts").output)
    assert {(Path(each["file"]).parent.name, each["code"], each["severity"]) for each in found} == {
        ("artifacts", "unknown-named-value", "warning"),
        ("piece", "unknown-policy", "error"),
    }


@pytest.mark.parametrize(
    ("place", "refused"),
    [("apis/a/policy.xml", True), ("apis/a/operations/b/policy.xml", True), ("products/a/policy.xml", False),
     ("policy.xml", False)],
)  # fmt: skip
def test_a_file_says_its_scope_by_its_place_or_by_its_policies(folder: Path, place: str, refused: bool) -> None:
    path = folder / place
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text('<policies><inbound><quota calls="1" renewal-period="300" /></inbound></policies>')
    assert (check(str(path)).exit_code == 1) is refused, "quota may stand at product scope only"
    assert check(str(path), "--scope", "api").exit_code == 1
    assert check(str(path), "--scope", "product").exit_code == 0


def test_a_folder_and_a_fragment(folder: Path) -> None:
    result = check("--format", "json", ".")
    assert {finding["file"] for finding in json.loads(result.output)} == {
        "broken.xml", "referring.xml", "fragments/here.xml",
    }  # fmt: skip


def test_what_stands_in_a_fragment_is_told_once_of_its_file(folder: Path) -> None:
    (folder / "other.xml").write_text(REFERRING)
    told = ("--fragments", "fragments", "--format", "json")
    for documents, before in (
        (("referring.xml", "other.xml"), "Included by referring.xml: "),
        (("referring.xml", "fragments/here.xml"), ""),
    ):
        found = [each for each in json.loads(check(*documents, *told).output) if each["code"] == "unknown-policy"]
        assert [(each["file"], each["line"], each["column"]) for each in found] == [("fragments/here.xml", 1, 12)]
        assert found[0]["message"].startswith(f"{before}Policy 'base-url' is not known.")
    assert "1 │ <fragment><base-url /></fragment>" in check("referring.xml", *told[:2]).output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "Missing argument"),
        (("nowhere.xml",), "nowhere.xml cannot be read: No such file"),
        (("sound.xml", "--format", "xml"), "Invalid value for '--format'"),
        (("sound.xml", "--named-values", "sound.xml"), "sound.xml must be a mapping"),
        (("sound.xml", "--named-values", "bad.yaml"), "bad.yaml:1:"),
        (("latin.xml",), "latin.xml is not UTF-8 text (byte 3)"),
        (("empty",), "empty holds no .xml file"),
    ],
)
def test_wrong_usage(folder: Path, arguments: tuple[str, ...], said: str) -> None:
    (folder / "latin.xml").write_bytes("<a>é</a>".encode("latin-1"))
    (folder / "bad.yaml").write_text("a: [")
    (folder / "empty").mkdir()
    result = check(*arguments)
    assert result.exit_code == 2
    assert said in result.output


def findings(*arguments: str, text: str) -> list[tuple[str, str]]:
    result = check("--format", "json", "-", *arguments, given=text.encode())
    return [(finding["severity"], finding["code"]) for finding in json.loads(result.output)]


def test_what_a_template_leaves_open_is_a_warning() -> None:
    text = "<policies><inbound><rate-limit calls='${calls}' renewal-period='60'/></inbound></policies>"
    assert findings(text=text) == [("warning", "unfilled")]


def test_a_policy_that_is_not_supported_is_refused_or_left_out() -> None:
    text = "<policies><inbound><authentication-oauth2/></inbound></policies>"
    assert findings(text=text) == [("error", "unsupported-policy")]
    assert findings("--lenient", text=text) == [("warning", "skipped")]


def test_certificates_are_looked_up_once_one_is_named() -> None:
    text = "<policies><inbound><authentication-certificate certificate-id='a'/></inbound></policies>"
    assert findings(text=text) == []
    assert findings("--certificate-id", "a", text=text) == []
    assert findings("--certificate-id", "b", text=text) == [("error", "unknown-certificate")]


def test_pieces_of_a_document_are_checked_with_their_places() -> None:
    text = "<!-- a --> <inbound><base /><set-methd /></inbound>\n<outbound><base /></outbound>"
    result = check("--format", "json", "-", given=text.encode())
    assert [(each["severity"], each["code"], each["line"], each["column"]) for each in json.loads(result.output)] == [
        ("warning", "no-root", 1, 13),
        ("error", "unknown-policy", 1, 30),
    ]
    assert findings(text='<set-variable name="a" value="b" />\n<set-method>GET</set-method>') == [
        ("warning", "no-root")
    ]
    assert findings(text="<anything />") == [("error", "wrong-root")]
