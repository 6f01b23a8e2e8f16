"""`make security`: the list of attacks on real processes, as a table. ARGUMENTS="--only canary" runs a part.

Parts
  policies   attacks by policies and by what clients send them: a plane, a sidecar, some 400 rows (a minute)
  tests      attacks that need more than a request: tests of the suite, by the numbers of the list
  canary     planted secrets, looked for everywhere
  containers the image, the compose files and the manifest
Exits with 1 when a row does not hold.
"""

from __future__ import annotations

import argparse
import contextlib
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from pathlib import Path

import yaml

from tests.e2e.house import House, echo_backend
from tests.security import policies
from tests.security.planting import planted
from tests.security.table import Row, told

ROOT = Path(__file__).resolve().parents[2]
TESTS = Path(__file__).with_name("tests.yaml")
PATIENCE = 900  # seconds, all tests


def by_policies() -> Iterator[Row]:
    with tempfile.TemporaryDirectory() as directory, echo_backend() as backend:
        house = House(Path(directory) / "house")
        try:
            yield from policies.attacks(house.start(), backend)
        finally:
            house.stop()


def by_tests() -> Iterator[Row]:
    """Each row names tests; it holds when there are some and all pass."""
    listed = yaml.safe_load(TESTS.read_text("utf-8"))
    with tempfile.TemporaryDirectory() as directory:
        report = Path(directory) / "report.xml"
        # a file whole, or only what is named of it
        named = {node for row in listed for node in row["tests"]}
        nodes = sorted(node for node in named if "::" not in node or node.partition("::")[0] not in named)
        command = [sys.executable, "-m", "pytest", "-q", f"--junitxml={report}", "-o", "junit_family=xunit1", *nodes]
        with contextlib.suppress(subprocess.TimeoutExpired):
            ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE, check=False)
            if ran.returncode > 1:  # not one that fails, but something that keeps them from running
                print(ran.stdout[-2000:], ran.stderr[-2000:], sep="\n", file=sys.stderr)
        cases = list(ET.parse(report).iter("testcase")) if report.exists() else []
    for row in listed:
        passed, failed, skipped = [], [], []
        for case in cases:
            file, name = case.get("file") or "", (case.get("name") or "").partition("[")[0]
            if any(node in (file, f"{file}::{name}") for node in row["tests"]):
                bad = case.find("failure") is not None or case.find("error") is not None
                (failed if bad else skipped if case.find("skipped") is not None else passed).append(name)
        got = f"{len(passed)} pass" + (f", {len(failed)} fail: {failed[0]}" if failed else "")
        got += f", {len(skipped)} skipped" if skipped else ""
        yield Row(row["attack"], str(row["input"]), str(row["expected"]), got, bool(passed) and not failed)


def by_canary() -> Iterator[Row]:
    with tempfile.TemporaryDirectory() as directory, echo_backend() as backend:
        root = Path(directory)
        with planted(root / "house", backend) as it:
            it.collect()
            it.export(root / "export")
            hits, looked = it.search()
            found: dict[str, list[str]] = {}
            for hit in hits:
                found.setdefault(hit.name, []).append(f"{hit.where}: {hit.around}")
            for name in it.secrets.planted:
                there = found.get(name, [])
                got = f"{len(there)} hits" + (f": {there[0]}" if there else "")
                yield Row("K4 a planted secret", name, "0 hits", got, not there)
            where = "logs, traces, spool, backup, store, pages"
            got = f"{looked / 1e6:.1f} MB, {len(it.answers)} answers, {len(it.insights.items)} items to App Insights"
            yield Row("K4 what was searched", where, "more than 1 MB", got, looked > 1e6)
            opened = it.open_files()
            yield Row("K5 files", "everything below the data directory", "0600", f"{opened or 'all'}", not opened)


PARTS: dict[str, Callable[[], Iterator[Row]]] = {"policies": by_policies, "tests": by_tests, "canary": by_canary}


def main() -> int:
    parser = argparse.ArgumentParser(prog="make security", description=__doc__.splitlines()[0])
    parser.add_argument("--only", choices=[*PARTS], action="append", help="a part; more than once for several")
    wanted = parser.parse_args().only or [*PARTS]
    return 1 if told(row for part in wanted for row in PARTS[part]()) else 0


if __name__ == "__main__":
    sys.exit(main())
