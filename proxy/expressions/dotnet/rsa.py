"""System.Security.Cryptography.RSA: signing, verifying, encrypting with the keys of certificates."""

from __future__ import annotations

from typing import Any

from proxy.expressions.dotnet import encoding  # noqa: F401
from proxy.expressions.dotnet.convert import BYTE, as_bytes
from proxy.expressions.dotnet.text import TEXTS
from proxy.expressions.dotnet.values import Array, stands_for
from proxy.expressions.runtime import DotNetError, spend
from proxy.expressions.table import attribute, constant, define, members

_SPACE = "System.Security.Cryptography"
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


HASH_NAME = define("HashAlgorithmName", f"{_SPACE}.HashAlgorithmName")
for _python, _label, _words in (
    (HashName, "HashAlgorithmName", ("MD5", "SHA1", "SHA256", "SHA384", "SHA512")),
    (SignaturePadding, "RSASignaturePadding", ("Pkcs1", "Pss")),
    (EncryptionPadding, "RSAEncryptionPadding", ("Pkcs1", "OaepSHA1", "OaepSHA256", "OaepSHA384", "OaepSHA512")),
):
    _definition = HASH_NAME if _python is HashName else define(_label, f"{_SPACE}.{_label}")
    stands_for(_python, _label)
    TEXTS[_python] = lambda value: str(value.name)
    members(
        _definition,
        {
            "string ToString()": lambda value: value.name,
            **{f"static {_label} {word}": constant(_python(word)) for word in _words},
        },
    )
members(HASH_NAME, {"new(string name)": HashName, "string? Name": attribute("name")})


class Rsa:
    """A public key, or a private one, which can do what a public one can."""

    __slots__ = ("key",)

    def __init__(self, key: Any) -> None:
        self.key = key

    @property
    def public(self) -> Any:
        return self.key.public_key() if hasattr(self.key, "public_key") else self.key


stands_for(Rsa, "RSA")
RSA_TYPE = define("AsymmetricAlgorithm", f"{_SPACE}.AsymmetricAlgorithm", bases=("IDisposable",))
RSA = define("RSA", f"{_SPACE}.RSA", bases=("AsymmetricAlgorithm",))


def _fail(message: str) -> Any:
    raise DotNetError(f"{_SPACE}.CryptographicException", message)


def _hash(name: HashName) -> Any:
    from cryptography.hazmat.primitives import hashes

    found = getattr(hashes, name.name or "", None)
    return found() if found is not None else _fail(f"'{name.name}' is not a known hash algorithm.")


def _signing(padding: SignaturePadding, digest: Any) -> Any:
    from cryptography.hazmat.primitives.asymmetric import padding as kinds

    if padding.name == "Pss":
        return kinds.PSS(kinds.MGF1(digest), digest.digest_size)
    return kinds.PKCS1v15()


def _sign(rsa: Rsa, data: Any, name: HashName, padding: SignaturePadding, *, hashed: bool = False) -> Array:
    from cryptography.hazmat.primitives.asymmetric.utils import Prehashed

    if not hasattr(rsa.key, "sign"):
        _fail("Object contains only the public half of a key pair. A private key must also be provided.")
    spend(SIGN_STEPS)
    digest = _hash(name)
    method = Prehashed(digest) if hashed else digest
    return Array(BYTE, rsa.key.sign(as_bytes(data), _signing(padding, digest), method))


def _verify(
    rsa: Rsa, data: Any, signature: Any, name: HashName, padding: SignaturePadding, *, hashed: bool = False
) -> bool:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.utils import Prehashed

    digest = _hash(name)
    method = Prehashed(digest) if hashed else digest
    try:
        rsa.public.verify(as_bytes(signature), as_bytes(data), _signing(padding, digest), method)
    except InvalidSignature:
        return False
    return True


def _encryption(padding: EncryptionPadding) -> Any:
    from cryptography.hazmat.primitives.asymmetric import padding as kinds

    if padding.name == "Pkcs1":
        return kinds.PKCS1v15()
    digest = _hash(HashName(padding.name.removeprefix("Oaep")))
    return kinds.OAEP(kinds.MGF1(digest), digest, None)


def _encrypt(rsa: Rsa, data: Any, padding: EncryptionPadding) -> Array:
    try:
        return Array(BYTE, rsa.public.encrypt(as_bytes(data), _encryption(padding)))
    except ValueError:
        _fail("The message exceeds the maximum allowable length for the chosen options.")
        raise


def _decrypt(rsa: Rsa, data: Any, padding: EncryptionPadding) -> Array:
    if not hasattr(rsa.key, "decrypt"):
        _fail("Object contains only the public half of a key pair. A private key must also be provided.")
    spend(SIGN_STEPS)
    try:
        return Array(BYTE, rsa.key.decrypt(as_bytes(data), _encryption(padding)))
    except ValueError:
        _fail("The parameter is incorrect.")
        raise


_TAIL = "HashAlgorithmName hashAlgorithm, RSASignaturePadding padding"
members(
    RSA,
    {
        "int KeySize": lambda rsa: rsa.key.key_size,
        f"byte[] SignData(byte[] data, {_TAIL})": _sign,
        f"byte[] SignHash(byte[] hash, {_TAIL})": lambda r, d, n, p: _sign(r, d, n, p, hashed=True),
        f"bool VerifyData(byte[] data, byte[] signature, {_TAIL})": _verify,
        f"bool VerifyHash(byte[] hash, byte[] signature, {_TAIL})": lambda r, d, s, n, p: _verify(
            r, d, s, n, p, hashed=True
        ),
        "byte[] Encrypt(byte[] data, RSAEncryptionPadding padding)": _encrypt,
        "byte[] Decrypt(byte[] data, RSAEncryptionPadding padding)": _decrypt,
    },
)
