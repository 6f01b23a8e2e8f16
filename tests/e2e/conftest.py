"""Fixtures of the end-to-end tests: one house per module, because starting one costs seconds."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from house import House, echo_backend


@pytest.fixture(scope="module")
def backend() -> Iterator[str]:
    with echo_backend() as url:
        yield url


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """An empty Passerelle with two sidecars, polling every second, also over TLS."""
    it = House(tmp_path_factory.mktemp("house"), extra=("--no-demo", "--gateway-tls-port", "0"))
    try:
        yield it.start()
    finally:
        it.stop()
