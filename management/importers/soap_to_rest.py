"""SOAP operations as JSON operations: what JSON looks like, and the policy that turns it into an envelope and back.

https://learn.microsoft.com/azure/api-management/restify-soap-api
Rules
- `POST /Operation` takes `{"operation": {...}}` and answers `{"operationResponse": {...}}`: names are those of the
  elements with a small first letter, attributes stand among them.
- Elements that occur several times are arrays; what is absent, or nil, is null. Numbers and booleans are JSON's.
- A SOAP fault becomes `{"error": {"code": ..., "message": ...}}` with the status that the service sent.
- Types that contain themselves, SOAP encoding, and policies beyond APIM's limit are refused: pass-through takes them.
- SOAP headers are not sent.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit
from xml.sax.saxutils import escape, quoteattr

from management.importers.imported import ImportedOperation, ImportRefused
from management.importers.naming import Names
from management.importers.soap_messages import prefixes, tag_of, value_of
from management.importers.soap_service import ENVELOPES, SoapMessage, SoapOperation, SoapPort
from management.importers.soap_types import Shape, Types
from management.importers.types import SCHEMA_ID
from management.importers.wsdl import head, plain

LARGEST_POLICY = 480 * 1024  # characters
LARGEST_WHOLE = 16 * 1024 * 1024  # of all policies; operations may share a large type
INSTANCE = "http://www.w3.org/2001/XMLSchema-instance"
PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# Liquid has meanings of its own for these
TAKEN = frozenset({"size", "first", "last", "blank", "empty", "nil", "null", "true", "false", "and", "or", "contains"})
# how a text becomes the inside of a JSON string; Replace takes regular expressions where there is a backslash
JSON_TEXT = " | ".join(
    (
        *(r"Replace: '\\', '\\'", r"""Replace: '"', '\"'"""),
        *(r"Replace: '\r', '\r'", r"Replace: '\n', '\n'", r"Replace: '\t', '\t'"),
    )
)
INSTEAD = "Import it as SOAP pass-through (apiType soap) instead"


def restified(root: Any, port: SoapPort) -> tuple[list[ImportedOperation], dict[str, Any]]:
    """The operations, and the schemas that they name. Raises ImportRefused."""
    types, names, schemas = Types(root), Names(), {}
    operations, size = [], 0
    for operation in port.operations:
        request, response = (_shapes(types, operation, each) for each in (operation.input, operation.output))
        properties = head(operation) | {"urlTemplate": f"/{plain(operation.name)}"}
        for shapes in (request, response):
            for shape in shapes:
                schemas[shape.name] = _schema(shape)
        properties["request"] = _described(operation.input, request, schemas) | {"queryParameters": []}
        properties["responses"] = [{"statusCode": 200, **_described(operation.output, response, schemas)}]
        policy = _policy(port, operation, request, response)
        if len(policy) > LARGEST_POLICY:
            raise ImportRefused(
                f"The policy of '{operation.name}' would have more than {LARGEST_POLICY // 1024} KiB. {INSTEAD}"
            )
        size += len(policy)
        if size > LARGEST_WHOLE:
            raise ImportRefused(f"All policies would have more than {LARGEST_WHOLE // 1024 // 1024} MiB. {INSTEAD}")
        name = names.give(operation.name, "post", operation.name, "value")
        operations.append(ImportedOperation(name, properties, policy))
    return operations, schemas


def _shapes(types: Types, operation: SoapOperation, message: SoapMessage) -> list[Shape]:
    if message.encoded:
        raise ImportRefused(f"The messages of '{operation.name}' use SOAP encoding. {INSTEAD}")
    try:
        shapes = types.body(message)
    except ImportRefused as refused:
        raise ImportRefused(f"Operation '{operation.name}': {refused.message} {INSTEAD}", refused.target) from None
    for shape in shapes:
        again = next((each for each in shape.all() if each.again), None)
        if again is not None:
            raise ImportRefused(f"The type of '{again.name}' in '{operation.name}' contains itself. {INSTEAD}")
    return shapes


def _described(message: SoapMessage, shapes: list[Shape], schemas: dict[str, Any]) -> dict[str, Any]:
    body: dict[str, Any] = {"contentType": "application/json"}
    if len(shapes) == 1:
        name = _root_type(shapes[0], schemas)
        body |= {"schemaId": SCHEMA_ID, "typeName": name}
    body["examples"] = {"default": {"value": {key_of(each): _example(each) for each in shapes}}}
    return {"description": message.name[:1000], "headers": [], "representations": [body]}


def _root_type(shape: Shape, schemas: dict[str, Any]) -> str:
    """The schema of the body: an object with the message's element as its property."""
    name = f"{shape.name}Body"
    reference = {"$ref": f"#/components/schemas/{shape.name}"}
    schemas[name] = {"type": "object", "properties": {key_of(shape): reference}}
    return name


def key_of(shape: Shape) -> str:
    """The name in JSON."""
    return shape.name[:1].lower() + shape.name[1:]


def _text_key(shape: Shape) -> str:
    """The name in JSON of an element's own text, beside its attributes."""
    return "_value" if any(key_of(each) == "value" for each in shape.members) else "value"


def _keys(members: tuple[Shape, ...]) -> Iterator[tuple[str, Shape]]:
    """Each member with its name in JSON; an attribute called like an element gets an underscore."""
    elements = {key_of(each) for each in members if not each.attribute}
    for each in members:
        name = key_of(each)
        yield (f"_{name}" if each.attribute and name in elements else name), each


def _schema(shape: Shape) -> dict[str, Any]:
    made: dict[str, Any]
    if shape.kind == "object":
        properties = {key: _schema(each) for key, each in _keys(shape.members)}
        if shape.text:
            properties[_text_key(shape)] = {"type": _json_type(shape.text)}
        made = {"type": "object", "properties": properties}
        required = [key for key, each in _keys(shape.members) if each.least and not each.nillable and not each.many]
        if required:
            made["required"] = required
    else:
        made = {"type": _json_type(shape.kind)} | ({"format": shape.format} if shape.format else {})
    return {"type": "array", "items": made} if shape.many else made


def _json_type(kind: str) -> str:
    return kind if kind in ("integer", "number", "boolean") else "string"


def _example(shape: Shape) -> Any:
    made: Any
    if shape.kind == "object":
        made = {key: _example(each) for key, each in _keys(shape.members)}
        if shape.text:
            made[_text_key(shape)] = _scalar(shape.text, "")
    else:
        made = _scalar(shape.kind, shape.format)
    return [made] if shape.many else made


def _scalar(kind: str, format: str) -> Any:
    if kind == "boolean":
        return True
    return 0 if kind in ("integer", "number") else value_of(kind, format)


def _policy(port: SoapPort, operation: SoapOperation, request: list[Shape], response: list[Shape]) -> str:
    path = urlsplit(port.address)
    template = (path.path or "/") + (f"?{path.query}" if path.query else "")
    action = operation.action.replace('"', "")
    if port.version == "1.1":
        kind, header = "text/xml; charset=utf-8", _set_header("SOAPAction", f'"{action}"')
    else:
        kind = "application/soap+xml; charset=utf-8" + (f'; action="{action}"' if action else "")
        header = ""
    return f"""<policies>
  <inbound>
    <base />
    <rewrite-uri template={quoteattr(plain(template))} copy-unmatched-params="false" />{header}
    <set-body template="liquid" parse-date="false"><![CDATA[
{_text(_envelope(port, request))}
    ]]></set-body>{_set_header("Content-Type", kind)}
  </inbound>
  <backend>
    <base />
  </backend>
  <outbound>
    <base />
    <set-body template="liquid" parse-date="false" xsi-nil="null"><![CDATA[
{_text(_answer(response))}
    ]]></set-body>{_set_header("Content-Type", "application/json")}
  </outbound>
  <on-error>
    <base />
  </on-error>
</policies>"""


def _text(lines: list[str]) -> str:
    return "\n".join(f"      {line}" for line in lines)


def _inside(lines: list[str]) -> list[str]:
    return [f"  {line}" for line in lines]


def _around(before: str, lines: list[str], after: str) -> list[str]:
    """Lines with something before the first and behind the last."""
    lines = [before + lines[0], *lines[1:]]
    return [*lines[:-1], lines[-1] + after]


def _set_header(name: str, value: str) -> str:
    return f"""
    <set-header name="{name}" exists-action="override">
      <value>{escape(value)}</value>
    </set-header>"""


def _envelope(port: SoapPort, shapes: list[Shape]) -> list[str]:
    """The request: JSON in, an envelope out."""
    spaces = prefixes(shapes)
    declared = "".join(f" xmlns:{prefix}={quoteattr(space)}" for space, prefix in spaces.items())
    inner = [line for each in shapes for line in _element(each, path_of("body", key_of(each)), spaces, 0)]
    return [
        f'<soap:Envelope xmlns:soap="{ENVELOPES[port.version]}" xmlns:xsi="{INSTANCE}"{declared}>',
        *_inside(["<soap:Body>", *_inside(inner), "</soap:Body>"]),
        "</soap:Envelope>",
    ]


def path_of(holder: str, name: str) -> str:
    """A member as Liquid reaches it."""
    if PLAIN.fullmatch(name) and name.lower() not in TAKEN:
        return f"{holder}.{name}"
    return f'{holder}["{name}"]'


def _element(shape: Shape, path: str, spaces: dict[str, str], depth: int) -> list[str]:
    """`depth` counts the loops around it."""
    if shape.many:
        item = f"item{depth}"
        return _around(f"{{% for {item} in {path} %}}", _once(shape, item, spaces, depth + 1), "{% endfor %}")
    once = _once(shape, path, spaces, depth)
    if shape.nillable and shape.least:
        nil = f'{{% else %}}<{tag_of(shape, spaces)} xsi:nil="true" />'
        return _around(f"{{% if {path} != null %}}", once, f"{nil}{{% endif %}}")
    if shape.nillable or not shape.least:
        return _around(f"{{% if {path} != null %}}", once, "{% endif %}")
    return once


def _once(shape: Shape, path: str, spaces: dict[str, str], depth: int) -> list[str]:
    tag = tag_of(shape, spaces)
    if shape.kind != "object":
        return [f"<{tag}>{{{{ {path} | Escape }}}}</{tag}>"]
    attributes, inner = "", []
    for key, member in _keys(shape.members):
        place = path_of(path, key)
        if member.attribute:
            written = f' {tag_of(member, spaces)}="{{{{ {place} | Escape }}}}"'
            attributes += written if member.least else f"{{% if {place} != null %}}{written}{{% endif %}}"
        else:
            inner += _element(member, place, spaces, depth)
    if shape.text:
        text = f"{{{{ {path_of(path, _text_key(shape))} | Escape }}}}"
        return [f"<{tag}{attributes}>{text}</{tag}>"]
    return [f"<{tag}{attributes}>", *_inside(inner), f"</{tag}>"] if inner else [f"<{tag}{attributes} />"]


def _answer(shapes: list[Shape]) -> list[str]:
    """The response: an envelope in, JSON out."""
    members = [(key_of(each), _json(each, path_of("body.envelope.body", each.name), 0)) for each in shapes]
    fault = "body.envelope.body.fault"
    code = _either(f"{fault}.faultcode", f"{fault}.code.value")  # SOAP 1.1, 1.2
    told = _either(f"{fault}.faultstring", f"{fault}.reason.text")
    message = "The service answered with status {{ context.Response.StatusCode }} and without a SOAP fault."
    return [
        f'{{% if {fault} %}}{{"error":{{"code":"{code}","message":"{told}"}}}}',
        *_around("{% elsif context.Response.StatusCode < 400 %}", _members(members), ""),
        f'{{% else %}}{{"error":{{"code":"InvalidErrorResponseBody","message":"{message}"}}}}{{% endif %}}',
    ]


def _members(members: list[tuple[str, list[str]]]) -> list[str]:
    """A JSON object."""
    lines = []
    for number, (key, value) in enumerate(members, 1):
        lines += _around(f'"{_quoted(key)}": ', value, "," if number < len(members) else "")
    return ["{", *_inside(lines), "}"] if lines else ["{}"]


def _either(first: str, second: str) -> str:
    """The first of two texts that is there, inside a JSON string."""
    return f"{{% if {first} %}}{{{{ {first} | {JSON_TEXT} }}}}{{% else %}}{{{{ {second} | {JSON_TEXT} }}}}{{% endif %}}"


def _quoted(name: str) -> str:
    return name.replace("\\", "\\\\").replace('"', '\\"')


def _json(shape: Shape, path: str, depth: int) -> list[str]:
    if shape.many:
        item = f"item{depth}"
        return _around(
            f"[{{% JSONArrayFor {item} in {path} %}}", _value(shape, item, depth + 1), "{% endJSONArrayFor %}]"
        )
    return _value(shape, path, depth)


def _value(shape: Shape, path: str, depth: int) -> list[str]:
    if shape.kind != "object":
        return [_leaf(shape.kind, path)]
    members = [
        (key, _json(each, path_of(path, f"@{each.name}" if each.attribute else each.name), depth))
        for key, each in _keys(shape.members)
    ]
    if shape.text:
        members.append((_text_key(shape), [_leaf(shape.text, path)]))
    return _around(f"{{% if {path} != null %}}", _members(members), "{% else %}null{% endif %}")


def _leaf(kind: str, path: str) -> str:
    if kind == "boolean":
        return (
            f'{{% if {path} == "true" or {path} == "1" %}}true{{% elsif {path} != null %}}false'
            "{% else %}null{% endif %}"
        )
    if kind in ("integer", "number"):
        return f"{{% if {path} != null and {path} != '' %}}{{{{ {path} | Strip }}}}{{% else %}}null{{% endif %}}"
    return f'{{% if {path} != null %}}"{{{{ {path} | {JSON_TEXT} }}}}"{{% else %}}null{{% endif %}}'
