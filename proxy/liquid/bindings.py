"""`body` and `context` as templates see them.

Rules
1. The Content-Type says how the body is read: JSON, XML, or else as text.
2. Elements of XML are found by their local name, attributes as `@name` or, where no element has that name, `name`;
   repeated elements are a list; an element with text alone is that text.
3. DOCTYPE is refused, entities are not resolved, nothing is fetched.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import orjson
from lxml import etree

from proxy.expressions.dotnet.collections import Dictionary
from proxy.expressions.dotnet.datetext import format_date, read_date
from proxy.expressions.dotnet.datetime import DateTime, DateTimeOffset
from proxy.expressions.dotnet.json_reader import MAX_DEPTH, read_json
from proxy.expressions.dotnet.json_tokens import JArray, JObject, JToken, JValue
from proxy.expressions.dotnet.text import to_text
from proxy.expressions.runtime import DotNetError
from proxy.liquid.template import LiquidError
from proxy.liquid.values import Double, Element, Moment, Record
from proxy.messages import Headers, Request, Response, Url

if TYPE_CHECKING:
    from proxy.exchange import Exchange

_NIL = "{http://www.w3.org/2001/XMLSchema-instance}nil"
_DATE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d(?:\.\d{1,7})?)?(?:Z|[+-]\d\d:?\d\d)?", re.ASCII)
_EPOCH = re.compile(r"/Date\((-?\d{1,15})(?:[+-]\d{4})?\)/", re.ASCII)
_LONG_DIGITS = re.compile(r"\d{19}")
_EPOCH_TICKS = 621355968000000000


@dataclass(slots=True, frozen=True)
class Reading:
    """`nil_is_null`: an element with xsi:nil="true" is null, not the empty text. `dates`: texts may be moments."""

    nil_is_null: bool
    dates: bool


def body_value(content: bytes, media: str, charset: str, reading: Reading) -> Any:
    """The value of `body`. Raises LiquidError."""
    if not content.strip():
        return None
    if media.endswith(("/xml", "+xml")):
        return _xml(content, reading)
    try:
        text = content.decode(charset)
        if not media.endswith(("/json", "+json")):
            return text
        return _json(text, reading)
    except (DotNetError, UnicodeDecodeError) as problem:
        raise LiquidError(f"The body cannot be read: {problem}") from problem


def _json(text: str, reading: Reading) -> Any:
    """Strict JSON as it is written; what only Json.NET takes is read as Json.NET does, which makes moments of dates."""
    if not _LONG_DIGITS.search(text):
        try:
            return _plain(orjson.loads(text), reading, MAX_DEPTH)
        except (orjson.JSONDecodeError, UnicodeEncodeError, RecursionError):
            pass
    return _token(read_json(text), reading)


def _plain(value: Any, reading: Reading, deeper: int) -> Any:
    if deeper < 0:
        raise RecursionError
    if isinstance(value, dict):
        return Record({name: _plain(each, reading, deeper - 1) for name, each in value.items()})
    if isinstance(value, list):
        return [_plain(each, reading, deeper - 1) for each in value]
    return _value(value, reading)


def context_value(exchange: Exchange, reading: Reading) -> Record:
    request, response = exchange.request, exchange.response
    names: dict[str, Any] = {
        "Request": Record(
            {
                "Url": _url(request.url),
                "Method": request.method,
                "OriginalMethod": request.method,
                "OriginalUrl": _url(request.original_url),
                "IpAddress": request.client_ip,
                "MatchedParameters": Record(exchange.matched_parameters),
                "HasBody": not request.body.empty,
                "ClientCertificates": [],
                "Headers": _headers(request.headers),
            }
        ),
        "Response": None if response is None else _response(response, request),
        "Variables": _Variables(exchange.variables, reading),
    }
    return Record(names)


class _Variables(Record):
    """Variables are converted when they are asked for."""

    __slots__ = ("_reading",)

    def __init__(self, items: Mapping[str, Any], reading: Reading) -> None:
        super().__init__(items)
        self._reading = reading

    def __getitem__(self, key: Any) -> Any:
        return _value(super().__getitem__(key), self._reading)


def _response(response: Response, request: Request) -> Record:
    return Record({"StatusCode": response.status, "Method": request.method, "Headers": _headers(response.headers)})


def _headers(headers: Headers) -> Record:
    return Record({name: ",".join(headers.getall(name)) for name in dict.fromkeys(headers)})


def _url(url: Url) -> Record:
    query = f"?{url.query}" if url.query else ""
    return Record(
        {
            "Scheme": url.scheme,
            "Host": url.host,
            "Port": url.port,
            "Path": url.path,
            "Query": Record({name: ",".join(values) for name, values in url.query_values().items()}),
            "QueryString": query,
            "ToUri": str(url),
            "ToString": str(url),
        }
    )


def _value(value: Any, reading: Reading) -> Any:
    """What a variable holds, as one of the few kinds of values that templates have."""
    if value is None or isinstance(value, (bool, int, Decimal)):
        return value
    if isinstance(value, float):
        return Double(value)
    if isinstance(value, str):
        return _moment(str(value), reading)
    if isinstance(value, (DateTime, DateTimeOffset)):
        return Moment(value)
    if isinstance(value, JToken):
        return _token(value, reading)
    if isinstance(value, Response):
        return Record({"StatusCode": value.status, "StatusReason": value.reason, "Headers": _headers(value.headers)})
    if isinstance(value, Dictionary):
        return Record({to_text(key): _value(each, reading) for key, each in value})
    if isinstance(value, list):
        return [_value(each, reading) for each in value]
    return to_text(value)


def _token(token: JToken | None, reading: Reading) -> Any:
    if isinstance(token, JObject):
        return Record({name: _token(each, reading) for name, each in token.items.items()})
    if isinstance(token, JArray):
        return [_token(each, reading) for each in token.items]
    if not isinstance(token, JValue):
        return None
    value = token.value
    if isinstance(value, (DateTime, DateTimeOffset)) and not reading.dates:
        return _written(value)
    return _value(value, reading)


def _written(value: DateTime | DateTimeOffset) -> str:
    """The ISO text that a JSON reader made a moment of."""
    return format_date(value, "yyyy-MM-ddTHH:mm:ss.FFFFFFFK")


def _moment(text: str, reading: Reading) -> str:
    if not reading.dates:
        return text
    if epoch := _EPOCH.fullmatch(text):
        return Moment(DateTime(_EPOCH_TICKS + int(epoch[1]) * 10_000, 1))
    if 16 <= len(text) <= 40 and text[10] == "T" and _DATE.fullmatch(text) and (found := read_date(text)):
        return Moment(DateTime(found[0] - (found[1] or 0)))
    return text


def _xml(content: bytes, reading: Reading) -> Record:
    parser = etree.XMLParser(resolve_entities=False, no_network=True, remove_comments=True, remove_pis=True)
    try:
        root = etree.fromstring(content, parser)
    except (etree.XMLSyntaxError, ValueError) as problem:
        raise LiquidError(f"The body is not XML: {problem}") from problem
    docinfo: Any = root.getroottree().docinfo
    if docinfo.doctype:
        raise LiquidError("The body has a DOCTYPE, which is refused.")
    return Record({etree.QName(root).localname: _element(root, reading)})


def _element(node: etree._Element, reading: Reading) -> Any:
    if node.get(_NIL) in ("true", "1"):
        return None if reading.nil_is_null else ""
    items: dict[str, Any] = {}
    repeated: set[str] = set()
    for child in node:
        name = etree.QName(child).localname
        value = _element(child, reading)
        if name not in items:
            items[name] = value
        elif name in repeated:
            items[name].append(value)
        else:
            items[name] = [items[name], value]
            repeated.add(name)
    text = "".join([node.text or "", *(child.tail or "" for child in node)])
    attributes = [(etree.QName(str(name)).localname, str(value)) for name, value in node.attrib.items()]
    if not items and not attributes:
        return _moment(text, reading)
    if not items or text.strip():
        items.setdefault("#text", text)
    for name, each in attributes:
        items.setdefault(f"@{name}", each)
        items.setdefault(name, each)
    return Element(items, lambda: "".join(str(each) for each in node.itertext()))
