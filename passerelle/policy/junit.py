"""Results of cases as JUnit XML, which every CI system shows: a suite per table, a case per row."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, SubElement, indent, tostring

_NOT_XML = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(slots=True, frozen=True)
class Result:
    """`problems` is empty for a case that passed; `seconds` it took."""

    table: str
    name: str
    problems: tuple[str, ...]
    seconds: float


def document(results: Sequence[Result]) -> bytes:
    """The report as UTF-8 XML."""
    root = Element("testsuites", name="passerelle policy test", **_totals(results))
    for table in dict.fromkeys(result.table for result in results):
        own = [result for result in results if result.table == table]
        suite = SubElement(root, "testsuite", name=table, errors="0", skipped="0", **_totals(own))
        for result in own:
            name = _NOT_XML.sub("�", result.name)
            case = SubElement(
                suite, "testcase", classname=Path(table).stem, name=name, file=table, time=f"{result.seconds:.6f}"
            )
            if result.problems:
                text = _NOT_XML.sub("�", "\n".join(result.problems))
                SubElement(case, "failure", message=text.splitlines()[0], type="difference").text = text
    indent(root)
    made: bytes = tostring(root, encoding="utf-8", xml_declaration=True)
    return made + b"\n"


def _totals(results: Sequence[Result]) -> dict[str, Any]:
    return {
        "tests": str(len(results)),
        "failures": str(sum(bool(result.problems) for result in results)),
        "time": f"{sum(result.seconds for result in results):.6f}",
    }
