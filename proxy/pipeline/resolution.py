"""What the resolver of a GraphQL field works on, beside the exchange of its own that it gets.

The policies of a resolver can read the headers that the client sent, but they are not sent on to the data source, which
may be anybody's: only headers that the resolver sets are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from proxy.messages import Headers, Url


@dataclass(slots=True)
class Resolution:
    """`arguments` of the field and its `parent`, plain data; `service` is the backend of the API. `guarded` as in
    Outgoing: a policy says where the call goes."""

    arguments: dict[str, Any]
    parent: dict[str, Any]
    service: Url | None = None
    guarded: bool = False


class Inherited(str):
    """The value of a header that the client sent."""

    __slots__ = ()


def inherited(headers: Headers) -> Headers:
    return Headers((name, Inherited(value)) for name, value in headers.items())


def own_headers(headers: Headers) -> Headers:
    """The headers that the resolver set."""
    return Headers((name, value) for name, value in headers.items() if not isinstance(value, Inherited))
