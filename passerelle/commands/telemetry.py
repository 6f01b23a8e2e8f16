"""`passerelle telemetry docs`: the page of all metrics, fields and destinations, made from the code."""

from __future__ import annotations

from pathlib import Path

import click


@click.group()
def telemetry() -> None:
    """What gateways tell of themselves."""


@telemetry.command()
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="Instead of the terminal.")
@click.option(
    "--settings",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="docs/settings.md, whose rows about telemetry go into the page.",
)
def docs(out: Path | None, settings: Path | None) -> None:
    """Print every metric and field with unit and meaning, as Markdown."""
    from telemetry.reference import page  # it needs the exporters, and the other commands do not

    text = page(settings.read_text(encoding="utf-8") if settings else "")
    if out is None:
        click.echo(text, nl=False)
        return
    try:
        out.write_text(text, encoding="utf-8")
    except OSError as problem:
        raise click.UsageError(f"{out} cannot be written: {problem.strerror}.") from None
