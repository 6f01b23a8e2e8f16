"""JToken and its family after Json.NET: JObject, JArray, JConstructor, JProperty, JValue, JRaw.

Rules
1. A token has one parent. A token that has one, or that would contain itself, is cloned when it is added.
2. A JObject keeps its values by name, and they have the object for `parent`. A JProperty that is in an object is made
   when someone asks for it, and then it is always the same one.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from decimal import Decimal
from typing import Any, NoReturn

from proxy.expressions.dotnet.datetime import DateTime, DateTimeOffset, TimeSpan
from proxy.expressions.dotnet.guid import Guid
from proxy.expressions.dotnet.values import Array, Char, name_of, stands_for
from proxy.expressions.runtime import (
    DotNetError,
    argument,
    argument_null,
    index_range,
    invalid_operation,
    out_of_range,
    spend,
    tick,
)

# what copying one token costs of the budget
CLONE_STEPS = 8
_LINQ = "Newtonsoft.Json.Linq"


class JToken:
    __slots__ = ("parent",)
    parent: JContainer | None

    def clone(self) -> JToken:
        raise NotImplementedError

    def children(self) -> Iterator[JToken]:
        return iter(())

    def __iter__(self) -> Iterator[Any]:
        return self.children()


class JValue(JToken):
    """A leaf, equal by kind and value. `value` is None, str, bool, int, float, Decimal, a date, Guid, TimeSpan, Uri or
    bytes; `label` is the JTokenType where the value does not tell it: Undefined, Comment, Raw, or String of a null."""

    __slots__ = ("label", "value")

    def __init__(self, value: Any, label: str = "") -> None:
        self.parent = None
        self.value = value
        self.label = label

    def clone(self) -> JToken:
        return type(self)(self.value, self.label)

    def __eq__(self, other: object) -> bool:
        from proxy.expressions.dotnet.json_compare import same_value

        return isinstance(other, JValue) and same_value(self, other)

    def __lt__(self, other: JValue) -> bool:
        from proxy.expressions.dotnet.json_compare import compare_tokens

        return compare_tokens(self, other) < 0

    def __hash__(self) -> int:
        return hash(tuple(self.value) if isinstance(self.value, list) else self.value)


class JRaw(JValue):
    """JSON text that is written as it is."""

    __slots__ = ()

    def __init__(self, value: Any, label: str = "Raw") -> None:
        super().__init__(value, label)


class JContainer(JToken):
    __slots__ = ()

    def insert(self, index: int, token: JToken | None) -> None:
        """Put a token among the children; it is cloned where it has to be."""
        raise NotImplementedError

    def count(self) -> int:
        raise NotImplementedError

    def clear(self) -> None:
        raise NotImplementedError


class JProperty(JContainer):
    """A name and a value, which is the object's while the property is in one."""

    __slots__ = ("detached", "name")

    def __init__(self, name: str | None, value: JToken | None = None) -> None:
        if name is None:
            argument_null("name")
        self.parent = None
        self.name = name
        self.detached = adopt(value, self)

    @property
    def value(self) -> JToken:
        if isinstance(self.parent, JObject):
            return self.parent.items.get(self.name, self.detached)
        return self.detached

    @value.setter
    def value(self, token: JToken | None) -> None:
        if isinstance(token, JProperty):
            _wrong_content(self, token)
        if isinstance(self.parent, JObject):
            self.parent.put(self.name, token)
        else:
            before = self.detached
            self.detached = adopt(token, self)
            before.parent = None

    def clone(self) -> JToken:
        return JProperty(self.name, self.value.clone())

    def children(self) -> Iterator[JToken]:
        return iter([self.value])

    def count(self) -> int:
        return 1

    def insert(self, index: int, token: JToken | None) -> None:
        if not (isinstance(token, JValue) and token.label == "Comment"):
            json_exception(f"{_LINQ}.JProperty cannot have multiple values.")

    def clear(self) -> None:
        json_exception(f"Cannot add or remove items from {_LINQ}.JProperty.")


class JObject(JContainer):
    __slots__ = ("items", "views")

    def __init__(self) -> None:
        self.parent = None
        self.items: dict[str, JToken] = {}
        # the properties that someone has seen
        self.views: dict[str, JProperty] | None = None

    def clone(self) -> JToken:
        made = JObject()
        for name, token in self.items.items():
            spend(CLONE_STEPS)
            copy = token.clone()
            copy.parent = made
            made.items[name] = copy
        return made

    def view(self, name: str) -> JProperty:
        """The property of that name, which is there."""
        if self.views is None:
            self.views = {}
        found = self.views.get(name)
        if found is None:
            found = JProperty.__new__(JProperty)
            found.parent = self
            found.name = name
            found.detached = JValue(None)
            self.views[name] = found
        return found

    def properties(self) -> Iterator[JProperty]:
        return (self.view(name) for name in watched(self.items))

    def children(self) -> Iterator[JToken]:
        return self.properties()

    def count(self) -> int:
        return len(self.items)

    def put(self, name: str | None, token: JToken | None) -> None:
        if name is None:
            argument_null("name")
        if isinstance(token, JProperty):
            _wrong_content(self.view(name) if name in self.items else JProperty(name), token)
        before = self.items.get(name)
        self.items[name] = adopt(token, self)
        if before is not None:
            before.parent = None

    def add(self, name: str | None, token: JToken | None) -> None:
        self.insert(len(self.items), JProperty(name, token))

    def insert(self, index: int, token: JToken | None) -> None:
        if isinstance(token, JValue) and token.label == "Comment":
            return
        if not isinstance(token, JProperty):
            _wrong_content(self, token)
        if token.name in self.items:
            argument(
                f"Can not add property {token.name} to {_LINQ}.JObject. "
                "Property with the same name already exists on object."
            )
        if token.parent is not None:
            token = token.clone()
            assert isinstance(token, JProperty)
        value = token.detached
        if value is self or _above(value, self):
            value = value.clone()
        value.parent = token.parent = self
        if index >= len(self.items):
            self.items[token.name] = value
        else:
            pairs = list(self.items.items())
            pairs.insert(index, (token.name, value))
            self.items = dict(pairs)
        if self.views is None:
            self.views = {}
        self.views[token.name] = token

    def drop(self, name: str) -> None:
        """Take the property of that name out; whoever holds it keeps it with its value."""
        value = self.items.pop(name)
        value.parent = None
        seen = self.views.pop(name, None) if self.views else None
        if seen is not None:
            seen.parent = None
            seen.detached = value
            value.parent = seen

    def clear(self) -> None:
        for name in list(self.items):
            self.drop(name)

    def __iter__(self) -> Iterator[Any]:
        from proxy.expressions.dotnet.collections import Pair

        return (Pair(name, self.items[name]) for name in watched(self.items))


class JArray(JContainer):
    __slots__ = ("items",)

    def __init__(self) -> None:
        self.parent = None
        self.items: list[JToken] = []

    def empty_copy(self) -> JArray:
        return JArray()

    def clone(self) -> JToken:
        made = self.empty_copy()
        for token in self.items:
            spend(CLONE_STEPS)
            copy = token.clone()
            copy.parent = made
            made.items.append(copy)
        return made

    def children(self) -> Iterator[JToken]:
        return watched(self.items)

    def count(self) -> int:
        return len(self.items)

    def insert(self, index: int, token: JToken | None) -> None:
        if isinstance(token, JProperty):
            _wrong_content(self, token)
        if index < 0:
            index_range()
        if index > len(self.items):
            out_of_range("Index must be within the bounds of the List.", "index")
        self.items.insert(index, adopt(token, self))

    def append(self, token: JToken | None) -> None:
        self.insert(len(self.items), token)

    def replace(self, index: int, token: JToken | None) -> None:
        check_index(index, len(self.items))
        if isinstance(token, JProperty):
            _wrong_content(self, token)
        before = self.items[index]
        self.items[index] = adopt(token, self)
        before.parent = None

    def remove_at(self, index: int) -> None:
        check_index(index, len(self.items))
        self.items.pop(index).parent = None

    def clear(self) -> None:
        for token in self.items:
            token.parent = None
        self.items.clear()

    def place(self, token: JToken) -> int:
        """Where this very token is, or -1."""
        return next((index for index, item in enumerate(self.items) if item is token), -1)

    def __len__(self) -> int:
        return len(self.items)


class JConstructor(JArray):
    """new Date(1): a name and arguments."""

    __slots__ = ("name",)

    def __init__(self, name: str = "") -> None:
        super().__init__()
        self.name = name

    def empty_copy(self) -> JArray:
        return JConstructor(self.name)


for _class in (JValue, JRaw, JProperty, JObject, JArray, JConstructor):
    stands_for(_class, _class.__name__)


def watched(items: Collection[Any]) -> Iterator[Any]:
    """The items in turn; an exception when one is added or removed meanwhile."""
    size = len(items)
    for item in list(items):
        yield item
        if len(items) != size:
            invalid_operation("Collection was modified; enumeration operation may not execute.")


def check_index(index: int, size: int) -> None:
    if index < 0:
        out_of_range("Index is less than 0.", "index")
    if index >= size:
        out_of_range("Index is equal to or greater than Count.", "index")


def kind_of(token: JToken) -> str:
    """The name of the JTokenType."""
    if isinstance(token, JObject):
        return "Object"
    if isinstance(token, JArray):
        return "Constructor" if isinstance(token, JConstructor) else "Array"
    if isinstance(token, JProperty):
        return "Property"
    assert isinstance(token, JValue)
    return token.label or value_kind(token.value)


_KINDS: tuple[tuple[Any, str], ...] = (
    (bool, "Boolean"), (str, "String"), (int, "Integer"), ((float, Decimal), "Float"),
    ((DateTime, DateTimeOffset), "Date"), (TimeSpan, "TimeSpan"),
)  # fmt: skip


def value_kind(value: Any) -> str:
    """The JTokenType of a .NET value; "" when no token can hold it."""
    if value is None:
        return "Null"
    if isinstance(value, Guid):
        return "Guid"
    for classes, name in _KINDS:
        if isinstance(value, classes):
            return name
    if isinstance(value, Array):
        return "Bytes" if value.element.name == "byte" else ""
    from proxy.expressions.dotnet.uri import Uri

    return "Uri" if isinstance(value, Uri) else ""


def token_of(content: Any) -> JToken:
    """A token for what is added to a container: a token is itself, anything else has to be a simple value."""
    if isinstance(content, JToken):
        return content
    kind = "" if isinstance(content, Char) else value_kind(content)
    if not kind:
        argument(f"Could not determine JSON object type for type {name_of(content)}.")
    return JValue(content)


def is_many(content: Any) -> bool:
    """Whether each element of the content is added, and not the content itself."""
    if isinstance(content, (str, tuple, JToken)) or not hasattr(content, "__iter__"):
        return False
    return not (isinstance(content, Array) and content.element.name == "byte")


def add_content(container: JContainer, content: Any, index: int | None = None) -> None:
    """container.Add(content): an element, or the elements of a sequence."""
    at = container.count() if index is None else index
    if not is_many(content):
        container.insert(at, token_of(content))
        return
    for inner in content:
        tick()
        add_content(container, inner, at)
        at += 1


def adopt(token: JToken | None, parent: JContainer) -> JToken:
    """The token as a child of `parent`: null becomes a JSON null, a token with a parent is cloned."""
    if token is None:
        token = JValue(None)
    elif token.parent is not None or token is parent or _above(token, parent):
        token = token.clone()
    token.parent = parent
    return token


def _above(token: JToken, parent: JToken) -> bool:
    cursor: JToken | None = parent
    while cursor is not None:
        if cursor is token:
            return True
        cursor = cursor.parent
    return False


def _wrong_content(container: JToken, content: Any) -> NoReturn:
    kind = name_of(content) if isinstance(content, JToken) else f"{_LINQ}.JValue"
    argument(f"Can not add {kind} to {name_of(container)}.")


def json_exception(message: str) -> NoReturn:
    raise DotNetError("Newtonsoft.Json.JsonException", message)


def parent_of(token: JToken) -> JContainer | None:
    """Json.NET's Parent: the value of a property has the property for parent."""
    parent = token.parent
    if isinstance(parent, JObject) and not isinstance(token, JProperty):
        return parent.view(_name_in(parent, token))
    return parent


def _name_in(parent: JObject, token: JToken) -> str:
    return next(name for name, item in parent.items.items() if item is token)


def _required_parent(token: JToken) -> JContainer:
    parent = parent_of(token)
    return invalid_operation("The parent is missing.") if parent is None else parent


def place_of(parent: JContainer, token: JToken) -> int:
    """The index of a child."""
    if isinstance(parent, JArray):
        return parent.place(token)
    if isinstance(parent, JObject):
        assert isinstance(token, JProperty)
        return list(parent.items).index(token.name)
    return 0


def add_beside(token: JToken, content: Any, *, after: bool) -> None:
    parent = _required_parent(token)
    add_content(parent, content, place_of(parent, token) + int(after))


def detach(token: JToken) -> None:
    """Remove() of any token."""
    parent = _required_parent(token)
    if isinstance(parent, JObject):
        assert isinstance(token, JProperty)
        parent.drop(token.name)
    elif isinstance(parent, JArray):
        parent.remove_at(parent.place(token))
    else:
        parent.clear()


def replace(token: JToken, other: JToken | None) -> None:
    parent = _required_parent(token)
    if isinstance(parent, JProperty):
        parent.value = other
    elif isinstance(parent, JArray):
        parent.replace(parent.place(token), other)
    else:
        assert isinstance(parent, JObject)
        assert isinstance(token, JProperty)
        if not isinstance(other, JProperty):
            _wrong_content(parent, other)
        at = place_of(parent, token)
        parent.drop(token.name)
        parent.insert(at, other)


# what makes a name stand in quotes in a path
_SPECIAL = frozenset(". '/\"[]()\t\n\r\f\b\\\x85\u2028\u2029")


def path_step(name: str) -> str:
    """.name or ['odd name'], as a part of a path."""
    if _SPECIAL.isdisjoint(name):
        return f".{name}"
    from proxy.expressions.dotnet.json_writer import escaped

    return f"['{escaped(name, chr(39))}']"


def path_of(token: JToken) -> str:
    """a.b[0]['odd name']"""
    parts: list[str] = []
    cursor: JToken | None = token
    while cursor is not None:
        parent = parent_of(cursor)
        if isinstance(cursor, JProperty):
            parts.append(path_step(cursor.name))
        elif isinstance(parent, JArray):
            parts.append(f"[{parent.place(cursor)}]")
        cursor = parent
    return "".join(reversed(parts)).removeprefix(".")


def json_error(message: str) -> NoReturn:
    raise DotNetError("Newtonsoft.Json.JsonReaderException", message)
