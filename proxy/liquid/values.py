"""What a template sees: text, numbers, lists and `Record`s. Nothing else gets in, so nothing else can be reached.

Rules
1. A name is found as written, else in any case: templates of authors write `body.envelope` for `<soap:Envelope>`.
2. A record iterates as pairs with `Key` and `Value`; an element of XML iterates as a list of one, so that a loop over
   lines works whether there is one line or many.
3. A moment prints as .NET prints a DateTime: 03/21/2012 05:40:00.
"""

from __future__ import annotations

import json
from collections.abc import Callable, ItemsView, Iterator, Mapping
from decimal import Decimal
from typing import Any

from proxy.expressions.dotnet.datetext import format_date
from proxy.expressions.dotnet.datetime import DateTime, DateTimeOffset
from proxy.expressions.dotnet.text import double_text


class Record(Mapping[str, Any]):
    """Values by name; prints as JSON."""

    __slots__ = ("_folded", "_items")

    def __init__(self, items: Mapping[str, Any]) -> None:
        self._items = items
        self._folded: dict[str, str] | None = None

    def __getitem__(self, key: Any) -> Any:
        found = self._items.get(key, self)
        if found is not self:
            return found
        if self._folded is None:
            self._folded = {name.lower(): name for name in reversed(self._items)}
        return self._items[self._folded[str(key).lower()]]

    def __iter__(self) -> Iterator[str]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def items(self) -> ItemsView[str, Any]:
        return [Pair(name, value) for name, value in self._items.items()]  # type: ignore[return-value]

    def __str__(self) -> str:
        return json.dumps(plain(self), ensure_ascii=False, separators=(",", ":"), default=str)

    def plain(self) -> Any:
        return {name: plain(value) for name, value in self._items.items()}


class Pair(Record):
    """One entry of a record: `pair.Key`, `pair.Value`, or `pair[0]`, `pair[1]`."""

    __slots__ = ()

    def __init__(self, key: str, value: Any) -> None:
        super().__init__({"Key": key, "Value": value})

    def __getitem__(self, key: Any) -> Any:
        return super().__getitem__(("Key", "Value")[key] if key in (0, 1) else key)


class Element(Record):
    """An XML element that has attributes or children; `text` makes what it prints."""

    __slots__ = ("text",)

    def __init__(self, items: Mapping[str, Any], text: Callable[[], str]) -> None:
        super().__init__(items)
        self.text = text

    def __len__(self) -> int:
        return 1

    def items(self) -> ItemsView[str, Any]:
        return [self]  # type: ignore[return-value]

    def __str__(self) -> str:
        return self.text()


class Double(float):
    """A double that prints as .NET prints it."""

    __slots__ = ()

    def __str__(self) -> str:
        return double_text(self)


class Moment(str):
    """A date and time; the text is what it prints."""

    __slots__ = ("value",)
    value: DateTime | DateTimeOffset

    def __new__(cls, value: DateTime | DateTimeOffset) -> Moment:
        made = super().__new__(cls, format_date(value, None))
        made.value = value
        return made


def plain(value: Any) -> Any:
    """For JSON."""
    if isinstance(value, Record):
        return value.plain()
    if isinstance(value, list):
        return [plain(each) for each in value]
    return float(value) if isinstance(value, Decimal) else value
