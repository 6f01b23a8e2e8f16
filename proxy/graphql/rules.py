"""Which fields of a query a client may ask for: the rules of validate-graphql-request.

Rules
1. A path is `/type/field`, also with Query, Mutation and Subscription for the root types whatever they are called;
   `/field` is a field of a root type, `/type` all fields of a type; `*` stands for any letters.
2. The most specific path that fits a field decides; one whose action is `ignore` leaves it to the next.
3. `/__*` is the introspection system: `__schema` and `__type`. `__typename` has to be named.
4. Without a schema the types below the root are not known; a rule that names one cannot be held then.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    GraphQLSchema,
    OperationDefinitionNode,
    TypeInfo,
    TypeInfoVisitor,
    Visitor,
    visit,
)

from proxy.graphql.schema import ROOTS, root_types

ALLOW, REMOVE, REJECT, IGNORE = ACTIONS = ("allow", "remove", "reject", "ignore")
_SYSTEM = ("__schema", "__type")


@dataclass(slots=True, frozen=True)
class Rule:
    """`action` is asked at most once per request."""

    path: str
    action: Callable[[], str]

    @property
    def specific(self) -> tuple[int, int]:
        plain = self.path.strip("/")
        return (0 if "*" in plain else 1, len(plain.replace("*", "")))

    @property
    def below_root(self) -> bool:
        """Whether it names a type that is no root."""
        first, found, _ = self.path.strip("/").partition("/")
        return bool(found) and first not in ROOTS and "*" not in first

    def fits(self, names: tuple[str, ...], field: str) -> bool:
        """`names` are those of the field's parent type; of a root type there are two, and "" for none."""
        path = self.path.strip("/")
        if field == "__typename":
            return any(path == f"{name}/{field}" for name in names)
        if field in _SYSTEM and path.startswith("__"):
            return fnmatchcase(field, path)
        first, found, second = path.partition("/")
        if found:
            return any(fnmatchcase(name, first) for name in names if name) and fnmatchcase(field, second)
        return path in ("", "*") or path in names or ("" in names and fnmatchcase(field, path))


@dataclass(slots=True, frozen=True)
class Verdict:
    """What the rules say of one field of the query."""

    node: FieldNode
    type: str
    action: str
    path: tuple[str, ...]


def judge(
    document: DocumentNode, operation: OperationDefinitionNode, schema: GraphQLSchema | None, rules: Sequence[Rule]
) -> list[Verdict]:
    """The fields that are rejected or removed, in their order."""
    ordered = sorted(rules, key=lambda rule: rule.specific, reverse=True)

    def decide(names: tuple[str, ...], field: str) -> str:
        for rule in ordered:
            if rule.fits(names, field) and (action := rule.action()) != IGNORE:
                return action
        return ALLOW

    found: list[Verdict] = []
    if schema is None:
        names = (operation.operation.value.capitalize(), "")
        for each in operation.selection_set.selections:
            if isinstance(each, FieldNode) and (action := decide(names, each.name.value)) != ALLOW:
                found.append(Verdict(each, names[0], action, (_key(each),)))
        return found
    roots = {name: root for root, name in root_types(schema).items()}
    types = TypeInfo(schema)
    way: list[str] = []

    class Judge(Visitor):
        def enter_field(self, node: FieldNode, *_: Any) -> Any:
            way.append(_key(node))
            parent = types.get_parent_type()
            if parent is None or parent.name.startswith("__"):
                return
            names = (parent.name, roots[parent.name], "") if parent.name in roots else (parent.name,)
            if (action := decide(names, node.name.value)) != ALLOW:
                found.append(Verdict(node, parent.name, action, tuple(way)))

        def leave_field(self, *_: Any) -> Any:
            way.pop()

    visit(document, TypeInfoVisitor(types, Judge()))
    return found


def _key(node: FieldNode) -> str:
    return node.alias.value if node.alias is not None else node.name.value
