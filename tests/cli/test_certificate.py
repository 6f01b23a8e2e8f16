"""`passerelle certificate`: made once, left alone while it is good, made again for another name; refusals say why."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from cryptography import x509

from management.authority import server_context
from passerelle.main import main


@pytest.fixture
def data(tmp_path: Path) -> Path:
    place = tmp_path / "plane"
    place.mkdir()
    server_context(place, "127.0.0.1")
    return place


def run(data: Path, out: Path, *names: str) -> Result:
    options = [word for name in names for word in ("--name", name)]
    return CliRunner().invoke(main, ["certificate", "--data", str(data), "--out", str(out), *options, "--json"])


def test_it_is_made_once_and_again_for_another_name(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "tls"
    first = run(data, out, "shop.example", "10.1.2.3")
    assert json.loads(first.stdout)["made"] is True
    made = (out / "tls.crt").read_bytes()
    assert (out / "tls.key").stat().st_mode & 0o777 == 0o600
    certificate = x509.load_pem_x509_certificate(made)
    certificate.verify_directly_issued_by(x509.load_pem_x509_certificate((data / "ca.pem").read_bytes()))
    assert json.loads(run(data, out, "shop.example").stdout)["made"] is False
    assert (out / "tls.crt").read_bytes() == made
    assert json.loads(run(data, out, "other.example").stdout)["made"] is True
    assert (out / "tls.crt").read_bytes() != made


def test_without_an_authority_it_says_what_to_do(tmp_path: Path) -> None:
    told = run(tmp_path, tmp_path / "tls", "shop.example")
    assert told.exit_code == 1
    assert "give --data the directory of a plane" in told.stderr


def test_a_strange_key_signs_nothing(data: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    server_context(other, "127.0.0.1")
    (data / "ca.key").write_bytes((other / "ca.key").read_bytes())
    told = run(data, tmp_path / "tls", "shop.example")
    assert told.exit_code == 1
    assert "is not the key of ca.pem" in told.stderr
    assert not (tmp_path / "tls" / "tls.crt").exists()
