"""The Grafana dashboards: the files are what the script writes, Grafana's own types read them, and every query of every
panel returns data from a metrics store that a telemetry child told over OTLP. A scrape has the same names.
"""

from __future__ import annotations

import json
import math
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard

from dashboards import build
from telemetry.child import Child
from telemetry.exporters.prometheus import exposition
from telemetry.state import Standing
from tests.dashboards import install
from tests.dashboards.conftest import Store, requests

FILES = {name: json.loads((build.FOLDER / name).read_text(encoding="utf-8")) for name in build.BOARDS}


def panels(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Without the rows."""
    yield from (panel for panel in document["panels"] if panel["type"] != "row")


QUERIES = [
    pytest.param(target["expr"], id=f"{name}: {panel['title']} {target['refId']}")
    for name, document in FILES.items()
    for panel in panels(document)
    for target in panel["targets"]
]


def filled(expression: str) -> str:
    """With what Grafana puts in place of its variables."""
    for name, value in {
        "$__rate_interval": "1m",
        "$__range": "5m",
        "$gateway": ".*",
        "$api": ".*",
    }.items():
        expression = expression.replace(name, value)
    assert "$" not in expression
    return expression


@pytest.mark.parametrize("name", build.BOARDS)
def test_the_file_is_what_the_script_writes(name: str) -> None:
    assert (build.FOLDER / name).read_text(encoding="utf-8") == build.text(name), "run make dashboards"


@pytest.mark.parametrize("name", build.BOARDS)
def test_grafana_reads_it_as_it_is(name: str) -> None:
    read = Dashboard.from_json(FILES[name])
    assert json.loads(json.dumps(read, cls=JSONEncoder)) == FILES[name]


@pytest.mark.parametrize("name", build.BOARDS)
def test_every_panel_says_what_it_shows_and_none_lies_on_another(name: str) -> None:
    taken: set[tuple[int, int]] = set()
    for panel in FILES[name]["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not taken & cells, panel["title"]
        assert place["x"] + place["w"] <= 24
        taken |= cells
    for panel in panels(FILES[name]):
        assert panel["title"]
        assert panel["description"]
        assert panel["targets"]
        assert panel["datasource"]["uid"] == "${datasource}"
    identifiers = [panel["id"] for panel in FILES[name]["panels"]]
    assert len(set(identifiers)) == len(identifiers)


@pytest.mark.parametrize("expression", QUERIES)
def test_a_query_returns_data(store: Store, expression: str) -> None:
    found = store.query(filled(expression))
    assert found, expression
    assert any(not math.isnan(float(series["value"][1])) for series in found), found


@pytest.mark.parametrize("name", build.BOARDS)
def test_a_choice_offers_something(store: Store, name: str) -> None:
    for variable in FILES[name]["templating"]["list"]:
        if variable["type"] == "query":
            inside = re.fullmatch(r"label_values\((.+), (\w+)\)", variable["query"])
            assert inside
            assert {series["metric"].get(inside[2]) for series in store.query(inside[1])} - {None}, variable["query"]


def test_figures_are_right(store: Store) -> None:
    """Not only some data: what was told. Of totals, since a rate begins wherever the first export happened to be."""
    failed = re.sub(r"rate\((.+?)\[1m\]\)", r"\1", filled(build.ratio(build.ALL_FAILED, build.ALL)))
    assert "rate" not in failed
    (share,) = store.query(failed)
    assert float(share["value"][1]) == pytest.approx(2 / 8)
    hits = store.query('sum(apim_cache_requests_total{apim_cache="hit"})')
    assert float(hits[0]["value"][1]) == 14
    versions = store.query("apim_config_version")
    assert {series["metric"]["apim_gateway_id"] for series in versions} == {"edge"}
    assert {series["metric"]["service_instance_id"] for series in versions} == {"host:1", "host:2"}
    assert {float(series["value"][1]) for series in store.query("apim_config_behind")} == {1}
    refused = store.query(f"sum by (apim_last_error_source) (apim_request_errors_total{{{build.LIMITS}}})")
    assert {series["metric"]["apim_last_error_source"] for series in refused} == {"rate-limit-by-key", "quota"}


def test_a_scrape_has_the_names_and_labels_of_the_queries() -> None:
    settings = {"telemetry.logs.local": "json", "observability.opentelemetry.system-metrics.enabled": "true"}
    child = Child({"telemetry.logs.std": "none", **settings}, 1)
    child.frame("identity", ("edge", "lab"))
    child.frame("standing", Standing(1, 2, 3.0))
    child._records(child._kinds.batch(requests()))
    text = exposition(child.read(), child._resource)
    names = set(re.findall(r"^(\w+)[{ ]", text, re.MULTILINE))
    labels = set(re.findall(r'[{,](\w+)="', text))
    for query in QUERIES:
        (expression,) = query.values
        assert isinstance(expression, str)
        for name in re.findall(r"\b(\w+)\{", expression):
            assert name in names, name
        for pattern in re.findall(r'__name__=~"([^"]+)"', expression):
            assert any(re.fullmatch(pattern, name) for name in names), pattern
        for label in re.findall(r'(\w+)=~?"', expression):
            assert label in labels | {"__name__"}, label


def test_prometheus_itself_would_take_every_query(tools: None, tmp_path: Path) -> None:
    """The store of the tests takes more than PromQL."""
    rules = [{"record": f"q:{at}", "expr": filled(str(query.values[0]))} for at, query in enumerate(QUERIES)]
    file = tmp_path / "rules.yaml"
    for extra, code in ([], 0), ([{"record": "q:wrong", "expr": "sum(rate(a[5m])) keep_metric_names"}], 1):
        file.write_text(yaml.safe_dump({"groups": [{"name": "queries", "rules": [*rules, *extra]}]}))
        command = [str(install.PROMTOOL), "check", "rules", str(file)]
        ran = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert ran.returncode == code, ran.stderr
