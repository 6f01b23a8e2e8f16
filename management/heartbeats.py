"""Heartbeats of gateways: the last one of each instance, as docs/configuration-feed.md defines them.

What a gateway tells is for the eyes of people, in terminals and pages. So only what is documented is kept, each value
of its kind and of bounded size, and a text without the characters that a terminal would obey.
"""

from __future__ import annotations

import datetime
import json
import unicodedata
from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection, delete, insert, select

from management.errors import invalid
from management.schema import heartbeats
from management.store import Service
from management.transaction import Transaction

INSTANCES = 1000  # a gateway's instances that are remembered, the most recent ones
LONGEST_ID = 200
LARGEST = 4 * 1024 * 1024  # bytes of one as it is sent
LARGEST_KEPT = 512 * 1024  # characters of one as it is kept: a thousand are, of each gateway
SIDECARS, ISSUES = 256, 100  # an agent has no more sidecars, and tells fewer issues of each
LONGEST_WORD, LONGEST_TEXT = 256, 2_000
LARGEST_NUMBER = 2**53
TAKEN = "InstanceIdTaken"
OBEYED = frozenset({"Cc", "Cf", "Co", "Cs", "Zl", "Zp"})  # categories: controls, directions, line ends


def instance_of(document: dict[str, Any]) -> str:
    """Who sends it. Raises ArmError."""
    instance = document.get("instanceId")
    if not isinstance(instance, str) or not 0 < len(instance) <= LONGEST_ID or plain(instance) != instance:
        raise invalid("instanceId", f"instanceId must be a text of 1 to {LONGEST_ID} characters that can be printed.")
    return instance


def check(document: dict[str, Any]) -> dict[str, Any]:
    """What is kept of a heartbeat. Raises ArmError for one that is none at all."""
    instance = instance_of(document)
    if document.get("cursor") is not None and not isinstance(document["cursor"], int):
        raise invalid("cursor", "cursor must be a whole number.")
    for name in ("sidecars", "issues"):
        if not isinstance(document.get(name, []), list):
            raise invalid(name, f"{name} must be a list.")
    kept: dict[str, Any] = {
        "instanceId": instance,
        **_words(document, "version", "startedAt", "dataset", "source"),
        **_numbers(document, "cursor"),
        "sidecars": _some(document.get("sidecars"), SIDECARS, _sidecar),
        "issues": _some(document.get("issues"), ISSUES, _issue),
    }
    if len(_text(kept)) > LARGEST_KEPT:  # who serves matters more than what each of them complains of
        told = sum(len(each["issues"]) for each in kept["sidecars"])
        for each in kept["sidecars"]:
            each["issues"] = []
        more = {"message": f"{told} issues of sidecars are in the log of the agent"}
        kept["issues"] = [*kept["issues"][: ISSUES - 1], more]
        if len(_text(kept)) > LARGEST_KEPT:
            kept["issues"] = [more]
    return kept


def _text(document: dict[str, Any]) -> str:
    return json.dumps(document, ensure_ascii=False)


def plain(text: str) -> str:
    """The text with the replacement character for what is no character to be read."""
    if text.isascii() and text.isprintable():
        return text
    return "".join("\ufffd" if unicodedata.category(each) in OBEYED else each for each in text)


def _sidecar(told: dict[str, Any]) -> dict[str, Any]:
    return {
        **_words(told, "id", "version", "dataset"),
        **_numbers(told, "cursor", "requests", "failures"),
        "connected": told.get("connected") is not False,
        "issues": _some(told.get("issues"), ISSUES, _issue),
    }


def _issue(told: dict[str, Any]) -> dict[str, Any]:
    words = _words(told, "code", "resourceId", "element")
    return {**words, **_words(told, "message", longest=LONGEST_TEXT), **_numbers(told, "line", "column")}


def _some(told: Any, most: int, read: Callable[[dict[str, Any]], dict[str, Any]]) -> list[dict[str, Any]]:
    listed = told if isinstance(told, list) else []
    return [read(each) for each in listed[:most] if isinstance(each, dict)]


def _words(told: dict[str, Any], *names: str, longest: int = LONGEST_WORD) -> dict[str, str]:
    return {name: plain(told[name][:longest]) for name in names if isinstance(told.get(name), str)}


def _numbers(told: dict[str, Any], *names: str) -> dict[str, int]:
    return {name: told[name] for name in names if type(told.get(name)) is int and 0 <= told[name] < LARGEST_NUMBER}


def keep(connection: Connection, service: Service, gateway: str, document: dict[str, Any]) -> None:
    gateway = gateway.lower()
    mine = (heartbeats.c.service == service.number) & (heartbeats.c.gateway == gateway)
    same = mine & (heartbeats.c.instance == document["instanceId"])
    last = connection.execute(select(heartbeats.c.document).where(same)).scalar()
    if last is not None and _another(json.loads(last), document):
        document = {**document, "issues": [_taken(document["instanceId"]), *document["issues"]]}
    connection.execute(delete(heartbeats).where(same))
    values = {
        "service": service.number,
        "gateway": gateway,
        "instance": document["instanceId"],
        "received": datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "document": _text(document),
    }
    connection.execute(insert(heartbeats).values(**values))
    newest = select(heartbeats.c.instance).where(mine).order_by(heartbeats.c.received.desc()).limit(INSTANCES)
    connection.execute(delete(heartbeats).where(mine, heartbeats.c.instance.not_in(newest)))


def _another(last: dict[str, Any], document: dict[str, Any]) -> bool:
    """Whether two agents call themselves the same. One that begins anew has a later start, and the one before it is not
    heard any more."""
    before, start = last.get("startedAt", ""), document.get("startedAt", "")
    told = any(each.get("code") == TAKEN for each in last.get("issues", []))
    return bool(start < before or (told and start != before))


def _taken(instance: str) -> dict[str, Any]:
    message = (
        f"Another agent of this gateway calls itself '{instance}' too: they overwrite each other's heartbeats and "
        "quota counters. Give each an instance.id of its own."
    )
    return {"code": TAKEN, "message": message}


def instances(tx: Transaction, gateway: str) -> list[dict[str, Any]]:
    """What each instance last told, newest first. `lag` is revisions behind; None when it holds another dataset."""
    query = (
        select(heartbeats.c.instance, heartbeats.c.received, heartbeats.c.document)
        .where(heartbeats.c.service == tx.service.number, heartbeats.c.gateway == gateway.lower())
        .order_by(heartbeats.c.received.desc())
    )
    return [
        _shown(tx.service, instance, received, json.loads(document))
        for instance, received, document in tx.connection.execute(query)
    ]


def _shown(service: Service, instance: str, received: str, document: dict[str, Any]) -> dict[str, Any]:
    cursor = document.get("cursor")
    comparable = document.get("dataset") == service.dataset and isinstance(cursor, int)
    return {
        "id": instance,
        "lastHeartbeat": received,
        "version": document.get("version"),
        "startedAt": document.get("startedAt"),
        "source": document.get("source"),
        "dataset": document.get("dataset"),
        "cursor": cursor,
        "lag": max(0, service.revision - cursor) if comparable and isinstance(cursor, int) else None,
        "sidecars": document.get("sidecars", []),
        "issues": document.get("issues", []),
    }
