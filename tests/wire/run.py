"""`make wire`: vectors, whole and in pieces, and slow clients against real sidecars; tables, and exit 1 where something
does not hold.

--shared FILE   the shared vectors (http-vectors.json), beside those of this folder
--only TEXT     only vectors whose id begins with it, and nothing else
"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import os
import ssl
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from tests.wire.cuts import cuts_of
from tests.wire.floods import floods, stalls
from tests.wire.frames import FrameVector, try_frames
from tests.wire.frames import table as frame_table
from tests.wire.gateway import Gateway, gateway
from tests.wire.judge import Port, judge
from tests.wire.slow import Finding, crowd, deadlines, send_deadline
from tests.wire.vectors import Vector, own, shared

PIECES = 16  # of a vector at most, on sockets; tests/proxy/test_cuts.py makes more
APART = 0.001  # seconds between two of them
# How they are cut, and on which port. TLS makes a record of each piece.
CUTS = {
    "byte by byte": ("plain", "tls"),
    "at each line": ("plain",),
    "inside each CRLF": ("tls",),
    "before the last byte": ("plain",),
    "2 into empty line 0": ("tls",),
}


def in_pieces(vectors: Sequence[Vector], cut: str) -> list[Vector]:
    """The same bytes, and the same is expected of them."""
    made = [(each, cuts_of(each.sent, PIECES).get(cut)) for each in vectors]
    return [dataclasses.replace(each, pieces=pieces, pause=APART) for each, pieces in made if pieces is not None]


async def try_all(port: Port, made: Gateway, vectors: Sequence[Vector]) -> dict[str, str]:
    """What is wrong, by id."""
    wrong = {}
    for vector in vectors:
        if vector.half_close and port.tls is not None and vector.to != "upstream":
            continue  # TLS knows no half of a connection
        if problem := await judge(port, made.backend, vector):
            wrong[vector.id] = problem
    return wrong


def ports(made: Gateway) -> dict[str, Port]:
    trusting = ssl.create_default_context(cafile=str(made.pem))
    trusting.set_alpn_protocols(["http/1.1"])
    return {"plain": Port(made.port), "tls": Port(made.tls_port, trusting)}


def over_http2(made: Gateway) -> dict[str, ssl.SSLContext | None]:
    trusting = ssl.create_default_context(cafile=str(made.pem))
    trusting.set_alpn_protocols(["h2"])
    return {"plain": None, "tls": trusting}


def table(title: str, vectors: Sequence[Vector | FrameVector], wrong: dict[str, str]) -> None:
    print(f"\n{title}\n{'group':<22}| vectors | hold")
    counted = Counter(each.group for each in vectors)
    failed = Counter(each.group for each in vectors if each.id in wrong)
    for group, count in sorted(counted.items()):
        print(f"{group:<22}| {count:>7} | {count - failed[group]:>4}")
    print(f"{'all':<22}| {len(vectors):>7} | {len(vectors) - len(wrong):>4}")
    for each in vectors:
        if each.id in wrong:
            print(f"  {each.id} {each.name} ({each.why}): expected {each.expect!s}; {wrong[each.id]}")


async def slow_clients() -> list[Finding]:
    async with gateway() as made:
        found = [*await deadlines(made), *await crowd(made)]
    async with gateway(**{"net.server.timeout.send": "3"}) as made:
        return [*found, await send_deadline(made, 3.0), *await floods(made), *await stalls(made, 3.0)]


def told(title: str, found: Sequence[Finding]) -> int:
    """Prints a table; how many do not hold."""
    print(f"\n{title}\nid    | what | goal | measured | holds")
    for each in found:
        print(f"{each.id:<5} | {each.name} | {each.goal} | {each.measured} | {'yes' if each.holds else 'NO'}")
    return sum(not each.holds for each in found)


async def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="wire", description=__doc__)
    default = os.environ.get("PASSERELLE_SHARED", str(Path(__file__).parents[3] / "shared"))
    parser.add_argument("--shared", type=Path, default=Path(default) / "data" / "http-vectors.json")
    parser.add_argument("--only", default="")
    options = parser.parse_args(arguments)
    vectors = own()
    if options.shared.is_file():
        vectors = [*shared(options.shared), *vectors]
    else:
        print(f"no shared vectors at {options.shared}: only those of tests/wire/vectors")
    vectors = [each for each in vectors if each.id.startswith(options.only)]
    frames = [each for each in frame_table() if each.id.startswith(options.only)]
    failures = 0
    async with gateway() as made:
        for name, port in ports(made).items():
            wrong = await try_all(port, made, vectors)
            table(f"{name} port", vectors, wrong)
            failures += len(wrong)
        for cut, names in CUTS.items():
            cuts = in_pieces(vectors, cut)
            for name in names:
                wrong = await try_all(ports(made)[name], made, cuts)
                table(f"{name} port, {cut}", cuts, wrong)
                failures += len(wrong)
        for name, context in over_http2(made).items():
            for pieces in (1, PIECES):
                wrong = await try_frames(made, frames, context, pieces)
                table(f"HTTP/2, {name} port{', in pieces' * (pieces > 1)}", frames, wrong)
                failures += len(wrong)
    async with gateway(**{"proxy.workers": "2"}) as made:
        wrong = await try_all(ports(made)["plain"], made, vectors)
        table("two workers", vectors, wrong)
        failures += len(wrong)
    if not options.only:
        failures += told("Deadlines, slow clients, floods", await slow_clients())
    print(f"\n{failures} failures")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main(sys.argv[1:])))
