"""`passerelle policy test`: a team's own cases, in the format of the conformance tables (`passerelle/cases/table.py`).

Each case has a world of its own: its clock stands still but for what policies sleep, its backend answers as told.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import click
from rich.console import Console
from rich.text import Text

from passerelle.cases import table
from passerelle.policy import junit, narrative
from passerelle.policy.junit import Result


@click.command("test")
@click.argument("names", metavar="DIR...", nargs=-1, required=True, type=click.Path(exists=True))
@click.option("--junit", "report", metavar="FILE", type=click.Path(dir_okay=False, path_type=Path),
              help="Also write the results as JUnit XML.")  # fmt: skip
@click.option("-k", "only", metavar="TEXT", default="", help="Only cases whose name holds this.")
@click.option("-v", "--verbose", is_flag=True, help="Name the cases that pass, too.")
@click.option("--trace", is_flag=True, help="Print the steps of the cases that fail, as `policy run` does.")
def command(names: tuple[str, ...], report: Path | None, only: str, verbose: bool, trace: bool) -> None:
    """Run the cases of all tables (.yaml, .yml) in folders or files: unit tests of policies, without any server.

    A table is a list of cases; docs/policy-tools.md tells all that a case may hold. The shortest:

    \b
    - name: the tenant is told to the backend
      document: policy.xml
      request: {method: GET, path: /orders/7, headers: {X-User: ann}}
      answers: [{status: 200, body: '{"ok": true}'}]
      expect: {status: 200, sent: {headers: {X-Tenant: contoso}}}

    Exit code: 0 all pass, 1 some do not, 2 usage, a table that cannot be read, or no case at all.
    """
    console = Console(highlight=False, soft_wrap=True)
    results: list[Result] = []
    try:
        for path, rows in tables(names, console):
            chosen = [row for row in rows if only.lower() in str(row["name"]).lower()]
            own = [run(path, row) for row in chosen]
            if own:
                show(console, path, own, verbose, chosen if trace else ())
            results += own
    except table.TableError as problem:
        raise click.UsageError(str(problem)) from None
    if not results:
        raise click.UsageError("There is no case to run. A table is a .yaml file with a list of cases.")
    if report is not None:
        try:
            report.parent.mkdir(parents=True, exist_ok=True)
            report.write_bytes(junit.document(results))
        except OSError as problem:
            raise click.UsageError(f"{report} cannot be written: {problem.strerror}.") from None
    failed = sum(bool(result.problems) for result in results)
    took = f"in {sum(result.seconds for result in results):.2f} s"
    cases = f"{len(results)} case{'' if len(results) == 1 else 's'}"
    if failed:
        console.print(Text(f"✗ {failed} of {cases} failed {took}", "bold red"))
    else:
        console.print(Text(f"✓ {cases} passed {took}", "bold green"))
    sys.exit(1 if failed else 0)


def tables(names: Sequence[str], console: Console) -> Iterator[tuple[Path, list[table.Row]]]:
    for name in names:
        given = Path(name)
        found = [given]
        if given.is_dir():
            found = sorted(path for path in given.rglob("*") if path.suffix in (".yaml", ".yml") and path.is_file())
        for path in found:
            if path != given and not table.is_table(path):
                console.print(Text(f"- {path}: no list of cases, left out", "dim"))
            else:
                yield path, table.rows(path)


def run(path: Path, row: table.Row) -> Result:
    """Run one case; a row that cannot be run says why."""
    began = time.perf_counter()
    try:
        problems = asyncio.run(table.examine(row))
    except (TypeError, ValueError, KeyError, AttributeError) as problem:
        problems = [f"the case cannot be run: {type(problem).__name__}: {problem}"]
    return Result(str(path), str(row["name"]), tuple(problems), time.perf_counter() - began)


def show(console: Console, path: Path, results: Sequence[Result], verbose: bool, traced: Sequence[table.Row]) -> None:
    """`traced` are the rows of the results, if those that failed shall be told step by step."""
    failed = sum(bool(result.problems) for result in results)
    mark, colour = ("✗", "red") if failed else ("✓", "green")
    count = f"{len(results) - failed} of {len(results)}" if failed else str(len(results))
    console.print(Text.assemble((f"{mark} ", colour), (str(path), "bold"), (f"  {count} passed", "dim")))
    for index, result in enumerate(results):
        if result.problems:
            console.print(Text.assemble(("  ✗ ", "red"), result.name))
            for problem in result.problems:
                console.print(Text(f"      {problem}", "red"))
            for entry in asyncio.run(table.trace(traced[index])) if traced else ():
                narrative.step(console, entry, "      ")
        elif verbose:
            console.print(Text.assemble(("  ✓ ", "green"), result.name, (f"  {result.seconds * 1000:.1f} ms", "dim")))
