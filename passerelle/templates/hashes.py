"""`uniqueString` and `guid` of ARM templates: the values that Azure gives, so that names come out alike."""

from __future__ import annotations

import uuid

NAMESPACE = uuid.UUID("11fb06fb-712d-4ddd-98c7-e71bbd588830")
_ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"
_MASK = 0xFFFFFFFF
_C1, _C2 = 0xAB0E9789, 0x239B961B


def guid(*values: str) -> str:
    """A version 5 UUID of the values joined by dashes."""
    return str(uuid.uuid5(NAMESPACE, "-".join(values)))


def unique_string(*values: str) -> str:
    """13 characters: a 64-bit Murmur hash (two lanes of 32 bits) of the values joined by dashes, in base 32."""
    data = "-".join(values).encode()
    first = second = 0
    whole = len(data) - len(data) % 8
    for at in range(0, whole, 8):
        first = _turned(first ^ _left(data[at : at + 4]), 19)
        first = ((first + second) * 5 + 0x561CCD1B) & _MASK
        second = _turned(second ^ _right(data[at + 4 : at + 8]), 13)
        second = ((second + first) * 5 + 0x0BCAA747) & _MASK
    if rest := data[whole:]:
        first ^= _left(rest[:4])
        if len(rest) > 4:
            second ^= _right(rest[4:])
    first, second = first ^ len(data), second ^ len(data)
    first = (first + second) & _MASK
    second = (second + first) & _MASK
    first, second = _mixed(first), _mixed(second)
    first = (first + second) & _MASK
    second = (second + first) & _MASK
    number = second << 32 | first
    return "".join(_ALPHABET[(number << 5 * n >> 59) & 31] for n in range(13))


def _left(part: bytes) -> int:
    return _turned(int.from_bytes(part, "little") * _C2 & _MASK, 15) * _C1 & _MASK


def _right(part: bytes) -> int:
    return _turned(int.from_bytes(part, "little") * _C1 & _MASK, 17) * _C2 & _MASK


def _turned(value: int, bits: int) -> int:
    return (value << bits | value >> 32 - bits) & _MASK


def _mixed(value: int) -> int:
    value = (value ^ value >> 16) * 0x85EBCA6B & _MASK
    value = (value ^ value >> 13) * 0xC2B2AE35 & _MASK
    return value ^ value >> 16
