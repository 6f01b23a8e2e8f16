"""The client's certificate as a proxy in front that ends TLS tells it in a header.

Forms: the certificate's base64 alone, PEM with or without percent-encoding, or `...;Cert="..."` as Envoy writes it.
What is none of these counts as no certificate. Pure.
"""

from __future__ import annotations

import base64
import binascii
import re
from urllib.parse import unquote

MAX_HEADER = 32 * 1024  # characters
_ENVOY = re.compile(r'(?:^|[;,])\s*Cert="?([^";,]+)"?', re.IGNORECASE)
_PEM = re.compile(r"-----BEGIN CERTIFICATE-----([A-Za-z0-9+/=\s]+)-----END CERTIFICATE-----")


def client_certificate(text: str) -> bytes:
    """The DER of the certificate; empty for none."""
    if not text or len(text) > MAX_HEADER:
        return b""
    told = _ENVOY.search(text)
    plain = told[1] if told else text
    if "%" in plain:
        plain = unquote(plain)
    pem = _PEM.search(plain)
    try:
        found = base64.b64decode(re.sub(r"\s", "", pem[1] if pem else plain), validate=True)
    except (binascii.Error, ValueError):
        return b""
    # an ASN.1 sequence whose length has two bytes, as every certificate is
    whole = found[:2] == b"\x30\x82" and len(found) == 4 + int.from_bytes(found[2:4], "big")
    return found if whole else b""
