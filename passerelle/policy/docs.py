"""`passerelle policy docs`: the page of all policies, made from the code, so that it says what the code does."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import click

import proxy.policies  # noqa: F401  (fills the registry)
from passerelle.policy.description import Attribute, Description, Elements, Taken, describe
from proxy.pipeline.documented import DOCUMENTED
from proxy.pipeline.element import REQUIRED
from proxy.pipeline.registry import REGISTRY, SECTIONS, Definition

PAGES = "https://learn.microsoft.com/azure/api-management"
SCOPES = ("global", "workspace", "product", "api", "operation")
RESOLVER = frozenset({"resolver"})  # of a field of a GraphQL API, which has a document of its own
HEAD = """# Policies

Made from the code by `make docs`; do not edit it. `passerelle policy check FILE` holds a document to this page.

- *complete*: every documented attribute does what its page says. *partial*: what is missing is named, and a document
  that uses it is refused with the place. *refused*: a document with it does not compile.
- With the setting `policy.check=lenient` what is missing or refused is left out with a warning instead.
- Documents are read as people write them: quotes, `<`, `&&` and `//` comments stand raw in expressions, or escaped, or
  mixed. What is irregular beyond that but has one reading is read, with a warning. A DOCTYPE is refused.
- A placeholder that a template leaves open (`${x}`, `%{ if }`, `{{ x }}`, `#{x}#`, `__X__`) is an error when a document
  is published and a warning in `passerelle policy check`; what it becomes is judged once it is filled in.
- A value is an expression where the last column says so; everything else is a literal. `{{name}}` may stand anywhere.
- Every policy takes an `id`, which `context.LastError.PolicyId` shows.
- `<base/>` stands once in a section, at any scope: there the section of the broader scope runs.
"""


@click.command("docs")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="Instead of the terminal.")
def command(out: Path | None) -> None:
    """Print what each policy takes and where it may stand, as Markdown."""
    text = page()
    if out is None:
        click.echo(text, nl=False)
        return
    try:
        out.write_text(text, encoding="utf-8")
    except OSError as problem:
        raise click.UsageError(f"{out} cannot be written: {problem.strerror}.") from None


def page() -> str:
    definitions = sorted({each.name: each for each in REGISTRY.values()}.values(), key=lambda each: each.name)
    lines = [HEAD, "| policy | sections | scopes | status |", "|---|---|---|---|"]
    described = {each.name: describe(each) for each in definitions}
    rows = {each.name: summary(each, described[each.name]) for each in definitions}
    rows |= {name: f"| {name} | | | refused |" for name in DOCUMENTED - set(REGISTRY)}
    lines += [rows[name] for name in sorted(rows)]
    for definition in definitions:
        lines += ["", *section(definition, described[definition.name])]
    return "\n".join(lines) + "\n"


def summary(definition: Definition, description: Description) -> str:
    status = "partial" if missing(definition, description) else "complete"
    link = f"[{definition.name}](#{definition.name})"
    return f"| {link} | {sections_of(definition)} | {scopes_of(definition)} | {status} |"


def missing(definition: Definition, description: Description) -> str:
    """What the policy says of itself, else what it refuses as unsupported."""
    return (
        f"{definition.missing}."
        if definition.missing
        else " ".join(description.unsupported).replace("<", "`<").replace(">", ">`")
    )


def sections_of(definition: Definition) -> str:
    return _all("all", SECTIONS, definition.sections) if definition.scopes != RESOLVER else "resolver"


def scopes_of(definition: Definition) -> str:
    return _all("all", SCOPES, definition.scopes) or ", ".join(sorted(definition.scopes))


def _all(everything: str, names: tuple[str, ...], given: frozenset[str]) -> str:
    return everything if set(names) <= given else ", ".join(name for name in names if name in given)


def section(definition: Definition, description: Description) -> Iterator[str]:
    """The part of one policy."""
    yield f"## {definition.name}"
    yield ""
    yield f"{definition.summary} [Its page]({address(definition)})."
    if definition.aliases:
        yield f"Also written {', '.join(f'`<{alias}>`' for alias in definition.aliases)}."
    yield ""
    yield f"Sections: {sections_of(definition)}. Scopes: {scopes_of(definition)}."
    if absent := missing(definition, description):
        yield f"\nMissing: {absent}"
    elements = ordered(description.elements, definition.name)
    for sentence in filter(None, (content(place, taken) for place, taken in elements.items())):
        yield f"\n{sentence}"
    rows = [row(place, each) for place, taken in elements.items() for each in taken.attributes.values()]
    rows += [
        f"| {places(place)} | `{name}` | refused | | |"
        for place, taken in elements.items()
        for name in taken.looked_for
        if name not in taken.attributes
    ]
    if rows:
        yield ""
        yield "| element | attribute | kind | default | expression |"
        yield "|---|---|---|---|---|"
        yield from rows


def ordered(elements: Elements, place: str) -> Elements:
    """Each element before its children, those in the order in which they are asked for."""
    if place not in elements:
        return {}
    found = {place: elements[place]}
    for child in elements[place].children:
        found |= ordered(elements, f"{place}/{child}")
    return found


def address(definition: Definition) -> str:
    """The page that the policy's own file names."""
    text = sys.modules[definition.factory.__module__].__doc__ or ""
    found = re.search(r"https://learn\.microsoft\.com/\S+", text)
    return found.group() if found else f"{PAGES}/{definition.name}-policy"


def content(place: str, taken: Taken) -> str:
    """A sentence on what stands inside an element; empty for nothing."""
    parts = []
    if taken.children:
        names = [f"`<{name}>`{' (required)' if required else ''}" for name, required in taken.children.items()]
        parts.append(", ".join(names))
    if taken.text is not None:
        parts.append("text" if taken.text == "literal" else "text or an expression")
    elif taken.policies:
        parts.append("policies")
    return f"{places(place)} holds {'; '.join(parts)}." if parts else ""


def places(place: str) -> str:
    """`cors/allowed-methods` as `<allowed-methods>`, longer where that would not be clear."""
    return f"`{'/'.join(place.split('/')[-2:])}`" if place.count("/") > 1 else f"`{place.split('/')[-1]}`"


def row(place: str, attribute: Attribute) -> str:
    cells = (places(place), f"`{attribute.name}`", kind(attribute), default(attribute))
    return f"| {' | '.join(cells)} | {'yes' if attribute.expression else ''} |".replace("  |", " |")


def kind(attribute: Attribute) -> str:
    if attribute.options:
        return ", ".join(f"`{option}`" for option in attribute.options)
    low, high = attribute.minimum, attribute.maximum
    if low is not None and high is not None:
        return f"{attribute.kind}, {low} to {high}"
    return f"{attribute.kind}, at least {low}" if low is not None else attribute.kind


def default(attribute: Attribute) -> str:
    value = attribute.default
    if attribute.sometimes:
        return "required where it applies"
    if value is REQUIRED:
        return "required"
    if value is None or value == "":
        return ""
    return f"`{str(value).lower() if isinstance(value, bool) else f'{value:g}' if isinstance(value, float) else value}`"
