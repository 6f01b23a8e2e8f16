"""Attacks by policies and by what clients send them, on a real plane and a real sidecar.

Rows: tests/sandbox/attacks.yaml, whose head explains them, and policies.yaml beside this file. A policy that is to be
refused is refused by the plane with a message that says where; one that is to be stopped fails its own request with a
clear error, in bounded time and memory, while other requests go on.
"""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from tests.e2e.house import House, Reply, request, wait_until
from tests.sandbox.test_attacks import repeated
from tests.security.table import Row

FILES = (Path(__file__).parents[1] / "sandbox" / "attacks.yaml", Path(__file__).with_name("policies.yaml"))
ON_ERROR = "<on-error><set-body>@(context.LastError.Message)</set-body></on-error>"
GIVES = '<return-response><set-body>@("" + context.Variables["v"])</set-body></return-response>'
# A quiet machine needs a quarter of a second for most, and two for the largest documents.
LONGEST = 15.0  # seconds, one request or one publication
LONGEST_WAIT = 3.0  # seconds, any other request meanwhile
MOST_MEMORY = 256.0  # MiB more than before
INTERNAL = ("Traceback", "proxy.", "object at 0x", "site-packages", '.py"')


class Others:
    """Requests of somebody else, one after another, on the same sidecar."""

    def __init__(self, url: str) -> None:
        self._parts = urlsplit(url)
        self._over = threading.Event()
        self.took: list[float] = []
        self.wrong = 0
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Others:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join(20)

    def take(self) -> tuple[float, float]:
        """99th percentile and longest of those since the last call, milliseconds."""
        taken, self.took = sorted(self.took), []
        return (taken[len(taken) * 99 // 100], taken[-1]) if taken else (0.0, 0.0)

    def _run(self) -> None:
        connection = http.client.HTTPConnection(self._parts.hostname or "", self._parts.port, timeout=30)
        while not self._over.wait(0.004):
            began = time.perf_counter()
            try:
                connection.request("GET", self._parts.path)
                answer = connection.getresponse()
                self.wrong += answer.read() != b"good"
            except (OSError, http.client.HTTPException):
                self.wrong += 1
                connection.close()
            self.took.append((time.perf_counter() - began) * 1000)
        connection.close()


def rows() -> list[dict[str, Any]]:
    return [row for file in FILES for row in yaml.safe_load(file.read_text("utf-8"))]


def document(row: dict[str, Any]) -> str:
    """The policy of a row."""
    in_policy = "refused" in row or (row.get("times") and "body" not in row and row["attack"].startswith(GROWING))
    if "document" in row:
        return str(row["document"])
    if "expression" in row:
        source = repeated(row, row["expression"]) if in_policy else row["expression"]
        quoted = (
            source.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;") if "&#x" not in source else source
        )
        inbound = f'<set-variable name="v" value="{quoted}" />{GIVES}'
    else:
        inbound = repeated(row, row["inbound"]) if in_policy else row["inbound"]
    backend = "<backend><forward-request timeout='5' /></backend>"
    return f"<policies><inbound>{inbound}</inbound>{backend}<outbound />{ON_ERROR}</policies>"


# those whose repeated unit is part of the policy although they may be published
GROWING = ("L5", "L2 loops in a row", "E13")


def attacks(house: House, backend: str) -> Iterator[Row]:
    """Publish all, then send all."""
    house.put("/apis/attacks", {"displayName": "a", "path": "attacks", "serviceUrl": backend, "protocols": ["http"],
                                "subscriptionRequired": False})  # fmt: skip
    house.link("attacks")
    house.api("good", backend)
    good = "<policies><inbound><return-response><set-body>good</set-body></return-response></inbound></policies>"
    house.policy("/apis/good", good)
    gateway = house.gateways[0]
    house.everywhere("/good/x", lambda reply: reply.body == b"good")
    published: list[tuple[int, dict[str, Any]]] = []
    listed = rows()
    with Others(f"{gateway}/good/x") as others:
        for number, row in enumerate(listed):
            text = document(row)
            operation = {"displayName": str(number), "method": "POST", "urlTemplate": f"/{number}"}
            house.put(f"/apis/attacks/operations/o{number}", operation)
            began = time.perf_counter()
            reply = house.arm(
                f"/apis/attacks/operations/o{number}/policies/policy",
                "PUT",
                {"properties": {"format": "rawxml", "value": text}},
            )
            took = time.perf_counter() - began
            if "refused" in row or (reply.status >= 400 and row.get("harmless")):
                yield _refused(row, reply, took)
            elif reply.status >= 400:
                yield Row(row["attack"], shown(row), expected(row), f"refused: {reply.body.decode()[:300]}", False)
            else:
                published.append((number, row))
        last = "<policies><inbound><return-response><set-body>all</set-body></return-response></inbound></policies>"
        house.api("last", backend)
        house.policy("/apis/last", last)
        wait_until(lambda: request(f"{gateway}/last/x").body == b"all", 60, what="all policies to be applied")
        (sidecar, *_) = house.processes("proxy")
        for number, row in published:
            others.take()
            before = sidecar.rss_mb()
            began = time.perf_counter()
            content = body(row)
            headers = {"Content-Type": row.get("type", "text/plain"), **row.get("headers", {})}
            reply = request(f"{gateway}/attacks/{number}?__class__x=1", "POST", headers, content, timeout=60)
            took = time.perf_counter() - began
            grown = sidecar.rss_mb() - before
            time.sleep(0.02)
            yield _sent(row, reply, took, others.take(), grown, sidecar.alive)
        yield Row(
            "E9 all others meanwhile", "requests to another API", "all right", f"{others.wrong} wrong", not others.wrong
        )


def body(row: dict[str, Any]) -> bytes:
    growing = row["attack"].startswith(GROWING)
    text = row.get("body", "") if growing and "body" not in row else repeated(row, row.get("body", ""))
    return str(text).encode("utf-16" if row.get("utf16") else "utf-8", "surrogatepass")


def shown(row: dict[str, Any]) -> str:
    text = str(row.get("expression") or row.get("inbound") or row.get("document") or row.get("unit") or "")
    for extra in (row.get("body"), row.get("headers"), row.get("times") and f"{row['times']} x {row.get('unit')}"):
        text += f"  {extra}" if extra else ""
    return text


def expected(row: dict[str, Any]) -> str:
    for kind in ("refused", "stopped", "gives", "sent"):
        if kind in row:
            return f"{kind} {row[kind]}".strip()
    return "harmless"


def _refused(row: dict[str, Any], reply: Reply, took: float) -> Row:
    text = reply.body.decode("utf-8", "replace")
    try:
        error = json.loads(text)["error"]
        message = " ".join([error["message"], *(each["message"] for each in error.get("details") or ())])
    except (ValueError, KeyError, TypeError):
        message = ""
    holds = reply.status in (400, 413) and bool(message) and row.get("refused", "") in message and took < LONGEST
    holds = holds and not any(each in text for each in (*INTERNAL, row.get("lacks") or INTERNAL[0]))
    return Row(row["attack"], shown(row), expected(row), f"{reply.status} in {took * 1000:.0f} ms: {message}", holds)


def _sent(
    row: dict[str, Any], reply: Reply, took: float, others: tuple[float, float], grown: float, alive: bool
) -> Row:
    text = reply.body.decode("utf-8", "replace")
    clean = not any(each in text for each in INTERNAL) and "x-evil" not in reply.headers
    if reply.status == 200 and reply.headers.get("content-type") == "application/json" and text.startswith("{"):
        echoed = json.loads(text)
        clean = clean and "x-evil" not in echoed.get("headers", {})
    if row.get("lacks"):
        clean = clean and row["lacks"] not in text
    if row.get("absent"):
        clean = clean and not Path(row["absent"]).exists()
    if "stopped" in row:
        right = reply.status >= 400 and row["stopped"].lower() in text.lower() and bool(text)
    elif "gives" in row:
        right = reply.status == 200 and text == row["gives"]
    elif "sent" in row:
        right = reply.status == 200 and json.loads(text)["body"] == row["sent"]
    else:
        right = reply.status < 600
    bounded = took < LONGEST and others[1] < LONGEST_WAIT * 1000 and grown < MOST_MEMORY and alive
    figures = f"{took * 1000:.0f} ms, others p99 {others[0]:.0f} ms, {grown:+.0f} MiB"
    return Row(
        row["attack"], shown(row), expected(row), f"{reply.status} {figures}: {text}", right and clean and bounded
    )
