"""Asks a C# compiler what the rows of the expression tables give, and compares.

    python tests/oracle/run.py [FILE.yaml...]      the rows of tests/conformance/expressions/*.yaml: print the agreement
    python tests/oracle/run.py --write FILE.yaml   the expected values of that table are replaced by the oracle's
    python tests/oracle/run.py --ours FILE.yaml    and compare the texts of exceptions

A row that needs more of `context` than Model.cs has, or that C# refuses, is left out. In a row with `differs: <what
.NET Core 3.1 gives>` we do otherwise, knowingly: a disagreement, unless `because: <the documented change>` says why a
later .NET wins. Those rows do not count against the 99.5 % that are asked. Install first: tests/oracle/install.py.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path[:0] = [str(HERE), str(ROOT)]

import install  # noqa: E402

TABLES = HERE.parent / "conformance" / "expressions"
# exceptions that later became classes of their own
MODERN = {"System.Text.RegularExpressions.RegexParseException": "System.ArgumentException"}


# what the clock, chance or the exchange of the tests decides
_MOMENT = ("UtcNow", "DateTime.Now", "new Random()", "Variables[", "NewGuid", "OriginalUrl.ToString")


def _of_the_moment(source: str) -> bool:
    return any(word in source for word in _MOMENT)


class Dumper(yaml.SafeDumper):
    """Keeps rows in order and on one line where they fit."""


def ask(sources: list[str], folder: Path = install.FOLDER) -> list[dict[str, Any]]:
    """What .NET makes of each `@(...)` or `@{...}`: a row of the tables, or {"refused": message}."""
    cases, answers = folder / "cases.txt", folder / "answers.txt"
    # the parentheses of @( ) are the driver's own
    cases.write_text("\x1e".join("B" + s[1:] if s.startswith("@{") else "E" + s[2:-1] for s in sources))
    wheels = folder / "wheels"
    environment = {
        **os.environ,
        "LD_LIBRARY_PATH": str(wheels / "psycopg2_binary.libs"),
        "CLR_ICU_VERSION_OVERRIDE": install.icu_version(),
        "TZ": "UTC",
        "LC_ALL": "C.UTF-8",
    }
    extra = "--additionalprobingpath"
    home = folder / "run"
    command = [str(wheels / "dotnetcore2/bin/dotnet"), "exec", extra, str(home), str(home / "Driver.dll")]
    command += [str(cases), str(HERE / "Model.cs"), str(answers)]
    subprocess.run(command, check=True, env=environment, timeout=300)
    # as bytes: line ends are part of the answers
    return [_answer(text.split("\x1f")) for text in answers.read_bytes().decode().split("\x1e")]


def _answer(fields: list[str]) -> dict[str, Any]:
    if fields[0] == "null":
        return {"gives": None}
    if fields[0] == "value":
        return {"gives": fields[2], "type": fields[1]}
    if fields[0] == "throws":
        return {"throws": MODERN.get(fields[1], fields[1]), "message": fields[2]}
    return {"refused": fields[1]}


def ours(source: str) -> dict[str, Any]:
    """What our compiler makes of it, in the same form."""
    from tests_expressions_setup import make_exchange

    from proxy.errors import ExpressionFailed
    from proxy.expressions import ExpressionError, compile_expression
    from proxy.expressions.dotnet.text import to_text
    from proxy.expressions.dotnet.values import runtime_type

    try:
        compiled = compile_expression(source)
    except ExpressionError as error:
        return {"refused": error.issues[0][2]}
    try:
        value = compiled.evaluate(make_exchange())
    except ExpressionFailed as error:
        message = error.message.removeprefix("Expression evaluation failed. ")
        return {"throws": error.detail.split(" ")[0], "message": message}
    if value is None:
        return {"gives": None}
    return {"gives": to_text(value), "type": runtime_type(value).full_name}


def agrees(left: dict[str, Any], right: dict[str, Any], *, message: bool = False) -> bool:
    """Whether two answers are the same; texts of exceptions only on request, for they change between versions."""
    keys = ("gives", "throws", "message") if message else ("gives", "throws")
    return ("refused" in left) == ("refused" in right) and all(left.get(key) == right.get(key) for key in keys)


def rows(file: Path) -> dict[str, tuple[str, Any]]:
    """Expression -> (group, expected)."""
    groups = yaml.safe_load(file.read_text())
    return {source: (group, wanted) for group, table in groups.items() for source, wanted in table.items()}


def _load_setup() -> None:
    import importlib.util

    place = HERE.parent / "expressions" / "conftest.py"
    spec = importlib.util.spec_from_file_location("tests_expressions_setup", place)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["tests_expressions_setup"] = module
    spec.loader.exec_module(module)


def short(answer: dict[str, Any]) -> Any:
    """As a row carries it: a text, null, or the exception."""
    return {"throws": answer["throws"]} if "throws" in answer else answer.get("gives")


def write(file: Path) -> None:
    _load_setup()
    groups = yaml.safe_load(file.read_text())
    sources = [source for table in groups.values() for source in table]
    known = dict(zip(sources, ask(sources), strict=True))
    for table in groups.values():
        for source, wanted in list(table.items()):
            if isinstance(wanted, dict) and ("because" in wanted or ("refused" in wanted and "differs" not in wanted)):
                continue
            if "refused" in known[source]:
                print(f"refused by C#, dropped: {source}\n    {known[source]['refused']}")
                del table[source]
                continue
            mine = ours(source)
            if agrees(known[source], mine):
                table[source] = short(known[source])
            else:
                mine.pop("type", None)
                table[source] = {**mine, "differs": str(known[source].get("throws") or known[source].get("gives"))}
    head = "".join(line for line in file.read_text().splitlines(keepends=True) if line.startswith("#"))
    file.write_text(head + yaml.dump(groups, Dumper=Dumper, allow_unicode=True, sort_keys=False, width=118))


def compare(files: list[Path], *, show_ours: bool) -> int:
    _load_setup()
    agreed = asked = explained = 0
    for file in files:
        table = {
            source: wanted
            for source, (_, wanted) in rows(file).items()
            if not (
                isinstance(wanted, dict) and ("with" in wanted or ("refused" in wanted and "differs" not in wanted))
            )
            and not _of_the_moment(source)
        }
        answers = dict(zip(table, ask(list(table)), strict=True))
        for source, answer in answers.items():
            if "refused" in answer:
                continue  # needs more of `context` than the model has
            asked += 1
            mine = ours(source)
            if agrees(answer, mine):
                agreed += 1
            elif isinstance(table[source], dict) and "because" in table[source]:
                explained += 1
            else:
                print(f"{file.stem}: {source}\n    .NET {answer}\n    ours {mine}")
            if show_ours and "message" in answer and answer.get("message") != mine.get("message"):
                print(
                    f"{file.stem}: {source}\n    .NET says {answer['message']!r}\n    we say   {mine.get('message')!r}"
                )
    share = 100 * agreed / max(asked, 1)
    print(f"{agreed} of {asked} rows agree with .NET Core 3.1 ({share:.2f} %)")
    print(f"{explained} more differ because a later .NET does: {100 * (agreed + explained) / max(asked, 1):.2f} %")
    return 0 if 100 * agreed / max(asked - explained, 1) >= 99.5 else 1


def main() -> int:
    arguments = sys.argv[1:]
    if not (install.FOLDER / "run" / "Driver.dll").exists():
        print("no C# compiler here: run python tests/oracle/install.py")
        return 0
    if arguments[:1] == ["--write"]:
        for name in arguments[1:]:
            write(Path(name))
        return 0
    show = arguments[:1] == ["--ours"]
    files = [Path(name) for name in (arguments[1:] if show else arguments)] or sorted(TABLES.glob("*.yaml"))
    return compare(files, show_ours=show)


if __name__ == "__main__":
    sys.exit(main())
