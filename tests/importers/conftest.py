"""Documents for the importer tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def samples() -> Path:
    """The APIs of a sample repository written by others; absent on most machines."""
    shared = Path(os.environ.get("PASSERELLE_SHARED") or REPOSITORY.parent / "shared")
    folder = shared / "data" / "apiops-sample" / "SampleArtifacts" / "apis"
    if not folder.is_dir():
        pytest.skip(f"{folder} is not there; set PASSERELLE_SHARED to the folder that has data/apiops-sample")
    return folder
