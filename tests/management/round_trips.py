"""What must hold after each PUT and PATCH: it can be read again as it was answered, and answered is what was sent."""

from __future__ import annotations

import json
import re
from typing import Any

import requests

from tests.management.specification import Operation, Specification

STALE = {"If-Match": '"0000"'}


class RoundTrips:
    def __init__(self, specification: Specification, session: requests.Session) -> None:
        self.session = session
        self._readable = {each.shape for each in specification.operations if each.method == "GET"}
        self._seen: set[str] = set()
        self._tagged = {each.shape for each in specification.operations if each.method == "HEAD"}

    def faults(self, operation: Operation, answer: requests.Response) -> list[str]:
        """Of the answer to a PUT or PATCH that was accepted."""
        sent, shown, faults = _sent(answer), answer.json() if answer.content else None, []
        url = answer.url
        if operation.shape in self._readable:
            found = self._call("GET", url)
            read = found.json() if found.status_code == 200 else {}
            if shown is None:
                shown = read
            if read != shown:
                faults.append(f"GET {found.status_code} differs in {_differing(read, shown)}")
            tag = answer.headers.get("ETag")
            if tag and found.headers.get("ETag") != tag:
                faults.append("GET has another ETag")
            host, _, path = url.partition("/subscriptions/")
            path, _, query = path.partition("?")
            if self._call("GET", f"{host}/SUBSCRIPTIONS/{path.upper()}?{query}").text != found.text:
                faults.append("GET in upper case differs")
            if operation.shape in self._tagged and operation.shape not in self._seen:
                faults += self._preconditions(url, sent, found.headers.get("ETag"))
        faults += [f"not answered: {each}" for each in lost(sent or {}, shown)]
        collection = operation.shape.rsplit("/", 1)[0]
        if collection in self._readable and operation.shape not in self._seen and not collection.endswith("/service"):
            faults += self._listed(url, shown)
        self._seen.add(operation.shape)  # preconditions and lists are the same for all of a type
        return faults

    def _preconditions(self, url: str, sent: Any, tag: str | None) -> list[str]:
        head = self._call("HEAD", url)
        faults = [] if head.ok and head.headers.get("ETag") == tag else [f"HEAD {head.status_code}"]
        for method, statuses in (("PUT", (412,)), ("PATCH", (412, 405)), ("DELETE", (412,))):
            answer = self._call(method, url, headers=STALE, json=sent or {})
            if answer.status_code not in statuses:
                faults.append(f"stale {method} {answer.status_code}")
        return faults

    def _listed(self, url: str, shown: Any) -> list[str]:
        path, _, query = url.partition("?")
        collection = f"{path.rsplit('/', 1)[0]}?{query}"
        page = self._call("GET", collection).json()
        items = [each for each in page["value"] if each["id"].lower() == shown["id"].lower()]
        if not items or not isinstance(page.get("count"), int):
            return [f"not in the list, which counts {page.get('count')}"]
        faults = []
        small = self._call("GET", f"{collection}&$top=1").json()
        if len(small["value"]) != 1 or (page["count"] > 1) != ("nextLink" in small):
            faults.append(f"$top=1 has {len(small['value'])} of {page['count']} and nextLink {small.get('nextLink')}")
        if "nextLink" in small and self._call("GET", small["nextLink"]).json()["value"] == small["value"]:
            faults.append("nextLink leads to the same page")
        beyond = self._call("GET", f"{collection}&$skip={page['count']}").json()
        if beyond["value"]:
            faults.append("$skip of all leaves some")
        name = items[0]["name"].replace("'", "''")
        filtered = self._call("GET", f"{collection}&$filter=name eq '{name}'").json()
        if [each["id"] for each in filtered.get("value", ())] != [items[0]["id"]]:
            faults.append("$filter by name does not find it")
        return faults

    def _call(self, method: str, url: str, **more: Any) -> requests.Response:
        return self.session.request(method, url, timeout=30, **more)


def _sent(answer: requests.Response) -> Any:
    body = answer.request.body
    content = body.getvalue() if hasattr(body, "getvalue") else body
    return json.loads(content) if content else None


def _differing(left: dict[str, Any], right: dict[str, Any]) -> list[str]:
    inner = [each.get("properties") if isinstance(each.get("properties"), dict) else {} for each in (left, right)]
    return [
        name
        for one, other in ((left, right), inner)
        for name in {**one, **other}
        if one.get(name) != other.get(name) and name != "properties"
    ]


def lost(sent: Any, shown: Any, place: str = "") -> list[str]:
    """Places in `sent` that `shown` has not, or has otherwise; relative and full ids are the same."""
    if isinstance(sent, dict):
        if not isinstance(shown, dict):
            return [place]
        return [
            fault
            for name, value in sent.items()
            for fault in (lost(value, shown[name], f"{place}/{name}") if name in shown else [f"{place}/{name}"])
        ]
    if isinstance(sent, list):
        if not isinstance(shown, list) or len(shown) != len(sent):
            return [place]
        return [fault for number, value in enumerate(sent) for fault in lost(value, shown[number], f"{place}/{number}")]
    if isinstance(sent, str) and isinstance(shown, str):
        same = sent.lower() == shown.lower() or (sent.startswith("/") and shown.lower().endswith(sent.lower()))
        return [] if same or re.sub(r"\s", "", sent) == re.sub(r"\s", "", shown) else [place]
    return [] if sent == shown else [place]
