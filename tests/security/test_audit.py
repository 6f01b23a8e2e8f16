"""What `make audit` says when the advisory service cannot be asked, or knows something."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.security.audit import audited


def stand_in(directory: Path, script: str) -> Path:
    made = directory / "pip-audit"
    made.write_text(f"#!/bin/sh\n{script}\n")
    made.chmod(0o755)
    return made


def test_a_service_that_cannot_be_reached_is_told_and_is_no_success(tmp_path: Path) -> None:
    code, lines = audited("requirements/runtime.lock", stand_in(tmp_path, "echo 'no route to host' >&2; exit 1"))
    assert code == 2
    assert "NOT CHECKED" in lines[0]
    assert "no route to host" in lines[0]
    code, lines = audited("requirements/runtime.lock", tmp_path / "none")
    assert (code, "make audit" in lines[0]) == (2, True)


@pytest.mark.parametrize(("found", "code"), [([], 0), ([{"id": "PYSEC-1", "fix_versions": ["2"]}], 1)])
def test_what_is_known_is_told(tmp_path: Path, found: list[object], code: int) -> None:
    answer = {"dependencies": [{"name": "a", "version": "1", "vulns": found}]}
    told = tmp_path / "answer.json"
    told.write_text(json.dumps(answer))
    made, lines = audited("requirements/runtime.lock", stand_in(tmp_path, f"cat {os.fspath(told)}; exit {code}"))
    assert made == code
    assert ("PYSEC-1" in lines[0]) == bool(found)
