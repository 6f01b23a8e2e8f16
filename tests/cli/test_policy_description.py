"""What a policy takes, learnt from its factory: also what it asks for only beside something else."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from passerelle.policy.description import Description, describe
from passerelle.policy.docs import section, summary
from proxy.pipeline.compile import Compiler
from proxy.pipeline.element import REQUIRED, Element
from proxy.pipeline.registry import INBOUND, REGISTRY, Definition, Handler, policy


@pytest.fixture
def invented() -> Iterator[Definition]:
    @policy("invented", sections={INBOUND}, scopes=frozenset({"api"}))
    def factory(element: Element, compiler: Compiler) -> Handler:
        """Do what the test needs."""
        if element.literal_choice("kind", "plain", "rich", default="plain") == "rich":
            element.integer("depth", minimum=1, maximum=9)
        if element.has("a") == element.has("b"):
            element.issue("One of a and b is needed.")
        elif element.has("a"):
            element.literal("a")
        else:
            element.boolean("b", False)
        for child in element.children("part", required=True):
            child.number("size", 2.0)
            child.content()
        if element.child("old"):
            element.issue("<old> is not supported.", "unsupported")
        return lambda exchange: None

    yield REGISTRY["invented"]
    del REGISTRY["invented"]


@pytest.fixture
def described(invented: Definition) -> Description:
    return describe(invented)


def test_attributes_asked_for_beside_others_are_found(described: Description) -> None:
    taken = described.elements["invented"]
    assert set(taken.attributes) == {"kind", "depth", "a", "b"}
    kind, depth = taken.attributes["kind"], taken.attributes["depth"]
    assert (kind.kind, kind.default, kind.options, kind.expression) == ("one of", "plain", ("plain", "rich"), False)
    assert (depth.kind, depth.default, depth.minimum, depth.maximum, depth.sometimes) == (
        "integer",
        REQUIRED,
        1,
        9,
        True,
    )
    assert taken.attributes["a"].default is None


def test_children_and_their_attributes_are_found(described: Description) -> None:
    assert described.elements["invented"].children == {"part": True, "old": False}
    part = described.elements["invented/part"]
    assert part.text == "expression"
    assert part.attributes["size"].default == 2.0


def test_what_is_not_supported_makes_it_partial(invented: Definition, described: Description) -> None:
    assert described.unsupported == ("<old> is not supported.",)
    assert summary(invented, described) == "| [invented](#invented) | inbound | api | partial |"


def test_the_section_of_a_policy(invented: Definition, described: Description) -> None:
    lines = "\n".join(section(invented, described)).splitlines()
    assert "Sections: inbound. Scopes: api." in lines
    assert "Missing: `<old>` is not supported." in lines
    assert "`invented` holds `<part>` (required), `<old>`." in lines
    assert "| `invented` | `kind` | `plain`, `rich` | `plain` | |" in lines
    assert "| `invented` | `depth` | integer, 1 to 9 | required where it applies | yes |" in lines
    assert "| `part` | `size` | number | `2` | yes |" in lines
