"""What an importer gives back: the shape of the ARM resources, no more; storing them is the caller's part."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True, frozen=True)
class ImportedOperation:
    """`id` is the resource name; `properties` the `properties` object of an ARM OperationContract. `policy` is the
    document (rawxml) that the operation needs to do what the description says; empty for none."""

    id: str
    properties: Mapping[str, Any]
    policy: str = ""


@dataclass(slots=True, frozen=True)
class ImportedSchema:
    """A schema resource whose document is text; `namespace` is the target namespace of an XML schema."""

    id: str
    content_type: str
    text: str
    namespace: str = ""


@dataclass(slots=True, frozen=True)
class ImportedApi:
    """`service_url` is None when the document names no server that may be used.

    `schemas` are its schemas as they stand there (references and all), by the names that operations call them;
    `older`: they are the `definitions` of a Swagger 2.0 document, not the `components` of an OpenAPI one. `documents`
    are schema resources of other kinds. `type` is what the API becomes, empty to leave it what it is.
    """

    display_name: str
    description: str
    service_url: str | None
    operations: list[ImportedOperation]
    schemas: dict[str, Any] = field(default_factory=dict)
    older: bool = False
    documents: list[ImportedSchema] = field(default_factory=list)
    type: str = ""


class ImportRefused(ValueError):
    """The document cannot be imported.

    `target` is where: a JSON pointer ("#/paths/~1orders/get") or "value" for the text as a whole; `line` and `column`
    count from 1 and are there when the text itself could not be read.
    """

    def __init__(self, message: str, target: str = "value", line: int | None = None, column: int | None = None) -> None:
        place = f" on line {line}, column {column}" if line is not None else ""
        super().__init__(f"{message}{place}.")
        self.message = str(self)
        self.target = target
        self.line = line
        self.column = column
