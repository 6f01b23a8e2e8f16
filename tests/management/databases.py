"""Databases for the tests: SQLite, or, when PASSERELLE_TEST_STORE is "postgresql", a server that runs while they do.

A server is started on a unix socket in a directory of its own, as the user postgres when the tests run as root, since
PostgreSQL refuses root. Where its programs are missing they are installed (root on Debian), or the tests skip.
"""

from __future__ import annotations

import atexit
import functools
import itertools
import os
import pwd
import shutil
import subprocess
import tempfile
from pathlib import Path

import psycopg
import pytest

from management.store import Store, sqlite_url
from management.vault import Vault

_numbers = itertools.count(1)


def store_url(directory: Path) -> str:
    """The address of an empty database, or of the one that is in `directory` already."""
    if os.environ.get("PASSERELLE_TEST_STORE") == "postgresql":
        return postgresql_url()
    file = directory / "management.db"
    if not file.exists():
        file.write_bytes(_empty_store())
    return sqlite_url(file)


@functools.cache
def _empty_store() -> bytes:
    """A new store's file: hundreds of tests begin with one, and making the tables takes longer than many of them."""
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory, "management.db")
        Store.open(sqlite_url(file), Vault(b"k" * 32)).close()
        return file.read_bytes()


def postgresql_url() -> str:
    """The address of an empty database on the tests' server."""
    socket = _server()
    name = f"test{next(_numbers)}"
    with psycopg.connect(f"host={socket} dbname=postgres user=passerelle", autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")  # type: ignore[arg-type]  # the name is ours
    return f"postgresql://passerelle@/{name}?host={socket}"


@functools.cache
def _server() -> Path:
    programs = _programs()
    directory = Path(tempfile.mkdtemp(prefix="pg"))
    user = "postgres" if os.geteuid() == 0 else None
    if user:
        record = pwd.getpwnam(user)
        os.chown(directory, record.pw_uid, record.pw_gid)
    data = directory / "data"

    def run(*command: str) -> None:
        done = subprocess.run(
            command, user=user, cwd=directory, capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == 0, f"{command[0]}: {done.stdout}{done.stderr}"

    run(f"{programs}/initdb", "-D", str(data), "-U", "passerelle", "-A", "trust", "-E", "UTF8", "--no-sync")
    options = f"-c listen_addresses='' -k {directory} -c fsync=off -c max_connections=200"
    run(f"{programs}/pg_ctl", "-D", str(data), "-w", "-o", options, "-l", f"{directory}/log", "start")

    def end() -> None:
        subprocess.run(
            [f"{programs}/pg_ctl", "-D", str(data), "-m", "immediate", "stop"],
            user=user,
            cwd=directory,
            capture_output=True,
            check=False,
        )
        shutil.rmtree(directory, ignore_errors=True)

    atexit.register(end)
    return directory


def _programs() -> Path:
    for _ in range(2):
        found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
        at = Path(found[-1]) if found else Path(shutil.which("initdb") or "")
        if at.name == "initdb":
            return at.resolve().parent
        if os.geteuid() != 0 or not shutil.which("apt-get"):
            break
        quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        subprocess.run(["apt-get", "install", "-y", "postgresql"], env=quiet, capture_output=True, check=False)
    pytest.skip("PostgreSQL is not installed: install the package postgresql")
