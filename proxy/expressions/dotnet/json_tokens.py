"""JToken and its family: JObject, JArray, JValue, JProperty, after Json.NET.

A token knows its parent. A token that already has one is cloned when it is added somewhere else. A JObject keeps its
values by name; a JProperty that belongs to an object is a view on one of its entries.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NoReturn

from proxy.expressions.dotnet.values import stands_for
from proxy.expressions.runtime import DotNetError, argument, argument_null, invalid_operation, spend, tick

# what copying one token costs of the budget
CLONE_STEPS = 8


class JToken:
    __slots__ = ("parent",)
    parent: JContainer | None

    def clone(self) -> JToken:
        raise NotImplementedError

    def children(self) -> Iterator[JToken]:
        return iter(())

    def __iter__(self) -> Iterator[Any]:
        return self.children()


class JContainer(JToken):
    __slots__ = ()


class JValue(JToken):
    """A leaf. `value` is None, str, bool, int, float, Decimal, a date, Guid, TimeSpan, Uri or bytes."""

    __slots__ = ("undefined", "value")

    def __init__(self, value: Any, undefined: bool = False) -> None:
        self.parent = None
        self.value = value
        self.undefined = undefined

    def clone(self) -> JToken:
        return JValue(self.value, self.undefined)


class JProperty(JContainer):
    """A name and a value; `owner` is the object it is in, which then holds the value."""

    __slots__ = ("detached", "name")

    def __init__(self, name: str, value: JToken | None = None) -> None:
        if name is None:
            argument_null("name")
        self.parent = None
        self.name = name
        self.detached = adopt(value, self)

    @classmethod
    def view(cls, owner: JObject, name: str) -> JProperty:
        made = cls.__new__(cls)
        made.parent = owner
        made.name = name
        made.detached = JValue(None)
        return made

    @property
    def value(self) -> JToken:
        if isinstance(self.parent, JObject):
            return self.parent.items.get(self.name, self.detached)
        return self.detached

    @value.setter
    def value(self, token: JToken | None) -> None:
        if isinstance(self.parent, JObject):
            self.parent.put(self.name, token)
        else:
            self.detached = adopt(token, self)

    def clone(self) -> JToken:
        return JProperty(self.name, self.value.clone())

    def children(self) -> Iterator[JToken]:
        return iter([self.value])


class JObject(JContainer):
    __slots__ = ("items",)

    def __init__(self) -> None:
        self.parent = None
        self.items: dict[str, JToken] = {}

    def clone(self) -> JToken:
        made = JObject()
        for name, token in self.items.items():
            spend(CLONE_STEPS)
            copy = token.clone()
            copy.parent = made
            made.items[name] = copy
        return made

    def properties(self) -> list[JProperty]:
        return [JProperty.view(self, name) for name in self.items]

    def children(self) -> Iterator[JToken]:
        return iter(self.properties())

    def put(self, name: str, token: JToken | None) -> None:
        if name is None:
            argument_null("propertyName")
        self.items[name] = adopt(token, self)

    def add(self, name: str, token: JToken | None) -> None:
        if name in self.items:
            argument(
                f"Can not add property {name} to Newtonsoft.Json.Linq.JObject. "
                "Property with the same name already exists on object."
            )
        self.put(name, token)

    def add_content(self, content: Any) -> None:
        """What `new JObject(content)` and `Add(object)` take: a property, or a sequence of them."""
        if isinstance(content, JProperty):
            self.add(content.name, content.value)
            if content.parent is None:
                content.parent = self
            return
        if isinstance(content, JToken) and not isinstance(content, (JObject, JArray)):
            _wrong_content(self, content)
        if content is None or not hasattr(content, "__iter__") or isinstance(content, str):
            _wrong_content(self, content)
        for item in content.properties() if isinstance(content, JObject) else content:
            tick()
            if isinstance(item, JProperty):
                self.add(item.name, item.value.clone() if item.value.parent is not None else item.value)
            else:
                _wrong_content(self, item)

    def __iter__(self) -> Iterator[Any]:
        from proxy.expressions.dotnet.collections import Pair

        return (Pair(name, token) for name, token in list(self.items.items()))


class JArray(JContainer):
    __slots__ = ("items",)

    def __init__(self) -> None:
        self.parent = None
        self.items: list[JToken] = []

    def clone(self) -> JToken:
        made = JArray()
        for token in self.items:
            spend(CLONE_STEPS)
            copy = token.clone()
            copy.parent = made
            made.items.append(copy)
        return made

    def children(self) -> Iterator[JToken]:
        return iter(list(self.items))

    def append(self, token: JToken | None) -> None:
        if isinstance(token, JProperty):
            _wrong_content(self, token)
        self.items.append(adopt(token, self))

    def __len__(self) -> int:
        return len(self.items)


for _class in (JValue, JProperty, JObject, JArray):
    stands_for(_class, _class.__name__)


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
    from proxy.expressions.dotnet.values import name_of

    kind = name_of(content) if isinstance(content, JToken) else "Newtonsoft.Json.Linq.JValue"
    argument(f"Can not add {kind} to {name_of(container)}.")


def parent_of(token: JToken) -> JToken | None:
    """Json.NET's Parent: the value of a property has the property for parent."""
    parent = token.parent
    if isinstance(parent, JObject) and not isinstance(token, JProperty):
        name = next((name for name, item in parent.items.items() if item is token), None)
        return JProperty.view(parent, name) if name is not None else None
    return parent


def detach(token: JToken) -> None:
    """Remove() of any token."""
    parent = token.parent
    if isinstance(token, JProperty) and isinstance(parent, JObject):
        kept = parent.items.pop(token.name, None)
        token.parent = None
        if kept is not None:
            kept.parent = None
            token.detached = adopt(kept, token)
    elif isinstance(parent, JArray):
        parent.items = [item for item in parent.items if item is not token]
        token.parent = None
    elif isinstance(parent, JObject):
        parent.items = {name: item for name, item in parent.items.items() if item is not token}
        token.parent = None
    else:
        invalid_operation("The parent is missing.")


def replace(token: JToken, other: JToken | None) -> None:
    parent = token.parent
    if isinstance(parent, JArray):
        index = next(i for i, item in enumerate(parent.items) if item is token)
        parent.items[index] = adopt(other, parent)
    elif isinstance(parent, JObject) and isinstance(token, JProperty):
        if not isinstance(other, JProperty):
            _wrong_content(parent, other)
        adopted = adopt(other.value, parent)
        parent.items = {
            (other.name if name == token.name else name): (adopted if name == token.name else item)
            for name, item in parent.items.items()
        }
    elif isinstance(parent, JObject):
        for name, item in list(parent.items.items()):
            if item is token:
                parent.put(name, other)
    elif isinstance(parent, JProperty):
        parent.value = other
    else:
        invalid_operation("The parent is missing.")
    token.parent = None


def path_of(token: JToken) -> str:
    """a.b[0]['odd name']"""
    parts: list[str] = []
    cursor = token
    while cursor.parent is not None:
        parent = cursor.parent
        if isinstance(cursor, JProperty):
            parts.append(_step(cursor.name))
        elif isinstance(parent, JArray):
            parts.append(f"[{next(i for i, item in enumerate(parent.items) if item is cursor)}]")
        elif isinstance(parent, JObject):
            parts.append(_step(next(name for name, item in parent.items.items() if item is cursor)))
        elif isinstance(parent, JProperty):
            parts.append(_step(parent.name))
        cursor = parent
    return "".join(reversed(parts)).removeprefix(".")


def _step(name: str) -> str:
    plain = name.replace("_", "a").isalnum() and not any(char in name for char in " .[]'\"()$@")
    return f".{name}" if plain else "['{}']".format(name.replace("'", "\\'"))


def json_error(message: str) -> NoReturn:
    raise DotNetError("Newtonsoft.Json.JsonReaderException", message)
