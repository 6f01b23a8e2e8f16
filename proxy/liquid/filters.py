"""The filters of APIM's Liquid, in Pascal case (`AtLeast`); the usual spelling (`at_least`) works too.

Rules
1. Numbers are .NET's: whole numbers are 64 bits wide, and divide to whole numbers; dates take .NET formats.
2. No filter makes a text longer than `MAX_TEXT`, and none looks at more than `MAX_ITEMS` items.
3. A value that a filter cannot use stays as it is; null is the empty text.
4. What Replace looks for is a .NET regular expression where it has a backslash, else a text: the policies that APIM
   generates for SOAP escape their JSON so (`Replace: '\\r', '\\r'`).
"""

from __future__ import annotations

import html
import math
import re
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal, localcontext
from typing import Any
from urllib.parse import quote_plus, unquote_plus

from liquid.exceptions import LiquidTypeError, ResourceLimitError
from liquid.undefined import Undefined

from proxy.expressions.dotnet import regex
from proxy.expressions.dotnet.datetext import format_date, read_date
from proxy.expressions.dotnet.datetime import DateTime, DateTimeOffset
from proxy.expressions.runtime import DotNetError
from proxy.liquid.values import Double, Moment, Record

MAX_TEXT = 2 * 1024 * 1024
MAX_ITEMS = 100_000
_TAG = re.compile(r"<script[^>]{0,1000}>.*?</script>|<!--.*?-->|<style[^>]{0,1000}>.*?</style>|<[^>]*>", re.S | re.I)
_CURRENCIES = {"en-us": "$", "en-gb": "£", "": "¤"}

FILTERS: dict[str, Callable[..., Any]] = {}


def _filter(function: Callable[..., Any]) -> Callable[..., Any]:
    """Register under both spellings."""
    name = function.__name__.rstrip("_")
    FILTERS[name] = FILTERS["".join(part.capitalize() for part in name.split("_"))] = function
    return function


def _text(value: Any) -> str:
    if value is None or isinstance(value, Undefined):
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (list, tuple, range)):
        return _bounded("".join(_text(each) for each in _items(value)))
    return str(value)


def _bounded(text: str) -> str:
    if len(text) > MAX_TEXT:
        raise ResourceLimitError(f"a filter makes more than {MAX_TEXT} characters", token=None)
    return text


def _fits(size: int) -> None:
    if size > MAX_TEXT:
        raise ResourceLimitError(f"a filter makes more than {MAX_TEXT} characters", token=None)


def _items(value: Any) -> Sequence[Any]:
    """The items of a list; one item is a list of one."""
    if value is None or isinstance(value, Undefined):
        return []
    if isinstance(value, Mapping):
        found: Sequence[Any] = list(value.items())
    else:
        found = value if isinstance(value, (list, tuple, range)) else [value]
    if len(found) > MAX_ITEMS:
        raise ResourceLimitError(f"a list has more than {MAX_ITEMS} items", token=None)
    return found


def _number(value: Any) -> int | float | Decimal:
    if isinstance(value, bool) or value is None or isinstance(value, Undefined):
        return 0
    if isinstance(value, (int, float, Decimal)):
        return value
    text = str(value).strip()
    if re.fullmatch(r"[+-]?\d{1,18}", text, re.ASCII):
        return int(text)
    if re.fullmatch(r"[+-]?(\d{1,300}\.?\d{0,300}|\.\d{1,300})([eE][+-]?\d{1,3})?", text, re.ASCII):
        return Double(text)
    raise LiquidTypeError(f"{text[:40]!r} is not a number", token=None)


def _whole(value: Any) -> int:
    return int(_number(value))


def _calculate(left: Any, right: Any, work: Callable[[Any, Any], Any]) -> Any:
    first, second = _number(left), _number(right)
    if isinstance(first, Decimal) != isinstance(second, Decimal):
        first, second = Decimal(str(first)), Decimal(str(second))
    result = work(first, second)
    if isinstance(result, float):
        return Double(result)
    if isinstance(result, int) and not -(2**63) <= result < 2**63:
        raise LiquidTypeError("Value was either too large or too small for an Int64.", token=None)
    return result


@_filter
def plus(left: Any, right: Any) -> Any:
    return _calculate(left, right, lambda a, b: a + b)


@_filter
def minus(left: Any, right: Any) -> Any:
    return _calculate(left, right, lambda a, b: a - b)


@_filter
def times(left: Any, right: Any) -> Any:
    return _calculate(left, right, lambda a, b: a * b)


def _divide(a: Any, b: Any) -> Any:
    if b == 0:
        raise LiquidTypeError("Attempted to divide by zero.", token=None)
    if isinstance(a, int) and isinstance(b, int):
        return abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)
    return a / b


@_filter
def divided_by(left: Any, right: Any) -> Any:
    return _calculate(left, right, _divide)


@_filter
def modulo(left: Any, right: Any) -> Any:
    def rest(a: Any, b: Any) -> Any:
        if b == 0:
            raise LiquidTypeError("Attempted to divide by zero.", token=None)
        return math.fmod(a, b) if isinstance(a, float) or isinstance(b, float) else a - b * int(_divide(a, b))

    return _calculate(left, right, rest)


@_filter
def abs_(value: Any) -> Any:
    return _calculate(value, 0, lambda a, b: abs(a))


@_filter
def ceil(value: Any) -> Any:
    return math.ceil(_number(value))


@_filter
def floor(value: Any) -> Any:
    return math.floor(_number(value))


@_filter
def at_least(value: Any, least: Any) -> Any:
    return _calculate(value, least, max)


@_filter
def at_most(value: Any, most: Any) -> Any:
    return _calculate(value, most, min)


@_filter
def round_(value: Any, places: Any = 0) -> Any:
    number = _number(value)
    exact = Decimal(str(float(number))) if isinstance(number, float) else Decimal(number)
    if not exact.is_finite():
        return value
    with localcontext(prec=400):
        rounded = round(exact, min(max(_whole(places), 0), 15))
    return int(rounded) if rounded == rounded.to_integral_value() else rounded.normalize()


@_filter
def currency(value: Any, language: Any = "") -> str:
    amount = Decimal(str(_number(value)))
    sign = _CURRENCIES.get(_text(language).lower(), "¤")
    shown = f"{abs(round(amount, 2)):,.2f}"
    negative = f"({sign}{shown})" if sign == "¤" else f"-{sign}{shown}"
    return negative if amount < 0 else f"{sign}{shown}"


@_filter
def append(left: Any, right: Any) -> str:
    return _bounded(_text(left) + _text(right))


@_filter
def prepend(left: Any, right: Any) -> str:
    return _bounded(_text(right) + _text(left))


@_filter
def upcase(value: Any) -> str:
    return _text(value).upper()


@_filter
def downcase(value: Any) -> str:
    return _text(value).lower()


@_filter
def capitalize(value: Any) -> str:
    return re.sub(r"(^|\s)(\S)", lambda found: found[1] + found[2].upper(), _text(value))


@_filter
def strip(value: Any) -> str:
    return _text(value).strip()


@_filter
def lstrip(value: Any) -> str:
    return _text(value).lstrip()


@_filter
def rstrip(value: Any) -> str:
    return _text(value).rstrip()


@_filter
def strip_html(value: Any) -> str:
    return _TAG.sub("", _text(value))


@_filter
def strip_newlines(value: Any) -> str:
    return re.sub(r"\r?\n", "", _text(value))


@_filter
def newline_to_br(value: Any) -> str:
    text = _text(value)
    _fits(len(text) + 6 * text.count("\n"))
    return re.sub(r"\r?\n", "<br />\n", text)


@_filter
def escape(value: Any) -> str:
    return _bounded(html.escape(_text(value), quote=True).replace("&#x27;", "&#39;"))


FILTERS["h"] = FILTERS["H"] = escape


@_filter
def url_encode(value: Any) -> str:
    return _bounded(quote_plus(_text(value), safe="!()*-._"))


@_filter
def url_decode(value: Any) -> str:
    return unquote_plus(_text(value))


@_filter
def replace(value: Any, old: Any, new: Any = "") -> str:
    text, wanted = _text(value), _text(old)
    if "\\" in wanted and text:
        try:
            return _bounded(regex.replace(regex.pattern_of(wanted), text, _text(new)))
        except DotNetError as problem:
            raise LiquidTypeError(f"Replace: {problem}", token=None) from problem
    return _replaced(text, wanted, _text(new), -1)


@_filter
def replace_first(value: Any, old: Any, new: Any = "") -> str:
    return _replaced(_text(value), _text(old), _text(new), 1)


@_filter
def remove(value: Any, old: Any) -> str:
    return _replaced(_text(value), _text(old), "", -1)


@_filter
def remove_first(value: Any, old: Any) -> str:
    return _replaced(_text(value), _text(old), "", 1)


def _replaced(text: str, old: str, new: str, count: int) -> str:
    if not old:
        return text
    found = text.count(old) if count < 0 else count
    _fits(len(text) + found * max(len(new) - len(old), 0))
    return text.replace(old, new, count)


@_filter
def truncate(value: Any, length: Any = 50, mark: Any = "...") -> str:
    text, end, size = _text(value), _text(mark), _whole(length)
    return text if len(text) <= size else text[: max(size - len(end), 0)] + end


@_filter
def truncate_words(value: Any, count: Any = 15, mark: Any = "...") -> str:
    words, most = _text(value).split(" "), max(_whole(count), 0)
    return " ".join(words) if len(words) <= most else " ".join(words[:most]) + _text(mark)


FILTERS["truncatewords"] = truncate_words


@_filter
def slice_(value: Any, start: Any, length: Any = 1) -> Any:
    source = value if isinstance(value, (list, range)) else _text(value)
    first, size = _whole(start), max(_whole(length), 0)
    first = max(first + len(source), 0) if first < 0 else first
    return source[first : first + size]


@_filter
def split(value: Any, separator: Any = " ") -> list[str]:
    text, at = _text(value), _text(separator)
    _fits((len(text) if not at else text.count(at)) * 8)
    return [part for part in (text.split(at) if at else list(text)) if part]


@_filter
def join(value: Any, separator: Any = " ") -> str:
    parts, glue = [_text(each) for each in _items(value)], _text(separator)
    _fits(sum(map(len, parts)) + len(glue) * len(parts))
    return glue.join(parts)


@_filter
def size(value: Any) -> int:
    return len(value) if isinstance(value, (str, list, tuple, range, Mapping)) else 0


@_filter
def first(value: Any) -> Any:
    items = _items(value)
    return items[0] if items else None


@_filter
def last(value: Any) -> Any:
    items = _items(value)
    return items[-1] if items else None


@_filter
def map_(value: Any, name: Any) -> list[Any]:
    return [each[name] if isinstance(each, Record) and _has(each, name) else None for each in _items(value)]


@_filter
def sort(value: Any, name: Any = None) -> list[Any]:
    def key(each: Any) -> tuple[int, float, str]:
        of = each if name is None else each[name] if isinstance(each, Record) and _has(each, name) else None
        if of is None:
            return (0, 0.0, "")
        return (1, float(of), "") if isinstance(of, (int, float, Decimal)) else (2, 0.0, _text(of))

    return sorted(_items(value), key=key)


@_filter
def uniq(value: Any) -> list[Any]:
    return list({_text(each): each for each in reversed(_items(value))}.values())[::-1]


@_filter
def compact(value: Any) -> list[Any]:
    return [each for each in _items(value) if each is not None]


@_filter
def concat(value: Any, other: Any) -> list[Any]:
    return list(_items([*_items(value), *_items(other)]))


@_filter
def reverse(value: Any) -> list[Any]:
    return list(_items(value))[::-1]


@_filter
def default(value: Any, otherwise: Any = "") -> Any:
    empty = value is None or value is False or isinstance(value, Undefined) or value in ("", [])
    return otherwise if empty else value


@_filter
def date(value: Any, pattern: Any = "") -> Any:
    """By a .NET format; what is no date stays as it is."""
    moment: DateTime | DateTimeOffset
    if isinstance(value, Moment):
        moment = value.value
    else:
        found = read_date(_text(value)[:100])
        if found is None:
            return value
        ticks, offset = found
        moment = DateTime(ticks) if offset is None else DateTimeOffset(ticks, offset)
    return format_date(moment, _text(pattern)[:1000] or None)


def _has(record: Record, name: Any) -> bool:
    try:
        record[name]
    except KeyError:
        return False
    return True
