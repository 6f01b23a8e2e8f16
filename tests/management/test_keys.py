"""Tokens as they come off the wire: whatever bytes a header holds, the answer is yes or no. And where secrets lie."""

from __future__ import annotations

import asyncio
import datetime
import ssl
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from management import authority
from management.__main__ import renew_forever
from management.authority import server_context
from management.keys import TokenRefused, same, verify
from management.vault import read_or_make

NOW = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)


@pytest.mark.parametrize("token", ["gw&209901010000&\udcff", "\udcff&209901010000&AAAA", "gw&209901010000&é"])
def test_bytes_that_are_no_text_are_a_wrong_token(token: str) -> None:
    with pytest.raises(TokenRefused):
        verify(token, "gw", ["one", "two"], NOW)


def test_bytes_that_are_no_text_are_a_wrong_secret() -> None:
    assert not same("\udcff", "secret")
    assert same("\udcff", "\udcff")


def test_of_two_that_make_a_secret_one_wins(tmp_path: Path) -> None:
    path = tmp_path / "store.key"

    def make_while_another_did() -> bytes:
        path.write_bytes(b"theirs")
        return b"ours"

    assert read_or_make(path, make_while_another_did) == b"theirs"
    assert path.read_bytes() == b"theirs"
    assert [each.name for each in tmp_path.iterdir()] == ["store.key"]


def test_a_secret_is_made_once_and_private(tmp_path: Path) -> None:
    path = tmp_path / "store.key"
    assert read_or_make(path, lambda: b"x" * 100_000) == b"x" * 100_000
    assert read_or_make(path, lambda: b"y") == b"x" * 100_000
    assert path.stat().st_mode & 0o777 == 0o600


def test_an_authority_whose_key_is_another_one_is_made_anew(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    for directory in (one, two):
        directory.mkdir()
        server_context(directory, "localhost")
    former = (one / "ca.pem").read_bytes()
    (two / "ca.key").replace(one / "ca.key")
    server_context(one, "localhost")
    assert (one / "ca.pem").read_bytes() != former


def test_planes_that_start_together_make_one_certificate(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as planes:
        list(planes.map(lambda _: server_context(tmp_path, "127.0.0.1"), range(16)))


def test_what_a_clock_that_was_ahead_made_is_made_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody trusts what has not begun, and a month before its end is years away."""
    with monkeypatch.context() as ahead:
        ahead.setattr(authority, "_now", lambda: NOW.replace(year=2098))
        server_context(tmp_path, "localhost")
    made = {name: (tmp_path / name).read_bytes() for name in ("ca.pem", "server.pem")}
    server_context(tmp_path, "localhost")
    for name, former in made.items():
        assert (tmp_path / name).read_bytes() != former
    now = {name: (tmp_path / name).read_bytes() for name in made}
    server_context(tmp_path, "localhost")
    assert now == {name: (tmp_path / name).read_bytes() for name in made}, "once"


async def test_a_certificate_is_renewed_while_the_plane_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as soon:
        soon.setattr(authority, "SERVER_LIFE", authority.RENEW - datetime.timedelta(days=1))
        context = server_context(tmp_path, "localhost")
    listener = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0, ssl=context)

    async def shown() -> bytes:
        trusting = ssl.create_default_context(cafile=str(tmp_path / "ca.pem"))
        port = listener.sockets[0].getsockname()[1]
        _, writer = await asyncio.open_connection("localhost", port, ssl=trusting)
        found = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        writer.close()
        return bytes(found)

    former = await shown()
    renewing = asyncio.create_task(renew_forever(context, tmp_path, "localhost", 0.01))
    try:
        async with asyncio.timeout(10):
            while await shown() == former:  # noqa: ASYNC110 (a certificate knows no events)
                await asyncio.sleep(0.01)
    finally:
        renewing.cancel()
        listener.close()
