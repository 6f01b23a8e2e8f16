"""Many resources as one block of compressed bytes, and back without reading a single body. Pure.

    count (u32) | length of ids (u32) | ids, newline-separated | digests (32 each) | body lengths (u32 each) | bodies

Columns instead of records: ten thousand APIs unpack in tenths of a second because nothing is parsed but lengths.
"""

from __future__ import annotations

import itertools
import struct
import sys
import zlib
from array import array
from collections.abc import Iterable, Iterator

from syncagent.snapshot import Resource

HEAD = struct.Struct("<II")
DIGEST = 32
MAX_PLAIN = 1024 * 1024 * 1024
BATCH = 2_000


class RecordsError(Exception):
    """The block is not one of ours, or larger than we accept."""


def pack(resources: Iterable[Resource]) -> bytes:
    # Level 1: a save must not take a core from the sidecars, and JSON shrinks fivefold even so.
    compressor = zlib.compressobj(1)
    pieces = [compressor.compress(piece) for piece in _columns(list(resources))]
    return b"".join(pieces) + compressor.flush()


def unpack(packed: bytes) -> dict[str, Resource]:
    """Raises RecordsError."""
    inflate = zlib.decompressobj()
    try:
        plain = inflate.decompress(packed, MAX_PLAIN)
    except zlib.error as error:
        raise RecordsError(f"its records cannot be decompressed: {error}") from None
    if not inflate.eof:
        raise RecordsError(f"its records are cut short or larger than {MAX_PLAIN} bytes")
    if len(plain) < HEAD.size:
        raise RecordsError("its records are cut short")
    count, ids_size = HEAD.unpack_from(plain)
    digests_at = HEAD.size + ids_size
    lengths_at = digests_at + DIGEST * count
    at = lengths_at + 4 * count
    lengths = array("I", plain[lengths_at:at])
    if sys.byteorder == "big":
        lengths.byteswap()
    ids = plain[HEAD.size : digests_at].decode("utf-8").split("\n") if count else []
    if not len(ids) == len(lengths) == count or at + sum(lengths) != len(plain):
        raise RecordsError("its records do not add up")
    resources: dict[str, Resource] = {}
    for id, length in zip(ids, lengths, strict=True):
        resources[id] = Resource(id, plain[digests_at : digests_at + DIGEST], plain[at : at + length])
        digests_at += DIGEST
        at += length
    return resources


def _columns(resources: list[Resource]) -> Iterator[bytes]:
    ids = "\n".join(resource.id for resource in resources).encode()
    yield HEAD.pack(len(resources), len(ids))
    yield ids
    yield b"".join(resource.digest for resource in resources)
    lengths = array("I", (len(resource.body) for resource in resources))
    if sys.byteorder == "big":
        lengths.byteswap()
    yield lengths.tobytes()
    bodies = iter(resources)
    while batch := list(itertools.islice(bodies, BATCH)):
        yield b"".join(resource.body for resource in batch)
