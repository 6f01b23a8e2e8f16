"""The stubs that are checked in are those that the .proto files make."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("source", sorted(path.name for path in (ROOT / "proto").glob("*.proto")))
def test_stubs_match_the_contract(source: str, tmp_path: Path) -> None:
    pytest.importorskip("grpc_tools", reason="grpcio-tools is a development dependency")
    outputs = [f"--{kind}_out={tmp_path}" for kind in ("python", "pyi", "grpc_python")]
    subprocess.run(
        [sys.executable, "-m", "grpc_tools.protoc", "-I.", *outputs, f"proto/{source}"], cwd=ROOT, check=True
    )
    made = sorted((tmp_path / "proto").iterdir())
    assert len(made) == 3
    for path in made:
        kept = ROOT / "proto" / path.name
        assert kept.read_text(encoding="utf-8") == path.read_text(encoding="utf-8"), f"run `make proto`: {kept.name}"
