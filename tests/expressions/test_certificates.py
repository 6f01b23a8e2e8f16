"""Certificates of the deployment and of the client, and what RSA makes of their keys."""

from __future__ import annotations

import base64
import datetime
from types import SimpleNamespace
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import NameOID

from proxy.errors import ExpressionFailed
from proxy.expressions import compile_expression

KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
NAME = x509.Name(
    [x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Contoso, Ltd"), x509.NameAttribute(NameOID.COMMON_NAME, "gate")]
)
START = datetime.datetime(2024, 1, 2, 3, 4, 5, tzinfo=datetime.UTC)
CERTIFICATE = (
    x509.CertificateBuilder()
    .subject_name(NAME)
    .issuer_name(NAME)
    .public_key(KEY.public_key())
    .serial_number(0x1234)
    .not_valid_before(START)
    .not_valid_after(START + datetime.timedelta(days=36500))
    .sign(KEY, hashes.SHA256())
)
DER = CERTIFICATE.public_bytes(serialization.Encoding.DER)
PEM = CERTIFICATE.public_bytes(serialization.Encoding.PEM) + KEY.private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
)
THUMBPRINT = CERTIFICATE.fingerprint(hashes.SHA1()).hex().upper()


def evaluate(source: str) -> Any:
    held = SimpleNamespace(id="signer", der=DER, pem=PEM, thumbprint=THUMBPRINT)
    exchange = SimpleNamespace(
        deployment=SimpleNamespace(certificates={"signer": held}), request=SimpleNamespace(client_certificate=DER)
    )
    return compile_expression(source).evaluate(exchange)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["signer", THUMBPRINT, THUMBPRINT.lower()], ids=["id", "capitals", "small"])
def test_a_signature_made_with_a_certificate_of_the_deployment(name: str) -> None:
    made = evaluate(
        f'@(Convert.ToBase64String(context.Deployment.Certificates["{name}"].GetRSAPrivateKey().SignData('
        'Encoding.UTF8.GetBytes("abc"), HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1)))'
    )
    KEY.public_key().verify(base64.b64decode(made), b"abc", padding.PKCS1v15(), hashes.SHA256())


def test_a_signature_is_verified_and_a_changed_text_is_not() -> None:
    source = (
        '@{{ var c = context.Deployment.Certificates["signer"]; var data = Encoding.UTF8.GetBytes("abc");'
        "var s = c.GetRSAPrivateKey().SignData(data, HashAlgorithmName.SHA512, RSASignaturePadding.Pss);"
        'return c.GetRSAPublicKey().VerifyData(Encoding.UTF8.GetBytes("{}"), s, HashAlgorithmName.SHA512, '
        "RSASignaturePadding.Pss); }}"
    )
    assert evaluate(source.format("abc")) is True
    assert evaluate(source.format("abd")) is False


def test_what_is_encrypted_is_decrypted() -> None:
    source = (
        '@{ var c = context.Deployment.Certificates["signer"];'
        'var e = c.GetRSAPublicKey().Encrypt(Encoding.UTF8.GetBytes("hello"), RSAEncryptionPadding.OaepSHA256);'
        "return Encoding.UTF8.GetString(c.GetRSAPrivateKey().Decrypt(e, RSAEncryptionPadding.OaepSHA256)); }"
    )
    assert evaluate(source) == "hello"


@pytest.mark.parametrize(
    ("expression", "wanted"),
    [
        ("Subject", 'CN=gate, O="Contoso, Ltd"'),
        ("SubjectName.Name", 'CN=gate, O="Contoso, Ltd"'),
        ("SerialNumber", "1234"),
        ("Thumbprint", THUMBPRINT),
        ('NotBefore.ToString("s")', "2024-01-02T03:04:05"),
        ("Verify()", True),
        ("HasPrivateKey", False),
        ("GetRSAPrivateKey() == null", True),
        ("GetCertHashString()", THUMBPRINT),
    ],
    ids=lambda value: None if value != THUMBPRINT else "thumbprint",  # each worker has a certificate of its own
)
def test_members_of_the_clients_certificate(expression: str, wanted: object) -> None:
    assert evaluate(f"@(context.Request.Certificate.{expression})") == wanted


def test_an_unknown_certificate_is_a_missing_key() -> None:
    with pytest.raises(ExpressionFailed) as failure:
        evaluate('@(context.Deployment.Certificates["nobody"].Subject)')
    assert failure.value.detail.startswith("System.Collections.Generic.KeyNotFoundException")


def test_a_document_that_asks_the_certificates_has_no_other_way_to_the_key() -> None:
    """It signs and decrypts with the key, and cannot have it."""
    from proxy.expressions.dotnet.x509 import CERTIFICATE as TABLE

    assert not {"pem", "ExportParameters"} & set(TABLE.members)
    key = 'context.Deployment.Certificates["signer"].GetRSAPrivateKey()'
    for way in (f"{key}.ToXmlString(true)", f"{key}.ExportPkcs8PrivateKey()", f"{key}.ExportRSAPrivateKey()",
                f'{key.replace("GetRSAPrivateKey()", "PrivateKey")}.ToXmlString(true)'):  # fmt: skip
        with pytest.raises(ExpressionFailed, match="Key not valid for use in specified state"):
            evaluate(f"@({way})")
    for kind in ("Pfx", "SerializedCert"):
        with pytest.raises(ExpressionFailed, match="Invalid content type"):
            evaluate(f'@(context.Deployment.Certificates["signer"].Export(X509ContentType.{kind}))')
    assert evaluate('@(context.Deployment.Certificates["signer"].Export(X509ContentType.Cert).Length > 500)') is True
