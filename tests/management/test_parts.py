"""The small parts: filters, formats, secrets, keys, certificates, the vault."""

from __future__ import annotations

import datetime
import json
import ssl
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from management import authority, filters
from management.apply import merge_patch
from management.errors import ArmError
from management.keys import TokenRefused, sign, verify
from management.policy_format import convert
from management.secret_fields import Secret, keep_masked, merge, split
from management.vault import Vault, VaultBroken
from management.wire import relative

DOCUMENT = {
    "name": "shop",
    "properties": {"displayName": "The Shop", "isCurrent": True, "count": 3, "deep": {"a": "b"}},
}


@pytest.mark.parametrize(
    ("text", "matches"),
    [
        ("name eq 'shop'", True),
        ("name ne 'shop'", False),
        ("properties/displayName eq 'the shop'", True),
        ("displayName eq 'it''s'", False),
        ("contains(displayName,'Sho')", True),
        ("substringof('sho', name)", True),
        ("startswith(name,'s') and endswith(name,'p')", True),
        ("startswith(name,'x') or not (name eq 'x')", True),
        ("name eq 'x' or name eq 'y' and name eq 'shop'", False),
        ("isCurrent eq true", True),
        ("count ge 3 and count lt 4", True),
        ("name gt 3", False),
        ("none eq null", True),
        ("deep/a eq 'b'", True),
        ("contains(name,'sh') eq true", True),
        ("contains(name,'sh') eq false", False),
        ("contains(name,'xx') eq false", True),
    ],
)
def test_filters(text: str, matches: bool) -> None:
    predicate = filters.parse(text)
    assert predicate(DOCUMENT) is matches
    if matches:
        assert predicate.may_fit("/apis/shop", json.dumps(DOCUMENT["properties"]))


@pytest.mark.parametrize(
    ("text", "needs"),
    [
        ("name eq 'X'", {"x"}),
        ("contains(properties/displayName,'Sho') and startswith(name,'s')", {"sho", "s"}),
        ("name eq 'x' or name eq 'y'", set()),
        ("not (name eq 'x')", set()),
        ("contains(name,'x') eq false", set()),
        ("name ne 'x'", set()),
        ("displayName eq 'é'", set()),
        ("displayName eq 'a\"b'", set()),
        ("scope eq '/products/x'", set()),
    ],
)
def test_texts_that_a_filter_needs(text: str, needs: set[str]) -> None:
    assert filters.parse(text).needs == needs


@pytest.mark.parametrize(
    "text", ["name", "name is 'x'", "name eq 'x", "(name eq 'x'", "name eq 'x')", "contains(name)", "(" * 50, "§"]
)
def test_filters_that_are_none(text: str) -> None:
    with pytest.raises(ArmError, match="not understood"):
        filters.parse(text)


@pytest.mark.parametrize(
    ("raw", "escaped"),
    [
        ('<a b="@("x" + 1 < 2)" />', '<a b="@(&quot;x&quot; + 1 &lt; 2)" />'),
        ("<a>@{ return a && b; }</a>", "<a>@{ return a &amp;&amp; b; }</a>"),
        ('<a b="@(s == ")" || c == \')\')"/>', '<a b="@(s == &quot;)&quot; || c == &apos;)&apos;)"/>'),
        ('<!-- "@(a && b)" --><a b="x &amp; y"/>', '<!-- "@(a && b)" --><a b="x &amp; y"/>'),
        ('<a b="@(@"c:\\" + d)"/>', '<a b="@(@&quot;c:\\&quot; + d)"/>'),
        ("<a><![CDATA[@(a && b)]]></a>", "<a><![CDATA[@(a && b)]]></a>"),
    ],
)
def test_policy_formats(raw: str, escaped: str) -> None:
    assert convert(raw, "rawxml", "xml") == escaped
    assert convert(escaped, "xml", "rawxml") == raw


def test_secrets_apart_and_together() -> None:
    rules = (Secret("key"), Secret("credentials", masked=True, open=frozenset({"scheme"})))
    whole: dict[str, Any] = {"key": "k", "credentials": {"scheme": "s", "header": {"h": ["a", "{{nv}}"]}}, "rest": 1}
    public, hidden = split(whole, rules)
    assert public == {"credentials": {"scheme": "s", "header": {"h": ["***", "{{nv}}"]}}, "rest": 1}
    assert merge(public, hidden) == whole
    back = {"credentials": {"header": {"h": ["***", "***"]}}}
    keep_masked(back, rules, hidden)
    assert back == {"credentials": {"header": {"h": ["a", "***"]}}}


def test_relative_ids() -> None:
    service = "/subscriptions/s/x"
    document = {"a": [f"{service.upper()}/apis/b", "other", service], "c": f"{service}y"}
    assert relative(document, service) == {"a": ["/apis/b", "other", "/"], "c": f"{service}y"}


def test_merge_patch() -> None:
    assert merge_patch({"a": {"b": 1, "c": 2}, "d": [1]}, {"a": {"b": None}, "d": [2]}) == {"a": {"c": 2}, "d": [2]}


NOW = datetime.datetime(2026, 1, 2, 3, 4, 30, tzinfo=datetime.UTC)


def test_a_token_as_the_published_rule_has_it() -> None:
    expiry = datetime.datetime(2030, 1, 2, 3, 4, 59, tzinfo=datetime.UTC)
    # printf 'gw\n2030-01-02T03:04:00.0000000Z' | openssl dgst -sha512 -hmac key -binary | base64
    signature = "udmk41f87+XZulmMlRpYtl9uagf1e4xJI92LsEvnlVdXAyf43GQayB92+EmzKhmjOwS9jhE5b2ebhzR3YIpMlA=="
    assert sign("gw", expiry, "key") == f"gw&203001020304&{signature}"
    assert verify(f"gw&203001020304&{signature}", "GW", ["other", "key"], NOW) == expiry.replace(second=0)


@pytest.mark.parametrize("token", ["", "gw", "gw&x&y", "gw&209913010000&x", "gw&203001020304&" + "A" * 2000])
def test_tokens_that_are_none(token: str) -> None:
    with pytest.raises(TokenRefused):
        verify(token, "gw", ["key"], NOW)


def test_a_token_lives_until_its_minute() -> None:
    token = sign("gw", NOW + datetime.timedelta(minutes=1), "key")
    verify(token, "gw", ["key"], NOW)
    with pytest.raises(TokenRefused, match="expired"):
        verify(token, "gw", ["key"], NOW + datetime.timedelta(minutes=1))


def test_the_vault_binds_a_secret_to_its_place(tmp_path: Path) -> None:
    vault = Vault.open(tmp_path / "key")
    sealed = vault.seal(b"secret", "here")
    assert b"secret" not in sealed
    assert Vault.open(tmp_path / "key").unseal(sealed, "here") == b"secret"
    for other, place in [(vault, "there"), (Vault(b"x" * 32), "here")]:
        with pytest.raises(VaultBroken):
            other.unseal(sealed, place)
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600
    (tmp_path / "key").write_bytes(b"short")
    with pytest.raises(VaultBroken, match="5 bytes"):
        Vault.open(tmp_path / "key")


def test_the_authority_is_made_once_and_renewed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    authority.server_context(tmp_path, "127.0.0.1")
    first, server = (tmp_path / "ca.pem").read_bytes(), (tmp_path / "server.pem").read_bytes()
    assert (tmp_path / "ca.key").stat().st_mode & 0o777 == 0o600
    authority.server_context(tmp_path, "127.0.0.1")
    assert (tmp_path / "server.pem").read_bytes() == server
    authority.server_context(tmp_path, "plane.example")
    renamed = (tmp_path / "server.pem").read_bytes()
    names = (
        x509.load_pem_x509_certificate(renamed).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    )
    assert {"localhost", "plane.example"} <= set(names.get_values_for_type(x509.DNSName))
    later = authority._now() + datetime.timedelta(days=350)
    monkeypatch.setattr(authority, "_now", lambda: later)
    authority.server_context(tmp_path, "plane.example")
    assert (tmp_path / "server.pem").read_bytes() != renamed
    assert (tmp_path / "ca.pem").read_bytes() == first
    ssl.create_default_context(cafile=str(tmp_path / "ca.pem"))
