"""What a policy takes, learnt from its own factory: which attributes, children and text it asks the `Element` for.

A factory may ask for one thing only where it sees another. So it gets its element bare, with all that it has asked for
so far, with each choice made, and without each attribute, until it asks for nothing new.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from xml.sax.saxutils import quoteattr

from proxy.pipeline.compile import Environment, Scope, compiler_for
from proxy.pipeline.element import REQUIRED, Element
from proxy.pipeline.issue import Issue
from proxy.pipeline.markup import read
from proxy.pipeline.nodes import Node
from proxy.pipeline.registry import SECTIONS, Definition
from proxy.pipeline.source import Source

ROUNDS = 6
# the readers of Element by the kind of value that they make; others are called after themselves
KINDS = {"string": "text", "literal": "text", "any_value": "any", "choice": "one of", "literal_choice": "one of"}
# values that make a factory ask for more, where they are not the options of a choice
TELLING = {"set-backend-service@backend-id": ("dapr",)}
TEXTS = ("content", "body_content", "literal_content")


@dataclass(slots=True)
class Attribute:
    """`default` is REQUIRED, None for none, or the value; `minimum` and `maximum` bound a number."""

    name: str
    kind: str
    default: object
    expression: bool
    options: tuple[str, ...] = ()
    minimum: object = None
    maximum: object = None
    sometimes: bool = False  # required, but only beside certain others

    @property
    def sample(self) -> str:
        if self.kind in ("integer", "number", "seconds"):
            return str(self.minimum or 1)
        return self.options[0] if self.options else "true" if self.kind == "boolean" else "x"


@dataclass(slots=True)
class Taken:
    """What one element takes. `text` None: it takes no text; `children` says of each whether it is required."""

    attributes: dict[str, Attribute] = field(default_factory=dict)
    looked_for: dict[str, None] = field(default_factory=dict)  # attributes that were asked for with `has`, in order
    children: dict[str, bool] = field(default_factory=dict)
    text: str | None = None
    policies: bool = False


Elements = dict[str, Taken]  # by place: "rate-limit", "rate-limit/api", in the order of asking


@dataclass(slots=True, frozen=True)
class Description:
    """All elements of a policy, itself first, and what it says of things that it does not support."""

    elements: Elements
    unsupported: tuple[str, ...]


def describe(definition: Definition) -> Description:
    known: Elements = {definition.name: Taken()}
    unsupported = dict.fromkeys(_ask(definition, f"<{definition.name} />", known))
    always = set(known[definition.name].attributes)
    for _ in range(ROUNDS):
        before = repr(known)
        for text in list(_variants(definition.name, known)):
            unsupported |= dict.fromkeys(_ask(definition, text, known))
        if repr(known) == before:
            break
    for name, attribute in known[definition.name].attributes.items():
        attribute.sometimes |= name not in always and attribute.default is REQUIRED
    for taken in known.values():
        for name in set(taken.looked_for) & set(taken.attributes):
            taken.attributes[name].default, taken.attributes[name].sometimes = None, False
    return Description(known, tuple(unsupported))


def _ask(definition: Definition, text: str, known: Elements) -> list[str]:
    """Write down what is asked for; returns what is not supported."""
    source = Source(text, text)
    kind = "api" if "api" in definition.scopes else min(definition.scopes)
    section = next(name for name in SECTIONS if name in definition.sections)
    issues: list[Issue] = []
    element = _Explorer(read(text), source, issues, path=definition.name)
    element.known = known
    environment = Environment(fragments={"x": "<fragment />"}, backends=["x"])
    definition.factory(element, compiler_for(source, Scope(kind, "x"), section, environment))
    return [issue.message for issue in issues if issue.code == "unsupported"]


class _Explorer(Element):
    """An element that writes down what it is asked for."""

    known: Elements

    @property
    def taken(self) -> Taken:
        return self.known.setdefault(re.sub(r"\[\d+\]", "", self.path), Taken())

    def has(self, name: str) -> bool:
        self.taken.looked_for[name] = None
        return super().has(name)

    def children(self, name: str, *, required: bool = False) -> list[Element]:
        self.taken.children[name] = self.taken.children.get(name, False) or required
        return super().children(name, required=required)

    def policies(self) -> tuple[Node, ...]:
        self.taken.policies = True
        return super().policies()

    def _child(self, node: Node, index: int = 1) -> Element:
        made = _Explorer(node, self.source, self.issues, path=f"{self.path}/{node.name}[{index}]", reads=self.reads)
        made.known = self.known
        return made

    def note(self, reader: str, arguments: dict[str, Any]) -> None:
        plain = reader.removeprefix("literal_")
        name, default = arguments["name"], arguments.get("default", REQUIRED)
        kind = KINDS.get(reader, KINDS.get(plain, plain.replace("_", " ")))
        options = tuple(arguments.get("options", ()))
        asked = Attribute(
            name, kind, default, not reader.startswith("literal"), options,
            arguments.get("minimum"), arguments.get("maximum"),
        )  # fmt: skip
        old = self.taken.attributes.setdefault(name, asked)
        if (old.default is REQUIRED) != (default is REQUIRED):
            old.sometimes = True


def _noting(reader: str) -> Callable[..., Any]:
    method = getattr(Element, reader)
    signature = inspect.signature(method)

    def noted(self: _Explorer, *given: Any, **named: Any) -> Any:
        bound = signature.bind(self, *given, **named)
        bound.apply_defaults()
        if reader in TEXTS:
            self.taken.text = "literal" if reader == "literal_content" else "expression"
        else:
            self.note(reader, dict(bound.arguments))
        return method(self, *given, **named)

    return noted


def _readers() -> Iterator[str]:
    for reader, method in inspect.getmembers(Element, inspect.isfunction):
        named = "name" in inspect.signature(method).parameters and reader not in ("has", "is_expression", "child")
        if reader in TEXTS or (named and not reader.startswith("_") and reader not in vars(_Explorer)):
            yield reader


for _reader in list(_readers()):
    setattr(_Explorer, _reader, _noting(_reader))


def _variants(name: str, known: Elements) -> Iterator[str]:
    """Texts of the element: full, with each option, without each attribute and child, with one alone."""
    full = partial(_written, name, known)
    yield full()
    for place, taken in list(known.items()):
        for attribute in list(taken.attributes.values()):
            yield full(without=f"{place}@{attribute.name}")
            for option in (*attribute.options, *(("false",) if attribute.kind == "boolean" else ())):
                yield full(choice=(f"{place}@{attribute.name}", option))
        for name in list(taken.looked_for):
            yield full(choice=(f"{place}@{name}", "x"), alone=place)
            for value in TELLING.get(f"{place}@{name}", ()):
                yield full(choice=(f"{place}@{name}", value), alone=place)
        for child in list(taken.children):
            yield full(without=f"{place}/{child}")


def _written(
    place: str, known: Elements, without: str = "", choice: tuple[str, str] = ("", ""), alone: str = ""
) -> str:
    """`alone`: the element that has only the attribute of `choice`."""
    taken = known.get(place, Taken())
    name = place.rpartition("/")[2]
    attributes = ""
    samples = dict.fromkeys(taken.looked_for, "x") | {each.name: each.sample for each in taken.attributes.values()}
    for attribute, sample in samples.items():
        key = f"{place}@{attribute}"
        if key == choice[0] or (key != without and place != alone):
            attributes += f" {attribute}={quoteattr(choice[1] if key == choice[0] else sample)}"
    inner = "".join(
        _written(f"{place}/{child}", known, without, choice, alone)
        for child in taken.children
        if f"{place}/{child}" != without
    )
    return f"<{name}{attributes}>{inner or ('x' if taken.text else '')}</{name}>"
