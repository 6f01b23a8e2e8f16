"""The tag that APIM adds to Liquid: JSONArrayFor, a loop that writes a comma between its turns."""

from __future__ import annotations

from typing import TextIO

from liquid import RenderContext
from liquid.ast import BlockNode
from liquid.builtin.expressions import LoopExpression
from liquid.builtin.tags.for_tag import ForLoop, ForNode, ForTag
from liquid.exceptions import BreakLoop, ContinueLoop
from liquid.parser import get_parser
from liquid.stream import TokenStream
from liquid.token import TOKEN_TAG


class JsonArrayForNode(ForNode):
    """As `for`; each turn that wrote something but the last is followed by a comma."""

    def __str__(self) -> str:
        return f"{{% JSONArrayFor {self.expression} %}}{self.block}{{% endJSONArrayFor %}}"

    def render_to_output(self, context: RenderContext, buffer: TextIO) -> int:
        it, length = self.expression.evaluate(context)
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


class JsonArrayForTag(ForTag):
    """`{% JSONArrayFor item in list %} ... {% endJSONArrayFor %}`"""

    name = "JSONArrayFor"
    end = "endJSONArrayFor"

    def parse(self, stream: TokenStream) -> JsonArrayForNode:
        token = stream.eat(TOKEN_TAG)
        expression = LoopExpression.parse(self.env, stream.into_inner(tag=token))
        block: BlockNode = get_parser(self.env).parse_block(stream, frozenset({self.end}))
        stream.expect(TOKEN_TAG, value=self.end)
        return JsonArrayForNode(token, expression=expression, block=block, default=None)
