"""Secrets that are planted to be looked for: everywhere a secret can live, and in every form in which it may get out.

Each is a value that exists nowhere else. `Canaries.hits` searches bytes for all of them: as they are, in capitals, in
Base64 at any alignment, in hexadecimal, in UTF-16, and within gzip and zlib streams. Percent-encoding and the escapes
of JSON, XML and HTML leave the letters and digits of a value as they are.
"""

from __future__ import annotations

import base64
import contextlib
import re
import secrets
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

GZIP = b"\x1f\x8b\x08"
LARGEST = 64 * 1024 * 1024  # bytes of one inflated stream


@dataclass(frozen=True, slots=True)
class Hit:
    """`where` a secret was found, and what is around it."""

    name: str
    where: str
    around: str

    def __str__(self) -> str:
        return f"{self.name} in {self.where}: {self.around}"


def forms(core: bytes) -> set[bytes]:
    """What to search for, to find `core` in any of its forms."""
    found = {
        core,
        core.upper(),
        core.hex().encode(),
        core.hex().upper().encode(),
        core.decode("latin-1").encode("utf-16-le"),
    }
    for before in range(3):  # the letters of Base64 that depend on nothing but `core`
        text = base64.b64encode(b"\0" * before + core)
        piece = text[-(-before * 8 // 6) : (before + len(core)) * 8 // 6]
        found |= {piece, piece.replace(b"+", b"-").replace(b"/", b"_")}
    return found


@dataclass
class Canaries:
    """`planted` is the letters and digits by which each secret is known."""

    planted: dict[str, bytes] = field(default_factory=dict)
    _search: re.Pattern[bytes] | None = None
    _named: dict[bytes, str] = field(default_factory=dict)

    def plant(self, name: str, before: str = "", after: str = "") -> str:
        """A new secret value."""
        core = f"c4n{secrets.token_hex(10)}"
        self.know(name, core)
        return f"{before}{core}{after}"

    def know(self, name: str, value: str | bytes) -> None:
        """A secret that was there already."""
        assert name not in self.planted, name
        core = value if isinstance(value, bytes) else value.encode()
        assert len(core) >= 8
        self.planted[name] = core
        self._named |= dict.fromkeys(forms(core), name)
        self._search = None

    def hits(self, where: str, content: bytes, known: Iterable[str] = ()) -> list[Hit]:
        """Every secret that is in `content`, but for those that are `known` to be there."""
        if self._search is None:
            self._search = re.compile(b"|".join(map(re.escape, sorted(self._named, key=len, reverse=True))))
        found: dict[str, Hit] = {}
        for piece in (content, *_inflated(content)):
            for match in self._search.finditer(piece):
                name = self._named[match[0]]
                around = piece[max(match.start() - 60, 0) : match.end() + 40].decode("utf-8", "replace")
                found.setdefault(name, Hit(name, where, repr(around)))
        return [hit for name, hit in found.items() if name not in set(known)]

    def files(self, root: Path, known: dict[str, tuple[str, ...]]) -> Iterator[Hit]:
        """In all files below a directory; `known` says what may be in which, by the file's name."""
        for path in sorted(root.rglob("*")):
            if path.is_file() and not path.is_symlink():
                with contextlib.suppress(FileNotFoundError):
                    yield from self.hits(str(path.relative_to(root)), path.read_bytes(), known.get(path.name, ()))


def _inflated(content: bytes) -> Iterator[bytes]:
    """What gzip and zlib streams in it hold."""
    starts = {match.start(): 31 for match in re.finditer(re.escape(GZIP), content)}
    if content[:1] == b"\x78":
        starts[0] = 15
    for start, bits in starts.items():
        with contextlib.suppress(zlib.error):
            yield zlib.decompressobj(bits).decompress(content[start:], LARGEST)
