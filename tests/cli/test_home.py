"""The data directory: private, one `up` at a time, with a socket path that fits."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from passerelle.home import LONGEST_SOCKET_PATH, Home, HomeInUse
from passerelle.private import private_directory, write_private


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_everything_is_for_this_user_only(tmp_path: Path) -> None:
    home = Home(tmp_path / "data")
    home.prepare()
    assert {mode(path) for path in (home.root, home.logs, home.run, home.demo)} == {0o700}


def test_only_one_up_holds_a_directory(tmp_path: Path) -> None:
    home = Home(tmp_path / "data")
    home.prepare()
    held = home.lock()
    with pytest.raises(HomeInUse, match=rf"pid {os.getpid()}"):
        home.lock()
    os.close(held)
    os.close(home.lock())


def test_a_short_socket_path_lies_in_the_directory(tmp_path: Path) -> None:
    assert Home(Path("/d")).socket() == Path("/d/run/agent.sock")


def test_a_long_socket_path_moves_to_a_private_temp_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path))
    home, other = Home(tmp_path / ("d" * 90)), Home(tmp_path / ("e" * 90))
    assert home.socket().parent.parent == tmp_path
    assert home.socket() != other.socket()
    home.prepare()
    assert mode(home.socket().parent) == 0o700
    assert len(str(Home(Path("/" + "x" * 200)).socket().name)) < LONGEST_SOCKET_PATH


def test_a_directory_that_is_a_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with pytest.raises(PermissionError, match="belongs to somebody else"):
        private_directory(tmp_path / "link")


def test_a_secret_file_is_private_and_replaced_as_a_whole(tmp_path: Path) -> None:
    path = tmp_path / "run" / "token"
    write_private(path, "one\n")
    before = path.stat().st_ino
    write_private(path, "two\n")
    assert path.read_text() == "two\n"
    assert mode(path) == 0o600
    assert path.stat().st_ino != before
    assert list(path.parent.iterdir()) == [path]
