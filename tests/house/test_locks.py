"""The locks hold everything that pyproject.toml asks for: what a clean clone installs is what the code imports."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def normal(requirement: str) -> str:
    """The name of a requirement, in the one spelling that names of packages have."""
    found = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert found is not None, requirement
    return re.sub(r"[-_.]+", "-", found[0]).lower()


@pytest.mark.parametrize(("lock", "extras"), [("runtime.lock", ["build"]), ("dev.lock", ["build", "dev"])])
def test_what_is_asked_for_is_locked(lock: str, extras: list[str]) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    optional = project["optional-dependencies"]
    wanted = {
        normal(each) for each in [*project["dependencies"], *(one for extra in extras for one in optional[extra])]
    }
    text = (ROOT / "requirements" / lock).read_text(encoding="utf-8")
    locked = {normal(name) for name in re.findall(r"^([A-Za-z0-9._-]+)==", text, re.MULTILINE)}
    assert wanted <= locked, f"run `make lock`: {sorted(wanted - locked)} missing"
