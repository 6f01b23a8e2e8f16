"""SelectToken: the JSONPath of Json.NET without filters: names, ['name'], [index], [start:end], *, .. ."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from proxy.expressions.dotnet.json_tokens import JArray, JObject, JProperty, JToken, JValue
from proxy.expressions.dotnet.values import List
from proxy.expressions.runtime import DotNetError, argument_null, tick
from proxy.expressions.types import type_of_name


class Step(NamedTuple):
    """`deep` for `..`; `key` a name, an index, a slice, a list of either, None for `*`, or a filter tuple."""

    key: Any
    deep: bool = False


_NAME = re.compile(r"[^.\[\]\s()]+")
_BRACKET = re.compile(
    r"\[\s*(?:(?P<star>\*)|(?P<names>'(?:[^'\\]|\\.)*'(?:\s*,\s*'(?:[^'\\]|\\.)*')*)"
    r"|(?P<start>-?\d*)\s*:\s*(?P<end>-?\d*)(?:\s*:\s*(?P<step>-?\d*))?|(?P<indexes>-?\d+(?:\s*,\s*-?\d+)*)"
    r"|\?\(\s*(?P<filter>@[^\]]*)\)|\"(?P<quoted>[^\"]*)\")\s*\]"
)
_FILTER = re.compile(
    r"@\.?(?P<path>[\w.\[\]'\"-]*)\s*(?:(?P<op>==|!=|<=|>=|<|>)\s*(?P<value>'[^']*'|\"[^\"]*\"|-?\d+(?:\.\d+)?|true|false|null))?\s*"
)


def _bad(path: str) -> Any:
    raise DotNetError("Newtonsoft.Json.JsonException", f"Unexpected character while parsing path: {path}")


def parse(path: str | None) -> list[Step]:
    if path is None:
        argument_null("path")
    steps: list[Step] = []
    place = 1 if path.startswith("$") else 0
    deep = False
    while place < len(path):
        if path.startswith("..", place):
            deep, place = True, place + 2
            continue
        if path[place] == ".":
            place += 1
            continue
        bracket = _BRACKET.match(path, place)
        if bracket:
            steps.append(Step(_key(bracket), deep))
            place = bracket.end()
        else:
            name = _NAME.match(path, place)
            if name is None:
                return _bad(path)  # type: ignore[no-any-return]
            steps.append(Step(None if name[0] == "*" else name[0], deep))
            place = name.end()
        deep = False
    return steps


def _key(match: re.Match[str]) -> Any:
    if match["star"]:
        return None
    if match["names"]:
        names = [re.sub(r"\\(.)", r"\1", name[1:-1]) for name in re.findall(r"'(?:[^'\\]|\\.)*'", match["names"])]
        return names[0] if len(names) == 1 else names
    if match["quoted"] is not None:
        return match["quoted"]
    if match["indexes"]:
        numbers = [int(text) for text in match["indexes"].split(",")]
        return numbers[0] if len(numbers) == 1 else numbers
    if match["filter"]:
        found = _FILTER.fullmatch(match["filter"])
        if found is None:
            return _bad(match["filter"])
        return (parse(found["path"]), found["op"], found["value"])
    return slice(*(int(match[part]) if match[part] else None for part in ("start", "end", "step")))


def _pick(token: JToken, key: Any) -> Iterator[JToken]:
    tick()
    if isinstance(key, list):
        for one in key:
            yield from _pick(token, one)
    elif key is None:
        if isinstance(token, JObject):
            yield from list(token.items.values())
        elif isinstance(token, JArray):
            yield from list(token.items)
    elif isinstance(key, str):
        if isinstance(token, JObject) and key in token.items:
            yield token.items[key]
    elif isinstance(key, slice):
        if isinstance(token, JArray):
            yield from token.items[key]
    elif isinstance(key, tuple):
        children = (
            token.items
            if isinstance(token, JArray)
            else list(token.items.values())
            if isinstance(token, JObject)
            else []
        )
        yield from [child for child in children if _passes(child, *key)]
    elif isinstance(token, JArray) and 0 <= key < len(token.items):
        yield token.items[key]


def _passes(token: JToken, steps: list[Step], op: str | None, text: str | None) -> bool:
    found = list(_walk([token], steps))
    if op is None or text is None:
        return bool(found)
    wanted: Any = text[1:-1] if text[0] in "'\"" else {"true": True, "false": False, "null": None}.get(text, text)
    if isinstance(wanted, str) and text[0] not in "'\"":
        wanted = float(text) if "." in text else int(text)
    for item in found:
        value = item.value if isinstance(item, JValue) else item
        if op in ("==", "!="):
            same = value == wanted and isinstance(value, bool) == isinstance(wanted, bool)
            if same == (op == "=="):
                return True
            continue
        try:
            if {"<": value < wanted, ">": value > wanted, "<=": value <= wanted, ">=": value >= wanted}[op]:
                return True
        except TypeError:
            continue
    return False


def _all(token: JToken) -> Iterator[JToken]:
    tick()
    yield token
    for child in token.children():
        yield from _all(child.value if isinstance(child, JProperty) else child)


def _walk(tokens: list[JToken], steps: list[Step]) -> list[JToken]:
    for step in steps:
        sources = [inner for token in tokens for inner in _all(token)] if step.deep else tokens
        tokens = [found for token in sources for found in _pick(token, step.key)]
    return tokens


def select(token: JToken, path: str) -> List:
    return List(type_of_name("JToken"), _walk([token], parse(path)))


def select_one(token: JToken, path: str, required: bool = False) -> JToken | None:
    found = _walk([token], parse(path))
    if len(found) > 1:
        raise DotNetError("Newtonsoft.Json.JsonException", "Path returned multiple tokens.")
    if not found and required:
        raise DotNetError("Newtonsoft.Json.JsonException", f"Property '{path}' does not exist on JObject.")
    return found[0] if found else None
