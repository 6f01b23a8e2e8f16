"""Segments that mix parameters and literals: the first fit is taken, and nobody can make the search slow."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.config.resources import Operation
from proxy.templates import OperationTree
from tests.cpu import cpu


def tree(template: str) -> OperationTree:
    return OperationTree((Operation(id="o", name="o", method="GET", url_template=template, api="a"),))


@pytest.mark.parametrize(
    ("template", "path", "expected"),
    [
        ("/{id}.json", "/7.json", {"id": "7"}),
        ("/{id}.json", "/a.json.json", {"id": "a.json"}),
        ("/v{major}.{minor}", "/V1.2.3", {"major": "1", "minor": "2.3"}),
        ("/{a}-{b}-{c}", "/x---y", {"a": "x", "b": "-", "c": "y"}),
        ("/{a}-{b}.json", "/.json", None),
    ],
)
def test_parameters_end_where_the_literal_first_fits(template: str, path: str, expected: dict[str, str] | None) -> None:
    found = tree(template).find("GET", path, "")
    assert (found.parameters if found else None) == expected


@given(st.text("ab-.", min_size=1, max_size=12))
def test_the_result_is_that_of_trying_everything(segment: str) -> None:
    anything = re.fullmatch(r"a(.+?)-(.+?)-\.(.+?)b", segment)
    found = tree("/a{x}-{y}-.{z}b").find("GET", f"/{segment}", "")
    assert (list(found.parameters.values()) if found else None) == (list(anything.groups()) if anything else None)


def test_a_long_segment_that_does_not_fit_is_refused_at_once() -> None:
    operations = tree("/{a}-{b}-{c}-{d}.json")
    with cpu(0.5):
        assert operations.find("GET", "/" + "-" * 8000, "") is None


@pytest.mark.parametrize("template", ["//double//slash/", "/double//slash", "/double//{id}", "/double//*"])
def test_empty_segments_are_taken_as_written_and_left_out(template: str) -> None:
    """Samples and the console for trying write a template as it stands; the one beside it has none."""
    for path in ("//double//slash/", "/double//slash", "/double/slash", "/double/slash/"):
        assert tree(template).find("GET", path, "") is not None, path
    assert tree("/double/slash").find("GET", "/double//slash", "") is None


def test_what_a_sample_calls_is_what_the_template_answers() -> None:
    for template in ("//double//slash/", "/", "", "//", "/a/", "/{id}//b", "/{*rest}", "/*"):
        operation = Operation(id="o", name="o", method="GET", url_template=template, api="a")
        written = template.replace("{id}", "7").replace("{*rest}", "x//y").replace("*", "")
        for path in (written, "/" + written.lstrip("/")):
            assert OperationTree((operation,)).find("GET", path, "") is not None, (template, path)
