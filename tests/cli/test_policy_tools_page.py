"""What docs/policy-tools.md shows does what it says."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from passerelle.cases.table import _KEYS
from passerelle.main import main

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "policy-tools.md").read_text(encoding="utf-8")
SHOP = """<policies><inbound><base /><set-header name="X-Tenant"><value>{{tenant}}</value></set-header>
<set-header name="X-User" exists-action="delete" /></inbound></policies>"""


def block(start: str) -> str:
    """The code block that begins with a text."""
    return next(found for found in re.findall(r"```\w*\n(.*?)```", PAGE, re.DOTALL) if found.startswith(start))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "policies").mkdir()
    (tmp_path / "tests").mkdir()
    (tmp_path / "policies" / "shop.xml").write_text(SHOP)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_cases_pass(folder: Path) -> None:
    (folder / "tests" / "cases.yaml").write_text(block("- name: the tenant"))
    result = CliRunner().invoke(main, ["policy", "test", "tests/"])
    assert result.exit_code == 0, result.output
    assert "2 cases passed" in result.output


@pytest.mark.parametrize(("start", "body"), [("POST /orders", '{"book": 7}'), ("method: POST", '{"book": 7}')])
def test_the_requests_run(folder: Path, start: str, body: str) -> None:
    arguments = ["policy", "run", "policies/shop.xml", "--request", "-", "--format", "json"]
    result = CliRunner().invoke(main, arguments, input=block(start))
    assert result.exit_code == 0, result.output
    call = json.loads(result.output)["backend"][0]
    assert (call["method"], call["body"]) == ("POST", body)
    assert call["url"].endswith("/orders?express=true")


def test_every_key_of_a_case_is_explained() -> None:
    told = set(re.findall(r"`([\w-]+)`", PAGE))
    assert set(_KEYS) <= told, set(_KEYS) - told
