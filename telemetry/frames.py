"""What crosses the pipe from the journal to the telemetry child.

A frame is 4 bytes of length (big-endian) and that many bytes of `marshal`: the tuple `(kind, content)`.

    records   (dropped, respawned, [record, ...])  the journal's own counters so far, then plain request tuples, or the
                                                   `marshal` of them where they have been on a trail
    trail     (path, number)                       the sidecar's trail, and the number of the first record in this pipe
    events    (dropped, [event, ...], path, number)  events that the journal dropped so far, then plain event tuples;
                                                   their own trail, and the number of the next event
    identity  (gateway_id, region)                 what only the configuration knows; replaces what was known before
    standing  (version, newest, confirmed)         which configuration is in force, see `state.py`; replaces likewise
    limits    (up, server, local, refused, seconds)  the limits server, see `state.py`; replaces likewise
    loggers   (loggers, diagnostics, ...)          the content of a `diagnostics.Directory`; replaces the one before

On the way back each frame is 4 bytes of length and a JSON document of figures (`figures.py`).

Rules
1. `marshal` takes exact built-in types only, so records are plain tuples on the way and get their names again in the
   child (`batch.py`). A record that is a plain tuple already is not copied: what nobody else holds is also cheaper to
   write, since `marshal` need not look whether it was written before.
2. No frame is longer than `MAX_FRAME`; a batch that would be is sent in halves, a single record that would be is
   refused.
"""

from __future__ import annotations

import marshal
import struct
from collections.abc import Iterator, Sequence
from operator import itemgetter
from typing import Any

from telemetry.records import EventRecord, Row, places

MAX_FRAME = 4 * 1024 * 1024
RECORDS = "records"
VERSION = 2  # of `marshal`, for single records: it does not look whether a value was there before
IDENTITY = "identity"
STANDING = "standing"
LIMITS = "limits"
EVENTS = "events"
LOGGERS = "loggers"
TRAIL = "trail"

EVENT_FIELDS = len(EventRecord._fields)
LENGTH = struct.Struct(">I")
_NESTED = places("last_error", "errors", "traces", "metrics")
_nested = itemgetter(*_NESTED)
_NOTHING = (None, (), (), ())
_EXACT = (str, int, float, bool, type(None), bytes)


class BrokenPipeStream(Exception):
    """The bytes on the pipe are not frames; nothing after them can be trusted."""


def pack(kind: str, content: Any, version: int = marshal.version) -> bytes:
    """One frame. Raises ValueError when the content is not plain or is too long."""
    body = marshal.dumps((kind, content), version)
    if len(body) > MAX_FRAME:
        raise ValueError(f"a frame of {len(body)} bytes is longer than {MAX_FRAME}")
    return LENGTH.pack(len(body)) + body


def pack_records(records: Sequence[Row | bytes], dropped: int, respawned: int) -> Iterator[tuple[bytes, int]]:
    """Frames with their number of records; a number of 0 with an empty frame means: one record could not be packed."""
    version = VERSION if records and type(records[0]) is bytes else marshal.version
    for made in (_fast, plain):
        try:
            frame = pack(RECORDS, (dropped, respawned, [made(record) for record in records]), version)
        except ValueError:
            continue
        yield frame, len(records)
        return
    if len(records) == 1:
        yield b"", 0
        return
    middle = len(records) // 2
    yield from pack_records(records[:middle], dropped, respawned)
    yield from pack_records(records[middle:], dropped, respawned)


def packed(row: Row) -> bytes:
    """One record, or one event, by itself, as `rows` reads it. Raises ValueError when it cannot be packed."""
    try:
        return marshal.dumps(_fast(row) if len(row) > EVENT_FIELDS else row, VERSION)
    except ValueError:
        return marshal.dumps(plain(row), VERSION)


def _fast(row: Row | bytes) -> Row | bytes:
    """For values that are built-in as they come; only the nested records are looked into."""
    if type(row) is bytes:
        return row
    if _nested(row) == _NOTHING:
        return row if type(row) is tuple else tuple(row)
    values = list(row)
    for at in _NESTED:
        values[at] = plain(values[at])
    return tuple(values)


def plain(value: Any) -> Any:
    """Subclasses (a case-insensitive str, an IntEnum, a named tuple) as the built-in that they are."""
    if type(value) in _EXACT:
        return value
    if isinstance(value, tuple | list):
        return tuple(plain(each) for each in value)
    for kind in (str, int, float):
        if isinstance(value, kind):
            return kind(value)
    return str(value)


def unpack(buffer: bytearray) -> Iterator[tuple[str, Any]]:
    """Take every whole frame off the front of `buffer`."""
    start = 0
    try:
        while len(buffer) - start >= LENGTH.size:
            (length,) = LENGTH.unpack_from(buffer, start)
            if length > MAX_FRAME:
                raise BrokenPipeStream(f"a frame claims {length} bytes; at most {MAX_FRAME} are allowed")
            end = start + LENGTH.size + length
            if len(buffer) < end:
                return
            with memoryview(buffer)[start + LENGTH.size : end] as body:
                # Only our own parent writes here, over an anonymous pipe, so marshal is safe.
                kind, content = marshal.loads(body)  # noqa: S302
            start = end
            yield kind, content
    finally:
        del buffer[:start]


def rows(content: Sequence[Row | bytes]) -> list[Row]:
    """The records of a frame, from our own parent, as above."""
    return [marshal.loads(each) if type(each) is bytes else each for each in content]  # type: ignore[misc]  # noqa: S302


def documents(buffer: bytearray) -> Iterator[bytes]:
    """Take every whole document off the front of `buffer`. Raises BrokenPipeStream."""
    while len(buffer) >= LENGTH.size:
        (length,) = LENGTH.unpack_from(buffer)
        if length > MAX_FRAME:
            raise BrokenPipeStream(f"a document claims {length} bytes; at most {MAX_FRAME} are allowed")
        end = LENGTH.size + length
        if len(buffer) < end:
            return
        document = bytes(buffer[LENGTH.size : end])
        del buffer[:end]
        yield document
