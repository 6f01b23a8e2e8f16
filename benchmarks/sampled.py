"""`python -m benchmarks.sampled`: a sidecar that notes where its CPU time goes, for stages.py.

SIGUSR1 begins, SIGUSR2 ends and writes JSON to the file of the environment's SAMPLES: [[count, [place, ...]], ...].
After each millisecond of CPU (each tick of the kernel, where that is longer) the main thread's stack is noted, of which
only the functions of this project are kept, innermost first, as `proxy/lifecycle.py:accept`. Time in a library or in
the kernel belongs to the function that called it; what the event loop does between callbacks is partly its own, partly
that of the callback that follows.
"""

from __future__ import annotations

import collections
import json
import os
import signal
import sys
from pathlib import Path
from types import CodeType, FrameType

INTERVAL = 0.001  # seconds of CPU
ROOT = f"{Path(__file__).resolve().parents[1]}/"
PACKAGES = tuple(f"{ROOT}{name}/" for name in ("proxy", "telemetry"))


class Samples:
    def __init__(self, path: Path) -> None:
        self._path = path
        self._counts: collections.Counter[tuple[CodeType, ...]] = collections.Counter()

    def begin(self, _number: int, _frame: FrameType | None) -> None:
        self._counts.clear()
        signal.setitimer(signal.ITIMER_PROF, INTERVAL, INTERVAL)

    def take(self, _number: int, frame: FrameType | None) -> None:
        found = []
        while frame is not None:
            code = frame.f_code
            if code.co_filename.startswith(PACKAGES):
                found.append(code)
            frame = frame.f_back
        self._counts[tuple(found)] += 1

    def end(self, _number: int, _frame: FrameType | None) -> None:
        signal.setitimer(signal.ITIMER_PROF, 0)
        told = [[count, [_place(code) for code in codes]] for codes, count in self._counts.most_common()]
        part = self._path.with_suffix(".part")
        part.write_text(json.dumps(told))
        part.rename(self._path)


def _place(code: CodeType) -> str:
    return f"{code.co_filename.removeprefix(ROOT)}:{code.co_qualname}"


def main() -> int:
    samples = Samples(Path(os.environ["SAMPLES"]))
    signal.signal(signal.SIGPROF, samples.take)
    signal.signal(signal.SIGUSR1, samples.begin)
    signal.signal(signal.SIGUSR2, samples.end)
    from proxy.app import main as serve

    return serve()


if __name__ == "__main__":
    sys.exit(main())
