"""The message itself, as HTTP/1.1 writes it."""

from __future__ import annotations

from urllib.parse import urlsplit

from portal.samples.call import Call


def sample(call: Call) -> str:
    url = urlsplit(call.url)
    target = (url.path or "/") + (f"?{url.query}" if url.query else "")
    lines = [f"{call.method} {target} HTTP/1.1", f"Host: {url.netloc}"]
    lines += [f"{name}: {value}" for name, value in call.headers]
    if call.body is not None:
        lines.append(f"Content-Length: {len(call.body.encode('utf-8', 'replace'))}")
    return "\n".join([*lines, "", call.body or ""]).rstrip("\n") + ("\n" if call.body is None else "")
