"""Descriptions as text. APIM takes HTML in them, and what was written there comes along; nothing of the plane is marked
safe here, so the tags go and the words stay. A `<` that begins no tag of HTML is left as it is. Pure."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from typing import Any

_BLOCKS = "p|div|br|hr|ul|ol|li|table|tr|pre|blockquote|section|h[1-6]"
_INLINE = "a|b|i|u|em|strong|span|code|small|sub|sup|font|img|thead|tbody|td|th"
_TAG = re.compile(rf"</?(?:({_BLOCKS})|{_INLINE})(?:\s[^<>]*)?/?>", re.IGNORECASE)
_GAPS = re.compile(r"[ \t]*\n\s*\n\s*")


def description_of(properties: Mapping[str, Any]) -> str:
    """The `description` without tags, its paragraphs apart; "" where there is none."""
    text = str(properties.get("description") or "")
    if "<" not in text:
        return text
    made, tags = _TAG.subn(_instead, text)
    return _GAPS.sub("\n\n", html.unescape(made)).strip() if tags else text


def _instead(tag: re.Match[str]) -> str:
    block = (tag[1] or "").lower()
    if not block:
        return ""
    if block == "li":
        return "\n• " if tag[0][1] != "/" else ""
    return "\n" if block in ("br", "tr") else "\n\n"
