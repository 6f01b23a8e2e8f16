"""What a page supposes that its reader has: files beside `.passerelle`, made before the page's first command."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path


def prepare(page: str, folder: Path, data: Path) -> None:
    """`data` is that of the house."""
    shutil.copy(data / "ca.pem", folder / "ca.pem")
    if page in PLACES:
        PLACES[page](folder)


def _write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")


PLACES: dict[str, Callable[[Path], None]] = {}
