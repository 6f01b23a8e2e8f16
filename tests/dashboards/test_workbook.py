"""The Azure workbook: the file is what the script writes, its items are whole, and Microsoft's Kusto language service
finds nothing wrong with any of its queries, asked of the columns that a gateway sends. The service is an npm package;
without node and npm this part is skipped.

https://learn.microsoft.com/azure/azure-monitor/reference/tables/appmetrics
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from dashboards import workbook
from telemetry.encode.rows import COLUMNS
from tests.dashboards.install import FOLDER

HERE = Path(__file__).parent
NOTEBOOK = json.loads(workbook.FILE.read_text(encoding="utf-8"))
KINDS = {"boolean": "bool"}  # the others are called alike
APP_METRICS = (
    "string: AppRoleInstance AppRoleName AppVersion Name OperationId OperationName SDKVersion Type; int: ItemCount; "
    "real: Max Min Sum; dynamic: Properties; datetime: TimeGenerated"
)


def schema(columns: str) -> str:
    """(a:string, b:int) of "string: a; int: b"."""
    kinds = (kind.split(":") for kind in columns.split(";"))
    return "(" + ", ".join(f"{name}:{kind.strip()}" for kind, names in kinds for name in names.split()) + ")"


OURS = ", ".join(f"{name}:{KINDS.get(kind, kind)}" for name, kind in COLUMNS.items())
TABLES = {"ApiManagementGatewayLogs_CL": f"({OURS})", "AppMetrics": schema(APP_METRICS)}


def queries() -> dict[str, str]:
    """By title, with what a workbook puts in place of its parameters."""
    found = {item["name"]: item["content"]["query"] for item in NOTEBOOK["items"] if item["type"] == workbook.QUERY}
    for item in NOTEBOOK["items"]:
        if item["type"] == workbook.PARAMETERS:
            found |= {each["name"]: each["query"] for each in item["content"]["parameters"] if "query" in each}
    return {name: filled(query) for name, query in found.items()}


def filled(query: str) -> str:
    for name, value in {
        "{Table}": "ApiManagementGatewayLogs_CL",
        "{Apis}": "'shop','pay'",
        "{TimeRange:grain}": "5m",
    }.items():
        query = query.replace(name, value)
    assert not re.search(r"\{[A-Z]", query), query
    return query


def read(asked: list[str]) -> list[list[str]]:
    """What is wrong with each, as Microsoft's service has it."""
    if shutil.which("npm") is None or shutil.which("node") is None:
        pytest.skip("the queries are read by an npm package, and there is no node or npm: install nodejs and npm")
    folder = FOLDER / "kusto"
    if not (folder / "node_modules" / "@kusto").exists():
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(HERE / "package.json", folder)
        command = ["npm", "install", "--prefix", str(folder), "--no-audit", "--no-fund", "--loglevel=error"]
        made = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
        if made.returncode:
            pytest.skip(f"@kusto/language-service-next could not be had: {made.stderr[-300:]}")
    ran = subprocess.run(
        ["node", str(HERE / "kusto.cjs"), str(folder)],
        input=json.dumps({"tables": TABLES, "queries": asked}),
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    found: list[list[str]] = json.loads(ran.stdout)
    return found


def test_the_file_is_what_the_script_writes() -> None:
    assert workbook.FILE.read_text(encoding="utf-8") == workbook.text(), "run make dashboards"


def test_items_are_whole() -> None:
    assert NOTEBOOK["version"] == "Notebook/1.0"
    names = [item["name"] for item in NOTEBOOK["items"]]
    assert len(set(names)) == len(names)
    defined = {
        each["name"]
        for item in NOTEBOOK["items"] if item["type"] == workbook.PARAMETERS
        for each in item["content"]["parameters"]
    }  # fmt: skip
    for item in NOTEBOOK["items"]:
        asked = set(re.findall(r"\{([A-Z]\w*)(?::\w+)?\}", json.dumps(item)))
        assert asked <= defined, (item["name"], asked)
        if item["type"] == workbook.QUERY:
            content: dict[str, Any] = item["content"]
            assert content["timeContextFromParameter"] in defined
            assert content["visualization"] in ("areachart", "timechart", "table")


def test_microsofts_parser_finds_nothing_wrong() -> None:
    asked = queries()
    *found, control = read([*asked.values(), "ApiManagementGatewayLogs_CL | where ResponsCode == 1"])
    assert dict(zip(asked, found, strict=True)) == {name: [] for name in asked}
    assert control, "a misspelt column has to be found"
