"""Requests and backend answers from small files: YAML, JSON, or a raw HTTP message.

A request has what `request` of a case has (passerelle/cases/table.py), and `url` in place of `path` for an absolute
one, `operation` and `api-schemas` (what stands there of a row). A backend is one answer, or a list of answers in order.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import click

from passerelle.cases.world import SUBSCRIPTION, World, operation, schema_library
from passerelle.policy.files import parse_yaml, read_text
from proxy.exchange import Exchange
from proxy.messages import DEFAULT_PORTS, Url

_REQUEST_LINE = re.compile(r"([A-Z]+) (/\S*|\w+://\S+)(?: HTTP/[\d.]+)?")
_STATUS_LINE = re.compile(r"HTTP/[\d.]+ (\d{3})(?: (.*))?")
_REQUEST_KEYS = {
    *("method", "path", "url", "headers", "body", "ip", "parameters", "variables", "subscription", "operation"),
    "api-schemas",
}
_ANSWER_KEYS = {"status", "reason", "headers", "body"}
_FAILURES = ("timeout", "refused")


def read_request(name: str | None) -> dict[str, Any]:
    """The request of a file as a mapping; without a file, a GET of `/`."""
    if name is None:
        return {}
    text = read_text(name)
    start, _, rest = text.lstrip().partition("\n")
    if found := _REQUEST_LINE.fullmatch(start.strip()):
        request = {"method": found[1], "url" if "://" in found[2] else "path": found[2], **_message(rest)}
    else:
        request = parse_yaml(name, text) or {}
    if not isinstance(request, dict):
        raise click.UsageError(f"{name} must be a mapping (method, path, headers, body) or an HTTP request.")
    _known(name, request, _REQUEST_KEYS)
    return request


def read_answers(name: str | None) -> list[Mapping[str, Any] | str]:
    """The backend's answers; without a file, 200 without a body to everything."""
    if name is None:
        return [{"body": ""}]
    text = read_text(name)
    start, _, rest = text.lstrip().partition("\n")
    if found := _STATUS_LINE.fullmatch(start.strip()):
        return [{"body": "", **_message(rest), "status": int(found[1]), "reason": found[2] or ""}]
    loaded = parse_yaml(name, text)
    answers = loaded if isinstance(loaded, list) else [loaded]
    for answer in answers:
        if isinstance(answer, dict):
            _known(name, answer, _ANSWER_KEYS)
            answer["body"] = _text(answer.get("body", ""))
            answer["headers"] = _pairs(answer.get("headers", {}))
        elif answer not in _FAILURES:
            raise click.UsageError(f"{name}: an answer is a mapping (status, headers, body), 'timeout' or 'refused'.")
    if not answers:
        raise click.UsageError(f"{name} holds no answer.")
    return answers


def make(world: World, given: Mapping[str, Any]) -> Exchange:
    """The request in flight, for an API whose path is empty."""
    request = dict(given)
    url = urlsplit(str(request.pop("url", request.get("path", "/"))))
    target = f"{url.path or '/'}?{url.query}" if url.query else url.path or "/"
    fields = dict(request.pop("operation", {}))
    schemas = schema_library(request.pop("api-schemas", {}))
    fields.setdefault("method", str(request.get("method", "GET")))
    request |= {
        "method": str(request.get("method", "GET")).upper(),
        "path": target,
        "original": url.path or "/",
        "headers": _pairs(request.get("headers", {})),
        "body": _text(request.get("body", "")),
        "parameters": request.get("parameters", {}),
        "subscription": SUBSCRIPTION if request.get("subscription", True) else None,
    }
    exchange = world.exchange(of=operation(**{"url_template": "/*", **fields}), schemas=schemas, **request)
    hosts = [value for name, value in request["headers"] if name.lower() == "host"]
    if url.hostname or hosts:
        named = url if url.hostname else urlsplit(f"https://{hosts[-1]}")
        port = named.port or DEFAULT_PORTS.get(named.scheme, 443)
        original = Url(named.scheme, named.hostname or "", port, url.path or "/", url.query)
        exchange.request.original_url = original
        exchange.request.headers["Host"] = original.authority
    if exchange.api is not None:
        exchange.api = replace(exchange.api, path="")
    return exchange


def _message(text: str) -> dict[str, Any]:
    """Headers and body behind the first line of an HTTP message."""
    head, _, body = text.replace("\r\n", "\n").partition("\n\n") if not text.startswith("\n") else ("", "", text[1:])
    pairs = []
    for line in head.splitlines():
        name, colon, value = line.partition(":")
        if not colon or not name.strip():
            raise click.UsageError(f"{line!r} is no header line. Between headers and body stands an empty line.")
        pairs.append((name.strip(), value.strip()))
    return {"headers": pairs, "body": body.removesuffix("\n")}  # the one that editors end a file with


def _known(name: str, given: Mapping[str, Any], keys: set[str]) -> None:
    if unknown := sorted(set(map(str, given)) - keys):
        raise click.UsageError(f"{name}: unknown keys {', '.join(unknown)}; known are {', '.join(sorted(keys))}.")


def _pairs(headers: Any) -> list[tuple[str, str]]:
    """A header with several values is a list of them."""
    items = headers.items() if isinstance(headers, Mapping) else headers
    return [(str(name), str(one)) for name, value in items for one in (value if isinstance(value, list) else [value])]


def _text(body: Any) -> str:
    """A body that is no text is JSON."""
    return body if isinstance(body, str) else "" if body is None else json.dumps(body, ensure_ascii=False)
