"""The rules for client certificates: names in text, chains, and what only looks like an authority."""

from __future__ import annotations

import datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.x509.oid import NameOID

from passerelle.cases.tokens import certificate
from proxy.pipeline.client_certificates import (
    Identity,
    Rules,
    hexadecimal,
    is_trusted,
    matches,
    parts_of,
    problem_of,
    same_name,
)

NOW = datetime.datetime(2030, 1, 2, tzinfo=datetime.UTC)
ROOT = certificate("root")


def test_chains() -> None:
    assert is_trusted(certificate("leaf.root"), [ROOT], NOW)
    assert is_trusted(certificate("leaf.ca.root"), [certificate("ca.root"), ROOT], NOW)
    assert not is_trusted(certificate("leaf.ca.root"), [ROOT], NOW)  # its issuer is not there
    assert not is_trusted(certificate("leaf.ca.root"), [certificate("ca.root")], NOW)  # nor the root
    assert not is_trusted(certificate("leaf.second"), [ROOT], NOW)
    assert not is_trusted(certificate("leaf.root"), [], NOW)


def test_a_certificate_that_may_not_issue_does_not() -> None:
    middle = certificate("leaf.root")
    assert not is_trusted(certificate("evil.leaf.root"), [ROOT, middle], NOW)
    rules = Rules(identities=(Identity(issuer=middle),))
    assert problem_of(certificate("evil.leaf.root"), rules, [ROOT, middle], NOW)


def test_an_authority_that_has_expired() -> None:
    assert not is_trusted(certificate("leaf.old"), [certificate("old")], NOW)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("CN=a", [("CN", "a")]),
        ('cn = a , O="Books, Inc.",S=ST', [("CN", "a"), ("O", "Books, Inc."), ("ST", "ST")]),
        ('O="a ""b"" c", CN=*.x', [("O", 'a "b" c'), ("CN", "*.x")]),
        (r"O=a\, b, E=me@x", [("O", "a, b"), ("EMAILADDRESS", "me@x")]),
        ("CN=", [("CN", "")]),
        ("", None),
        ("a", None),
        ('O="a', None),
    ],
)
def test_names_in_text(text: str, parts: list[tuple[str, str]] | None) -> None:
    assert parts_of(text) == parts


def test_names_in_order_and_in_reverse_order() -> None:
    kinds = (NameOID.COUNTRY_NAME, NameOID.ORGANIZATION_NAME, NameOID.COMMON_NAME)
    name = x509.Name(
        [x509.NameAttribute(kind, value) for kind, value in zip(kinds, ("US", "B, Inc.", "a"), strict=True)]
    )
    assert same_name('C=US, O="B, Inc.", CN=a', name)
    assert same_name('CN=a, O="B, Inc.", C=US', name)
    for other in ('O="B, Inc.", C=US, CN=a', "C=US, CN=a", "C=US, O=b, CN=a", "CN=a", "C=us"):
        assert not same_name(other, name)


def test_each_part_of_an_identity_counts() -> None:
    leaf = certificate("leaf.root")
    thumbprint = leaf.fingerprint(SHA1()).hex(" ")
    assert matches(leaf, Identity(thumbprint=f"\u200e{thumbprint}", serial_number=f"00:{leaf.serial_number:x}"), [])
    for wrong in (
        Identity(thumbprint="AB"), Identity(serial_number="1"), Identity(common_name="LEAF.root"),
        Identity(dns_name="x"), Identity(subject="CN=x"), Identity(issuer_subject="CN=x"),
        Identity(issuer_thumbprint="AB"), Identity(nobody=True), Identity(issuer=certificate("second")),
    ):  # fmt: skip
        assert not matches(leaf, wrong, [ROOT])
    assert hexadecimal("\u200eab:cd 01") == "ABCD01"
