"""Which requests a diagnostic is told of: a fixed share of all, decided by the trace, and all errors where it says so.

The share is taken by the hash that the SDKs of Application Insights use, so that what belongs to one trace is kept or
left out as a whole, whoever reports it, and by every sidecar alike.

https://learn.microsoft.com/azure/azure-monitor/app/sampling-classic-api
"""

from __future__ import annotations

from functools import lru_cache
from operator import mul

from telemetry.diagnostics import Diagnostic
from telemetry.records import RequestRecord

_SEED, _FACTOR = 5381, 33
_LARGEST = 0x7FFFFFFF


def sampled(record: RequestRecord, diagnostic: Diagnostic) -> float | None:
    """The percentage that the request stands for; None when it is left out. What is told anyway stands for itself."""
    if diagnostic.always_log_errors and failed(record):
        return 100.0
    percentage = diagnostic.percentage
    if percentage >= 100 or (percentage > 0 and score(operation(record)) < percentage):
        return percentage
    return None


def operation(record: RequestRecord) -> str:
    """What the request belongs to."""
    return (record.captured.operation if record.captured else "") or record.trace_id or record.correlation_id


def failed(record: RequestRecord) -> bool:
    return record.status >= 400 or record.status == 0 or record.last_error is not None


def score(name: str) -> float:
    """0 to 100, the same for the same operation id: DJB2 in 32 bits."""
    data = name.encode() if name.isascii() else [ord(each) for each in name]
    seed, powers = _powers(len(name))
    value: int = (seed + sum(map(mul, data, powers))) & 0xFFFFFFFF
    if value & 0x80000000:
        value = min(0x100000000 - value, _LARGEST)
    return 100 * value / _LARGEST


@lru_cache(maxsize=64)
def _powers(length: int) -> tuple[int, tuple[int, ...]]:
    powers = tuple(pow(_FACTOR, length - 1 - at, 2**32) for at in range(length))
    return _SEED * pow(_FACTOR, length, 2**32), powers
