"""What models report, and what is estimated where they report nothing."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.pipeline.usage import EventStream, estimate_prompt, parse, reported


@pytest.mark.parametrize(
    ("request_body", "tokens"),
    [
        ({"messages": [{"role": "user", "content": "x" * 8}]}, 4 + 2),
        ({"messages": [{"role": "system", "content": "x"}, {"role": "user", "content": "x" * 3}]}, 8 + 1),
        ({"messages": [{"role": "user", "content": [{"type": "text", "text": "x" * 4}]}]}, 4 + 1),
        ({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:"}}]}]}, 4 + 1200),
        ({"prompt": "x" * 10}, 3),
        ({"input": ["x" * 4, "x" * 4]}, 2),
        ({"input": [1, 2, 3]}, 3),
        ({"instructions": "x" * 4, "input": [{"role": "user", "content": "x" * 4}]}, 1 + 4 + 1),
        ({"tools": [{"a": 1}]}, 3),
        ([], 0),
        ("text", 0),
        (None, 0),
    ],
)
def test_prompts_are_estimated(request_body: Any, tokens: int) -> None:
    assert estimate_prompt(request_body) == tokens


@pytest.mark.parametrize(
    ("answer", "tokens"),
    [
        ({"usage": {"total_tokens": 7, "prompt_tokens": 3}}, 7),
        ({"usage": {"prompt_tokens": 3, "completion_tokens": 4}}, 7),
        ({"usage": {"input_tokens": 3, "output_tokens": 4}}, 7),
        ({"usage": {"total_tokens": -7}}, None),
        ({"usage": None}, None),
        ({}, None),
        ([], None),
    ],
)
def test_usage_is_read(answer: Any, tokens: int | None) -> None:
    assert reported(answer) == tokens


def stream(*events: Any) -> bytes:
    return b"".join(b"data: " + json.dumps(event).encode() + b"\n\n" for event in events)


ANTHROPIC = stream(
    {"type": "message_start", "message": {"usage": {"input_tokens": 10, "output_tokens": 1}}},
    {"type": "content_block_delta", "delta": {"type": "text_delta", "text": "Hello"}},
    {"type": "message_delta", "delta": {}, "usage": {"output_tokens": 5}},
)
RESPONSES = stream(
    {"type": "response.created", "response": {"usage": None}},
    {"type": "response.output_text.delta", "delta": "Hello"},
    {"type": "response.completed", "response": {"usage": {"input_tokens": 10, "output_tokens": 5, "total_tokens": 15}}},
)


@pytest.mark.parametrize("content", [ANTHROPIC, RESPONSES])
@pytest.mark.parametrize("size", [1, 7, 1000])
def test_streams_report_in_their_own_ways_whatever_the_chunks(content: bytes, size: int) -> None:
    events = EventStream()
    for start in range(0, len(content), size):
        events.feed(content[start : start + size])
    assert events.total(99) == 15


def test_a_stream_that_reports_nothing_is_estimated() -> None:
    events = EventStream()
    events.feed(
        stream({"choices": [{"delta": {"content": "x" * 8}}]}, {"delta": "y" * 4}, {"choices": [{"text": "zzzz"}]})
    )
    assert events.total(10) == 10 + 4


NAMES = ("messages", "content", "usage", "role", "choices", "delta", "message", "response", "type", "total_tokens")
LEAVES = st.none() | st.integers() | st.text(max_size=5)
TREES = st.recursive(LEAVES, lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(NAMES), inner))


@given(TREES)
def test_nothing_here_raises(tree: Any) -> None:
    assert estimate_prompt(tree) >= 0
    reported(tree)
    events = EventStream()
    events.feed(stream(tree))
    assert events.total(0) >= 0


def test_what_is_no_json_is_nothing() -> None:
    assert parse(b"{") is None
    assert parse(b"\xff") is None
