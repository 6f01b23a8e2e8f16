"""docs/telemetry.md is what the code makes, and everything that telemetry tells has words."""

from __future__ import annotations

from pathlib import Path

from telemetry import gateway_logs, reference, words
from telemetry.encode.rows import COLUMNS

ROOT = Path(__file__).resolve().parents[2]


def test_the_page_of_telemetry_is_current() -> None:
    settings = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
    kept = (ROOT / "docs" / "telemetry.md").read_text(encoding="utf-8")
    assert kept == reference.page(settings), "run `make docs`"


def test_every_attribute_has_words() -> None:
    names = set(reference.attributes().used)
    assert len(names) > 50
    assert names <= set(words.ATTRIBUTES), "say what these mean in telemetry/words.py"
    assert set(words.ATTRIBUTES) <= names, "nobody uses these any more"


def test_every_field_of_the_log_has_words() -> None:
    assert set(gateway_logs.ORDER) == set(words.LOG)
    assert set(gateway_logs.error(reference.ERROR)) == set(words.ERROR)


def test_every_dimension_of_application_insights_has_words() -> None:
    assert set(reference.insights()) == set(words.INSIGHTS)


def test_every_column_has_words() -> None:
    assert all(reference.column(name)[1] for name in COLUMNS)
    assert set(words.COLUMN) <= set(COLUMNS)


def test_every_destination_says_what_it_is_and_how_it_is_wired() -> None:
    names = [module.__name__.rsplit(".", 1)[-1] for module in reference.destinations()]
    assert names == list(words.WIRING), "say in telemetry/words.py how it is wired"
    assert all(module.__doc__ and hasattr(module, "from_settings") for module in reference.destinations())


def test_every_metric_says_what_it_is() -> None:
    found = reference.declared()
    names = [each.metric.name for each in found]
    assert len(set(names)) == len(names) > 15
    for each in found:
        assert each.metric.description
        assert each.metric.unit
        assert each.metric.kind in ("counter", "gauge", "histogram")
