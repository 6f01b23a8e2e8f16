"""What the headers of a message say of its body: kind, charset, compression; and what a client wants to get."""

from __future__ import annotations

import codecs
import re

from proxy.messages import Headers

_CHARSET = re.compile(r"charset\s*=\s*\"?([A-Za-z0-9._:\-]{1,40})", re.IGNORECASE)


def media_type(headers: Headers) -> str:
    """The type without parameters, in lower case; empty when there is none."""
    return headers.get("Content-Type", "").partition(";")[0].strip().lower()


def charset(headers: Headers) -> str:
    """The charset as a name that Python knows; UTF-8 when none or an unknown one is given."""
    found = _CHARSET.search(headers.get("Content-Type", ""))
    try:
        return codecs.lookup(found[1]).name if found else "utf-8"
    except LookupError:
        return "utf-8"


def compressed(headers: Headers) -> bool:
    return headers.get("Content-Encoding", "").strip().lower() not in ("", "identity")


def is_json(media: str) -> bool:
    return media.endswith(("/json", "+json"))


def is_xml(media: str) -> bool:
    return media.endswith(("/xml", "+xml"))


def is_text(media: str) -> bool:
    """Whether links can be read in it; a message that does not say its type may be text."""
    return not media or media.startswith("text/") or media.endswith(("json", "xml", "javascript", "ecmascript"))


def accepted(headers: Headers) -> list[str]:
    """The media types that Accept names, in order, without those of quality 0."""
    named = []
    for line in headers.getall("Accept", ()):
        for entry in line.split(","):
            media, *parameters = (part.strip().lower() for part in entry.split(";"))
            if not any(re.fullmatch(r"q\s*=\s*0(\.0*)?", parameter) for parameter in parameters):
                named.append(media)
    return named
