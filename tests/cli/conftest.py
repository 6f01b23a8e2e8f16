"""What tests of commands that talk to a plane share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.management.sdk import served

TOKEN = "the-admin-token"


@pytest.fixture
def plane(tmp_path: Path) -> Iterator[dict[str, str]]:
    """A plane of its own, as the environment that commands find it by."""
    data = tmp_path / "plane"
    data.mkdir()
    with served(data, TOKEN) as url:
        yield {"PASSERELLE_MANAGEMENT": url, "PASSERELLE_TOKEN": TOKEN, "PASSERELLE_CA": str(data / "ca.pem")}
