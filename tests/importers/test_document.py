"""Reading text: what YAML and JSON may say, where they go wrong, and that no text can hurt the reader."""

from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from management.importers import ImportRefused, yaml_text
from management.importers.document import read
from tests.cpu import cpu


def test_plain_scalars_are_what_json_means() -> None:
    text = """
answers: [no, yes, on, off, true, False, ~, null]
dates: [2024-01-01, 12:30:00, 2001-12-14t21:59:43.10-05:00]
numbers: [1, -2, 1.5, 1e3, 007, 0x1F, 1_000, .inf, -.inf, .nan, 1e999]
quoted: ["true", '1', "null"]
404: found
no: key
~: empty
"""
    assert read(text, "yaml") == {
        "answers": ["no", "yes", "on", "off", True, False, None, None],
        "dates": ["2024-01-01", "12:30:00", "2001-12-14t21:59:43.10-05:00"],
        "numbers": [1, -2, 1.5, 1000.0, "007", "0x1F", "1_000", ".inf", "-.inf", ".nan", "1e999"],
        "quoted": ["true", "1", "null"],
        "404": "found",
        "no": "key",
        "~": "empty",
    }


def test_an_alias_is_the_same_again() -> None:
    assert read("a: &x {b: 1}\nc: *x\nd: [&y text, *y]", "yaml") == {
        "a": {"b": 1},
        "c": {"b": 1},
        "d": ["text", "text"],
    }


@pytest.mark.parametrize(
    ("text", "words", "line", "column"),
    [
        ("a: 1\nb: [1,\nc: }", "cannot be read", 3, 4),
        ("a: 1\na: 2", "repeated", 2, 1),
        ("a: 1\n? [b]\n: 2", "plain text", 2, 3),
        ("a: !!timestamp 2024-01-01", "not JSON", 1, 4),
        ("a: !mine 1", "not JSON", 1, 4),
        ("<<: {a: 1}", "YAML 1.2", 1, 1),
        ("a: &a [*a]", "inside what it names", 1, 8),
        ("a: *b", "b", 1, 4),
        ("a:\t- b", "cannot be read.*not with tabs", 1, 4),
        ("a:\n\tb: 1", "spaces, not with tabs", 2, 1),
        ('{"a": 1,\n  "b": }', "JSON", 2, 8),
        (b"a: 1\nb: \xff", "UTF-8", 2, 4),
    ],
)
def test_an_error_has_a_place(text: str | bytes, words: str, line: int, column: int) -> None:
    with pytest.raises(ImportRefused, match=words) as refused:
        read(text, "yaml")
    assert (refused.value.line, refused.value.column) == (line, column)
    assert f"line {line}, column {column}" in str(refused.value)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "- a",
        "x" * (16 * 1024 * 1024 + 1),
        "[" * 1_000_000,
        '{"a":' * 100_000,
        '{"a": NaN}',
        '{"a": 1e999}',
        '{"a": %s}' % ("9" * 5000),
        '{"a": "\\ud800"}',
        "a: a\x00b",
        "a0: &a0 [1,1,1,1,1,1,1,1,1,1]\n"
        + "".join(f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 12)),
        'a: {$ref: "other.yaml#/x"}',
        'a: {$ref: "file:///etc/passwd"}',
        'a: {$ref: "#/missing"}',
        'a: {$ref: "#anchor"}',
    ],
)
def test_what_would_hurt_is_refused_soon(text: str) -> None:
    with cpu(10), pytest.raises(ImportRefused):
        read(text, "yaml")


def test_a_reference_in_data_is_data() -> None:
    text = '{"a": {"example": {"$ref": "elsewhere"}}}'
    assert read(text, "json") == {"a": {"example": {"$ref": "elsewhere"}}}


def test_a_place_is_a_json_pointer() -> None:
    with pytest.raises(ImportRefused) as refused:
        read('{"a/b": [{"c~d": {"$ref": "x.json"}}]}', "json")
    assert refused.value.target == "#/a~1b/0/c~0d"


scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
values = st.recursive(scalars, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20)


@given(values)
def test_json_read_as_yaml_is_the_same(value: object) -> None:
    """JSON is YAML: whatever JSON says in ASCII, libyaml's events must say too."""
    text = json.dumps(value)
    if any(len(key) > 900 for key in _keys(value)) or "\\ud" in text:  # libyaml's limits
        return
    assert yaml_text.parse(text, 200) == value or "<<" in text


def _keys(value: object) -> list[str]:
    if isinstance(value, dict):
        return [*value, *(key for child in value.values() for key in _keys(child))]
    return [key for child in value for key in _keys(child)] if isinstance(value, list) else []


@given(st.text(alphabet="ab:-?[]{}&*!|>'\"#%@`,\n \t<0", max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(ImportRefused):
        assert isinstance(read(text, "yaml"), dict)
