"""A reader of standard error that stops reading, or goes away, never stops `up`."""

from __future__ import annotations

import os
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from passerelle.voice import Voice


def with_stderr(monkeypatch: pytest.MonkeyPatch, descriptor: int) -> Voice:
    voice = Voice(copy_logs=True)
    monkeypatch.setattr("sys.stderr", SimpleNamespace(fileno=lambda: descriptor))
    return voice


def test_what_is_said_arrives(monkeypatch: pytest.MonkeyPatch) -> None:
    reader, writer = os.pipe()
    with_stderr(monkeypatch, writer).say("grüße " + "x" * 10_000)
    os.close(writer)
    with os.fdopen(reader, encoding="utf-8") as file:
        assert file.read() == "[up] grüße " + "x" * 10_000 + "\n"


def test_a_full_pipe_does_not_block(monkeypatch: pytest.MonkeyPatch) -> None:
    reader, writer = os.pipe()
    voice = with_stderr(monkeypatch, writer)
    began = time.monotonic()
    voice.say("x" * 1_000_000)
    voice.say("and more")
    assert time.monotonic() - began < 5
    os.close(reader)
    os.close(writer)


def test_a_reader_that_went_away_does_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with_stderr(monkeypatch, writer).say("nobody hears")
    os.close(writer)
    with_stderr(monkeypatch, writer).say("nothing is there")


def test_a_log_that_is_emptied_or_taken_away_is_followed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    reader, writer = os.pipe()
    voice = with_stderr(monkeypatch, writer)
    child = SimpleNamespace(name="agent", log=tmp_path / "agent.log", log_start=0)
    for text in ("one\ntwo\n", "3\n", None, "four\n"):
        if text is None:
            child.log.unlink()
        else:
            child.log.write_text(text)
        voice.copy_logs([child])  # type: ignore[list-item]
    os.close(writer)
    with os.fdopen(reader, encoding="utf-8") as file:
        assert file.read() == "".join(f"[agent] {line}\n" for line in ("one", "two", "3", "four"))
