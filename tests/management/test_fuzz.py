"""The whole REST surface under odd requests; see fuzz.py. `make fuzz-management` does more of it.

PASSERELLE_FUZZ_SEED and PASSERELLE_FUZZ_COUNT: where to begin, and how many odd requests per operation.
"""

from __future__ import annotations

import logging
import os
from pathlib import Path

import pytest

from tests.management.conftest import Plane
from tests.management.fuzz import Fuzzer
from tests.management.specification import Specification

SEED = int(os.environ.get("PASSERELLE_FUZZ_SEED", "1"))
COUNT = int(os.environ.get("PASSERELLE_FUZZ_COUNT", "3"))


@pytest.mark.timeout(0 if COUNT > 3 else 120)
async def test_no_request_breaks_the_plane(plane: Plane, shared_data: Path, caplog: pytest.LogCaptureFixture) -> None:
    fuzzer = Fuzzer(plane, Specification.read(shared_data / "arm-2024-05-01"), SEED)
    with caplog.at_level(logging.ERROR):
        done = await fuzzer.run(COUNT)
    total = sum(fuzzer.statuses.values())
    print(f"{total} requests, {done} operations, {len(fuzzer.accepted)} of them accepted as they should be called")
    print(dict(sorted(fuzzer.statuses.items())))
    assert not fuzzer.findings, "\n".join(map(str, fuzzer.findings[:20]))
    assert not caplog.records, caplog.text[:3000]
    # otherwise it would be a test of 404
    assert len(fuzzer.accepted) > 300
    assert len(fuzzer.seeded) > 60
