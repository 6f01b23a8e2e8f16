"""The text of a file, or of what is behind an http or https address: bounded in size and time, without credentials."""

from __future__ import annotations

import urllib.error
import urllib.request
from pathlib import Path

import click

LARGEST = 16 * 1024 * 1024  # bytes; the plane takes no more
SECONDS = 30.0
# what PowerShell and Windows write in front of a text
MARKS = {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}


def is_address(source: str) -> bool:
    return source.lower().startswith(("http://", "https://"))


def shown(source: str) -> str:
    """A source for messages: the query of an address may be a key to it."""
    return source.split("?", 1)[0] if is_address(source) else source


def fetch(source: str) -> str:
    """Raises ClickException, which names the source."""
    if is_address(source):
        content = _download(source)
    else:
        try:
            with Path(source).open("rb") as file:
                content = file.read(LARGEST + 1)
        except (OSError, ValueError) as error:
            raise click.ClickException(f"{source}: {getattr(error, 'strerror', None) or error}") from None
    if len(content) > LARGEST:
        raise click.ClickException(f"{shown(source)} is larger than {LARGEST} bytes")
    try:
        return content.decode(MARKS.get(content[:2], "utf-8-sig"))
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        column = error.start - content.rfind(b"\n", 0, error.start)
        raise click.ClickException(f"{shown(source)}, line {line}, column {column}: this is not UTF-8 text") from None


def _download(url: str) -> bytes:
    try:
        with urllib.request.urlopen(url, timeout=SECONDS) as answer:  # noqa: S310  (http and https only, see `fetch`)
            content: bytes = answer.read(LARGEST + 1)
            return content
    except urllib.error.HTTPError as error:
        raise click.ClickException(f"{shown(url)} answered {error.code}") from None
    except (OSError, ValueError) as error:
        raise click.ClickException(f"{shown(url)} could not be read: {error}") from None
