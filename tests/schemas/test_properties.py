"""Whatever stands in a schema document: a validator, or a reason; whatever stands in a body: an answer."""

from __future__ import annotations

import contextlib
import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.schemas.example import example, xml_example
from proxy.schemas.flatten import Reading, SchemaError, flatten
from proxy.schemas.json_schema import JsonValidator
from proxy.schemas.library import Document, Library, read_document
from proxy.schemas.parameters import ParameterCheck

KEYWORDS = """
    type properties required items allOf anyOf oneOf not $ref enum const minimum maximum exclusiveMinimum format pattern
    additionalProperties nullable dependencies if then $id $anchor readOnly prefixItems unevaluatedProperties
    definitions components schemas a example default xml name propertyNames contains minItems multipleOf
"""
WORDS = st.sampled_from(KEYWORDS.split())
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 2**40),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from(
        [
            "string",
            "object",
            "integer",
            "array",
            "int32",
            "date",
            "#",
            "#/a",
            "#/definitions/a",
            "/schemas/b#/a",
            "[",
            "a",
        ]
    ),
)
TREES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(WORDS, inner, max_size=5)),
    max_leaves=25,
)
READINGS = st.builds(Reading, st.booleans(), st.sampled_from([None, True, False]), st.booleans())


@settings(max_examples=400, deadline=None)
@given(TREES, READINGS, TREES)
def test_any_schema_and_any_body(schema: Any, reading: Reading, body: Any) -> None:
    with contextlib.suppress(SchemaError):
        validator = JsonValidator(flatten(schema, "", reading, {"b": schema}), reading.fold)
        for found in validator.content(json.dumps(body).encode()):
            assert found.message
            assert found.line >= 0


@settings(max_examples=200, deadline=None)
@given(TREES)
def test_any_document(document: Any) -> None:
    for body in (
        {"schemaType": "json", "document": document},
        {"contentType": "application/vnd.oai.openapi.components+json", "document": document},
    ):
        try:
            read = read_document(body)
        except ValueError:
            continue
        assert isinstance(read, Document)
        library = Library({"a": read})
        pointer = read.pointer("a")
        if pointer is not None:
            assert library.json("a", pointer, Reading())
            assert example(read.root, pointer) != ""
            # lists of nothing are no element
            assert xml_example(read.root, pointer) != "" or not (example(read.root, pointer) or "").strip("[], ")
        assert isinstance(library.parameter("a", "a", "string", ()), ParameterCheck)
