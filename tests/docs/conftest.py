"""One house for all pages: `passerelle up` with its demo, as a reader has it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.house import House


@pytest.fixture(scope="session")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    it = House(tmp_path_factory.mktemp("docs") / ".passerelle", extra=("--gateway-tls-port", "0"))
    try:
        yield it.start(90)
    finally:
        it.stop()
