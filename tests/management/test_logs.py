"""The plane's log: one event, one line, whatever a client put into its path."""

from __future__ import annotations

import logging

import pytest

from management import logs


def test_a_client_cannot_forge_an_event(capsys: pytest.CaptureFixture[str]) -> None:
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    try:
        logs.start("text")
        logging.getLogger("management").info("GET %s failed", "/a\r\n2026 info management: all is well")
    finally:
        root.handlers = handlers
        root.setLevel(level)
    (line,) = capsys.readouterr().out.splitlines()
    assert line.endswith("GET /a\\r\\n2026 info management: all is well failed")
