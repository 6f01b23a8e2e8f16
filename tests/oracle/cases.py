"""Makes the wide tables: every template with every combination of its fillings, as an empty table for run.py --write.

    python tests/oracle/cases.py values 3 > FILE.yaml && python tests/oracle/run.py --write FILE.yaml

The first argument names the templates beside this file: values, library, objects or xml; the second keeps each n-th
case only.

A template holds `<name>` where a value of that list goes; a list that stands twice is walked once per place.
"""

from __future__ import annotations

import itertools
import re
import sys
from pathlib import Path

import yaml

LISTS: dict[str, list[str]] = {}
GROUPS: dict[str, list[str]] = {}


def read(text: str) -> None:
    """`[group]`, `name = a | b | c` and templates, one on a line; `#` starts a comment."""
    group = ""
    for line in text.splitlines():
        if not line.strip() or line.startswith("# "):
            continue
        if line.startswith("["):
            group = line.strip("[] \n")
            GROUPS.setdefault(group, [])
        elif re.match(r"[a-z]\w* := ", line):
            name, values = line.split(" := ", 1)
            LISTS[name] = [value.strip() for value in values.split(" ;; ")]
        else:
            GROUPS[group].append(line.strip())


def expand(template: str) -> list[str]:
    names = [name for name in re.findall(r"<([a-z]\w*)>", template) if name in LISTS]
    made = []
    for values in itertools.product(*(LISTS[name] for name in names)):
        text = template
        for name, value in zip(names, values, strict=True):
            text = text.replace(f"<{name}>", value, 1)
        made.append(text if text.startswith("@{") else f"@({text})")
    return made


def main() -> None:
    name, every = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 1
    read(Path(__file__).with_name(f"{name}.txt").read_text())
    table = {
        group: dict.fromkeys([source for template in templates for source in expand(template)][::every])
        for group, templates in GROUPS.items()
    }
    print("# Made by tests/oracle/cases.py; the values are .NET's.")
    yaml.safe_dump(table, sys.stdout, allow_unicode=True, sort_keys=False, width=118)


if __name__ == "__main__":
    main()
