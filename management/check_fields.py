"""Checks the properties that a client sent against the fields of their type; every finding is one detail."""

from __future__ import annotations

import copy
import re
from typing import Any

from management.declare import KINDS, Field, Properties, ResourceType
from management.errors import Detail, invalid_all

MISSING: Any = object()


def read(properties: Properties, path: str) -> Any:
    """The value at a dotted path; MISSING when some part of it is not there."""
    value: Any = properties
    for step in path.split("."):
        if not isinstance(value, dict) or step not in value:
            return MISSING
        value = value[step]
    return value


def write(properties: Properties, path: str, value: Any) -> None:
    *holders, last = path.split(".")
    for step in holders:
        properties = properties.setdefault(step, {})
    properties[last] = value


def check(type: ResourceType, properties: Properties, partial: bool) -> None:
    """Normalise spelling of choices, write defaults (unless `partial`), raise ValidationError with all findings."""
    findings: list[Detail] = []
    for each in type.fields:
        value = read(properties, each.name)
        if value is MISSING or value is None:
            if each.required:
                findings.append(Detail(each.name, f"{each.name} is required."))
            elif each.default is not None and not partial:
                write(properties, each.name, copy.deepcopy(each.default))
            continue
        message = _wrong(each, value)
        if message:
            findings.append(Detail(each.name, message))
        elif each.choices:
            write(properties, each.name, next(c for c in each.choices if c.lower() == value.lower()))
    if findings:
        raise invalid_all(findings)


def _wrong(field: Field, sent: Any) -> str | None:
    value: Any = sent
    if not isinstance(sent, KINDS[field.kind]) or (isinstance(sent, bool) and field.kind != "boolean"):
        return f"{field.name} must be of type {field.kind}."
    if field.required and value == "":
        return f"{field.name} must not be empty."
    if field.choices and value.lower() not in {choice.lower() for choice in field.choices}:
        return f"{field.name} must be one of {', '.join(field.choices)}."
    if field.longest is not None and len(value) > field.longest:
        return f"{field.name} must not be longer than {field.longest} characters."
    if field.pattern is not None and not re.fullmatch(field.pattern, value):
        return f"{field.name} must match the pattern {field.pattern}."
    return None
