"""Fixtures that every room may use."""

from __future__ import annotations

import gc
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, settings

# a busy machine is no defect
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")

if TYPE_CHECKING:
    from tests.lanes import Lanes

# what a test leaves undelivered is not the next one's; those of the spool name a folder of their own
os.environ.setdefault("telemetry.spool.path", "none")

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def root() -> Path:
    """The project's directory."""
    return ROOT


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Public specifications, examples and policy documents that the project tests against but does not hold.

    PASSERELLE_SHARED names the directory that holds `data/`; otherwise it is looked for beside the project.
    """
    named = os.environ.get("PASSERELLE_SHARED")
    directory = (Path(named) if named else ROOT.parent / "shared") / "data"
    if not directory.is_dir():
        pytest.skip(f"no test data in {directory}; PASSERELLE_SHARED may name the directory that holds it")
    return directory


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Lanes:
    from tests.lanes import Lanes

    return Lanes(config, log)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if hasattr(config, "workerinput"):  # one of several
        from tests.lanes import longest_first

        longest_first(items)


def pytest_collection_finish() -> None:
    """Thousands of tests are there until the end: no collection need look at them."""
    gc.collect()
    gc.freeze()
