"""What the validate-* policies have in common: actions, findings, and what becomes of them.

Rules (https://learn.microsoft.com/azure/api-management/validate-content-policy#validation-errors)
1. `ignore` looks away, `detect` writes findings to the errors variable, `prevent` refuses as well.
2. A request is refused with 400, a response with 502. `LastError` has the details; the client reads of a request what
   is wrong with it, of a response and of a schema nothing.
3. The first set of findings that prevents ends the policy.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from proxy.errors import BodyTooLarge, PolicyRefused
from proxy.expressions.dotnet.json_reader import wrap
from proxy.messages import Headers
from proxy.pipeline.content import compressed
from proxy.pipeline.registry import INBOUND

if TYPE_CHECKING:
    from proxy.config.resources import Parameter
    from proxy.exchange import Exchange
    from proxy.messages import Body
    from proxy.schemas.parameters import ParameterCheck

IGNORE, PREVENT, DETECT = ACTIONS = ("ignore", "prevent", "detect")
INTERNAL = "The request could not be processed due to an internal error. Contact the API owner."
NO_SCHEMA = "API's schema does not exist or it could not be resolved."
LARGEST_BODY = 4 * 1024 * 1024  # bytes that are validated at most
SMALL_BODY = 32 * 1024  # bytes that are validated on the event loop


@dataclass(slots=True, frozen=True)
class Problem:
    """One error of the documented table. `public` is what the client reads."""

    name: str
    type: str
    rule: str
    details: str
    public: str = INTERNAL


@dataclass(slots=True)
class Findings:
    """What one run of a policy found, with the action that is due."""

    variable: str
    section: str
    listed: list[tuple[Problem, str]] = field(default_factory=list)

    def add(self, problem: Problem, action: str) -> None:
        if action != IGNORE:
            self.listed.append((problem, action))

    def settle(self, exchange: Exchange) -> None:
        """Write down what was found so far; raises PolicyRefused if any of it prevents."""
        if not self.listed:
            return
        if self.variable:
            exchange.variables[self.variable] = wrap([_shown(*each) for each in self.listed])
        for problem, action in self.listed:
            if action == PREVENT:
                raise refused(problem, self.section)


def _shown(problem: Problem, action: str) -> dict[str, str]:
    return {
        "Name": problem.name,
        "Type": problem.type,
        "ValidationRule": problem.rule,
        "Details": problem.details,
        "Action": action,
    }


def refused(problem: Problem, section: str) -> PolicyRefused:
    if section == INBOUND:
        return PolicyRefused(400, "Bad Request", "Bad request", problem.details, public=problem.public)
    return PolicyRefused(502, "Response Not Allowed", "Response not allowed", problem.details, public=INTERNAL)


async def whole(body: Body, headers: Headers) -> bytes:
    """The whole body, decompressed; the body itself stays as it is. Raises BodyTooLarge, and ValueError for a
    compression that cannot be undone."""
    content = await body.read(LARGEST_BODY)
    if not compressed(headers) or not content:
        return content
    coding = headers.get("Content-Encoding", "").strip().lower()
    if coding not in ("gzip", "x-gzip", "deflate"):
        raise ValueError(f"The content encoding '{coding[:40]}' cannot be undone.")
    inflater = zlib.decompressobj(zlib.MAX_WBITS | 32)
    try:
        inflated = inflater.decompress(content, LARGEST_BODY + 1)
    except zlib.error as problem:
        raise ValueError(f"The body is not {coding}: {problem}.") from None
    if len(inflated) > LARGEST_BODY:
        raise BodyTooLarge(LARGEST_BODY)
    return inflated


def problem_of(
    name: str, type: str, words: str, parameter: Parameter, texts: list[str], check: ParameterCheck
) -> Problem | None:
    """What is wrong with the texts of a parameter that the operation describes; `words` is "query parameter"."""
    internal = type == "ResponseHeader"
    whose = "Response" if internal else "Request"

    def incorrect(details: str, public: str) -> Problem:
        return Problem(name, type, "IncorrectMessage", details, INTERNAL if internal else public)

    if not texts:
        if not parameter.required:
            return None
        missing = f"alue of the {words} {name} does not conform to the definition. It is required and missing."
        return incorrect(f"V{missing}", f"The v{missing}")
    if check.problem:
        where = f"{check.problem}, which is associated with the {words} {name}."
        return Problem(name, type, "MissingDefinition", where)
    if len(texts) > 1 and not check.several:
        text = f"{whose} cannot contain multiple values for the {words} {name}."
        return incorrect(text, text)
    refusal = check.refusal(texts)
    if refusal is None:
        return None
    if not refusal.parsed:
        start = f"Value of the {words} {name}"
        return incorrect(
            f"{start} cannot be parsed according to the definition. {refusal.message}",
            f"{start} couldn't be parsed according to the definition. {refusal.message}",
        )
    rest = f"alue of the {words} {name} does not conform to the definition. {refusal.message}"
    return incorrect(f"V{rest}", f"The v{rest}")
