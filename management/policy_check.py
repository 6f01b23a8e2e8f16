"""Checks policy documents before they are stored. The only place that knows the checker.

The checker needs the named values, fragments and backends that a document refers to. Only those are read from the
store, so that one policy costs the same beside ten thousand others.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from management.declare import Link
from management.errors import Detail, invalid_all
from management.lookups import named_value_lookup, named_value_of
from management.store import Row
from management.transaction import Transaction

if TYPE_CHECKING:
    from proxy.check import Issue

log = logging.getLogger("management")

LARGEST_POLICY = 512 * 1024
# documents that one change of a fragment or named value compiles again, so that it cannot hold the store for long;
# what lies beyond keeps its last good form in the sidecars, which report it
MOST_USERS = 200

# the type of a document -> the scope that it is compiled for
SCOPES = {
    "policies": "global",
    "products/policies": "product",
    "apis/policies": "api",
    "apis/operations/policies": "operation",
    "apis/resolvers/policies": "resolver",
    "policyfragments": "fragment",
}

NAMED_VALUE = re.compile(r"\{\{\s*([^{}\s]+)\s*\}\}")
QUOTED = re.compile(r"'([^']*)'")
FRAGMENT = re.compile(r"""fragment-id\s*=\s*(?:"([^"<]*)"|'([^'<]*)')""")
SCHEMA = re.compile(r"""schema-id\s*=\s*(?:"([^"<]*)"|'([^'<]*)')""")
BACKEND = re.compile(r"""backend-id\s*=\s*(?:"([^"<]*)"|'([^'<]*)')""")


def run_check(
    text: str,
    scope: str,
    named_values: Mapping[str, str],
    fragments: Mapping[str, str],
    backends: Collection[str],
    certificates: Collection[str] | None = None,
    schemas: Collection[str] | None = None,
    strict: bool = True,
) -> list[Issue]:
    """Parses and compiles a document; slow and pure."""
    from proxy.check import Environment, check_document

    environment = Environment(
        named_values, fragments, backends, strict, certificates, skipping=not strict, schemas=schemas
    )
    return check_document(text, scope, environment)


def check(tx: Transaction, text: str, scope: str) -> list[Link]:
    """Raise ValidationError with every error of the document; else say what it refers to."""
    if len(text.encode()) > LARGEST_POLICY:
        raise invalid_all([Detail("value", f"A policy document must not be larger than {LARGEST_POLICY} bytes.")])
    surroundings = Surroundings.of(tx, text)
    issues = _issues(tx, text, scope, surroundings)
    errors = [Detail(issue.element, str(issue)) for issue in issues if issue.severity == "error"]
    if errors:
        raise invalid_all(errors)
    for skipped in (issue for issue in issues if issue.code == "skipped"):
        log.warning("policy of %s: %s", scope, skipped)
    return [Link(key, "restrict") for key in surroundings.used]


def kind_of(scope: str) -> str | None:
    """The scope that the document of the resource `scope` ("" for the service) is compiled for; None for none."""
    parts = scope.lower().strip("/").split("/") if scope.strip("/") else []
    if len(parts) % 2 or not all(parts):
        return None
    place = "/".join(parts[::2])
    return SCOPES.get(place) or SCOPES.get(f"{place}/policies".lstrip("/"))


def look(tx: Transaction, text: str, scope: str) -> list[dict[str, Any]]:
    """All findings about a document that nobody has stored, errors and warnings."""
    if len(text.encode("utf-8", "surrogatepass")) > LARGEST_POLICY:
        message = f"A policy document must not be larger than {LARGEST_POLICY} bytes."
        return [
            {
                "line": 1,
                "column": 1,
                "element": "",
                "message": message,
                "code": "size",
                "severity": "error",
                "fragment": "",
            }
        ]
    return [asdict(each) for each in _issues(tx, text, scope, Surroundings.of(tx, text))]


def _issues(tx: Transaction, text: str, scope: str, around: Surroundings) -> list[Issue]:
    backends, certificates, schemas = (Names(tx, each) for each in ("/backends", "/certificates", "/schemas"))
    found = run_check(text, scope, around.values, around.fragments, backends, certificates, schemas, tx.strict)
    return [each for each in found if not (each.code == "unknown-named-value" and around.waits(each.message))]


def check_users(tx: Transaction, key: str) -> None:
    """Raise ValidationError when what refers to `key`, directly or through fragments, no longer compiles."""
    errors = [each for row in _users(tx, key) for each in findings(tx, row)]
    if errors:
        raise invalid_all(errors)


def findings(tx: Transaction, row: Row) -> list[Detail]:
    """The errors of a stored document as things stand now."""
    text = str(row.body["value"])
    issues = _issues(tx, text, SCOPES[row.type], Surroundings.of(tx, text))
    return [Detail(each.element, f"{row.id}: {each}") for each in issues if each.severity == "error"]


def policies_there_are() -> list[tuple[str, frozenset[str], str]]:
    """(name, scopes, what it does) of every policy that a document may use."""
    from proxy.check import known_policies

    return known_policies()


def _users(tx: Transaction, key: str) -> list[Row]:
    found: dict[str, Row] = {}
    todo = [key]
    while todo and len(found) < MOST_USERS:
        for source, _, _ in tx.links_to(todo.pop()):
            row = tx.get(source)
            if row is not None and row.type in SCOPES and source not in found:
                found[source] = row
                todo.append(source)
    return list(found.values())


class Names(Collection[str]):
    """The names in a collection, asked for one by one; all are read only to tell which one is near a wrong one."""

    def __init__(self, tx: Transaction, collection: str) -> None:
        self.tx = tx
        self.collection = collection

    def __contains__(self, name: object) -> bool:
        row = self.tx.get(f"{self.collection}/{name}") if isinstance(name, str) and name else None
        return row is not None and row.name == name

    def __iter__(self) -> Iterator[str]:
        return iter(self.tx.names(self.collection))

    def __len__(self) -> int:
        return self.tx.count(self.collection)


class Surroundings:
    """What a document refers to.

    `values` by display name, `fragments` by id with all that they include; `used` are the keys of what it names itself,
    `absent` the display names of values that only a Key Vault has: gateways report who needs them.
    """

    def __init__(self) -> None:
        self.values: dict[str, str] = {}
        self.fragments: dict[str, str] = {}
        self.used: list[str] = []
        self.absent: set[str] = set()

    @classmethod
    def of(cls, tx: Transaction, text: str) -> Surroundings:
        found = cls()
        found._visit(tx, text, direct=True)
        return found

    def _visit(self, tx: Transaction, text: str, direct: bool) -> None:
        for name in dict.fromkeys(NAMED_VALUE.findall(text)):
            for row in tx.find(named_value_lookup(name)):
                self._use(row, direct)
                value = named_value_of(row)
                if value is None:
                    self.absent.add(str(row.body["displayName"]).lower())
                else:
                    self.values[str(row.body["displayName"])] = value
        text = NAMED_VALUE.sub(lambda match: self.values.get(match[1], match[0]), text)
        for name in _names(BACKEND, text):
            backend = tx.get(f"/backends/{name}")
            if backend:
                self._use(backend, direct)
        for name in _names(SCHEMA, text):
            schema = tx.get(f"/schemas/{name}")
            if schema:
                self._use(schema, direct)
        for name in _names(FRAGMENT, text):
            fragment = tx.get(f"/policyFragments/{name}")
            if fragment and fragment.name not in self.fragments:
                self._use(fragment, direct)
                self.fragments[fragment.name] = str(fragment.body["value"])
                self._visit(tx, self.fragments[fragment.name], direct=False)

    def waits(self, message: str) -> bool:
        """Whether an issue about an unknown named value is about one that is only in a Key Vault."""
        name = QUOTED.search(message)
        return name is not None and name[1].lower() in self.absent

    def _use(self, row: Row, direct: bool) -> None:
        if direct and row.key not in self.used:
            self.used.append(row.key)


def _names(pattern: re.Pattern[str], text: str) -> list[str]:
    return list(dict.fromkeys(first or second for first, second in pattern.findall(text) if first or second))
