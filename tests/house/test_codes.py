"""docs/operations.md says of every alarm what to do: codes of heartbeats and logs, as the code has them, and alerts."""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Iterator
from pathlib import Path

import yaml

from management import heartbeats
from portal.instances import ALARMS

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
PACKAGES = ("proxy", "syncagent", "telemetry", "management", "portal", "passerelle")
CODE = re.compile(r"[A-Z][a-z]+(?:[A-Z][a-z]+)+|Relief")
LOUD = {"warn", "warning", "error", "exception", "critical", "fatal"}
CALM = {"info", "debug"}


@functools.cache
def trees(*packages: str) -> tuple[ast.Module, ...]:
    paths = [path for package in packages for path in sorted((ROOT / package).rglob("*.py"))]
    return tuple(ast.parse(path.read_text(encoding="utf-8")) for path in paths)


def events(tree: ast.AST, levels: set[str]) -> Iterator[str]:
    """Codes of what is logged at these levels: `extra={"event": CODE}`, or the agent's `log.warn(CODE, ...)`."""
    for call in ast.walk(tree):
        if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Attribute) or call.func.attr not in levels:
            continue
        if call.args and (code := _code(call.args[0])):
            yield code
        for extra in call.keywords:
            if extra.arg == "extra" and isinstance(extra.value, ast.Dict):
                pairs = zip(extra.value.keys, extra.value.values, strict=True)
                yield from (code for key, value in pairs if _text(key) == "event" and (code := _code(value)))


def _text(node: ast.expr | None) -> str:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def _code(node: ast.expr | None) -> str:
    return text if CODE.fullmatch(text := _text(node)) else ""


@functools.cache
def loud() -> frozenset[str]:
    found = {code for tree in trees(*PACKAGES) for code in events(tree, LOUD)}
    # of servers that may be away (`Use` in proxy/adapters/redis_link.py): the code for it is named where it is used
    adapters = {code for tree in trees("proxy/adapters") for node in ast.walk(tree) if (code := _code_of(node))}
    return frozenset(found | {code for code in adapters if code.endswith("Down")})


def _code_of(node: ast.AST) -> str:
    return _code(node) if isinstance(node, ast.expr) else ""


def of_the_agent() -> set[str]:
    """Whatever looks like a code in the agent and is not only said in passing: some are named in one place and used in
    another, for the log, for the heartbeat or for both."""
    every = {code for tree in trees("syncagent") for node in ast.walk(tree) if (code := _code_of(node))}
    calm = {code for tree in trees("syncagent") for code in events(tree, CALM)} - loud()
    return every - calm - NO_CODES


def problems() -> set[str]:
    """`problems[CODE] = ...`: what the agent tells in heartbeats."""
    found: set[str] = set()
    for tree in trees("syncagent"):
        for node in ast.walk(tree):
            if (
                isinstance(node, ast.Subscript)
                and "problems" in ast.unparse(node.value)
                and (code := _code(node.slice))
            ):
                found.add(code)
    return found


def told(title: str) -> set[str]:
    section = PAGE.split(f"\n### {title}\n", 1)[1].split("\n### ", 1)[0]
    cells = [row.split("|")[1] for row in section.splitlines() if row.startswith("| `")]
    return {code for cell in cells for code in re.findall(r"`(\w+)`", cell)}


# Of the agent's code, what only looks like a code
NO_CODES = {"GatewayKey", "SyncAgent"}
# What the plane adds to the heartbeats of agents
OF_THE_PLANE = {heartbeats.TAKEN}
LOGS, HEARTBEATS = "Codes in logs", "Codes in heartbeats"


def test_codes_are_found_at_all() -> None:
    assert {"TelemetryExportFailed", "LimitsServerDown", "PortTaken", "HeartbeatFailed"} <= loud()
    assert {"BackupUnusable", "PlaneRefuses", "GatewayTokenNearExpiry"} <= problems()
    assert {"ConfigSyncFailed", "BackupFailed"} <= of_the_agent()


def test_every_code_of_a_log_is_told() -> None:
    assert loud() - told(LOGS) == set()


def test_every_code_of_a_heartbeat_is_told() -> None:
    assert (problems() | OF_THE_PLANE) - told(HEARTBEATS) == set()
    assert of_the_agent() - told(HEARTBEATS) - told(LOGS) == set()


def test_the_console_has_words_for_every_code_of_a_heartbeat() -> None:
    assert set(ALARMS) == told(HEARTBEATS)


def test_no_code_is_told_that_nobody_says() -> None:
    assert (told(LOGS) | told(HEARTBEATS)) - loud() - of_the_agent() == OF_THE_PLANE


def test_every_alert_is_told() -> None:
    groups = yaml.safe_load((ROOT / "dashboards" / "alerts.yaml").read_text(encoding="utf-8"))["groups"]
    assert {rule["alert"] for group in groups for rule in group["rules"]} == told("Alerts")
