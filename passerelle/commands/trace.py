"""`passerelle trace`: one request through a running gateway, and its trace: its steps, and why it was refused.

The same four calls as an Azure client makes: a debug token, the request with it, the trace id of the answer, the trace.
"""

from __future__ import annotations

import http.client
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit

import click

from passerelle import story
from passerelle.connection import connecting
from passerelle.plane import Plane, PlaneError
from passerelle.printed import json_option, print_json

TIMEOUT = 60.0  # seconds
TOLD = ("Apim-Debug-Authorization-Expired", "Apim-Debug-Authorization-WrongAPI", "Apim-Debug-Authorization-Invalid")


@click.command()
@click.argument("url")
@click.option("-X", "--method", default="", metavar="METHOD", help="GET, or POST with a body.")
@click.option("-H", "--header", "headers", multiple=True, metavar="'NAME: VALUE'", help="As often as you like.")
@click.option("-d", "--body", default=None, metavar="TEXT", help="The body; @FILE reads it from a file.")
@click.option("--api", default="", metavar="NAME", help="The API to trace, where the URL does not tell.")
@click.option("--gateway", default="managed", show_default=True, help="Whose credentials: managed means any gateway.")
@click.option("--format", "style", type=click.Choice(["text", "json"]), default="text", show_default=True)
@connecting
@json_option
def trace(
    connection: Callable[[], Plane],
    url: str,
    method: str,
    headers: tuple[str, ...],
    body: str | None,
    api: str,
    gateway: str,
    style: str,
    as_json: bool,
) -> None:
    """Send one request to a gateway and print its trace.

    \b
    passerelle trace http://127.0.0.1:8080/shop/books -H 'Ocp-Apim-Subscription-Key: ...'
    passerelle trace http://127.0.0.1:8080/shop/orders -d '{"book": 7}' --format json

    Exit code: 0 there is a trace (whatever the status), 1 there is none, 2 usage.
    """
    target = urlsplit(url)
    if target.scheme not in ("http", "https") or not target.hostname:
        raise click.UsageError(f"{url} is no URL of a gateway, such as http://127.0.0.1:8080/shop/books.")
    given = [_header(each) for each in headers]
    content = _content(body)
    plane = connection()
    try:
        name = api or _api_of(plane, target.path)
        wish = {"apiId": f"{plane.id}/apis/{name}", "purposes": ["tracing"], "credentialsExpireAfter": "PT5M"}
        token = str(plane.call("POST", f"/gateways/{gateway}/listDebugCredentials", wish)["token"])
        began = time.perf_counter()
        given.append(("Apim-Debug-Authorization", token))
        status, reason, answered = _send(target, method or ("GET" if content is None else "POST"), given, content)
        took = (time.perf_counter() - began) * 1000
        trace_id = answered.get("Apim-Trace-Id")
        if trace_id is None:
            raise click.ClickException(_why(status, answered))
        found = plane.call("POST", f"/gateways/{gateway}/listTrace", {"traceId": trace_id})
    except PlaneError as error:
        raise click.ClickException(str(error)) from error
    if as_json or style == "json":
        print_json(found)
    else:
        story.tell(found, f"{status} {reason}".rstrip(), took)


def _header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon or not name.strip():
        raise click.UsageError(f"{text!r} is no header. Write 'Name: value'.")
    return name.strip(), value.strip()


def _content(body: str | None) -> bytes | None:
    if body is None or not body.startswith("@"):
        return None if body is None else body.encode()
    try:
        return Path(body[1:]).read_bytes()
    except OSError as problem:
        raise click.UsageError(f"{body[1:]} cannot be read: {problem.strerror}.") from None


def _api_of(plane: Plane, path: str) -> str:
    """The API with the longest path that the URL's begins with, in whole segments. If there is none, any: a request
    that no API takes is traced too."""
    wanted, found = f"{path.strip('/').lower()}/", ("", "")
    apis = _apis(plane)
    for each in apis:
        properties = each["properties"]
        bases = [str(properties.get("path") or "").strip("/").lower()]
        if properties.get("apiVersion"):
            bases.append(f"{bases[0]}/{properties['apiVersion']}".lower())
        for base in bases:
            if (not base or wanted.startswith(f"{base}/")) and len(base) >= len(found[0]):
                found = (base, str(each["name"])) if len(base) > len(found[0]) or not found[1] else found
    if not apis:
        raise click.ClickException("The service has no API yet.")
    return found[1] or str(apis[0]["name"])


def _apis(plane: Plane) -> list[dict[str, Any]]:
    apis: list[dict[str, Any]] = []
    while True:
        page = plane.get("/apis", {"$top": "1000", "$skip": str(len(apis))})
        apis += page["value"]
        if not page["value"] or len(apis) >= int(page.get("count", 0)):
            return apis


def _send(
    target: SplitResult, method: str, headers: list[tuple[str, str]], body: bytes | None
) -> tuple[int, str, http.client.HTTPMessage]:
    """Status, reason and headers of the answer; its body is taken and thrown away."""
    kind = http.client.HTTPSConnection if target.scheme == "https" else http.client.HTTPConnection
    connection = kind(target.hostname or "", target.port, timeout=TIMEOUT)
    try:
        place = f"{target.path or '/'}?{target.query}" if target.query else target.path or "/"
        connection.putrequest(method.upper(), place, skip_accept_encoding=True)
        for name, value in headers:
            connection.putheader(name, value)
        if body is not None:
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body)
        answer = connection.getresponse()
        answer.read()
        return answer.status, answer.reason, answer.msg
    except (OSError, ValueError, http.client.HTTPException) as problem:
        raise click.ClickException(f"The gateway at {target.netloc} does not answer: {problem}") from None
    finally:
        connection.close()


def _why(status: int, headers: http.client.HTTPMessage) -> str:
    for name in TOLD:
        if told := headers.get(name):
            return f"The gateway answered {status} and made no trace: {told}"
    return f"The gateway answered {status} and made no trace: it has no configuration yet, or it is no gateway of ours."
