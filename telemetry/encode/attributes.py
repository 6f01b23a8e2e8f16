"""Attributes and the resource, as every signal writes them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from opentelemetry.proto.resource.v1.resource_pb2 import Resource as ResourceMessage

from telemetry.settings import Resource

SCOPE = "passerelle.telemetry"


def put(target: Any, values: Iterable[tuple[str, Any]]) -> None:
    """Append to a repeated KeyValue field; an empty string or None means "not applicable" and is left out."""
    add = target.add
    for name, value in values:
        if value is None or value == "":
            continue
        pair = add()
        pair.key = name
        if type(value) is str:
            pair.value.string_value = value
        elif type(value) is bool:
            pair.value.bool_value = value
        elif type(value) is int:
            pair.value.int_value = value
        else:
            pair.value.double_value = value


def resource_values(resource: Resource) -> list[tuple[str, Any]]:
    return [
        ("service.name", "passerelle-gateway"),
        ("service.instance.id", resource.instance_id),
        ("process.pid", resource.process_id or None),
        ("apim.gateway.id", resource.gateway_id),
        ("apim.region", resource.region),
    ]


def resource_message(resource: Resource) -> ResourceMessage:
    message = ResourceMessage()
    put(message.attributes, resource_values(resource))
    return message


def hex_id(text: str, size: int) -> bytes:
    """A trace or span id of `size` bytes from hexadecimal; empty when the text is no such id."""
    try:
        value = bytes.fromhex(text)
    except ValueError:
        return b""
    return value if len(value) == size else b""
