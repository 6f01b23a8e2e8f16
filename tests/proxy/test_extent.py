"""Where a message ends (proxy/adapters/extent.py): whatever it is made of, and however it is cut."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.adapters.extent import Chunks, Extent, Length, Lines
from tests.wire.cuts import pieces

ENDLESS = 10**9

EXTENSIONS = st.sampled_from([b"", b"", b"", b";a", b';a="b"', b";" + b"c" * 70])
TRAILERS = st.lists(st.sampled_from([b"X: 1\r\n", b"X-Long: " + b"d" * 60 + b"\r\n"]), max_size=2).map(b"".join)
BODIES = st.lists(st.sampled_from(b"\r\n0x;"), min_size=1, max_size=40).map(bytes)


@st.composite
def chunks(draw: st.DrawFn) -> bytes:
    """A body in chunks, whose data may look like the end of one."""
    made = b""
    for part in draw(st.lists(BODIES, max_size=5)):
        zeros = b"0" * draw(st.sampled_from([0, 0, 3]))
        made += zeros + b"%x" % len(part) + draw(EXTENSIONS) + b"\r\n" + part + b"\r\n"
    return made + b"0" * draw(st.integers(1, 3)) + draw(EXTENSIONS) + b"\r\n" + draw(TRAILERS) + b"\r\n"


def end_of(extent: Extent, cut: tuple[bytes, ...]) -> int:
    """Bytes until it ends, or is padded, or all that there are."""
    came = 0
    for piece in cut:
        start = 0
        while start < len(piece):
            end = extent.end(piece, start)
            if end == start or extent.padded:
                return came + start
            start = end
        came += len(piece)
    return came


@given(chunks(), st.binary(max_size=9), st.lists(st.floats(0, 1), max_size=6), st.integers(0, 40))
def test_a_body_in_chunks(body: bytes, behind: bytes, places: list[float], framing: int) -> None:
    data = body + behind
    cuts = [(data,), pieces(data, range(len(data))), pieces(data, [int(each * len(data)) for each in places])]
    for cut in cuts:
        assert end_of(Chunks(ENDLESS), cut) == len(body)
    padded = []
    for cut in cuts:
        extent = Chunks(framing)
        end_of(extent, cut)
        padded.append(extent.padded)
    assert len(set(padded)) == 1


@pytest.mark.parametrize("framing", range(20))
def test_what_stands_around_a_body_is_bounded_wherever_it_is_cut(framing: int) -> None:
    """One byte in each chunk, with zeros before its size: the bound is met in one line, be that whole or in pieces."""
    data = b"0001\r\nx\r\n" * 40 + b"0\r\n\r\n"
    verdicts = set()
    for size in range(1, len(data) + 1):
        extent = Chunks(framing)
        end_of(extent, pieces(data, range(size, len(data), size)))
        verdicts.add(extent.padded)
    assert len(verdicts) == 1


def test_a_length_and_lines() -> None:
    for cut in ((b"abcdef",), (b"ab", b"cdef"), (b"a", b"b", b"c", b"d", b"e", b"f")):
        assert end_of(Length(4), cut) == 4
    assert end_of(Length(9), (b"abc",)) == 3
    data = b"HTTP/1.1 103 x\r\nA: b\r\n\r\nHTTP/1.1 200 OK\r\n\r\nab"
    for size in (1, 3, len(data)):
        lines, ends, came = Lines(), [], 0
        for piece in pieces(data, range(size, len(data), size)):
            start = 0
            while start < len(piece):
                start = lines.end(piece, start)
                if lines.ended:
                    ends.append(came + start)
            came += len(piece)
        assert ends == [24, 43]
