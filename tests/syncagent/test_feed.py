"""The feed is taken whole or not at all."""

from __future__ import annotations

import hashlib
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncagent import feed as feeds
from syncagent.feed import (
    Feed,
    FeedError,
    FeedParser,
    FingerprintMismatch,
    ShrinkingChanges,
    Shrunk,
    WholeWanted,
    advance,
)
from syncagent.snapshot import Resource, Snapshot, apply
from tests.syncagent.plane import FakePlane


def parse(*pieces: bytes) -> Feed:
    parser = FeedParser()
    for piece in pieces:
        parser.write(piece)
    return parser.close()


def plane_with(count: int) -> FakePlane:
    plane = FakePlane()
    for number in range(count):
        plane.put(f"/apis/{number}", {"path": f"ü{number}"})
    return plane


def held_by(plane: FakePlane) -> Snapshot:
    return advance(None, parse(plane.feed(None, -1)))


@given(st.lists(st.integers(0, 700), max_size=8))
def test_the_pieces_do_not_matter(cuts: list[int]) -> None:
    text = plane_with(4).feed(None, -1)
    edges = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    pieces = [text[start:end] for start, end in itertools.pairwise(edges)]
    assert parse(*pieces) == parse(text)


def test_every_truncation_is_refused() -> None:
    text = plane_with(3).feed(None, -1)
    for size in range(len(text) - 1):
        with pytest.raises(FeedError):
            parse(text[:size])


def test_a_snapshot_names_each_resource_once_and_removes_nothing() -> None:
    head, first, second, end = plane_with(2).feed(None, -1).splitlines(keepends=True)
    with pytest.raises(FeedError, match="/apis/0 twice"):
        parse(head, first, first, second, end)
    with pytest.raises(FeedError, match="nothing to remove"):
        parse(head, first, b"D\t/apis/1\n", end)


def test_every_changed_byte_is_refused_or_changes_nothing() -> None:
    plane = plane_with(2)
    text = plane.feed(None, -1)
    right = held_by(plane)
    for at in range(text.index(b"\n"), len(text)):
        damaged = text[:at] + bytes([text[at] ^ 0x01]) + text[at + 1 :]
        try:
            result = advance(None, parse(damaged))
        except FeedError:
            continue
        assert result.resources == right.resources


def brought_up(held: Snapshot, plane: FakePlane) -> Snapshot:
    """As an agent does it: the whole is asked for when changes alone must not be applied."""
    try:
        return advance(held, parse(plane.feed(held.dataset, held.cursor)))
    except WholeWanted:
        return advance(held, parse(plane.feed(None, -1)))


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 3)), max_size=20), st.integers(0, 20))
def test_any_edits_cut_anywhere_converge(edits: list[tuple[int, int]], cut: int) -> None:
    plane = FakePlane()
    plane.put("/", {"name": "s"})
    held = held_by(plane)
    for index, (name, value) in enumerate(edits):
        id = f"/apis/{name}"
        if value == 0 and id in plane.resources:
            plane.delete(id)
        else:
            plane.put(id, {"value": value})
        if index == cut:
            held = brought_up(held, plane)
    held = brought_up(held, plane)
    assert {id: resource.body for id, resource in held.resources.items()} == plane.resources
    assert held.cursor == plane.cursor


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b"<html><body>no</body></html>\n", "does not begin with an H line"),
        (b'H\t{"kind":"none"}\nE\t0\t00\n', "names no known kind"),
        (b'H\t{"kind":"none","dataset":"d"}\nE\t0\t00\n', "cursor"),
        (b"H\t[1]\nE\t0\t00\n", "line 1"),
        (b'H\t{"kind":"none","dataset":"d","cursor":1}\nX\t1\nE\t0\t00\n', "none of U, D, E"),
        (b'H\t{"kind":"none","dataset":"d","cursor":1}\nE\t1\t00\n', "announced"),
        (b'H\t{"kind":"none","dataset":"d","cursor":1}\nE\t0\t00\nD\t/a\n', "after the E line"),
        (b'H\t{"kind":"none","dataset":"d","cursor":1}\nD\t/a\nE\t1\t00\n', "holds changes"),
        (b'H\t{"kind":"none","dataset":"d","cursor":1}\nD\tapis\nE\t1\t00\n', "must begin with /"),
        (b'H\t{"kind":"none","dataset":"d","cursor":1}\nD\t/\xff\nE\t1\t00\n', "line 2"),
        (b'H\t{"kind":"none","dataset":"d","cursor":1}\nU\t/a\nE\t1\t00\n', "line 2"),
        (b"", "ends before"),
    ],
)
def test_what_is_not_a_feed_is_refused_by_name(text: bytes, why: str) -> None:
    with pytest.raises(FeedError, match=why):
        parse(text)


def test_a_line_without_end_is_refused_before_it_fills_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feeds, "MAX_LINE", 1_000)
    parser = FeedParser()
    for _ in range(10):
        parser.write(b"\0" * 100)
    with pytest.raises(FeedError, match="longer than 1000"):
        parser.write(b"\0" * 100)


def test_changes_that_do_not_fit_ask_for_the_whole() -> None:
    plane = plane_with(3)
    held = held_by(plane)
    plane.put("/apis/0", {"path": "x"})
    changes = plane.feed(held.dataset, held.cursor)
    other = apply(held, ["/apis/2"], held.dataset, held.cursor)
    with pytest.raises(FingerprintMismatch):
        advance(other, parse(changes))


def test_a_version_never_goes_back_within_a_dataset() -> None:
    plane = plane_with(5)
    held = held_by(plane)
    stale = plane_with(4)
    with pytest.raises(FeedError, match="new dataset id"):
        advance(held, parse(stale.feed(None, -1)))
    stale.dataset = "d2"
    assert advance(held, parse(stale.feed(None, -1))).cursor == 4


def test_a_snapshot_that_lost_more_than_half_must_say_that_it_is_complete() -> None:
    held = held_by(plane_with(10))
    shrunk = plane_with(4)
    shrunk.dataset, shrunk.complete = "d2", False
    with pytest.raises(FeedError, match="not marked complete"):
        advance(held, parse(shrunk.feed(None, -1)))
    shrunk.complete = True
    assert len(advance(held, parse(shrunk.feed(None, -1))).resources) == 4
    empty = FakePlane(complete=False)
    with pytest.raises(Shrunk, match="not marked complete"):
        advance(None, parse(empty.feed(None, -1)))


def test_the_apis_are_counted_by_themselves() -> None:
    plane = plane_with(5)
    for number in range(20):
        plane.put(f"/products/{number}", {"displayName": number})
    held = held_by(plane)
    for number in range(3):
        plane.delete(f"/apis/{number}")
    plane.dataset, plane.complete = "d2", False
    with pytest.raises(Shrunk, match="2 APIs where 5 are held"):
        advance(held, parse(plane.feed(None, -1)))


def test_changes_that_take_more_than_half_are_followed_by_the_whole() -> None:
    plane = plane_with(10)
    held = held_by(plane)
    for number in range(5):
        plane.delete(f"/apis/{number}")
    held = advance(held, parse(plane.feed(held.dataset, held.cursor)))
    for number in range(5, 8):
        plane.delete(f"/apis/{number}")
    with pytest.raises(ShrinkingChanges):
        advance(held, parse(plane.feed(held.dataset, held.cursor)))
    plane.complete = False
    with pytest.raises(Shrunk):
        advance(held, parse(plane.feed(None, -1)))
    plane.complete = True
    assert len(advance(held, parse(plane.feed(None, -1))).resources) == 2


def test_a_version_that_lost_something_without_a_newer_one_is_refused() -> None:
    plane = plane_with(9)
    held = held_by(plane)
    del plane.resources["/apis/0"]
    with pytest.raises(FeedError, match="8 resources, where 9 are held of the same version"):
        advance(held, parse(plane.feed(None, -1)))


def test_changes_for_another_dataset_or_start_are_refused() -> None:
    body = b"{}"
    held = apply(None, [Resource("/a", hashlib.sha256(body).digest(), body)], "d", 5)
    for feed in (
        Feed("changes", "other", 5, 6, False, (), held.fingerprint),
        Feed("changes", "d", 4, 6, False, (), held.fingerprint),
        Feed("changes", "d", 5, 4, False, (), held.fingerprint),
    ):
        with pytest.raises(FeedError):
            advance(held, feed)
    with pytest.raises(FeedError):
        advance(None, Feed("none", "d", 0, 5, False, (), 0))


def test_a_cursor_that_moves_over_nothing_shares_the_resources() -> None:
    plane = plane_with(2)
    held = held_by(plane)
    later = advance(held, Feed("none", "d1", 0, 9, False, (), held.fingerprint))
    assert later.cursor == 9
    assert later.content == held.content
    assert later.resources is held.resources
