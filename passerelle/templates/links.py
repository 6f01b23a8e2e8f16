"""What a template names by a link: other templates, policies, API descriptions.

Rules
1. A relative link is a file beside the template that holds it, or beside the first one.
2. An address is looked for on disk first, by the end of its path: what a tool extracted names a storage account that
   held these very files. Only what is not on disk is fetched.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote, urljoin, urlsplit

import click

from passerelle.imports.fetch import fetch, is_address, shown
from passerelle.templates.wrong import TemplateWrong

MOST_PARTS = 6


class Links:
    def __init__(self, first: str, told: Callable[[str], None]) -> None:
        """`first` is the template that was asked for; `told` hears of addresses that were found on disk."""
        self._first = first
        self._told = told

    def open(self, link: str, base: str) -> tuple[str, str]:
        """(source, text) of `link`, which stands in `base`. Raises TemplateWrong."""
        source = self._source(link.strip(), base)
        try:
            return shown(source), fetch(source)
        except click.ClickException as error:
            raise TemplateWrong(error.message) from None

    def _source(self, link: str, base: str) -> str:
        if not is_address(link):
            path = unquote(link.split("?", 1)[0]).replace("\\", "/")
            if is_address(base):
                return urljoin(base, path)
            if Path(path).is_file() and Path(path).is_absolute():
                return path
            return self._on_disk(path.lstrip("/").split("/"), base, exact=True) or str(Path(base).parent / path)
        parts = [part for part in unquote(urlsplit(link).path).split("/") if part]
        if not is_address(base):
            for start in range(max(0, len(parts) - MOST_PARTS), len(parts)):
                found = self._on_disk(parts[start:], base, exact=False)
                if found:
                    self._told(f"{found} instead of {shown(link)}")
                    return found
        return link

    def _on_disk(self, parts: list[str], base: str, exact: bool) -> str | None:
        if ".." in parts and not exact:
            return None
        for folder in dict.fromkeys((Path(base).parent, Path(self._first).parent)):
            try:
                if folder.joinpath(*parts).is_file():
                    return str(folder.joinpath(*parts))
            except (OSError, ValueError):
                continue
        return None
