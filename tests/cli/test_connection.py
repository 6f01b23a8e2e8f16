"""Which plane a command talks to: what is said, else that of `up`; and what is missing is named."""

from __future__ import annotations

import json
from pathlib import Path

import click
import pytest

from passerelle.connection import connect
from passerelle.home import Home


def home(root: Path, *, port: int = 9080) -> Home:
    (root / "run").mkdir()
    environment = {"management.http.port": str(port), "management.service": "/subscriptions/s/x/y/z/a/service/mine"}
    (root / "run" / "management.json").write_text(json.dumps({"argv": [], "environment": environment}))
    (root / "admin.token").write_text("theirs\n")
    return Home(root)


def test_nothing_said_is_the_plane_of_up(tmp_path: Path) -> None:
    plane = connect(None, None, None, None, home(tmp_path, port=9999))
    assert (plane._host, plane._port, plane._token, plane.id.rsplit("/", 1)[1]) == ("127.0.0.1", 9999, "theirs", "mine")


def test_the_bearer_of_up_goes_to_no_other_plane(tmp_path: Path) -> None:
    with pytest.raises(click.UsageError, match="admin bearer"):
        connect("https://elsewhere.example", None, None, None, home(tmp_path))


def test_a_bearer_may_be_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text(" abc \n")
    plane = connect("https://elsewhere.example", f"@{tmp_path / 'mine'}", None, None, Home(tmp_path / "none"))
    assert (plane._host, plane._token) == ("elsewhere.example", "abc")


@pytest.mark.parametrize(
    ("management", "token", "ca", "said"),
    [
        (None, None, None, "no directory of a running"),
        ("http://h", "@nowhere", None, "nowhere cannot be read"),
        ("https://h", "x", "nowhere.pem", "nowhere.pem cannot be read"),
        ("http://h", None, None, "admin bearer"),
    ],
)
def test_what_is_missing_is_named(
    tmp_path: Path, management: str | None, token: str | None, ca: str | None, said: str
) -> None:
    with pytest.raises(click.UsageError, match=said):
        connect(management, token, None, Path(ca) if ca else None, Home(tmp_path))
