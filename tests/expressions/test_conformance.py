"""Every row of tests/conformance/expressions/*.yaml: an expression and what .NET makes of it."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from proxy.errors import ExpressionFailed
from proxy.expressions import ExpressionError, compile_expression
from proxy.expressions.dotnet.text import to_text
from proxy.expressions.dotnet.values import runtime_type

_spec = importlib.util.spec_from_file_location("tests_expressions_setup", Path(__file__).with_name("conftest.py"))
assert _spec is not None
assert _spec.loader is not None
setup = importlib.util.module_from_spec(_spec)
sys.modules["tests_expressions_setup"] = setup
_spec.loader.exec_module(setup)

FOLDER = Path(__file__).resolve().parents[1] / "conformance" / "expressions"


def rows() -> list[Any]:
    found = []
    for file in sorted(FOLDER.glob("*.yaml")):
        for group, table in yaml.load(file.read_text(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)).items():
            for number, (expression, wanted) in enumerate(table.items()):
                found.append(pytest.param(expression, wanted, id=f"{file.stem}-{group}-{number}"))
    return found


ROWS = rows()


@pytest.mark.parametrize(("expression", "wanted"), ROWS)
def test_row(expression: str, wanted: Any) -> None:
    expect = wanted if isinstance(wanted, dict) else {"gives": wanted}
    if "refused" in expect:
        with pytest.raises(ExpressionError) as refusal:
            compile_expression(expression)
        assert expect["refused"] in refusal.value.issues[0][2]
        return
    compiled = compile_expression(expression)
    exchange = setup.make_exchange(expect.get("with"))
    if "throws" in expect:
        with pytest.raises(ExpressionFailed) as failure:
            compiled.evaluate(exchange)
        assert failure.value.detail.split(" ")[0] == expect["throws"]
        if "message" in expect:
            assert failure.value.message == f"Expression evaluation failed. {expect['message']}"
        return
    value = compiled.evaluate(exchange)
    if expect["gives"] is None:
        assert value is None
    else:
        assert to_text(value) == str(expect["gives"])
    if "type" in expect:
        assert str(runtime_type(value)) == expect["type"]
    if "static" in expect:
        assert compiled.type == expect["static"]


def test_there_are_enough_rows() -> None:
    assert len(ROWS) >= 1500
