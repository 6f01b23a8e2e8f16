"""Vectors: bytes of one connection, and what must become of them. Read from the shared JSON and from vectors/*.yaml.

A row of the YAML tables:

    id, name        how it is told of
    why             the section of the RFC, or what goes wrong elsewhere
    to              who is spoken to: `server` (the default; judged by what a backend gets to see of it), `proxy` (the
                    bytes on the backend's wire are looked at), `upstream` (a backend answers with these bytes to
                    `GET /u`; the bytes that the client gets are looked at)
    send            a text, or a list of texts and of {repeat: text, times: number}; characters are bytes (Latin-1).
                    In a text, {host} stands for a good Host line. A list in the list is one piece
    pause           seconds between the pieces of a list
    half_close      whether the client then closes its side
    expect          `reject`: refused or closed, and nothing of it dispatched. `accept`: dispatched. `normalise`: what
                    is seen matches `require` and nothing of `forbid`
    or_reject       refusing is right too
    late            what is wrong may come behind what was dispatched: a backend may see its beginning, never all of
                    `body`
    requests        how many are dispatched; path, body: of the first one
    status          what the gateway answers
    close           whether it closes behind that
    require, forbid regular expressions over the bytes that are seen
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

TABLES = Path(__file__).parent / "vectors"
HOST = "Host: gw.test\r\n"
_KEYS = {
    "id", "name", "why", "to", "send", "pause", "half_close", "expect", "or_reject", "requests", "path", "body",
    "status", "close", "require", "forbid", "late",
}  # fmt: skip


@dataclass(slots=True, frozen=True)
class Vector:
    """See the head of this module; `group` is what it is counted under, `to` and `expect` one of its words."""

    id: str
    name: str
    group: str
    to: str
    pieces: tuple[bytes, ...]
    expect: str
    why: str = ""
    pause: float = 0.0
    half_close: bool = False
    or_reject: bool = False
    late: bool = False
    close: bool | None = None
    requests: int | None = None
    path: str | None = None
    body: bytes | None = None
    status: int | None = None
    require: tuple[str, ...] = ()
    forbid: tuple[str, ...] = ()

    @property
    def sent(self) -> bytes:
        return b"".join(self.pieces)


def shared(file: Path) -> list[Vector]:
    """The vectors of the shared file."""
    return [_shared(each) for each in json.loads(file.read_text())["vectors"]]


def own() -> list[Vector]:
    """The vectors of all tables here; raises ValueError for a row that says something unknown."""
    found = []
    for table in sorted(TABLES.glob("*.yaml")):
        for row in yaml.safe_load(table.read_text()):
            if unknown := row.keys() - _KEYS:
                raise ValueError(f"{table.name}: {row.get('id')} has unknown keys: {', '.join(sorted(unknown))}")
            found.append(_own(table.stem, row))
    names = [each.id for each in found]
    if twice := {name for name in names if names.count(name) > 1}:
        raise ValueError(f"ids are used twice: {', '.join(sorted(twice))}")
    return found


def _shared(row: dict[str, Any]) -> Vector:
    pieces = [_shared_piece(each) for each in row["segments"]]
    pieces = [each.replace(b"{len}", b"%d" % len(pieces[-1])) for each in pieces]
    body = row["expect_body"]
    return Vector(
        id=row["id"],
        name=row["name"],
        group=row["class"],
        to=row["layer"],
        pieces=tuple(pieces),
        expect=row["expected"],
        why=row["why"],
        pause=row["segment_delay_s"],
        half_close=row["half_close_after_send"],
        or_reject=row["reject_also_ok"],
        close=row["must_close"],
        requests=row["expect_requests"],
        path=row["expect_path"],
        body=body.encode("latin-1") if body is not None else None,
        require=tuple(row["wire_require_regex"]),
        forbid=tuple(row["wire_forbid_regex"]),
    )


def _shared_piece(segment: dict[str, Any]) -> bytes:
    if "generator" in segment:
        return gzip.compress(b"\0" * segment["n"], 9)
    text = segment["text"] if "text" in segment else segment["repeat"] * segment["n"]
    return str(text).encode("ascii").decode("unicode_escape").encode("latin-1")


def _own(group: str, row: dict[str, Any]) -> Vector:
    sent = row["send"] if isinstance(row["send"], list) else [row["send"]]
    body = row.get("body")
    expect, to = row["expect"], row.get("to", "server")
    if expect not in ("reject", "accept", "normalise") or to not in ("server", "proxy", "upstream"):
        raise ValueError(f"{row['id']}: what is expected of whom?")
    return Vector(
        id=row["id"],
        name=row["name"],
        group=group,
        to=to,
        pieces=tuple(_own_piece(each) for each in sent),
        expect=expect,
        why=row.get("why", ""),
        pause=row.get("pause", 0.0),
        half_close=row.get("half_close", False),
        or_reject=row.get("or_reject", False),
        late=row.get("late", False),
        close=row.get("close"),
        requests=row.get("requests"),
        path=row.get("path"),
        body=body.encode("latin-1") if body is not None else None,
        status=row.get("status"),
        require=tuple(_listed(row.get("require", ()))),
        forbid=tuple(_listed(row.get("forbid", ()))),
    )


def _own_piece(piece: Any) -> bytes:
    if isinstance(piece, list):
        return b"".join(_own_piece(each) for each in piece)
    if isinstance(piece, dict):
        return bytes(str(piece["repeat"]).encode("latin-1") * piece["times"])
    return str(piece).replace("{host}", HOST).encode("latin-1")


def _listed(value: str | Iterable[str]) -> Iterable[str]:
    return (value,) if isinstance(value, str) else value
