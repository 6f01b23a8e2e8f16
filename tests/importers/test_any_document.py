"""Whatever a document holds where something else belongs: it is imported or refused, and never breaks the importer."""

from __future__ import annotations

import contextlib
import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from management.importers import ImportRefused, import_document

WORDS = """
info title description servers url variables default paths /x /x/{id} /y?a={b} parameters get post put head name in
query path header required schema type format enum items properties allOf oneOf example examples value $ref
requestBody content application/json application/xml responses 200 2XX default headers components schemas A
operationId summary host basePath schemes consumes produces definitions body formData x-servers x-ms-paths
"""
KEYS = WORDS.split()
POINTERS = ["#/components/schemas/A", "#/definitions/A", "#", "https://x.example.com"]
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 700),
    st.sampled_from([*KEYS, *POINTERS, "string", "object"]),
    st.just(float("1.5")),
)
TREES = st.recursive(
    VALUES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=5),
    max_leaves=25,
)
OPERATIONS = st.dictionaries(
    st.sampled_from(["operationId", "summary", "description", "parameters", "requestBody", "responses", "consumes"]),
    TREES,
)
ITEMS = st.dictionaries(st.sampled_from(["get", "post", "parameters", "$ref", "put"]), OPERATIONS | TREES)


@given(
    st.sampled_from([{"openapi": "3.0.1"}, {"openapi": "3.1.0"}, {"swagger": "2.0"}]),
    st.dictionaries(st.sampled_from(KEYS), TREES, max_size=4),
    st.dictionaries(st.sampled_from(["/x", "/x/{id}", "/y?a={b}", "z"]), ITEMS, max_size=3),
)
def test_it_is_imported_or_refused(version: dict[str, str], rest: dict[str, Any], paths: dict[str, Any]) -> None:
    document = {**rest, **version, "paths": paths}
    with contextlib.suppress(ImportRefused):
        api = import_document(document, "openapi")
        assert len({operation.id for operation in api.operations}) == len(api.operations)
        for operation in api.operations:
            json.dumps(operation.properties, allow_nan=False)
            assert operation.properties["displayName"]
            assert all(isinstance(response["statusCode"], int) for response in operation.properties["responses"])
