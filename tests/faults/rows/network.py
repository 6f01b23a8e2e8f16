"""The network to the plane swallows every packet, in both directions, for a while."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import time
from collections.abc import Iterator

from tests.faults.line import BLACK_HOLE, Line
from tests.faults.place import Place
from tests.faults.row import Figures, fault


@contextlib.contextmanager
def swallowed(line: Line) -> Iterator[str]:
    """Packets to and from the line are dropped by the kernel where it lets us, else the line is a black hole."""
    table = f"passerelle_faults_{os.getpid()}"
    rules = f"""
    table inet {table} {{
      chain input {{
        type filter hook input priority 0;
        tcp dport {line.port} drop
        tcp sport {line.port} drop
      }}
    }}
    """
    nft = shutil.which("nft") or "/usr/sbin/nft"
    if (
        os.path.exists(nft)
        and subprocess.run([nft, "-f", "-"], input=rules.encode(), capture_output=True).returncode == 0
    ):
        try:
            yield "packets dropped by the kernel"
        finally:
            subprocess.run([nft, "delete", "table", "inet", table], check=True)
        return
    line.set(BLACK_HOLE)
    try:
        yield "a black hole without dropped packets"
    finally:
        line.set()


@fault(
    "F19",
    "the network to the plane is cut; edits and deletions meanwhile",
    promise="converges, deletions included",
    goal="0 failed; <= a poll + 2 s after it heals",
)
def cut(place: Place) -> Figures:
    figures, house = Figures(), place.house
    house.api("doomed", place.echo)
    house.everywhere("/doomed/x", lambda reply: reply.status == 200, 60)
    with place.load() as load:
        with swallowed(place.plane) as how:
            time.sleep(place.outage / 2)
            for _ in range(5):
                version = place.publish()
            house.delete("/apis/doomed")
            house.api("born", place.echo)
            time.sleep(place.outage / 2)
        began = time.monotonic()
        place.arrived(version)
        house.everywhere("/doomed/x", lambda reply: reply.status == 404, 60)
        house.everywhere("/born/x", lambda reply: reply.status == 200, 60)
        took = time.monotonic() - began
    house.delete("/apis/born")
    figures.failed(load)
    figures.say(f"{how} for {place.outage:.0f} s")
    figures.at_most("converged after", took, place.options.poll + 2, "s", bound=place.options.poll + 20)
    return figures
