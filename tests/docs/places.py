"""What a page supposes that its reader has: files beside `.passerelle`, made before the page's first command."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

POLICY = """<policies>
    <inbound><base /><set-header name="X-Tenant"><value>{{Tenant}}</value></set-header></inbound>
    <backend><base /></backend>
    <outbound><base /></outbound>
</policies>
"""
CASES = """defaults:
  document: ../orders.xml
  named-values: {Tenant: contoso}
cases:
- name: the tenant goes to the backend
  request: {method: POST, path: /orders, body: "{}"}
  expect: {status: 200, sent: {headers: {X-Tenant: contoso}}}
"""
OPENAPI = "openapi: 3.0.1\ninfo: {title: Shop, version: '1'}\npaths: {/x: {get: {operationId: x, responses: {}}}}\n"
TEMPLATE = """{"parameters": {"limit": {"type": "int"}}, "resources": [{
  "type": "Microsoft.ApiManagement/service/namedValues", "apiVersion": "2021-08-01", "name": "passerelle/limit",
  "properties": {"displayName": "limit", "value": "[string(parameters('limit'))]"}}]}
"""
WSDL = Path(__file__).resolve().parents[1] / "soap" / "shop.wsdl"


def prepare(page: str, folder: Path, data: Path) -> None:
    """`data` is that of the house."""
    for name in ("ca.pem", "admin.token"):
        shutil.copy(data / name, folder / name)
    if page in PLACES:
        PLACES[page](folder)


def _write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")


def _policies(folder: Path) -> None:
    _write(
        folder,
        {
            "apis/orders/policy.xml": POLICY,
            "orders.xml": POLICY,
            "values.yaml": "Tenant: contoso\n",
            "fragments/empty.xml": "<fragment />\n",
            "cases/orders.yaml": CASES,
            "order.http": "POST /orders HTTP/1.1\nHost: gateway\n\n{}\n",
            "answer.yaml": "status: 200\n",
        },
    )


def _tools(folder: Path) -> None:
    """A document whose line 12 has the mistake that the page shows."""
    _policies(folder)
    lines = POLICY.splitlines()
    lines[1:2] = [
        "    <inbound>",
        "        <base />",
        *[""] * 8,
        '<set-header name="X-A" exist-action="skip">',
        "        <value>a</value>",
        "    </set-header>",
        "    </inbound>",
    ]
    _write(folder, {"policies/apis/shop/policy.xml": "\n".join(lines) + "\n"})


def _documents(folder: Path) -> None:
    shutil.copy(WSDL, folder / "calculator.wsdl")
    _write(
        folder,
        {"shop.yaml": OPENAPI, "books.graphql": "type Query { book: String }\n", "azuredeploy.json": TEMPLATE},
    )


def _soap(folder: Path) -> None:
    shutil.copy(WSDL, folder / "shop.wsdl")


def _artifacts(folder: Path) -> None:
    values = '{"properties": {"displayName": "colour", "value": "red"}}'
    _write(folder, {"artifacts/named values/colour/namedValueInformation.json": values})


PLACES: dict[str, Callable[[Path], None]] = {
    "README.md": _policies,
    "command-line.md": _artifacts,
    "configuration-as-code.md": _documents,
    "policy-tools.md": _tools,
    "soap.md": _soap,
}
