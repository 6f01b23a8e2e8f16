"""Fixtures of the end-to-end tests: one house for all that only add to it, because starting one costs seconds.

Each module has APIs of its own there, and leaves the service's own policy as it was. A module that kills what it needs,
counts all requests or has settings of its own starts another one.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from house import House, echo_backend


@pytest.fixture(scope="session")
def backend() -> Iterator[str]:
    with echo_backend() as url:
        yield url


@pytest.fixture(scope="session")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A Passerelle with two sidecars, also over TLS, which looks for changes four times a second."""
    it = House(tmp_path_factory.mktemp("house"), extra=("--no-demo", "--gateway-tls-port", "0"))
    try:
        yield it.start()
    finally:
        it.stop()
