"""System.Security.Cryptography.RSA: signing, verifying, encrypting with the keys of certificates."""

from __future__ import annotations

import base64
import re
from typing import Any

from proxy.expressions.dotnet.convert import BYTE, as_bytes
from proxy.expressions.dotnet.hashes import SPACE, cryptographic, slice_of
from proxy.expressions.dotnet.text import TEXTS
from proxy.expressions.dotnet.values import Array, stands_for
from proxy.expressions.runtime import argument, argument_null, spend
from proxy.expressions.table import attribute, constant, define, members, setters
from proxy.expressions.types import find

# what one private-key operation costs of the budget: about a millisecond
SIGN_STEPS = 10_000


class Named:
    """HashAlgorithmName, RSASignaturePadding, RSAEncryptionPadding: a word."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self.name == other.name

    def __hash__(self) -> int:
        return hash(self.name)


class HashName(Named):
    __slots__ = ()


class SignaturePadding(Named):
    __slots__ = ()


class EncryptionPadding(Named):
    __slots__ = ()


HASH_NAME = define("HashAlgorithmName", f"{SPACE}.HashAlgorithmName")
for _python, _label, _words in (
    (HashName, "HashAlgorithmName", ("MD5", "SHA1", "SHA256", "SHA384", "SHA512")),
    (SignaturePadding, "RSASignaturePadding", ("Pkcs1", "Pss")),
    (EncryptionPadding, "RSAEncryptionPadding", ("Pkcs1", "OaepSHA1", "OaepSHA256", "OaepSHA384", "OaepSHA512")),
):
    _definition = HASH_NAME if _python is HashName else define(_label, f"{SPACE}.{_label}")
    stands_for(_python, _label)
    TEXTS[_python] = lambda value: str(value.name)
    members(
        _definition,
        {
            "string ToString()": lambda value: value.name,
            **{f"static {_label} {word}": constant(_python(word)) for word in _words},
        },
    )
members(
    HASH_NAME,
    {
        "new(string name)": HashName,
        "string? Name": attribute("name"),
        "bool Equals(object other)": lambda name, other: name == other,
        "static bool op_Equality(HashAlgorithmName left, HashAlgorithmName right)": lambda a, b: a == b,
        "static bool op_Inequality(HashAlgorithmName left, HashAlgorithmName right)": lambda a, b: a != b,
    },
)
for _label in ("RSASignaturePadding", "RSAEncryptionPadding"):
    _found = find(_label)
    assert _found is not None
    members(
        _found,
        {
            "bool Equals(object other)": lambda padding, other: padding == other,
            f"static bool op_Equality({_label} left, {_label} right)": lambda a, b: a == b,
            f"static bool op_Inequality({_label} left, {_label} right)": lambda a, b: a != b,
        },
    )
    if _label == "RSAEncryptionPadding":
        members(
            _found,
            {
                "HashAlgorithmName OaepHashAlgorithm": lambda padding: HashName(padding.name.removeprefix("Oaep")),
                "static RSAEncryptionPadding CreateOaep(HashAlgorithmName hashAlgorithm)": lambda name: (
                    EncryptionPadding(f"Oaep{name.name}")
                ),
            },
        )


class Rsa:
    """A public key, or a private one, which can do what a public one can; None is one without a key yet.

    The key of a certificate signs and decrypts, and is not handed out (`exportable`).
    """

    __slots__ = ("_key", "exportable", "size")

    def __init__(self, key: Any = None, size: int = 2048, *, exportable: bool = True) -> None:
        self._key = key
        self.exportable = exportable
        self.size = size if key is None else key.key_size

    @property
    def key(self) -> Any:
        if self._key is None:
            cryptographic("An expression makes no RSA keys: it would hold up other requests. Import one.")
        return self._key

    def take(self, key: Any) -> None:
        self._key, self.size = key, key.key_size

    @property
    def public(self) -> Any:
        return self.key.public_key() if hasattr(self.key, "public_key") else self.key

    @property
    def private(self) -> Any:
        if not hasattr(self.key, "sign"):
            cryptographic("Object contains only the public half of a key pair. A private key must also be provided.")
        spend(SIGN_STEPS)
        return self.key

    @property
    def exported(self) -> Any:
        """The private key, for one who may have it."""
        return self.private if self.exportable else cryptographic("Key not valid for use in specified state.")


stands_for(Rsa, "RSA")
ASYMMETRIC = define("AsymmetricAlgorithm", f"{SPACE}.AsymmetricAlgorithm", bases=("IDisposable",))
RSA = define("RSA", f"{SPACE}.RSA", bases=("AsymmetricAlgorithm",))


def _hash(name: HashName) -> Any:
    from cryptography.hazmat.primitives import hashes

    if not name.name:
        argument("The hash algorithm name cannot be null or empty.", "hashAlgorithm")
    found = getattr(hashes, name.name, None)
    return found() if found is not None else cryptographic(f"'{name.name}' is not a known hash algorithm.")


def _signing(padding: SignaturePadding, digest: Any) -> Any:
    from cryptography.hazmat.primitives.asymmetric import padding as kinds

    if padding is None:
        argument_null("padding")
    if padding.name == "Pss":
        return kinds.PSS(kinds.MGF1(digest), digest.digest_size)
    return kinds.PKCS1v15()


def _sign(rsa: Rsa, data: Any, name: HashName, padding: SignaturePadding, *, hashed: bool = False) -> Array:
    from cryptography.hazmat.primitives.asymmetric.utils import Prehashed

    raw = argument_null("hash" if hashed else "data") if data is None else as_bytes(data)
    digest = _hash(name)
    if hashed and len(raw) != digest.digest_size:
        cryptographic("The provided hash value is not the expected size for the specified hash algorithm.")
    method = Prehashed(digest) if hashed else digest
    return Array(BYTE, rsa.private.sign(raw, _signing(padding, digest), method))


def _verify(
    rsa: Rsa, data: Any, signature: Any, name: HashName, padding: SignaturePadding, *, hashed: bool = False
) -> bool:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.utils import Prehashed

    raw = argument_null("hash" if hashed else "data") if data is None else as_bytes(data)
    signed = argument_null("signature") if signature is None else as_bytes(signature)
    digest = _hash(name)
    method = Prehashed(digest) if hashed else digest
    try:
        rsa.public.verify(signed, raw, _signing(padding, digest), method)
    except (InvalidSignature, ValueError):
        return False
    return True


def _encryption(padding: EncryptionPadding) -> Any:
    from cryptography.hazmat.primitives.asymmetric import padding as kinds

    if padding is None:
        argument_null("padding")
    if padding.name == "Pkcs1":
        return kinds.PKCS1v15()
    digest = _hash(HashName(padding.name.removeprefix("Oaep")))
    return kinds.OAEP(kinds.MGF1(digest), digest, None)


def _encrypt(rsa: Rsa, data: Any, padding: EncryptionPadding) -> Array:
    raw = argument_null("data") if data is None else as_bytes(data)
    try:
        return Array(BYTE, rsa.public.encrypt(raw, _encryption(padding)))
    except ValueError:
        return cryptographic("The message exceeds the maximum allowable length for the chosen options.")  # type: ignore[no-any-return]


def _decrypt(rsa: Rsa, data: Any, padding: EncryptionPadding) -> Array:
    raw = argument_null("data") if data is None else as_bytes(data)
    try:
        return Array(BYTE, rsa.private.decrypt(raw, _encryption(padding)))
    except ValueError:
        return cryptographic("The parameter is incorrect.")  # type: ignore[no-any-return]


# keys in and out


def _load(rsa: Rsa, read: Any) -> None:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey

    try:
        key = read()
    except (ValueError, TypeError):
        key = None
    if not isinstance(key, (RSAPrivateKey, RSAPublicKey)):
        cryptographic("ASN1 corrupted data.")
    rsa.take(key)


def _import(public: bool) -> Any:
    def run(rsa: Rsa, source: Any) -> tuple[None, int]:
        from cryptography.hazmat.primitives.serialization import load_der_private_key, load_der_public_key

        raw = as_bytes(source)
        _load(rsa, lambda: load_der_public_key(raw) if public else load_der_private_key(raw, None))
        return None, len(raw)

    return run


def _import_pem(rsa: Rsa, text: str) -> None:
    from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

    raw = text.encode()
    _load(rsa, lambda: load_pem_private_key(raw, None) if "PRIVATE KEY" in text else load_pem_public_key(raw))


def _export(shape: str) -> Any:
    def run(rsa: Rsa) -> Array:
        from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

        if shape in ("PKCS8", "TraditionalOpenSSL"):
            return Array(BYTE, rsa.exported.private_bytes(Encoding.DER, getattr(PrivateFormat, shape), NoEncryption()))
        return Array(BYTE, rsa.public.public_bytes(Encoding.DER, getattr(PublicFormat, shape)))

    return run


_PARTS = ("P", "Q", "DP", "DQ", "InverseQ", "D")


def _number(value: int, size: int = 0) -> str:
    return base64.b64encode(value.to_bytes(size or (value.bit_length() + 7) // 8, "big")).decode()


def _to_xml(rsa: Rsa, private: bool) -> str:
    known = rsa.public.public_numbers()
    size = rsa.size // 8
    parts = [("Modulus", _number(known.n, size)), ("Exponent", _number(known.e))]
    if private:
        numbers = rsa.exported.private_numbers()
        half = size // 2
        values = (numbers.p, numbers.q, numbers.dmp1, numbers.dmq1, numbers.iqmp)
        parts += [(name, _number(value, half)) for name, value in zip(_PARTS, values, strict=False)]
        parts.append(("D", _number(numbers.d, size)))
    return f"<RSAKeyValue>{''.join(f'<{name}>{text}</{name}>' for name, text in parts)}</RSAKeyValue>"


def _from_xml(rsa: Rsa, text: str | None) -> None:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateNumbers, RSAPublicNumbers

    if text is None:
        argument_null("xmlString")
    found = dict(re.findall(r"<(\w+)>\s*([A-Za-z0-9+/=\s]+?)\s*</\1>", text[:65536]))
    try:
        values = {name: int.from_bytes(base64.b64decode(value), "big") for name, value in found.items()}
        public = RSAPublicNumbers(values["Exponent"], values["Modulus"])
        if "D" in values:
            private = RSAPrivateNumbers(
                values["P"], values["Q"], values["D"], values["DP"], values["DQ"], values["InverseQ"], public
            )
            rsa.take(private.private_key())
        else:
            rsa.take(public.public_key())
    except (ValueError, KeyError):
        cryptographic("Input string does not contain a valid encoding of the 'RSA' key.")


def _set_size(rsa: Rsa, size: int) -> None:
    if size % 8 or not 1024 <= size <= 4096:
        cryptographic("Specified key is not a valid size for this algorithm.")
    rsa.size, rsa._key = size, None


def _of_size(size: int) -> Rsa:
    made = Rsa()
    _set_size(made, size)
    return made


members(
    ASYMMETRIC,
    {
        "int KeySize": attribute("size"),
        "string? KeyExchangeAlgorithm": constant("RSA"),
        "string? SignatureAlgorithm": constant("RSA"),
        "string ToXmlString(bool includePrivateParameters)": _to_xml,
        "void FromXmlString(string xmlString)": _from_xml,
        "void Clear()": lambda rsa: None,
        "byte[] ExportPkcs8PrivateKey()": _export("PKCS8"),
        "byte[] ExportSubjectPublicKeyInfo()": _export("SubjectPublicKeyInfo"),
        "void ImportPkcs8PrivateKey(byte[] source, out int bytesRead)": _import(public=False),
        "void ImportSubjectPublicKeyInfo(byte[] source, out int bytesRead)": _import(public=True),
    },
)
setters(ASYMMETRIC, {"KeySize": _set_size})
_TAIL = "HashAlgorithmName hashAlgorithm, RSASignaturePadding padding"
members(
    RSA,
    {
        "static RSA Create()": Rsa,
        "static RSA Create(int keySizeInBits)": _of_size,
        f"byte[] SignData(byte[] data, {_TAIL})": _sign,
        f"byte[] SignData(byte[] data, int offset, int count, {_TAIL})": lambda r, d, o, c, n, p: _sign(
            r, slice_of(d, o, c), n, p
        ),
        f"byte[] SignHash(byte[] hash, {_TAIL})": lambda r, d, n, p: _sign(r, d, n, p, hashed=True),
        f"bool VerifyData(byte[] data, byte[] signature, {_TAIL})": _verify,
        f"bool VerifyData(byte[] data, int offset, int count, byte[] signature, {_TAIL})": (
            lambda r, d, o, c, s, n, p: _verify(r, slice_of(d, o, c), s, n, p)
        ),
        f"bool VerifyHash(byte[] hash, byte[] signature, {_TAIL})": lambda r, d, s, n, p: _verify(
            r, d, s, n, p, hashed=True
        ),
        "byte[] Encrypt(byte[] data, RSAEncryptionPadding padding)": _encrypt,
        "byte[] Decrypt(byte[] data, RSAEncryptionPadding padding)": _decrypt,
        "byte[] ExportRSAPrivateKey()": _export("TraditionalOpenSSL"),
        "byte[] ExportRSAPublicKey()": _export("PKCS1"),
        "void ImportRSAPrivateKey(byte[] source, out int bytesRead)": _import(public=False),
        "void ImportRSAPublicKey(byte[] source, out int bytesRead)": _import(public=True),
        "void ImportFromPem(string input)": _import_pem,
    },
)
