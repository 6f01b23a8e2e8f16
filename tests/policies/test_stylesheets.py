"""Hostile stylesheets reach nothing and do not hold up the process."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path

import pytest

from passerelle.cases.world import World, policies
from proxy import transformers
from proxy.pipeline.stylesheet import Stylesheet, StylesheetError

_HEAD = (
    '<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform" '
    'xmlns:exsl="http://exslt.org/common" extension-element-prefixes="exsl">'
)


def sheet(body: str) -> str:
    return f"{_HEAD}{body}</xsl:stylesheet>"


def test_no_file_is_read(tmp_path: Path) -> None:
    secret = tmp_path / "secret.xml"
    secret.write_text("<secret>canary</secret>")
    made = Stylesheet(
        sheet(f'<xsl:template match="/"><o><xsl:copy-of select="document(\'{secret}\')"/></o></xsl:template>')
    )
    with contextlib.suppress(StylesheetError):
        assert b"canary" not in made.transform(b"<a/>", {})


def test_no_file_is_written(tmp_path: Path) -> None:
    target = tmp_path / "out.xml"
    body = f'<xsl:template match="/"><exsl:document href="{target}"><a/></exsl:document></xsl:template>'
    with contextlib.suppress(StylesheetError):
        Stylesheet(sheet(body)).transform(b"<a/>", {})
    assert not target.exists()


def test_what_is_imported_is_never_opened(tmp_path: Path) -> None:
    imported = tmp_path / "imported.xsl"
    imported.write_text(sheet('<xsl:template match="/"><canary/></xsl:template>'))
    made = Stylesheet(sheet(f'<xsl:import href="{imported}"/>'))
    assert made.left_out == [str(imported)]
    assert b"canary" not in made.transform(b"<a/>", {})


def test_recursion_ends() -> None:
    body = '<xsl:template match="/" name="t"><xsl:call-template name="t"/></xsl:template>'
    with pytest.raises(StylesheetError):
        Stylesheet(sheet(body)).transform(b"<a/>", {})


async def test_a_long_transformation_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transformers, "SECONDS", 0.1)
    body = (
        '<xsl:template match="/"><xsl:for-each select="//b"><xsl:for-each select="//b"><xsl:for-each select="//b">'
        '<xsl:if test=". = 1">x</xsl:if></xsl:for-each></xsl:for-each></xsl:for-each></xsl:template>'
    )
    world = World()
    world.transport.answers = [{"body": "<a>" + "<b/>" * 120 + "</a>"}, {"body": "<a/>"}]
    text = policies(outbound=f"<xsl-transform>{sheet(body)}</xsl-transform>")
    began = time.perf_counter()
    exchange = world.exchange()
    assert (await world.serve(exchange, text)).status == 500
    assert time.perf_counter() - began < 5
    assert exchange.last_error is not None
    assert "took more than 0.1 seconds" in exchange.last_error.message
    assert (await world.serve(world.exchange(), text)).status == 200  # the next one has another process


async def test_x7_a_transformation_that_takes_all_memory_is_ended() -> None:
    body = (
        '<xsl:template name="t"><xsl:param name="s"/><xsl:call-template name="t">'
        '<xsl:with-param name="s" select="concat($s,$s)"/></xsl:call-template></xsl:template>'
        '<xsl:template match="/"><xsl:call-template name="t"><xsl:with-param name="s" select="\'aaaaaaaaaaaaaaaa\'"/>'
        "</xsl:call-template></xsl:template>"
    )
    before = resident()
    with pytest.raises(StylesheetError):
        await transformers.transform(sheet(body), b"<a/>", {})
    assert resident() - before < 32
    assert await transformers.transform(sheet('<xsl:template match="/"><b/></xsl:template>'), b"<a/>", {})


def resident() -> float:
    """MiB of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 2**20
