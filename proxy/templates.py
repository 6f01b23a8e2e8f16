"""Operation templates of one API as a small tree, so that finding an operation costs its number of segments.

Rules
1. At each segment the literal wins over a mixed one ("{id}.json"), that over a parameter, that over a wildcard.
2. A branch that fits the path but not the method or the required query is left again: `GET /users/{id}` answers
   `GET /users/me` even when only `POST /users/me` is declared.
3. Literals compare without case; a trailing slash makes no difference (neither does it in APIM).
4. A template with empty segments ("/a//b") answers with them and without: as it is written, and as people write it.
5. `/*` and `/{*rest}` take any rest, also none. `?by={by}&kind=a` asks for parameters and fixed values.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qsl, quote, unquote

from proxy.config.resources import Operation

_PARAMETER = re.compile(r"\{(\*?[^{}]*)\}")
MOST_TOLD = 5  # ways to go on that are named
_SAFE = "-._~!$&'()*+,;=:@%"


@dataclass(slots=True, frozen=True)
class Candidate:
    """An operation at the end of a branch: the names of the values found on the way, and what the query must hold."""

    operation: Operation
    names: tuple[str, ...]
    query: tuple[tuple[str, str, bool], ...] = ()  # (name, value or parameter name, is it a parameter)


Candidates = dict[str, list["Candidate"]]  # by method
_NONE: dict[str, Any] = {}  # never written: most nodes have but one of the four, and there are two for each operation


@dataclass(slots=True)
class Node:
    """One segment of the tree; `ends` and `rests` are candidates by method: the path ends here, or anything follows."""

    literals: dict[str, Node] = field(default_factory=lambda: _NONE)
    mixed: Sequence[tuple[re.Pattern[str], Node]] = ()
    parameter: Node | None = None
    ends: Candidates = field(default_factory=lambda: _NONE)
    rests: Candidates = field(default_factory=lambda: _NONE)


@dataclass(slots=True)
class Found:
    operation: Operation
    parameters: dict[str, str]  # percent-decoded


class OperationTree:
    """The operations of one API. Immutable after construction."""

    __slots__ = ("_root", "asks_queries", "size")

    def __init__(self, operations: tuple[Operation, ...]) -> None:
        self._root = Node()
        self.size = len(operations)
        self.asks_queries = any("?" in operation.url_template for operation in operations)
        for operation in operations:
            self._add(operation)

    def find(self, method: str, path: str, query: str) -> Found | None:
        """`path` is relative to the API, canonical, with or without its leading and trailing slash."""
        path = path.strip("/")
        segments = path.split("/") if path else []
        values: list[str] = []
        candidate = _walk(self._root, segments, 0, method, query, values)
        if candidate is None:
            return None
        parameters = {name: unquote(value) for name, value in zip(candidate.names, values, strict=True)}
        if candidate.query:
            given = query_values(query)
            parameters.update((value, given[name.lower()]) for name, value, is_name in candidate.query if is_name)
        return Found(candidate.operation, parameters)

    def methods(self, path: str) -> list[str]:
        """The methods that this path has, for a log line that explains a 404."""
        path = path.strip("/")
        segments = path.split("/") if path else []
        known: set[str] = set()
        stack = [self._root]
        while stack:
            node = stack.pop()
            known.update(node.ends, node.rests)
            stack.extend(node.literals.values())
            stack.extend(child for _, child in node.mixed)
            if node.parameter is not None:
                stack.append(node.parameter)
        return [m for m in sorted(known) if _walk(self._root, segments, 0, m, None, []) is not None]

    def astray(self, path: str) -> str:
        """Why no template fits: how far the path is known, and how it could go on."""
        node, known = self._root, ""
        for segment in path.strip("/").split("/") if path.strip("/") else ():
            mixed = (child for pattern, child in node.mixed if pattern.fullmatch(segment))
            child = node.literals.get(segment.lower()) or next(mixed, node.parameter)
            if child is None:
                break
            node, known = child, f"{known}/{segment}"
        further = [f"'{known}/{name}'" for name in sorted(node.literals)[:MOST_TOLD]]
        further += [f"'{known}/{{...}}'"] if node.mixed or node.parameter is not None else []
        more = f" and {len(node.literals) - MOST_TOLD} more" if len(node.literals) > MOST_TOLD else ""
        why = f"none of {self.size} operations fits"
        return f"{why}; there is {', '.join(further)}{more}" if further else f"{why}; nothing is below '{known or '/'}'"

    def _add(self, operation: Operation) -> None:
        path, _, query = operation.url_template.partition("?")
        written = path.strip("/").split("/")
        segments = [segment for segment in written if segment]
        self._add_segments(operation, segments, query)
        if len(written) > len(segments) > 0:  # "/a//b"
            self._add_segments(operation, written, query)

    def _add_segments(self, operation: Operation, segments: list[str], query: str) -> None:
        node = self._root
        names: list[str] = []
        for index, segment in enumerate(segments):
            last = index == len(segments) - 1
            if last and (segment == "*" or (segment.startswith("{*") and segment.endswith("}"))):
                names.append(segment.strip("{*}") or "*")
                node.rests = _with(node.rests, Candidate(operation, tuple(names), _requirements(query)))
                return
            node = _descend(node, segment, names)
        node.ends = _with(node.ends, Candidate(operation, tuple(names), _requirements(query)))


def _with(table: Candidates, candidate: Candidate) -> Candidates:
    """The table, or a new one in place of the one that is never written."""
    if table is _NONE:
        table = {}
    listed = table.setdefault(candidate.operation.method.upper(), [])
    listed.append(candidate)
    if len(listed) > 1:
        listed.sort(key=lambda each: -len(each.query))
    return table


def _descend(node: Node, segment: str, names: list[str]) -> Node:
    found = _PARAMETER.findall(segment) if "{" in segment else None
    if not found:
        literal = _literal(segment)
        if literal in node.literals:
            return node.literals[literal]
        if node.literals is _NONE:
            node.literals = {}
        node.literals[literal] = child = Node()
        return child
    names.extend(name.lstrip("*") for name in found)
    if segment == "{" + found[0] + "}":
        if node.parameter is None:
            node.parameter = Node()
        return node.parameter
    pattern = _mixed(segment)
    for known, child in node.mixed:
        if known.pattern == pattern:
            return child
    child = Node()
    node.mixed = (*node.mixed, (re.compile(pattern, re.IGNORECASE), child))
    return child


@lru_cache(maxsize=16_384)
def _literal(segment: str) -> str:
    return quote(segment, safe=_SAFE).lower()


def _mixed(segment: str) -> str:
    """The pattern of a mixed segment. Each parameter ends at the first place where the literal behind it fits, which
    finds a match whenever there is one; atomic groups keep it there, so that no segment takes more than linear time."""
    first, *pieces = _PARAMETER.split(segment)
    literals = [re.escape(quote(piece, safe=_SAFE)) for piece in pieces[1::2]]
    inner = "".join(f"(?>(.+?){literal})" for literal in literals[:-1])
    return f"{re.escape(quote(first, safe=_SAFE))}{inner}(.+){literals[-1]}"


def _requirements(query: str) -> tuple[tuple[str, str, bool], ...]:
    if not query:
        return ()
    needs: list[tuple[str, str, bool]] = []
    for part in query.split("&"):
        name, _, value = part.partition("=")
        found = _PARAMETER.fullmatch(value)
        needs.append((unquote(name), found[1] if found else unquote(value), bool(found)))
    return tuple(needs)


def query_values(query: str) -> dict[str, str]:
    """Decoded query parameters by name in lower case; the first of equal names counts."""
    given: dict[str, str] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        given.setdefault(name.lower(), value)
    return given


def _fits(candidate: Candidate, query: str | None) -> bool:
    if not candidate.query or query is None:
        return True
    given = query_values(query)
    return all(
        name.lower() in given and (is_name or given[name.lower()].lower() == value.lower())
        for name, value, is_name in candidate.query
    )


def _choose(table: dict[str, list[Candidate]], method: str, query: str | None) -> Candidate | None:
    for candidate in table.get(method, ()):
        if not candidate.query or _fits(candidate, query):
            return candidate
    return None


def _walk(
    node: Node, segments: list[str], index: int, method: str, query: str | None, values: list[str]
) -> Candidate | None:
    """Depth first in the order of rule 1; `values` holds what the parameters of the current branch took."""
    if index == len(segments):
        if (end := _choose(node.ends, method, query)) is not None:
            return end
    else:
        segment = segments[index]
        if (child := node.literals.get(segment.lower())) is not None and (
            found := _walk(child, segments, index + 1, method, query, values)
        ) is not None:
            return found
        depth = len(values)
        for pattern, child in node.mixed:
            if (taken := pattern.fullmatch(segment)) is not None:
                values.extend(taken.groups())
                if (found := _walk(child, segments, index + 1, method, query, values)) is not None:
                    return found
                del values[depth:]
        if node.parameter is not None and segment:
            values.append(segment)
            if (found := _walk(node.parameter, segments, index + 1, method, query, values)) is not None:
                return found
            del values[depth:]
    if (rest := _choose(node.rests, method, query)) is not None:
        values.append("/".join(segments[index:]))
        return rest
    return None
