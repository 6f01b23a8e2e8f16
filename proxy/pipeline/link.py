"""Documents of all scopes to one pipeline: `<base/>` is replaced by the broader scope's section.

Rules (https://learn.microsoft.com/azure/api-management/set-edit-policies#use-base-element-to-set-policy-evaluation-order)
1. A section starts with the narrowest document that has it; at `<base/>` the next broader document's is spliced.
2. Without `<base/>` nothing broader runs. A document, or a section that it does not have, is as if it were `<base/>`.
3. Where nothing at all stands beyond, the backend section is `<forward-request/>`: the request is forwarded.
4. One broken document breaks the pipeline: it answers 500 and runs none of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from proxy.errors import ConfigurationBroken, Origin
from proxy.exchange import Exchange
from proxy.pipeline.compile import CompiledDocument, Environment, Scope, compile_document
from proxy.pipeline.registry import BACKEND, INBOUND, ON_ERROR, OUTBOUND, Outcome
from proxy.pipeline.steps import Base, Step

if TYPE_CHECKING:
    from proxy.config.diagnostics import Plan


@dataclass(slots=True, frozen=True)
class Pipeline:
    """The effective policy of one operation in one product context; `lasting`: expressions in it may last; `plan`: what
    is done for telemetry beside the record, None for nothing."""

    inbound: tuple[Step, ...] = ()
    backend: tuple[Step, ...] = ()
    outbound: tuple[Step, ...] = ()
    on_error: tuple[Step, ...] = ()
    lasting: bool = False
    plan: Plan | None = None


def link(documents: Sequence[CompiledDocument]) -> Pipeline:
    """Splice documents, ordered from the broadest scope to the narrowest; absent scopes are simply not there."""
    broken = next((document for document in documents if document.broken), None)
    if broken is not None:
        return _broken(broken)
    chain = [_DEFAULT, *documents]
    last = len(chain) - 1
    return Pipeline(
        inbound=tuple(_section(chain, last, INBOUND)),
        backend=tuple(_section(chain, last, BACKEND)),
        outbound=tuple(_section(chain, last, OUTBOUND)),
        on_error=tuple(_section(chain, last, ON_ERROR)),
        lasting=any(document.lasting for document in chain),
    )


def _section(chain: Sequence[CompiledDocument], index: int, name: str) -> list[Step]:
    while index >= 0 and name not in chain[index].sections:
        index -= 1
    if index < 0:
        return []
    steps: list[Step] = []
    for step in chain[index].sections[name]:
        if isinstance(step, Base):
            if chain[index].scope.kind != "global":  # <base/> has no effect at the global scope
                steps += _section(chain, index - 1, name)
        else:
            steps.append(step)
    return steps


def _broken(document: CompiledDocument) -> Pipeline:
    first = next(issue for issue in document.issues if issue.severity == "error")
    detail = f"The policy of {document.scope.kind} {document.scope.id} does not compile. {first}"

    def refuse(exchange: Exchange) -> Outcome | None:
        raise ConfigurationBroken(detail)

    origin = Origin("configuration", document.scope.kind, INBOUND, "")
    return Pipeline(inbound=(Step.of(refuse, origin),))


_DEFAULT = compile_document(
    "<policies><backend><forward-request/></backend></policies>", Scope("global"), Environment()
)
# what the backend section is where no document says otherwise
FORWARD = tuple(step for step in _DEFAULT.sections[BACKEND] if isinstance(step, Step))
