"""What an operation says of its messages, as the validate-* policies and mock-response look it up.

Rules
1. What a document needs of the operations below it is known when it is compiled (`Need`); `prepare` makes it then, so
   that no request waits for it.
2. A content type may be a range: `application/*`, `*/*`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import unquote

from proxy.pipeline.content import is_xml
from proxy.pipeline.registry import INBOUND
from proxy.pipeline.validation import NO_SCHEMA
from proxy.schemas.flatten import Reading

if TYPE_CHECKING:
    from proxy.config.resources import Api, Operation, Parameter, Representation, ResponseShape
    from proxy.exchange import Exchange
    from proxy.schemas.json_schema import Finding
    from proxy.schemas.library import Library
    from proxy.schemas.parameters import ParameterCheck
    from proxy.schemas.xml_schema import XmlValidator

PLAIN = Reading()


@dataclass(slots=True, frozen=True)
class Need:
    """What a policy asks of operations. `kind` is request, response, parameters, headers or examples; `engine` (json,
    xml, soap) and `reading` are those of bodies."""

    kind: str
    engine: str = ""
    reading: Reading = PLAIN


@dataclass(slots=True, frozen=True)
class Lookup:
    """A validator of bodies, called `name`; or a `problem`, and whether it is that the schema lacks the definition."""

    check: Callable[[bytes], list[Finding]]
    name: str = ""
    problem: str = ""
    missing: bool = False
    schema: XmlValidator | None = None

    @property
    def busy(self) -> bool:
        return self.schema is not None and self.schema.busy


@dataclass(slots=True, frozen=True)
class Described:
    """The representations of one message: a request, or a response of one status."""

    library: Library | None
    representations: tuple[Representation, ...]

    def describes(self, media: str) -> bool:
        return any(matches(each.content_type, media) for each in self.representations)

    def lookup(self, media: str, need: Need) -> Lookup:
        shape = next((each for each in self.representations if matches(each.content_type, media)), None)
        if shape is None or not shape.schema or self.library is None:
            return well_formed(need.engine)
        return found_in(self.library, shape.schema, None, shape.type_name, need)


def described(exchange: Exchange, section: str) -> Described:
    """What the operation says of the message that a policy of `section` works on."""
    operation = exchange.operation
    library = exchange.api.schemas if exchange.api is not None else None
    if operation is None:
        return Described(library, ())
    if section == INBOUND:
        return Described(library, operation.request)
    shape = response_shape(operation, exchange.response.status if exchange.response is not None else 200)
    return Described(library, shape.representations if shape is not None else ())


def response_shape(operation: Operation, status: int) -> ResponseShape | None:
    return next((each for each in operation.responses if each.status == status), None)


def found_in(library: Library, name: str, pointer: str | None, type_name: str, need: Need) -> Lookup:
    """The validator of a schema of a library: at `pointer`, or of a type of the document."""
    document = library.documents.get(name)
    title = type_name or name
    if document is None or (document.kind != "json" if need.engine == "json" else document.kind != "xml"):
        return Lookup(_nothing, title, NO_SCHEMA)
    if need.engine != "json":
        schema = library.xml(name)
        if isinstance(schema, str):
            return Lookup(_nothing, title, f"{NO_SCHEMA} {schema}")
        return Lookup(schema.soap if need.engine == "soap" else schema.content, title, schema=schema)
    at = document.pointer(type_name) if pointer is None else pointer
    if at is None:
        return Lookup(_nothing, title, f"API's schema does not contain definition {type_name}", missing=True)
    validator = library.json(name, at, need.reading)
    if isinstance(validator, str):
        return Lookup(_nothing, title, f"{NO_SCHEMA} {validator}")
    return Lookup(validator.content, title)


def not_there(name: str) -> Lookup:
    return Lookup(_nothing, name, NO_SCHEMA)


def well_formed(engine: str) -> Lookup:
    """Without a schema: is it JSON, is it XML, is it an envelope?"""
    from proxy.schemas import well_formed as checks

    return Lookup({"json": checks.json, "xml": checks.xml, "soap": checks.soap}[engine])


def matches(pattern: str, media: str) -> bool:
    """Whether a content type, which may be a range, is that of a message. `media` is bare and in lower case."""
    wanted = media_of(pattern)
    if wanted == media:
        return True
    return bool(media) and (wanted == "*/*" or (wanted.endswith("/*") and media.startswith(wanted[:-1])))


def media_of(content_type: str) -> str:
    """A content type, bare and in lower case."""
    return content_type.partition(";")[0].strip().lower()


def checked(library: Library, parameter: Parameter) -> ParameterCheck:
    return library.parameter(parameter.schema, parameter.type_name, parameter.type, parameter.values)


@dataclass(slots=True, frozen=True)
class Checked:
    """A parameter with its check; `name` is the one that stands in requests, `folded` it in lower case."""

    name: str
    folded: str
    parameter: Parameter
    check: ParameterCheck


@dataclass(slots=True, frozen=True)
class ParameterPlan:
    """The parameters of an operation by place. `own_headers` and `own_query`, in lower case, need no description: they
    carry the subscription key and the version, or the URL template fixes their value."""

    operation: Operation
    headers: tuple[Checked, ...]
    query: tuple[Checked, ...]
    path: tuple[Checked, ...]
    own_headers: frozenset[str]
    own_query: frozenset[str]


def parameters_of(api: Api, operation: Operation) -> ParameterPlan:
    """Made once for each operation."""
    plan: ParameterPlan | None = api.schemas.plans.get(operation.id)
    if plan is None or plan.operation is not operation:
        plan = api.schemas.plans[operation.id] = _plan(api, operation)
    return plan


def _plan(api: Api, operation: Operation) -> ParameterPlan:
    def made(parameter: Parameter, name: str = "") -> Checked:
        name = name or parameter.name.lstrip("*")
        return Checked(name, name.lower(), parameter, checked(api.schemas, parameter))

    declared = {each.name.lower(): each for each in operation.template_parameters}
    query, fixed = [], set()
    for part in filter(None, operation.url_template.partition("?")[2].split("&")):
        name, _, value = part.partition("=")
        parameter = declared.pop(value[1:-1].lower(), None) if value.startswith("{") else None
        if parameter is None:
            fixed.add(unquote(name).lower())
        else:
            query.append(made(parameter, unquote(name)))
    versions = api.version_set
    return ParameterPlan(
        operation,
        headers=tuple(made(each) for each in operation.headers),
        query=(*query, *(made(each) for each in operation.query_parameters)),
        path=tuple(made(each) for each in declared.values()),
        own_headers=frozenset({api.key_header.lower(), versions.header_name.lower() if versions else ""}),
        own_query=frozenset({api.key_query.lower(), versions.query_name.lower() if versions else "", *fixed}),
    )


def prepare(api: Api, operation: Operation, need: Need) -> None:
    """Make what a policy will ask of an operation; what is made already costs a look."""
    library = api.schemas
    match need.kind:
        case "request":
            messages = [operation.request]
        case "response":
            messages = [each.representations for each in operation.responses]
        case "parameters":
            parameters_of(api, operation)
            return
        case "headers":
            for shape in operation.responses:
                for parameter in shape.headers:
                    checked(library, parameter)
            return
        case _:
            for shape in operation.responses:
                for each in shape.representations:
                    if each.schema:
                        library.example(each.schema, each.type_name, is_xml(media_of(each.content_type)))
            return
    for representations in messages:
        for each in representations:
            if each.schema:
                found_in(library, each.schema, None, each.type_name, need)


def _nothing(content: bytes) -> list[Finding]:
    return []
