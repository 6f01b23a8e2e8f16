"""The tag that APIM adds to Liquid: JSONArrayFor, a loop that writes a comma between its turns.

Over an XML element it goes as APIM's own SOAP policies write it: the items are what is inside of the element
(`JSONArrayFor item in body.envelope.body.ListResponse.ListResult`), where all of that has one name which the loop does
not ask for; else the element is the one item.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TextIO

from liquid import RenderContext
from liquid.ast import BlockNode, Node
from liquid.builtin.expressions import LoopExpression, Path
from liquid.builtin.tags.for_tag import ForLoop, ForNode, ForTag
from liquid.exceptions import BreakLoop, ContinueLoop
from liquid.parser import get_parser
from liquid.stream import TokenStream
from liquid.token import TOKEN_TAG

from proxy.liquid.values import Element


class JsonArrayForNode(ForNode):
    """As `for`; each turn that wrote something but the last is followed by a comma."""

    __slots__ = ("used",)
    used: frozenset[str]

    def __str__(self) -> str:
        return f"{{% JSONArrayFor {self.expression} %}}{self.block}{{% endJSONArrayFor %}}"

    def render_to_output(self, context: RenderContext, buffer: TextIO) -> int:
        it, length = self._turns(context)
        name = self.expression.identifier
        loop = ForLoop(name=f"{name}-{self.expression.iterable}", it=it, length=length, parentloop=context.parentloop())
        namespace: dict[str, object] = {"forloop": loop, name: None}
        written = 0
        with context.loop(namespace, loop):
            for index, item in enumerate(loop):
                namespace[name] = item
                try:
                    written += self.block.render(context, buffer)
                except ContinueLoop:
                    pass
                except BreakLoop:
                    break
                if index + 1 < length:
                    written += buffer.write(",")
        return written

    def _turns(self, context: RenderContext) -> tuple[Iterator[Any], int]:
        whole = self.expression.limit is None and self.expression.offset is None and not self.expression.reversed
        held = self.expression.iterable.evaluate(context) if whole else None
        inner = _inside(held, self.used) if isinstance(held, Element) else None
        return self.expression.evaluate(context) if inner is None else (iter(inner), len(inner))


def _inside(element: Element, used: frozenset[str]) -> list[Any] | None:
    """What the only kind of child of an element is; None when there are others, or the loop asks for it by name."""
    names = [name for name in element if not name.startswith(("@", "#")) and f"@{name}" not in element]
    if len(names) != 1 or names[0].lower() in used:
        return None
    found = element[names[0]]
    return found if isinstance(found, list) else [found]


def _used(block: BlockNode, identifier: str) -> frozenset[str]:
    """The names that a block asks of a variable, in small letters."""
    names: set[str] = set()
    nodes: list[Node] = [block]
    while nodes:
        node = nodes.pop()
        nodes.extend(node.children(None, include_partials=False))  # type: ignore[arg-type]
        expressions = list(node.expressions())
        while expressions:
            expression = expressions.pop()
            expressions.extend(expression.children())
            if isinstance(expression, Path) and expression.path[0] == identifier:
                names.update(each.lower() for each in expression.path[1:2] if isinstance(each, str))
    return frozenset(names)


class JsonArrayForTag(ForTag):
    """`{% JSONArrayFor item in list %} ... {% endJSONArrayFor %}`"""

    name = "JSONArrayFor"
    end = "endJSONArrayFor"

    def parse(self, stream: TokenStream) -> JsonArrayForNode:
        token = stream.eat(TOKEN_TAG)
        expression = LoopExpression.parse(self.env, stream.into_inner(tag=token))
        block: BlockNode = get_parser(self.env).parse_block(stream, frozenset({self.end}))
        stream.expect(TOKEN_TAG, value=self.end)
        node = JsonArrayForNode(token, expression=expression, block=block, default=None)
        node.used = _used(block, expression.identifier)
        return node
