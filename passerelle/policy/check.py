"""`passerelle policy check`: what is wrong with policy documents, with the place and the remedy of each finding.

A reference is looked up where the command was told what there is: without --named-values, a named value that is asked
for is a warning; with it, one that is not in the file is an error. The same holds for fragments and backends; of
certificates nothing is said until one is named. A folder of APIOps artifacts tells of its own. What a template leaves
open is a warning too.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace

import click
from rich.console import Console
from rich.text import Text

from passerelle.policy import files
from proxy.check import Environment, Issue, check_document
from proxy.pipeline.markup import read_document
from proxy.pipeline.registry import REGISTRY, SECTIONS
from proxy.pipeline.source import Source

SHOWN = 110  # characters of a line around the place


@dataclass(slots=True, frozen=True)
class Finding:
    """One row of --format json."""

    file: str
    line: int
    column: int
    severity: str
    code: str
    element: str
    message: str


@click.command("check")
@click.argument("names", metavar="FILE...", nargs=-1, required=True)
@click.option("--format", "style", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.option("--scope", type=click.Choice(files.SCOPES), help="Of all files; otherwise each file tells.")
@click.option("--named-values", "values", metavar="FILE", help="YAML or JSON: name to value.")
@click.option("--fragments", "folder", type=click.Path(exists=True, file_okay=False), metavar="DIR",
              help="NAME.xml or NAME/policy.xml each.")  # fmt: skip
@click.option("--backend-id", "backends", multiple=True, metavar="ID", help="A backend that exists; may be repeated.")
@click.option("--certificate-id", "certificates", multiple=True, metavar="ID",
              help="A certificate that exists; may be repeated.")  # fmt: skip
@click.option(
    "--lenient",
    is_flag=True,
    help="Missing references, and policies that are not supported, are warnings: as with policy.check=lenient.",
)
def command(
    names: tuple[str, ...], style: str, scope: str | None, values: str | None, folder: str | None,
    backends: tuple[str, ...], certificates: tuple[str, ...], lenient: bool,
) -> None:  # fmt: skip
    """Check policy documents. A FILE may be a folder (its .xml files) or - (standard input).

    Exit code: 0 nothing found (warnings aside), 1 errors, 2 usage.
    """
    own_values, own_fragments, own_backends = files.of_artifacts(names)
    fragments = own_fragments | files.fragment_files(folder)
    environment = Environment(
        own_values | files.named_values(values),
        {name: files.read_text(file) for name, file in fragments.items()},
        own_backends.union(backends),
        certificates=certificates or None,
        strict=not lenient,
        skipping=lenient,
    )
    unknown = not_told(values, folder, backends)
    texts = {name: files.read_text(name) for name in files.documents(names)}
    issues = [
        (name, replace(issue, severity="warning") if issue.code in unknown else issue)
        for name, text in texts.items()
        for issue in issues_of(name, text, scope, environment)
    ]
    findings = list(placed(issues, fragments))
    report(style, findings, texts)
    sys.exit(1 if any(finding.severity == "error" for finding in findings) else 0)


def issues_of(name: str, text: str, scope: str | None, environment: Environment) -> list[Issue]:
    """What is wrong with a document, or with the sections or policies of a file that only pieces of one are in."""
    root = read_document(text).root
    around = (
        "" if root is None else "policies" if root.name in SECTIONS else "fragment" if root.name in REGISTRY else ""
    )
    if root is None or not around:
        return check_document(text, scope or files.scope_of(name, text), environment)
    whole = f"<{around}>{text}</{around}>"
    first = len(around) + 2
    line, column = Source(text, text).place(root.offset + 1)
    message = f"No <{around}> stands around this; it is checked as if one did. Publish it within one."
    found = [Issue(line, column, root.name, message, "no-root", "warning")]
    for issue in check_document(whole, "fragment" if around == "fragment" else scope or "api", environment):
        elsewhere = issue.line > 1 or issue.fragment
        found.append(issue if elsewhere else replace(issue, column=max(1, issue.column - first)))
    return found


def not_told(values: str | None, folder: str | None, backends: object) -> set[str]:
    """The codes of missing references that are only warnings, since nobody said what there is."""
    told = {"unknown-named-value": values, "unknown-fragment": folder, "unknown-backend": backends}
    return {"unfilled", *(code for code, source in told.items() if not source)}


def placed(issues: list[tuple[str, Issue]], fragments: dict[str, str]) -> Iterator[Finding]:
    """Findings at their files: what stands in a fragment is told once, of the fragment's own file."""
    told: set[tuple[str, str]] = set()

    def first(file: str, issue: Issue, message: str) -> bool:
        key = (os.path.realpath(file), f"{issue.line}:{issue.column} {issue.code} {message}")
        new = key not in told
        told.add(key)
        return new

    for name, issue in sorted(issues, key=lambda each: bool(each[1].fragment)):
        file = fragments.get(issue.fragment)
        if file is None:
            first(name, issue, issue.message)
            yield finding(name, issue)
            continue
        message = issue.message.removeprefix(f"In fragment '{issue.fragment}': ")
        if first(file, issue, message):
            yield finding(file, replace(issue, message=f"Included by {name}: {message}"))


def finding(file: str, issue: Issue) -> Finding:
    return Finding(file, issue.line, issue.column, issue.severity, issue.code, issue.element, issue.message)


def report(style: str, findings: list[Finding], texts: dict[str, str]) -> None:
    """To standard output; `texts` are the documents by the name of their file."""
    if style == "json":
        click.echo(json.dumps([asdict(each) for each in findings], indent=2, ensure_ascii=False))
    else:
        show(findings, texts)


def show(findings: list[Finding], texts: dict[str, str]) -> None:
    """Each finding with its line of the document, then how many there are."""
    console = Console(highlight=False, soft_wrap=True)
    for finding in findings:
        colour = "red" if finding.severity == "error" else "yellow"
        console.print(
            Text.assemble(
                (f"{finding.file}:{finding.line}:{finding.column}", "bold"),
                " ",
                (finding.severity, f"bold {colour}"),
                (f" {finding.code}", "dim"),
            )
        )
        console.print(Text(f"  {finding.message}"))
        text = texts[finding.file] if finding.file in texts else files.read_text(finding.file)
        console.print(excerpt(text, finding, colour))
    errors = sum(finding.severity == "error" for finding in findings)
    warnings = len(findings) - errors
    where = f"{len(texts)} document{'' if len(texts) == 1 else 's'}"
    if not findings:
        console.print(Text(f"✓ {where}, nothing found", "green"))
        return
    total = f"{errors} error{'' if errors == 1 else 's'}, {warnings} warning{'' if warnings == 1 else 's'} in {where}"
    console.print(Text(f"{'✗' if errors else '✓'} {total}", "red" if errors else "yellow"))


def excerpt(text: str, finding: Finding, colour: str) -> Text:
    """The line, and a mark below the place; a long line is cut around it."""
    lines = text.removeprefix("\ufeff").split("\n")
    if finding.line > len(lines):
        return Text()
    line = lines[finding.line - 1].rstrip("\r").expandtabs(1)
    at = finding.column - 1
    first = max(0, at - SHOWN // 2) if len(line) > SHOWN else len(line) - len(line.lstrip())
    first = min(first, at)
    number = str(finding.line).rjust(5)
    cut = line[first : first + SHOWN]
    return Text.assemble(
        (f"{number} │ ", "dim"),
        cut,
        "\n",
        (f"{' ' * len(number)} │ ", "dim"),
        " " * (at - first),
        ("^", f"bold {colour}"),
        "\n",
    )
