"""The alert rules: promtool takes them and its tests of them pass, each alert has a test in which it fires and one in
which it does not, and what they ask for is there in a store that a telemetry child told.
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.dashboards import install
from tests.dashboards.conftest import Store

RULES = install.ROOT / "dashboards" / "alerts.yaml"
TESTS = Path(__file__).parent / "alerts_test.yaml"
ALERTS = {
    rule["alert"]: rule
    for group in yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"]
    for rule in group["rules"]
}


@pytest.mark.parametrize(
    "command", [["check", "rules", str(RULES)], ["test", "rules", TESTS.name]], ids=["rules", "tests"]
)
def test_promtool_is_content(tools: None, command: list[str]) -> None:
    ran = subprocess.run(
        [str(install.PROMTOOL), *command], cwd=TESTS.parent, capture_output=True, text=True, timeout=60, check=False
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_each_alert_fires_in_one_test_and_is_silent_in_another() -> None:
    seen = {
        (case["alertname"], bool(case["exp_alerts"]))
        for test in yaml.safe_load(TESTS.read_text(encoding="utf-8"))["tests"]
        for case in test["alert_rule_test"]
    }
    assert seen == {(name, fires) for name in ALERTS for fires in (True, False)}


@pytest.mark.parametrize("name", ALERTS)
def test_what_an_alert_asks_for_is_there(store: Store, name: str) -> None:
    rule = ALERTS[name]
    assert rule["labels"]["severity"] in ("page", "ticket")
    assert rule["annotations"]["summary"]
    store.query(rule["expr"])
    ends = "count|bucket|total|seconds|version|behind|queued|up"
    asked = set(re.findall(rf"\b(?:apim|http)_\w+_(?:{ends})\b", rule["expr"]))
    assert asked
    for metric in asked:
        assert store.query(metric), metric
