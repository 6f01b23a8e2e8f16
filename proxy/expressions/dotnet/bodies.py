"""context.Request.Body: As<T>, AsFormUrlEncodedContent.

Read without preserveContent, the content is gone: a second read throws, and nothing is sent on unless a policy sets a
new body.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl

from proxy.expressions.dotnet.collections import Dictionary, iterate
from proxy.expressions.dotnet.context import BODY
from proxy.expressions.dotnet.convert import BYTE
from proxy.expressions.dotnet.json_reader import parse, read_json
from proxy.expressions.dotnet.json_tokens import JArray, JObject
from proxy.expressions.dotnet.text import to_text
from proxy.expressions.dotnet.values import Array, List, stands_for
from proxy.expressions.dotnet.web import _url_encode
from proxy.expressions.dotnet.xml_reader import read_document, read_element
from proxy.expressions.runtime import allocate, grant, invalid_operation
from proxy.expressions.table import define, members, with_types
from proxy.expressions.types import Type, generic, type_of_name
from proxy.messages import Body

stands_for(Body, "IMessageBody")
_STRING = type_of_name("string")


def _content(body: Body, preserve: bool) -> bytes:
    if body.consumed:
        invalid_operation("Message body has already been read; use preserveContent: true to read it more than once.")
    data = body.content() if preserve else body.consume()
    allocate(len(data))
    grant(len(data))
    return data


def text_of(data: bytes) -> str:
    """UTF-8 (with or without a mark), else UTF-16 by its mark."""
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return data.decode("utf-16", "replace")
    return data.decode("utf-8-sig", "replace")


def _as(kind: Type, body: Body, preserve: bool = False) -> Any:
    name = str(kind)
    if name not in ("string", "byte[]", "JObject", "JArray", "JToken", "object", "XElement", "XDocument", "XNode"):
        invalid_operation(f"Message body cannot be read as '{kind.full_name}'.")
    data = _content(body, preserve)
    if name == "byte[]":
        return Array(BYTE, data)
    text = text_of(data)
    if name in ("string", "object"):
        return text
    if not text.strip():
        return None
    if name[0] == "X":
        return read_document(text) if name == "XDocument" else read_element(text)
    if name == "JToken":
        return read_json(text)
    return parse(text, JObject if name == "JObject" else JArray, name)


_FORM = generic("Dictionary", _STRING, generic("IList", _STRING))


def _form(body: Body, preserve: bool = False) -> Dictionary:
    made: dict[str, List] = {}
    for name, value in parse_qsl(text_of(_content(body, preserve)), keep_blank_values=True):
        made.setdefault(name, List(_STRING)).append(value)
    return Dictionary(_FORM, made)


def _encode(form: Any) -> str:
    pairs = [
        (to_text(pair.key), to_text(value))
        for pair in form
        for value in ([pair.value] if isinstance(pair.value, str) or pair.value is None else iterate(pair.value))
    ]
    return "&".join(f"{_url_encode(name)}={_url_encode(value)}" for name, value in pairs)


members(
    BODY,
    {
        "T? As<T>(bool preserveContent = false)": with_types(_as),
        "IDictionary<string, IList<string>> AsFormUrlEncodedContent(bool preserveContent = false)": _form,
    },
)
FORM = define("FormExtensions", "Microsoft.Azure.ApiManagement.FormExtensions", kind="static")
for _kind in ("IDictionary<string, IList<string>>", "IDictionary<string, string>"):
    members(
        FORM,
        {
            f"static string ToFormUrlEncodedContent(this {_kind} form)": _encode,
            f"static string ToQueryString(this {_kind} form)": _encode,
        },
    )
