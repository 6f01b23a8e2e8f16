"""The words in which a resource type is declared. One file of `resources/` = one type or a family of alike ones.

The engine (`arm.py`, `apply.py`) does what all types have in common; a declaration says what is particular:

    fields       what a client may or must send, with defaults
    readonly     what only the plane writes; dropped from what a client sends
    secrets      what is sealed in the store and never shown
    references   fields that name another resource, which must exist
    prepare      checks and completes the properties before they are stored
    after        what else is written when it is stored, in the same transaction
    leaving      checks before it goes
    shape        what a client reads, from what is stored
    wire         what a gateway reads, from what is stored, in clear
    narrows      query parameters of the list that leave out some of it
    built_in     what every service has without anyone making it
    actions      POST {id}/{action};  views: GET {id}/{view}, lists that are computed, and GET {id}/{view}/{name}
    documents    GET {id}/{document}, what is computed and no list
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, overload, runtime_checkable

from management.secret_fields import Secret
from management.store import Row
from management.transaction import Transaction

Properties = dict[str, Any]
Rule = Literal["restrict", "cascade"]

# APIM's rule for most ids, and no control characters since ids travel in lines of text.
NAME = re.compile(r"[^*#&+:<>?/\\%\x00-\x1f\x7f]+")

STRING, BOOLEAN, INTEGER, NUMBER, OBJECT, ARRAY = "string", "boolean", "integer", "number", "object", "array"
# beside the query of a `shape`: the resource is not shown in a list
ALONE = " alone"
KINDS: dict[str, tuple[type, ...]] = {
    STRING: (str,),
    BOOLEAN: (bool,),
    INTEGER: (int,),
    NUMBER: (int, float),
    OBJECT: (dict,),
    ARRAY: (list,),
}


@dataclass(slots=True, frozen=True)
class Field:
    """A property with dots for nesting; `default` is written on PUT when it is absent (None: nothing is)."""

    name: str
    kind: str = STRING
    required: bool = False
    choices: tuple[str, ...] = ()
    longest: int | None = None
    pattern: str | None = None
    default: Any = None


@dataclass(slots=True, frozen=True)
class Reference:
    """A field that holds the id of a resource of type `to`; `rule` is what its deletion means to us."""

    field: str
    to: str
    rule: Rule = "restrict"


@dataclass(slots=True, frozen=True)
class Link:
    """`source` refers to `target` (both keys)."""

    target: str
    rule: Rule


class Writer(Protocol):
    """How a hook writes more than its own resource; all of it is one revision."""

    def put(self, id: str, properties: Properties, *, trusted: bool = False) -> Row:
        """`trusted`: the document is the plane's own and may hold what a client may not send."""
        ...

    def delete(self, id: str) -> None: ...

    def copy(self, source: str, target: str) -> None:
        """Everything below `source`, to below `target`."""
        ...

    def place(self, row: Row, id: str, body: Properties | None = None, lookup: str | None = None) -> None:
        """Store a copy of `row` under another id of the same type, without asking the type."""
        ...


@dataclass(slots=True)
class Change:
    """One PUT or PATCH. `properties` is the whole future document in clear and may be changed by `prepare`."""

    tx: Transaction
    write: Writer
    type: ResourceType
    id: str
    properties: Properties
    old: Row | None
    query: Mapping[str, str] = field(default_factory=dict)
    partial: bool = False
    # hand-over from `prepare` to `after`, and what else the resource refers to
    notes: dict[str, Any] = field(default_factory=dict)
    links: list[Link] = field(default_factory=list)
    lookup: str | None = None

    @property
    def key(self) -> str:
        return self.id.lower()

    @property
    def name(self) -> str:
        return self.id.rsplit("/", 1)[1]

    @property
    def names(self) -> list[str]:
        """The names in the path: ["orders", "get-order"] of /apis/orders/operations/get-order."""
        return self.id.split("/")[2::2]

    def refer(self, key: str, rule: Rule = "restrict") -> None:
        self.links.append(Link(key, rule))

    @property
    def former(self) -> Properties:
        """The stored document in clear; empty when there is none."""
        return self.old.clear() if self.old else {}


@dataclass(slots=True)
class Call:
    """One action or view on a resource. `body` is the JSON sent, `status`/`headers` of the answer may be set."""

    tx: Transaction
    write: Writer
    row: Row
    body: dict[str, Any]
    query: Mapping[str, str]
    show: Callable[[Row], dict[str, Any]]


@dataclass(slots=True, frozen=True)
class Answer:
    status: int
    body: dict[str, Any] | None = None
    etag: bool = False


Action = Callable[[Call], Answer]
Document = Callable[[Call], Any]
View = Callable[[Call], Sequence[dict[str, Any]]]


@runtime_checkable
class Named(Protocol):
    """A view that finds an item by its name without making all of them."""

    def named(self, name: str) -> Sequence[dict[str, Any]]: ...


class Listed(Sequence[dict[str, Any]]):
    """The resources of `keys` as a client reads them; each is read when it is asked for, so a page costs a page."""

    def __init__(self, call: Call, keys: Sequence[str]) -> None:
        self._call = call
        self._keys = keys

    def __len__(self) -> int:
        return len(self._keys)

    @overload
    def __getitem__(self, at: int) -> dict[str, Any]: ...

    @overload
    def __getitem__(self, at: slice) -> Sequence[dict[str, Any]]: ...

    def __getitem__(self, at: int | slice) -> dict[str, Any] | Sequence[dict[str, Any]]:
        if isinstance(at, slice):
            return Listed(self._call, self._keys[at])
        row = self._call.tx.get(self._keys[at])
        assert row is not None, self._keys[at]
        return self._call.show(row)


@dataclass(frozen=True, kw_only=True)
class ResourceType:
    """See the head of the file. `path` is the collection segments, e.g. "apis/operations"."""

    path: str
    title: str
    audience: Literal["all", "none", "api", "gateway"] = "all"
    fields: tuple[Field, ...] = ()
    readonly: frozenset[str] = frozenset()
    secrets: tuple[Secret, ...] = ()
    references: tuple[Reference, ...] = ()
    name: re.Pattern[str] = NAME
    name_limit: int = 80
    # the target type of an association (PUT without properties; it shows the properties of its target)
    association: str | None = None
    # precondition oddities of ARM; those of statuses are in `operations.py`
    put_needs_match: bool = False
    # resources that every service has without anyone making them: name -> properties. DELETE brings back what it was
    built_in: Mapping[str, Properties] = field(default_factory=dict)
    whole: bool = False  # what is stored is the whole ARM document, not only its properties
    closed: bool = False  # there are no others than the built-in ones
    can_patch: bool = True
    needs_match: bool = True  # PATCH and DELETE want If-Match
    provisioned: bool = False  # shows provisioningState, because clients poll it
    prepare: Callable[[Change], None] | None = None
    after: Callable[[Change], None] | None = None
    leaving: Callable[[Call], None] | None = None
    shape: Callable[[Transaction, Row, Properties, Mapping[str, str]], Properties] | None = None
    wire: Callable[[Row, Properties], Properties] | None = None
    # query parameter of the list -> whether a row is in it, given the value
    narrows: Mapping[str, Callable[[Transaction, Row, str], bool]] = field(default_factory=dict)
    actions: Mapping[str, Action] = field(default_factory=dict)
    # keys of what is no resource of its own, and the actions on it, which are done on the service
    of_service: Mapping[str, frozenset[str]] = field(default_factory=dict)
    views: Mapping[str, View] = field(default_factory=dict)
    documents: Mapping[str, Document] = field(default_factory=dict)

    @property
    def segments(self) -> list[str]:
        return self.path.split("/")

    def born(self, id: str) -> Row | None:
        """The built-in resource `id` as it is before anyone changed it; None when there is no such one."""
        wanted = id.rsplit("/", 1)[1].lower()
        for name, properties in self.built_in.items():
            if name.lower() == wanted:
                id = f"{id.rsplit('/', 1)[0]}/{name}"
                return Row(id, self.path.lower(), self.audience_of(id), copy.deepcopy(properties))
        return None

    def audience_of(self, id: str) -> str:
        """Which gateways see the resource `id`: see `schema.resources`."""
        names = id.lower().split("/")
        if self.audience == "api":
            return "api:" + names[names.index("apis") + 1].split(";", 1)[0]
        return {"all": "*", "none": "-", "gateway": f"gateway:{names[2] if len(names) > 2 else ''}"}[self.audience]
