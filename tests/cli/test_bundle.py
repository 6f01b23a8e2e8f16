"""OpenAPI documents of several files: what they become, and what is refused."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from management.importers import ImportRefused, import_document
from passerelle.imports.bundle import bundle

ROOT = """openapi: 3.0.1
info: {title: Shop, version: '1'}
paths:
  /orders:
    $ref: paths/orders.yaml
components:
  schemas:
    Order: {type: string}
"""
ORDERS = """get:
  operationId: list
  parameters: [{$ref: '../common.yaml#/parameters/Top'}]
  responses:
    '200':
      description: ok
      content:
        application/json:
          schema: {type: array, items: {$ref: '../common.yaml#/schemas/Order'}}
          examples: {one: {value: {$ref: not a reference}}}
"""
COMMON = """parameters:
  Top: {name: top, in: query, schema: {$ref: '#/schemas/Number'}}
schemas:
  Number: {type: integer, minimum: 1}
  Order:
    type: object
    properties:
      next: {$ref: '#/schemas/Order'}
      of: {$ref: 'shop.yaml#/components/schemas/Order'}
"""


def bundled(folder: Path, root: str = ROOT) -> str:
    (folder / "paths").mkdir()
    for name, text in (("shop.yaml", root), ("paths/orders.yaml", ORDERS), ("common.yaml", COMMON)):
        (folder / name).write_text(text)
    return bundle(str(folder / "shop.yaml"), root, lambda source: Path(source).read_text())


def test_many_files_become_one(tmp_path: Path) -> None:
    api = import_document(bundled(tmp_path), "openapi")
    listed = api.operations[0].properties
    assert listed["urlTemplate"] == "/orders"
    assert listed["request"]["queryParameters"][0]["name"] == "top"
    assert api.schemas["Order"] == {"type": "string"}
    order = api.schemas["Order-2"]
    assert order["properties"]["next"] == {"$ref": "#/components/schemas/Order-2"}
    assert order["properties"]["of"] == {"$ref": "#/components/schemas/Order"}
    assert listed["responses"][0]["representations"][0]["examples"]["one"]["value"] == {"$ref": "not a reference"}


def test_one_file_stays_as_it_stands() -> None:
    text = "openapi: 3.0.1 # as it is\npaths: {/a: {get: {responses: {'200': {$ref: '#/components/responses/R'}}}}}\n"
    assert bundle("a.yaml", text, lambda source: pytest.fail("nothing is read")) == text


@pytest.mark.parametrize(
    ("reference", "why"),
    [
        ("https://elsewhere.example/x.json", "leads away from the folder"),
        ("/etc/x.json", "leads away from the folder"),
        ("secrets.txt", "is no .json, .yaml or .yml file"),
        ("common.yaml#/nothing", "points at nothing"),
        ("circle.yaml", "leads in a circle"),
        ("broken.yaml", "broken.yaml: The YAML cannot be read"),
    ],
)
def test_what_is_refused(tmp_path: Path, reference: str, why: str) -> None:
    (tmp_path / "circle.yaml").write_text("$ref: circle2.yaml")
    (tmp_path / "circle2.yaml").write_text("$ref: circle.yaml")
    (tmp_path / "broken.yaml").write_text("a: [")
    with pytest.raises(ImportRefused) as refused:
        bundled(tmp_path, ROOT.replace("paths/orders.yaml", reference))
    assert why in str(refused.value)


def test_addresses_refer_to_their_own_host() -> None:
    texts = {"https://a.example/api/pet.json": json.dumps({"type": "object"})}
    root = '{"swagger": "2.0", "paths": {}, "definitions": {"A": {"items": {"$ref": "%s"}}}}'
    made = json.loads(bundle("https://a.example/api/root.json", root % "pet.json", texts.__getitem__))
    assert made["definitions"]["pet"] == {"type": "object"}
    with pytest.raises(ImportRefused, match="another host"):
        bundle("https://a.example/api/root.json", root % "https://b.example/pet.json", texts.__getitem__)


def test_the_swagger_of_arm() -> None:
    """Real documents that refer to one another, with examples in extensions."""
    shared = Path(os.environ.get("PASSERELLE_SHARED") or Path(__file__).parents[3] / "shared")
    folder = next(iter((shared / "data" / "arm-2024-05-01").rglob("apimproducts.json")), None)
    if folder is None:
        pytest.skip(f"the documents are not in {shared}: set PASSERELLE_SHARED")
    for name in ("apimproducts.json", "apimgateways.json", "apimdeployment.json"):
        file = folder.with_name(name)
        text = bundle(str(file), file.read_text(encoding="utf-8"), lambda source: Path(source).read_text("utf-8"))
        assert len(import_document(text, "openapi").operations) > 10
