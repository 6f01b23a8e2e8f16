"""The headers of every answer, and what a single page may have more. Pure.

Nothing may be loaded, run, sent or framed but what the portal itself serves. A page that needs more says so by
directive: `page(request, template, allow={"img-src": "data:"})`, and only that page has it. No page may run inline
scripts.
"""

from __future__ import annotations

from collections.abc import Mapping

POLICY = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self'",
    "font-src": "'self'",
    "connect-src": "'self'",
    "form-action": "'self'",
    "frame-ancestors": "'none'",
    "base-uri": "'none'",
}

HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), payment=()",
    "Server": "Passerelle",
}
CSP = "Content-Security-Policy"


def security_policy(allow: Mapping[str, str] | None = None) -> str:
    """The content security policy, with what `allow` adds to each directive."""
    added = allow or {}
    if "'unsafe-inline'" in added.get("script-src", "") or "'unsafe-eval'" in added.get("script-src", ""):
        raise ValueError("no page may run inline scripts")
    directives = {name: f"{value} {added[name]}" if name in added else value for name, value in POLICY.items()}
    return "; ".join(f"{name} {value}" for name, value in directives.items())
