"""The command line: options, refusals before anything starts, and small sub-commands."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from passerelle.main import main

ROOT = Path(__file__).resolve().parents[2]


def test_every_command_has_a_file_and_a_help() -> None:
    files = {path.stem.rstrip("_") for path in (ROOT / "passerelle" / "commands").glob("*.py")} - {"__init"}
    names = main.list_commands(click.Context(main))
    assert files == set(names)
    for name in names:
        assert CliRunner().invoke(main, [name, "--help"]).exit_code == 0


def test_version() -> None:
    result = CliRunner().invoke(main, ["version"])
    assert result.exit_code == 0
    assert result.output.startswith("passerelle ")


@pytest.mark.parametrize("option", ["--management-port", "--gateway-port", "--portal-port"])
def test_a_taken_port_is_refused_before_anything_starts(option: str, tmp_path: Path) -> None:
    arguments = ["up", "--json", "--data", str(tmp_path / "d")]
    arguments += [f"--{name}-port=0" for name in ("management", "gateway", "portal")]
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        port = server.getsockname()[1]
        ran = subprocess.run(
            [sys.executable, "-m", "passerelle", *arguments, f"{option}={port}"],
            cwd=ROOT, capture_output=True, text=True, check=False,
        )  # fmt: skip
    assert ran.returncode == 1
    assert ran.stdout == ""
    assert f"port {port} ({option}) is already in use" in ran.stderr
    assert "Traceback" not in ran.stderr
    assert not list((tmp_path / "d" / "logs").iterdir())


def test_starting_an_unknown_process_again_names_the_known_ones(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "agent.json").write_text("{}")
    result = CliRunner().invoke(main, ["start", "sidecar-9", "--data", str(tmp_path)])
    assert result.exit_code == 1
    assert "known there: agent" in result.output


def test_start_runs_the_process_with_its_own_environment(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    argv = [sys.executable, "-c", "import os; print(os.environ['some.setting'], os.environ.get('HOME'))"]
    (tmp_path / "run" / "x.json").write_text(json.dumps({"argv": argv, "environment": {"some.setting": "1"}}))
    ran = subprocess.run(
        [sys.executable, "-m", "passerelle", "start", "x", "--data", str(tmp_path)],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert ran.stdout == "1 None\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["books"], "is no URL of a gateway"),
        (["http://127.0.0.1:1/x", "-H", "nothing"], "is no header"),
        (["http://127.0.0.1:1/x", "-d", "@nowhere.txt"], "cannot be read"),
        (["http://127.0.0.1:1/x"], "is no directory of a running"),
        (["http://127.0.0.1:1/x", "--management", "http://127.0.0.1:1"], "admin bearer by --token @FILE"),
    ],
)
def test_trace_says_what_it_lacks(tmp_path: Path, arguments: list[str], said: str) -> None:
    result = CliRunner().invoke(main, ["trace", *arguments, "--data", str(tmp_path)])
    assert result.exit_code == 2
    assert said in " ".join(result.output.split())


@pytest.mark.parametrize("url", ["plane.example", "foo", "ftp://plane.example", "https://", "http://plane:port"])
def test_a_plane_is_named_by_a_url(url: str) -> None:
    result = CliRunner().invoke(main, ["gateways", "--management", url, "--token", "x"])
    assert result.exit_code == 2
    assert "is no URL such as" in " ".join(result.output.split())


def test_trace_without_a_plane_says_so(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("x")
    arguments = ["http://127.0.0.1:1/x", "--management", "http://127.0.0.1:1", "--token", f"@{tmp_path / 'token'}"]
    result = CliRunner().invoke(main, ["trace", *arguments])
    assert result.exit_code == 1
    assert "does not answer" in result.output
