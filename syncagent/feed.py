"""The text of the configuration feed: lines in, a checked feed out. Pure; see docs/configuration-feed.md.

Rules
1. Nothing is applied of a feed that is not whole: head, lines, count, digests and fingerprint must all agree.
2. A wrong answer (HTML, half a body, a bomb) is a `FeedError`: a failed fetch, never an empty configuration. A snapshot
   names each resource once, so that a bomb of good lines ends at the second of them.
3. A version never goes back within a dataset; a plane that was set back must take a new dataset id.
4. What is empty, or lost more than half of what is held (of all resources, or of the APIs), must be marked: a snapshot
   says `"complete": true`; changes are followed by the whole, which must say it.
5. One version has one content: a snapshot of the held version with fewer resources is refused.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection
from dataclasses import dataclass

from syncagent.snapshot import MODULUS, Operation, Resource, Snapshot, apply

KINDS = ("snapshot", "changes", "none")
MAX_LINE = 16 * 1024 * 1024
MAX_BYTES = 512 * 1024 * 1024
MAX_OPERATIONS = 2_000_000
API = re.compile(r"(?:/workspaces/[^/]+)?/apis/[^/]+")


class FeedError(Exception):
    """The answer is not a feed, or not one that may be applied."""


class WholeWanted(FeedError):
    """Changes that must not be applied by themselves: ask for a snapshot."""


class FingerprintMismatch(WholeWanted):
    """What is held plus the changes is not what the plane has."""


class Shrunk(FeedError):
    """A configuration that is empty, or lost more than half, and nobody said that this is meant."""


class ShrinkingChanges(WholeWanted):
    """Changes that take more than half of what is held."""


@dataclass(slots=True, frozen=True)
class Feed:
    """A whole feed whose digests and count are right; `advance` checks the rest against what is held."""

    kind: str
    dataset: str
    start: int
    cursor: int
    complete: bool
    operations: tuple[Operation, ...]
    fingerprint: int


class FeedParser:
    """Takes the text in pieces of any size; `close` answers the feed. Raises FeedError at the first thing wrong."""

    def __init__(self) -> None:
        self._tail = bytearray()
        self._size = 0
        self._lines = 0
        self._head: dict[str, object] | None = None
        self._end: tuple[int, int] | None = None
        self._operations: list[Operation] = []
        self._named: set[str] | None = None  # in a snapshot: the ids so far

    def write(self, data: bytes) -> None:
        self._size += len(data)
        if self._size > MAX_BYTES:
            raise FeedError(f"the feed is larger than {MAX_BYTES} bytes")
        first, *lines = data.split(b"\n")
        self._tail += first
        if len(self._tail) > MAX_LINE:
            raise FeedError(f"line {self._lines + 1} of the feed is longer than {MAX_LINE} bytes")
        if not lines:
            return
        self._line(bytes(self._tail))
        self._tail = bytearray(lines.pop())
        for line in lines:
            self._line(line)

    def close(self) -> Feed:
        if self._tail or self._head is None or self._end is None:
            raise FeedError("the feed ends before its E line")
        kind, dataset = self._head.get("kind"), self._head.get("dataset")
        start, cursor = self._head.get("from", 0), self._head.get("cursor")
        if kind not in KINDS or not isinstance(dataset, str) or not dataset:
            raise FeedError("the head of the feed names no known kind, or no dataset")
        if not isinstance(cursor, int) or cursor < 0 or (kind == "changes" and not isinstance(start, int)):
            raise FeedError("the head of the feed has no usable cursor")
        if kind == "none" and self._operations:
            raise FeedError('a feed of kind "none" holds changes')
        return Feed(
            kind=str(kind),
            dataset=dataset,
            start=start if isinstance(start, int) else 0,
            cursor=cursor,
            complete=self._head.get("complete") is True,
            operations=tuple(self._operations),
            fingerprint=self._end[1],
        )

    def _line(self, line: bytes) -> None:
        self._lines += 1
        tag, _, rest = line.partition(b"\t")
        try:
            if self._head is None:
                self._read_head(tag, rest)
            elif self._end is not None:
                raise FeedError("text after the E line")
            elif tag == b"U":
                self._read_upsert(rest)
            elif tag == b"D":
                self._read_removal(rest)
            elif tag == b"E":
                self._read_end(rest)
            else:
                raise FeedError("a line that is none of U, D, E")
        except FeedError as error:
            raise FeedError(f"line {self._lines} of the feed: {error}") from None
        except ValueError:
            raise FeedError(f"line {self._lines} of the feed cannot be read") from None
        if len(self._operations) > MAX_OPERATIONS:
            raise FeedError(f"the feed has more than {MAX_OPERATIONS} lines")

    def _read_head(self, tag: bytes, rest: bytes) -> None:
        head = json.loads(rest) if tag == b"H" else None
        if not isinstance(head, dict):
            raise FeedError("this is not a feed: it does not begin with an H line")
        self._head = head
        self._named = set() if head.get("kind") == "snapshot" else None

    def _read_upsert(self, rest: bytes) -> None:
        raw_id, hexadecimal, body = rest.split(b"\t", 2)
        digest = hashlib.sha256(body).digest()
        if digest != bytes.fromhex(hexadecimal.decode("ascii")):
            raise FeedError("the digest does not match the body")
        id = _resource_id(raw_id)
        if self._named is not None:
            if id in self._named:
                raise FeedError(f"the snapshot has {id} twice")
            self._named.add(id)
        self._operations.append(Resource(id, digest, body))

    def _read_removal(self, rest: bytes) -> None:
        if self._named is not None:
            raise FeedError("a snapshot has nothing to remove")
        self._operations.append(_resource_id(rest))

    def _read_end(self, rest: bytes) -> None:
        count, hexadecimal = rest.split(b"\t")
        if int(count) != len(self._operations):
            raise FeedError(f"{len(self._operations)} changes were sent where {int(count)} were announced")
        self._end = (int(count), int(hexadecimal, 16) % MODULUS)


def _resource_id(raw: bytes) -> str:
    if not raw.startswith(b"/") or len(raw) > 2048:
        raise FeedError("a resource id must begin with / and have at most 2048 bytes")
    return raw.decode("utf-8")


def advance(held: Snapshot | None, feed: Feed) -> Snapshot:
    """What is held after `feed`. Raises FeedError (and FingerprintMismatch) when it must not be applied."""
    if feed.kind == "snapshot":
        new = apply(None, feed.operations, feed.dataset, feed.cursor)
        if new.fingerprint != feed.fingerprint:
            raise FeedError("the fingerprint of the snapshot is wrong")
        _check_version(held, new)
        check_shrink(held, new.resources, feed.complete)
        return new
    if held is None or feed.dataset != held.dataset:
        raise FeedError(f'"{feed.kind}" came for a dataset that is not held')
    if feed.kind == "changes" and feed.start != held.cursor:
        raise FeedError(f"changes from {feed.start} came, but {held.cursor} is held")
    if feed.cursor < held.cursor:
        raise FeedError(f"the cursor went back from {held.cursor} to {feed.cursor}")
    new = apply(held, feed.operations, feed.dataset, feed.cursor)
    if new.fingerprint != feed.fingerprint:
        raise FingerprintMismatch(f"the fingerprint after {feed.cursor} differs from the plane's")
    removed = [each for each in feed.operations if isinstance(each, str)]
    if removed:
        try:
            check_shrink(held, new.resources, False, removed)
        except Shrunk as shrunk:
            raise ShrinkingChanges(f"{shrunk} in changes") from None
    return new


def _check_version(held: Snapshot | None, new: Snapshot) -> None:
    if held is None or held.dataset != new.dataset:
        return
    if new.cursor < held.cursor:
        raise FeedError(
            f"the plane offers version {new.cursor}, older than the held {held.cursor}, in the same dataset; "
            "a plane that was set back must take a new dataset id"
        )
    if new.cursor == held.cursor and len(new.resources) < len(held.resources):
        raise FeedError(
            f"the plane offers version {new.cursor} with {len(new.resources)} resources, where {len(held.resources)} "
            "are held of the same version: it lost some"
        )


def check_shrink(
    held: Snapshot | None, new: Collection[str], complete: bool, removed: Collection[str] | None = None
) -> None:
    """Raises Shrunk when the ids `new` must not take the place of what is held without a mark; of `removed`, where it
    is known, depends whether APIs have to be counted."""
    if complete:
        return
    before: Collection[str] = held.resources if held is not None else ()
    if not new or len(new) * 2 < len(before):
        raise Shrunk(f"{len(new)} resources where {len(before)} are held, not marked complete")
    if removed is not None and not apis(removed):
        return
    had, has = apis(before), apis(new)
    if held is None and not has:
        raise Shrunk("no API at all, not marked complete")
    if has * 2 < had:
        raise Shrunk(f"{has} APIs where {had} are held, not marked complete")


def apis(ids: Collection[str]) -> int:
    return sum(API.fullmatch(id) is not None for id in ids)
