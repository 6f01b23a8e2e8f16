"""The functions of ARM templates that need nothing but their arguments, by lower-case name.

https://learn.microsoft.com/azure/azure-resource-manager/templates/template-functions
"""

from __future__ import annotations

import base64
import datetime
import json
import re
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import quote, unquote

from passerelle.templates.hashes import guid, unique_string
from passerelle.templates.wrong import TemplateWrong

LONGEST = 16 * 1024 * 1024  # characters of a text, items of a list
_HOLE = re.compile(r"\{\{|\}\}|\{(\d+)(?:,(-?\d+))?(?::([^{}]*))?\}")


def same(one: str, other: str) -> bool:
    return one.lower() == other.lower()


def get(holder: Any, key: Any) -> Any:
    """A property, by name without case, or an item."""
    if isinstance(holder, Mapping) and isinstance(key, str):
        if key in holder:
            return holder[key]
        for name in holder:
            if same(name, key):
                return holder[name]
        computed = "" if type(holder) is dict else "; what Azure computes is given by --property"
        raise TemplateWrong(f"there is no property {key}{computed}")
    if isinstance(holder, list) and isinstance(key, int):
        if 0 <= key < len(holder):
            return holder[key]
        raise TemplateWrong(f"there is no item {key}: the list has {len(holder)}")
    raise TemplateWrong(f"{key} is asked of something that has none")


def text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "True" if value else "False"
    if isinstance(value, (dict, list)):
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return "" if value is None else str(value)


def _bounded(size: int) -> None:
    """Before something is made that would not fit anywhere."""
    if size > LONGEST:
        raise TemplateWrong(f"a value would have more than {LONGEST} characters or items")


def _concat(*values: Any) -> Any:
    if values and all(isinstance(each, list) for each in values):
        _bounded(sum(map(len, values)))
        return [item for each in values for item in each]
    return _join(values, "")


def _join(values: Iterable[Any], mark: str) -> str:
    texts: list[str] = []
    size = 0
    for each in values:
        texts.append(text(each))
        size += len(texts[-1]) + len(mark)
        _bounded(size)
    return mark.join(texts)


def _format(pattern: str, *values: Any) -> str:
    size = 0

    def fill(match: re.Match[str]) -> str:
        nonlocal size
        if match[1] is None:
            return match[0][0]
        value = _formatted(values[int(match[1])], match[3] or "")
        width = int(match[2] or 0)
        if abs(width) > 1000:
            raise ValueError
        size += len(value)
        _bounded(size)
        return value.ljust(-width) if width < 0 else value.rjust(width)

    return _HOLE.sub(fill, pattern)


def _formatted(value: Any, form: str) -> str:
    if not form or not isinstance(value, int) or isinstance(value, bool):
        return text(value)
    kind, digits = form[0].lower(), form[1:]
    if kind == "d" and (not digits or digits.isdecimal()):
        return f"{value:0{min(int(digits or 1), 1000)}d}"
    if kind == "x" and (not digits or digits.isdecimal()):
        return f"{value:0{min(int(digits or 1), 1000)}{form[0]}}"
    if set(form) == {"0"}:
        return f"{value:0{len(form)}d}"
    raise TemplateWrong(f"format() does not know the form {form}")


def _split(value: str, delimiters: str | list[str]) -> list[str]:
    marks = [delimiters] if isinstance(delimiters, str) else delimiters
    return re.split("|".join(re.escape(each) for each in marks if each), value) if any(marks) else [value]


def _substring(value: str, start: int, length: int | None = None) -> str:
    end = len(value) if length is None else start + length
    if not 0 <= start <= end <= len(value):
        raise TemplateWrong("substring() leaves the text")
    return value[start:end]


def _replace(value: str, old: str, new: str) -> str:
    _bounded(len(value) + value.count(old) * (len(new) - len(old)))
    return value.replace(old, new)


def _length(value: Any) -> int:
    return len(value)


def _empty(value: Any) -> bool:
    return value is None or len(value) == 0


def _contains(holder: Any, item: Any) -> bool:
    if isinstance(holder, Mapping):
        return any(same(key, text(item)) for key in holder)
    return text(item) in holder if isinstance(holder, str) else item in holder


def _first(value: Any) -> Any:
    return value[0] if value else ("" if isinstance(value, str) else None)


def _last(value: Any) -> Any:
    return value[-1] if value else ("" if isinstance(value, str) else None)


def _skip(value: Any, count: int) -> Any:
    return value[max(count, 0) :]


def _take(value: Any, count: int) -> Any:
    return value[: max(count, 0)]


def _union(*values: Any) -> Any:
    if all(isinstance(each, Mapping) for each in values):
        merged: dict[str, Any] = {}
        for each in values:
            merged = _merged(merged, each)
        return merged
    found: list[Any] = []
    for item in (item for each in values for item in _items_of(each)):
        if item not in found:
            found.append(item)
    return found


def _items_of(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise TypeError
    return value


def _merged(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(one)
    for key, value in other.items():
        held = merged.get(key)
        both = isinstance(held, Mapping) and isinstance(value, Mapping)
        merged[key] = _merged(held, value) if both else value  # type: ignore[arg-type]
    return merged


def _intersection(*values: Any) -> Any:
    first, *others = values
    if isinstance(first, Mapping):
        return {key: value for key, value in first.items() if all(each.get(key) == value for each in others)}
    return [each for each in first if all(each in other for other in others)]


def _create_object(*pairs: Any) -> dict[str, Any]:
    if len(pairs) % 2:
        raise TypeError
    return {str(pairs[n]): pairs[n + 1] for n in range(0, len(pairs), 2)}


def _int(value: Any) -> int:
    return int(value)


def _bool(value: Any) -> bool:
    if isinstance(value, str):
        if value.lower() not in ("true", "false", "1", "0"):
            raise ValueError
        return value.lower() in ("true", "1")
    return bool(value)


def _json(value: str) -> Any:
    try:
        return json.loads(value, strict=False)
    except ValueError:
        raise TemplateWrong("json() is given something that is no JSON") from None


def _base64_text(value: str) -> str:
    return base64.b64decode(value + "=" * (-len(value) % 4)).decode()


def _data_uri_text(value: str) -> str:
    head, _, body = value.partition(",")
    return base64.b64decode(body).decode() if head.endswith(";base64") else unquote(body)


def _uri(base: str, path: str) -> str:
    """A base that ends with a slash is a folder; otherwise its last part is replaced. One slash stands between."""
    place = base.partition("://")[2] or base
    folder = base[: base.rindex("/") + 1] if "/" in place else f"{base}/"
    return folder + path.removeprefix("/")


def _index(value: Any, item: Any, last: bool) -> int:
    """In a text without case, in a list by value."""
    if isinstance(value, str):
        return value.lower().rfind(item.lower()) if last else value.lower().find(item.lower())
    places = [n for n, each in enumerate(_items_of(value)) if each == item]
    return (places[-1] if last else places[0]) if places else -1


def _range(start: int, count: int) -> list[int]:
    if not 0 <= count <= 10_000:
        raise TemplateWrong("range() gives at most 10000 numbers")
    return list(range(start, start + count))


def _numbers(values: tuple[Any, ...]) -> list[int]:
    return values[0] if len(values) == 1 and isinstance(values[0], list) else list(values)


def _pad_left(value: Any, width: int, fill: str = " ") -> str:
    if width > LONGEST:
        raise ValueError
    return text(value).rjust(width, fill)


def _div(one: int, other: int) -> int:
    return int(one / other) if abs(one) < 2**53 else one // other


def _mod(one: int, other: int) -> int:
    return one - other * _div(one, other)


def _flatten(values: list[Any]) -> list[Any]:
    _bounded(sum(len(_items_of(each)) for each in values))
    return [item for each in values for item in _items_of(each)]


def _items(holder: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [{"key": key, "value": holder[key]} for key in sorted(holder)]


def _try_get(holder: Any, *keys: Any) -> Any:
    for key in keys:
        try:
            holder = get(holder, key)
        except TemplateWrong:
            return None
    return holder


def _array(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _shallow_merge(values: list[dict[str, Any]]) -> dict[str, Any]:
    return {key: value for each in values for key, value in each.items()}


def _utc_now(form: str = "yyyyMMddTHHmmssZ") -> str:
    now = datetime.datetime.now(datetime.UTC)
    codes = {
        "yyyy": f"{now:%Y}", "yy": f"{now:%y}", "MM": f"{now:%m}", "dd": f"{now:%d}", "HH": f"{now:%H}",
        "mm": f"{now:%M}", "ss": f"{now:%S}",
        "u": f"{now:%Y-%m-%d %H:%M:%SZ}", "d": f"{now.month}/{now.day}/{now.year}",
    }  # fmt: skip
    if len(form) == 1:
        return codes.get(form, now.isoformat())
    return re.sub("yyyy|yy|MM|dd|HH|mm|ss", lambda match: codes[match[0]], form)


def _fail(message: str = "") -> Any:
    raise TemplateWrong(f"the template itself gives up: {message}")


def _texts(values: tuple[Any, ...]) -> Iterator[str]:
    for each in values:
        if isinstance(each, (dict, list)):
            raise TypeError
        yield text(each)


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "add": lambda one, other: one + other,
    "array": _array,
    "base64": lambda value: base64.b64encode(value.encode()).decode(),
    "base64tojson": lambda value: _json(_base64_text(value)),
    "base64tostring": _base64_text,
    "bool": _bool,
    "concat": _concat,
    "contains": _contains,
    "createarray": lambda *values: list(values),
    "createobject": _create_object,
    "datauri": lambda value: "data:text/plain;charset=utf8;base64," + base64.b64encode(value.encode()).decode(),
    "datauritostring": _data_uri_text,
    "div": _div,
    "empty": _empty,
    "endswith": lambda value, end: value.lower().endswith(end.lower()),
    "equals": lambda one, other: type(one) is type(other) and one == other,
    "fail": _fail,
    "false": lambda: False,
    "first": _first,
    "flatten": _flatten,
    "float": float,
    "format": _format,
    "greater": lambda one, other: one > other,
    "greaterorequals": lambda one, other: one >= other,
    "guid": lambda *values: guid(*_texts(values)),
    "indexof": lambda value, item: _index(value, item, False),
    "int": _int,
    "intersection": _intersection,
    "items": _items,
    "join": _join,
    "json": _json,
    "last": _last,
    "lastindexof": lambda value, item: _index(value, item, True),
    "length": _length,
    "less": lambda one, other: one < other,
    "lessorequals": lambda one, other: one <= other,
    "max": lambda *values: max(_numbers(values)),
    "min": lambda *values: min(_numbers(values)),
    "mod": _mod,
    "mul": lambda one, other: one * other,
    "newguid": lambda: str(uuid.uuid4()),
    "not": lambda value: not _bool(value),
    "null": lambda: None,
    "objectkeys": lambda holder: sorted(holder),
    "padleft": _pad_left,
    "range": _range,
    "replace": _replace,
    "shallowmerge": _shallow_merge,
    "skip": _skip,
    "split": _split,
    "startswith": lambda value, start: value.lower().startswith(start.lower()),
    "string": text,
    "sub": lambda one, other: one - other,
    "substring": _substring,
    "take": _take,
    "tolower": lambda value: value.lower(),
    "toupper": lambda value: value.upper(),
    "trim": lambda value: value.strip(),
    "true": lambda: True,
    "tryget": _try_get,
    "tryindexfromend": lambda value, at: value[-at] if 0 < at <= len(value) else None,
    "indexfromend": lambda value, at: get(value, len(value) - at),
    "union": _union,
    "uniquestring": lambda *values: unique_string(*_texts(values)),
    "uri": _uri,
    "uricomponent": lambda value: quote(value, safe="-_.!~*'()"),
    "uricomponenttostring": unquote,
    "utcnow": _utc_now,
    "xor": lambda one, other: _bool(one) != _bool(other),
}
