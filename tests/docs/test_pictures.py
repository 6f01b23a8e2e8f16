"""The diagrams of the docs are what their script draws, and each is shown somewhere."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "pictures"
spec = importlib.util.spec_from_file_location("draw", FOLDER / "draw.py")
assert spec is not None
assert spec.loader is not None
draw = importlib.util.module_from_spec(spec)
sys.modules[spec.name] = draw  # dataclasses look for their module
spec.loader.exec_module(draw)


@pytest.mark.parametrize("name", draw.PICTURES)
def test_the_file_is_what_the_script_draws(name: str) -> None:
    text = (FOLDER / f"{name}.svg").read_text(encoding="utf-8")
    assert text == draw.PICTURES[name]().svg(), "run python docs/pictures/draw.py"
    root = ElementTree.fromstring(text)
    assert root.attrib["aria-label"]
    assert "prefers-color-scheme: dark" in text
    width, height = int(root.attrib["width"]), int(root.attrib["height"])
    for box in root.iter("{http://www.w3.org/2000/svg}rect"):
        right = int(box.get("x", 0)) + int(box.attrib["width"])
        bottom = int(box.get("y", 0)) + int(box.attrib["height"])
        assert right <= width
        assert bottom <= height


@pytest.mark.parametrize("name", draw.PICTURES)
def test_each_picture_is_shown(name: str) -> None:
    pages = FOLDER.parent.glob("*.md")
    assert any(f"](pictures/{name}.svg)" in page.read_text(encoding="utf-8") for page in pages)
