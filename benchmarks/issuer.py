"""Who signs the tokens of a benchmark: an RSA pair of its own for each run, and one token that is valid for an hour."""

from __future__ import annotations

import base64
import json
import time
from dataclasses import dataclass, field

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa


def _url64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


@dataclass(frozen=True)
class Issuer:
    name: str = "https://issuer.example"
    _pair: rsa.RSAPrivateKey = field(default_factory=lambda: rsa.generate_private_key(65537, 2048), repr=False)

    @property
    def modulus(self) -> str:
        number = self._pair.public_key().public_numbers().n
        return _url64(number.to_bytes(256, "big"))

    @property
    def public_pem(self) -> str:
        form = serialization.PublicFormat.SubjectPublicKeyInfo
        return self._pair.public_key().public_bytes(serialization.Encoding.PEM, form).decode()

    @property
    def jwks(self) -> str:
        key = {"kty": "RSA", "alg": "RS256", "use": "sig", "kid": "one", "n": self.modulus, "e": "AQAB"}
        return json.dumps({"keys": [key]})

    def token(self) -> str:
        now = int(time.time())
        claims = {"iss": self.name, "aud": "benchmark", "sub": "load", "iat": now, "exp": now + 3600}
        parts = ({"alg": "RS256", "typ": "JWT", "kid": "one"}, claims)
        text = ".".join(_url64(json.dumps(part).encode()) for part in parts)
        return f"{text}.{_url64(self._pair.sign(text.encode(), padding.PKCS1v15(), hashes.SHA256()))}"
