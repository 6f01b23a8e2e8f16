"""The names that OData metadata has at its root."""

from __future__ import annotations

import pytest

from proxy.schemas.edm import callable_names
from proxy.schemas.library import read_document
from tests.importers.test_edmx import V2, V4


def test_names() -> None:
    assert callable_names(V4) == {"People", "Me", "Near"}
    assert callable_names(V2) == {"S"}
    assert (
        callable_names("<Schema><EntityContainer Extends='a.b'><EntitySet Name='x'/></EntityContainer></Schema>")
        is None
    )
    assert callable_names("<Schema/>") is None


def test_what_cannot_be_read() -> None:
    for text, why in (("<a", "not XML"), ("<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>", "DOCTYPE")):
        with pytest.raises(ValueError, match=why):
            callable_names(text)


def test_a_schema_resource() -> None:
    kind = "application/vnd.ms-azure-apim.odata.schema"
    document = read_document({"contentType": kind, "document": {"value": V2}})
    assert (document.kind, document.root) == ("odata", {"S"})
    assert read_document({"contentType": kind}).root is None
