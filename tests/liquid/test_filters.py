"""The filters that APIM documents, in its spelling."""

from __future__ import annotations

import pytest

from proxy.liquid import compile_template
from proxy.liquid.values import Record

VALUES = {"l": [3, None, 1, 3], "t": 'a\\b"c\nd', "o": [Record({"n": "b"}), Record({"n": "a"})]}
CASES = {
    "{{ -5 | Abs }} {{ 3 | AtLeast: 5 }} {{ 3 | AtMost: 2 }} {{ 1.2 | Ceil }} {{ 1.8 | Floor }}": "5 5 2 2 1",
    "{{ 'a' | Append: 'b' | Prepend: 'c' | Upcase | Downcase | Capitalize }}": "Cab",
    "{{ 'hello big world' | Capitalize }}": "Hello Big World",
    "{{ l | Compact | Uniq | Sort | Join: ',' }} {{ l | First }} {{ l | Last }} {{ l | Size }}": "1,3 3 3 4",
    "{{ o | Map: 'n' | Join: ' ' }} {{ o | Sort: 'n' | Map: 'n' | First }}": "b a a",
    "{{ 1234.5 | Currency }} {{ 1234.5 | Currency: 'en-US' }}": "¤1,234.50 $1,234.50",
    "{{ '2020-05-06T07:08:09' | Date: 'dd/MM/yy HH:mm' }} {{ 'x' | Date: 'yy' }}": "06/05/20 07:08 x",
    "{{ none | Default: 'd' }}{{ '' | Default: 'd' }}{{ 0 | Default: 'd' }}": "dd0",
    "{{ 7 | DividedBy: 2 }} {{ -7 | DividedBy: 2 }} {{ 7.0 | DividedBy: 2 }} {{ 7 | Modulo: 3 }}": "3 -3 3.5 1",
    "{{ 1 | Plus: '2' | Minus: 0.5 | Times: 2 }}": "5",
    "{{ '<a b=\"c\">' | Escape }} {{ '&' | H }}": "&lt;a b=&quot;c&quot;&gt; &amp;",
    "{{ ' a ' | Lstrip }}|{{ ' a ' | Rstrip }}|{{ ' a ' | Strip }}": "a | a|a",
    "{{ 'a\nb' | NewlineToBr }} {{ 'a\nb' | StripNewlines }}": "a<br />\nb ab",
    "{{ 'abab' | Remove: 'a' }} {{ 'abab' | RemoveFirst: 'a' }}": "bb bab",
    "{{ 'abab' | Replace: 'a', 'x' }} {{ 'abab' | ReplaceFirst: 'a', 'x' }}": "xbxb xbab",
    r"""{{ t | Replace: '\\', '\\' | Replace: '"', '\"' | Replace: '\n', '\n' }}""": r"a\\b\"c\nd",
    r"""{{ t | Replace: '([^\\](\\\\)*)"', '$1\"' | StripNewlines }}""": r"a\b\"cd",
    "{{ 1.2345 | Round: 2 }} {{ 2.5 | Round }} {{ 1.0 | Round }}": "1.23 2 1",
    "{{ 'abcdef' | Slice: 1, 3 }} {{ 'abcdef' | Slice: -2, 9 }}": "bcd ef",
    "{{ 'a,b' | Split: ',' | Size }} {{ '<b>x</b>' | StripHtml }}": "2 x",
    "{{ 'abcdef' | Truncate: 5 }} {{ 'a b c' | TruncateWords: 2 }}": "ab... a b...",
    "{{ 'a b&é' | UrlEncode }} {{ 'a+b%26' | UrlDecode }}": "a+b%26%C3%A9 a b&",
    "{{ 'a' | upcase | append: 'b' | truncatewords }}": "Ab",
}


@pytest.mark.parametrize("template", CASES)
def test_filter(template: str) -> None:
    assert compile_template(template).render(VALUES) == CASES[template]
