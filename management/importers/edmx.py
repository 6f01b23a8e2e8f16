"""OData metadata (EDMX with CSDL, versions 2 to 4) -> an OData API.

https://learn.microsoft.com/azure/api-management/import-api-from-odata
There are no operation resources: entity sets, functions and actions are read from the schema by whoever shows them, and
a gateway takes every method on every path below the API. So the metadata is checked, and stored as it is.
"""

from __future__ import annotations

from typing import Any

from management.importers.imported import ImportedApi, ImportedSchema, ImportRefused
from management.importers.xml_text import children, name_of, read_xml

SCHEMA, SCHEMA_ID = "application/vnd.ms-azure-apim.odata.schema", "odata"
CALLABLE = ("EntitySet", "Singleton", "FunctionImport", "ActionImport")


def import_odata(text: str) -> ImportedApi:
    """Raises ImportRefused."""
    root = read_xml(text)
    if name_of(root) not in ("Edmx", "Schema"):
        raise ImportRefused(f"The document is no OData metadata: its root is <{name_of(root)}>, not <edmx:Edmx>")
    containers = [each for each in root.iter() if name_of(each) == "EntityContainer"]
    if not containers:
        raise ImportRefused("The metadata has no EntityContainer, so there is nothing to call")
    _check(containers)
    return ImportedApi(
        display_name=containers[0].get("Name") or "",
        description="",
        service_url=None,
        operations=[],
        documents=[ImportedSchema(SCHEMA_ID, SCHEMA, text)],
        type="odata",
    )


def _check(containers: list[Any]) -> None:
    found = 0
    for container in containers:
        for kind in CALLABLE:
            for each in children(container, kind):
                if not (each.get("Name") or "").strip():
                    raise ImportRefused(f"An {kind} has no name", "value", each.sourceline, 1)
                found += 1
        found += container.get("Extends") is not None
    if not found:
        raise ImportRefused(
            "The metadata has no entity set, singleton, function or action, so there is nothing to call"
        )
