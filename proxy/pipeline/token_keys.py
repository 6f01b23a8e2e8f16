"""The keys of token policies: `<openid-config>`, `<issuer-signing-keys>`, `<decryption-keys>`.

Rules
1. Keys in the document are read when configuration is applied; a key that an expression makes, at its first use.
2. A key that cannot be used is a warning and vouches for nothing: the rest of the document still holds.
3. A request asks the Keys port for what is held; it waits only when nothing is, or when it names an unknown key.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Generic, TypeVar
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509 import load_der_x509_certificate

from proxy.pipeline.element import Element
from proxy.pipeline.source import unresolved
from proxy.pipeline.tokens import Trust
from proxy.pipeline.values import Value
from proxy.tokens.decrypt import DecryptionKey
from proxy.tokens.keys import Key, base64_content, public_key, rsa_key, secret_key
from proxy.tokens.memory import Verified
from proxy.tokens.refusal import KEY_NOT_FOUND, SIGNATURE_INVALID, TokenRefused

if TYPE_CHECKING:
    from proxy.config.resources import Certificate
    from proxy.exchange import Exchange
    from proxy.pipeline.compile import Compiler

K = TypeVar("K", Key, DecryptionKey)


class KeyList(Generic[K]):
    """Keys of a document: fixed ones, and what expressions make."""

    def __init__(self) -> None:
        self._fixed: list[K] = []
        self._computed: list[Callable[[Exchange], K | None]] = []
        self.any = False

    def add(self, key: K | None) -> None:
        self.any = True
        if key is not None:
            self._fixed.append(key)

    def compute(self, make: Callable[[Exchange], K | None]) -> None:
        self.any = True
        self._computed.append(make)

    @property
    def fixed(self) -> tuple[K, ...] | None:
        """The keys when no request changes them, once all are added."""
        return None if self._computed else tuple(self._fixed)

    def get(self, exchange: Exchange) -> tuple[K, ...]:
        found = list(self._fixed)
        for make in self._computed:
            key = make(exchange)
            if key is not None:
                found.append(key)
        return tuple(found)


def signing_keys(element: Element, compiler: Compiler) -> KeyList[Key]:
    """`<issuer-signing-keys>`: base64 secrets, certificates, RSA moduli."""
    found: KeyList[Key] = KeyList()
    for child, name in _keys(element, "issuer-signing-keys"):
        if child.has("certificate-id"):
            certificate = compiler.certificate(child, child.literal("certificate-id"))
            found.add(_tried(child, lambda c=certificate, n=name: _of_certificate(c, n)))  # type: ignore[misc]
        elif child.has("n") or child.has("e"):
            modulus, exponent = child.literal("n"), child.literal("e")
            if modulus and exponent:
                found.add(_tried(child, lambda n=modulus, e=exponent, k=name: rsa_key(n, e, k)))  # type: ignore[misc]
        else:
            _secret(child, name, found, _secret_key)
    return found


def decryption_keys(element: Element, compiler: Compiler) -> KeyList[DecryptionKey]:
    """`<decryption-keys>`: base64 secrets, and certificates with an RSA private key."""
    found: KeyList[DecryptionKey] = KeyList()
    for child, name in _keys(element, "decryption-keys"):
        if child.has("certificate-id"):
            certificate = compiler.certificate(child, child.literal("certificate-id"))
            found.add(_tried(child, lambda c=certificate, n=name: _opener(c, n)))  # type: ignore[misc]
        elif child.has("n") or child.has("e"):
            child.literal("n"), child.literal("e")
            message = "A modulus and exponent cannot decrypt. Give a certificate-id, or the key as Base64."
            child.issue(message, "unusable-key", severity="warning")
            found.add(None)
        else:
            _secret(child, name, found, _symmetric)
    return found


def _keys(element: Element, container: str) -> list[tuple[Element, str]]:
    parent = element.child(container)
    children = parent.children("key", required=True) if parent is not None else []
    return [(child, child.literal("id", "")) for child in children]


def _secret(child: Element, name: str, found: KeyList[K], make: Callable[[str, str], K]) -> None:
    text = child.content(required=True)
    if text.constant:
        usable = text.value and not unresolved(text.value)
        found.add(_tried(child, lambda: make(text.value, name)) if usable else None)
        return

    def compute(exchange: Exchange) -> K | None:
        try:
            return make(text.get(exchange), name)
        except ValueError:
            return None

    found.compute(compute)


@lru_cache(maxsize=256)
def _secret_key(text: str, name: str) -> Key:
    return secret_key(base64_content(text), name)


@lru_cache(maxsize=256)
def _symmetric(text: str, name: str) -> DecryptionKey:
    return DecryptionKey.symmetric(base64_content(text), name)


def _of_certificate(certificate: Certificate | None, name: str) -> Key | None:
    if certificate is None:
        return None
    return public_key(load_der_x509_certificate(certificate.der).public_key(), name or certificate.thumbprint)


def _opener(certificate: Certificate | None, name: str) -> DecryptionKey | None:
    if certificate is None:
        return None
    private = load_pem_private_key(certificate.pem, None) if certificate.has_private_key else None
    return DecryptionKey.private(private, certificate.der, name)


def _tried(child: Element, make: Callable[[], K | None]) -> K | None:
    try:
        return make()
    except ValueError as problem:
        child.issue(f"This key cannot be used: it {problem}.", "unusable-key", severity="warning")
        return None


@dataclass(slots=True, frozen=True)
class Providers:
    """The OpenID providers of a document, by the URL of their metadata."""

    urls: tuple[Value[str], ...]

    @classmethod
    def of(cls, element: Element, compiler: Compiler) -> Providers:
        urls = []
        for child in element.children("openid-config"):
            url = child.string("url")
            child.literal_boolean("validate-connectivity", True)  # nothing is fetched when a document is stored
            if url.constant and url.value and not unresolved(url.value):
                if not is_provider(url.value):
                    child.issue(
                        f"Attribute 'url' must be an absolute https URL, and {url.value!r} is none.",
                        "invalid-attribute",
                    )
                else:
                    compiler.provider(url.value.strip())
            urls.append(url)
        return cls(tuple(urls))

    @property
    def any(self) -> bool:
        return bool(self.urls)

    async def verified(self, exchange: Exchange, own: Trust, token: str) -> tuple[Trust, Verified]:
        """The token, and the trust that it was verified with. Raises TokenRefused."""
        port = exchange.ports.keys
        urls = [url for each in self.urls if is_provider(url := each.get(exchange).strip())]
        sets = [found for url in urls if (found := port.held(url)) is not None]  # the rest is being fetched now
        if not sets:
            sets = [found for url in urls if (found := await port.keys(url)) is not None]
        trust = replace(own, providers=sets)
        try:
            return trust, trust.verified(token)
        except TokenRefused as refused:
            if refused.reason not in (KEY_NOT_FOUND, SIGNATURE_INVALID):
                raise
            name = refused.key_name
            if not name or any(name in each.by_name for each in sets):
                raise
        sets = [found for url in urls if (found := await port.keys(url, unknown=name)) is not None]
        trust = replace(own, providers=sets)
        return trust, trust.verified(token)


def is_provider(url: str) -> bool:
    """Whether a URL can be called for metadata; the Keys port refuses more."""
    try:
        parts = urlsplit(url.strip())
        return parts.scheme in ("https", "http") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        return False
