"""Doubled braces and quotes of interpolated strings, out of the grammar's way.

The grammar loses count of `{{{x}}}` and of `""` after a hole. Before parsing each pair is replaced by two control
characters of its own, so that places stay as they are; `unmasked` turns them into the character that was meant.
"""

from __future__ import annotations

OPENING, CLOSING, QUOTE = b"\x01\x01", b"\x02\x02", b"\x03\x03"
_MEANT = {"\x01\x01": "{", "\x02\x02": "}", "\x03\x03": '"'}


def unmasked(text: str) -> str:
    if "\x01" in text or "\x02" in text or "\x03" in text:
        for pair, character in _MEANT.items():
            text = text.replace(pair, character)
    return text


def masked(source: bytes) -> bytes:
    """The source with those pairs replaced; what is no interpolated string is left alone."""
    if b'$"' not in source and b'$@"' not in source and b'@$"' not in source:
        return source
    data = bytearray(source)
    _code(data, 0, inside=False)
    return bytes(data)


def _code(data: bytearray, at: int, *, inside: bool) -> int:
    """Walk code; inside a hole to the position of its `}` or `:`."""
    depth = 0
    while at < len(data):
        two = data[at : at + 2]
        byte = data[at]
        if two == b"//":
            while at < len(data) and data[at] != 10:
                at += 1
        elif two == b"/*":
            end = data.find(b"*/", at + 2)
            at = len(data) if end < 0 else end + 2
        elif bytes(data[at : at + 3]) in (b'$@"', b'@$"'):
            at = _interpolated(data, at + 3, verbatim=True)
        elif two == b'$"':
            at = _interpolated(data, at + 2, verbatim=False)
        elif two == b'@"':
            at = _verbatim(data, at + 2)
        elif byte in b"\"'":
            at = _literal(data, at + 1, byte)
        elif inside and depth == 0 and (byte == 125 or (byte == 58 and two != b"::")):
            return at
        else:
            depth += (byte in b"([{") - (byte in b")]}")
            at += 2 if two == b"::" else 1
    return at


def _literal(data: bytearray, at: int, quote: int) -> int:
    while at < len(data) and data[at] not in (quote, 10):
        at += 2 if data[at] == 92 else 1
    return at + 1


def _verbatim(data: bytearray, at: int) -> int:
    while at < len(data):
        if data[at] == 34:
            if data[at + 1 : at + 2] != b'"':
                return at + 1
            at += 1
        at += 1
    return at


def _interpolated(data: bytearray, at: int, *, verbatim: bool) -> int:
    while at < len(data):
        two, byte = bytes(data[at : at + 2]), data[at]
        if two in (b"{{", b"}}"):
            data[at : at + 2] = OPENING if byte == 123 else CLOSING
            at += 2
        elif byte == 34:
            if not verbatim or two != b'""':
                return at + 1
            data[at : at + 2] = QUOTE
            at += 2
        elif byte == 123:
            at = _code(data, at + 1, inside=True)
            if data[at : at + 1] == b":":
                while at < len(data) and data[at] not in (125, 34):
                    at += 1
            at += 1
        elif byte == 92 and not verbatim:
            at += 2
        else:
            at += 1
    return at
