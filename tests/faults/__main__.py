"""`python -m tests.faults [F1 F7 ...] [--full] [--out PAGE]`: the matrix of faults, measured.

A row that does not hold says why and makes the exit code 1. `slow` is a time beyond its goal that a busy machine
explains. Rows share one house; one that was left in pieces is replaced.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import sys
import tempfile
import time
import traceback
from pathlib import Path

from tests.faults import page
from tests.faults.place import Options, Place
from tests.faults.row import Figures, NotHere, Row, chosen, rows


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("rows", nargs="*", help="F1, or F4 for F4a, F4b ...; all of them when none is named")
    parser.add_argument("--list", action="store_true", help="say what there is, and measure nothing")
    parser.add_argument("--outage", type=float, default=60, help="seconds that something is away (60)")
    parser.add_argument("--poll", type=float, default=2, help="seconds between two looks for new configuration (2)")
    parser.add_argument(
        "--full", action="store_true", help="the times of the matrix: outages of 10 minutes, poll of 10 s"
    )
    parser.add_argument("--out", type=Path, help="put the table into this page, between its marks")
    parser.add_argument("--again", action="store_true", help="measure rows that failed once more, at the end")
    parser.add_argument("--keep", action="store_true", help="leave logs and data, and say where")
    arguments = parser.parse_args()
    if arguments.list:
        for row in rows():
            print(f"{row.number:5} {row.fault}: {row.promise}; {row.goal}")
        return 0
    try:
        every = chosen(arguments.rows)
    except KeyError as error:
        parser.error(f"there is no row {error.args[0]}; --list names them")
    full = arguments.full
    options = Options(600 if full else arguments.outage, 10 if full else arguments.poll, full)
    # short, because a socket's path may have 107 bytes
    directory = Path(tempfile.mkdtemp(prefix="f"))
    # what a row leaves undelivered is not the next one's
    os.environ.setdefault("telemetry.spool.path", "none")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that no process stays behind
    try:
        results = run(every, directory, options)
        if arguments.again and (failed := [row for row, found in results if _failed(found)]):
            print(f"\nonce more: {', '.join(row.number for row in failed)}", flush=True)
            second = dict(run(failed, directory / "again", options))
            results = [(row, second.get(row, found)) for row, found in results]
    finally:
        if arguments.keep:
            print(f"kept in {directory}", file=sys.stderr)
        else:
            _remove(directory)
    conditions = f"outages of {options.outage:g} s, a poll every {options.poll:g} s"
    if arguments.out is not None:
        page.put(arguments.out, page.text(results, conditions))
    bad = [row.number for row, found in results if _failed(found)]
    print(f"\n{len(results) - len(bad)} rows without a failure" + (f"; failed: {', '.join(bad)}" if bad else ""))
    return 1 if bad else 0


def run(every: list[Row], directory: Path, options: Options) -> list[tuple[Row, Figures | str]]:
    """Measure the rows one after the other, and print each as it is known."""
    print("fault | promise | goal | measured | holds", flush=True)
    results: list[tuple[Row, Figures | str]] = []
    shared: Place | None = None
    with contextlib.ExitStack() as stack:
        stack.callback(lambda: _end(shared) if shared is not None else None)
        for number, row in enumerate(every):
            if shared is None:
                place = directory / str(number)
                place.mkdir(parents=True)
                shared = Place(place, options)
            began, found = time.monotonic(), measure(row, shared)
            results.append((row, found))
            told = f"{found} | not run" if isinstance(found, str) else f"{found} | {found.holds}"
            print(f"{row.number} {row.fault} | {row.promise} | {row.goal} | {told}", flush=True)
            for line in found.broken if isinstance(found, Figures) else ():
                print(f"    {line}", flush=True)
            print(f"    ({time.monotonic() - began:.0f} s)", file=sys.stderr, flush=True)
            if _failed(found) or not _whole(shared):
                print("    the house may be left in pieces: another one", file=sys.stderr, flush=True)
                _end(shared)
                shared = None
    return results


def _failed(found: Figures | str) -> bool:
    return not isinstance(found, str) and found.holds == "no"


def measure(row: Row, place: Place) -> Figures | str:
    """The figures; a text says why there are none. A row that raises does not hold."""
    try:
        return row.measure(place)
    except NotHere as error:
        return str(error)
    except Exception as error:
        figures = Figures([f"{type(error).__name__}: {error}"])
        ours = [frame for frame in traceback.extract_tb(error.__traceback__) if "/tests/" in frame.filename]
        figures.broken += [f"{frame.filename}:{frame.lineno}: {frame.line}" for frame in ours]
        return figures


def _whole(place: Place) -> bool:
    try:
        return place.whole()
    except Exception:
        return False


def _end(place: Place) -> None:
    with contextlib.suppress(Exception):
        place.stop()


def _remove(directory: Path) -> None:
    import shutil

    shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
