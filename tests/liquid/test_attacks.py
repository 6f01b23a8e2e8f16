"""Hostile templates: each ends soon, with an error or with nothing."""

from __future__ import annotations

import tracemalloc

import pytest

from proxy.liquid import LiquidError, compile_template
from proxy.liquid.values import Record
from tests.cpu import cpu

VALUES = {"x": Record({"a": 1}), "text": "a" * 100_000, "list": list(range(1000))}
ATTACKS = {
    "attribute": ("{{ x.__class__ }}{{ x['__init__'] }}{{ text.__class__ }}{{ list.__len__ }}", ""),
    "private of a record": ("{{ x._items }}{{ x.plain }}{{ x.keys }}", ""),
    "nested loops": ("{% for i in (1..3000) %}{% for j in (1..1000) %}{% endfor %}{% endfor %}", None),
    "loops in a row": ("{% for i in list %}{% for j in list %}{{ j }}{% endfor %}{% endfor %}", None),
    "long range": ("{% for i in (1..100000000) %}{% endfor %}", None),
    "range in a filter": ("{{ (1..100000000) | join }}", None),
    "range in a variable": ("{% assign r = (1..100000000) %}{{ r | Sort | Join }}", None),
    "range in a condition": ("{% if (1..100000000) contains 'x' %}a{% endif %}", None),
    "table": ("{% tablerow i in (1..100000000) cols:1 %}x{% endtablerow %}", None),
    "doubling": ("{% assign a = 'aaaaaaaaaaaa' %}" + "{% assign a = a | Append: a %}" * 26, None),
    "doubling by capture": ("{% assign a = text %}" + "{% capture a %}{{ a }}{{ a }}{% endcapture %}" * 26, None),
    "replace growth": ("{{ text | Replace: 'a', text }}", None),
    "join growth": ("{{ list | Join: text }}", None),
    "split": ("{{ text | Append: text | Append: text | Split: '' | Size }}", None),
    "big numbers": (
        "{% for i in (1..100) %}{% assign n = n | Default: 9 %}{% assign n = n | Times: n %}{{ n }}{% endfor %}",
        None,
    ),
    "precision": ("{{ 1.5 | Round: 999999999 }}", "1.5"),
    "slow filters": ("{% for i in (1..5000) %}{{ text | Upcase | Downcase | Escape | Size }}{% endfor %}", None),
    "truncate": ("{{ 'a' | Truncate: 99999999999 }}", "a"),
}


@pytest.mark.parametrize("name", ATTACKS)
def test_rendering_is_bounded(name: str) -> None:
    text, expected = ATTACKS[name]
    template = compile_template(text)
    with cpu(1.0):
        if expected is None:
            with pytest.raises(LiquidError):
                template.render(VALUES)
        else:
            assert template.render(VALUES) == expected


@pytest.mark.parametrize("name", ["doubling", "doubling by capture", "replace growth", "join growth", "split"])
def test_memory_is_bounded(name: str) -> None:
    template = compile_template(ATTACKS[name][0])
    tracemalloc.start()
    try:
        with pytest.raises(LiquidError):
            template.render(VALUES)
        assert tracemalloc.get_traced_memory()[1] < 32 * 1024 * 1024
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("tag", ["include", "render", "extends", "liquid", "echo", "block"])
def test_nothing_is_loaded(tag: str) -> None:
    with pytest.raises(LiquidError, match=tag):
        compile_template(f"{{% {tag} '/etc/passwd' %}}")


def test_deep_nesting_is_refused() -> None:
    with pytest.raises(LiquidError):
        compile_template("{% if a %}" * 5000 + "{% endif %}" * 5000)
