"""`validate-odata-request`: refuses a request that is no sound OData request, before its backend has to.

Its version, the size of its body, its path and the grammar of its query options. The path must begin with a name of the
API's metadata, where there is some; other names are the backend's business.
https://learn.microsoft.com/azure/api-management/validate-odata-request-policy
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from proxy.errors import BodyTooLarge
from proxy.pipeline.odata import VERSIONS, ODataError, check_options, check_path, version_problem
from proxy.pipeline.registry import INBOUND, Handler, policy
from proxy.pipeline.validation import PREVENT, Findings, Problem, whole

if TYPE_CHECKING:
    from collections.abc import Iterator

    from proxy.exchange import Exchange
    from proxy.pipeline.compile import Compiler
    from proxy.pipeline.element import Element


@policy("validate-odata-request", sections={INBOUND}, scopes=frozenset({"global", "workspace", "product", "api"}))
def validate_odata_request(element: Element, compiler: Compiler) -> Handler:
    """Refuse a request that is no sound OData request."""
    variable = element.literal("error-variable-name", "")
    default = element.literal_choice("default-odata-version", *VERSIONS, default="4.0")
    lowest = _version(element, "min-odata-version")
    highest = _version(element, "max-odata-version")
    max_size = element.literal_integer("max-size", None, 0)

    def problems(exchange: Exchange) -> Iterator[Problem]:
        request = exchange.request
        given = request.headers.get("OData-Version", "")
        version, wrong = version_problem(given, default, lowest, highest)
        if wrong:
            yield Problem("OData-Version", "RequestHeader", "IncorrectMessage", wrong, wrong)
        wanted = request.headers.get("OData-MaxVersion", "").strip()
        if wanted and wanted not in VERSIONS:
            text = f"The OData version '{wanted[:20]}' is not one of {', '.join(VERSIONS)}."
            yield Problem("OData-MaxVersion", "RequestHeader", "IncorrectMessage", text, text)
        url = request.url
        try:
            check_path(url.decoded_path, _names(exchange))
            check_options(parse_qsl(url.query, keep_blank_values=True), version)
        except ODataError as problem:
            yield Problem("", "RequestUrl", "IncorrectMessage", str(problem), str(problem))

    async def size_problem(exchange: Exchange, limit: int) -> Problem | None:
        body = exchange.request.body
        try:
            size = body.length if body.length is not None else len(await whole(body, exchange.request.headers))
        except (BodyTooLarge, ValueError) as problem:
            return Problem("", "RequestBody", "SizeLimit", str(problem), str(problem))
        if size <= limit:
            return None
        details = f"Request's body is {size} bytes long and it exceeds the configured limit of {limit} bytes."
        return Problem("", "RequestBody", "SizeLimit", details, details.replace("configured ", ""))

    async def handle(exchange: Exchange) -> None:
        findings = Findings(variable, INBOUND)
        for problem in problems(exchange):
            findings.add(problem, PREVENT)
        if max_size is not None and (too_large := await size_problem(exchange, max_size)):
            findings.add(too_large, PREVENT)
        findings.settle(exchange)

    return handle


def _names(exchange: Exchange) -> frozenset[str] | None:
    """What the metadata of the API has at its root; None when that is not known."""
    documents = exchange.api.schemas.documents.values() if exchange.api is not None else ()
    return next((each.root for each in documents if each.kind == "odata"), None)


def _version(element: Element, name: str) -> str:
    return element.literal_choice(name, *VERSIONS) if element.has(name) else ""
