"""Who makes the changes of the call that is being served, for the list of revisions.

Everybody with the admin token is the same to the plane, so a client may say for whom it acts: the header
`Passerelle-Author`. It is a remark for people and opens nothing. Without it the name is that of the credential.
"""

from __future__ import annotations

import contextvars
from collections.abc import Mapping
from typing import NamedTuple

HEADER = "Passerelle-Author"
LONGEST = 100  # characters of either


class Author(NamedTuple):
    """`name` of the person or credential, `client` the program that called ("curl/8.5"); empty where nobody knows."""

    name: str = ""
    client: str = ""


NOBODY = Author()
# of the call that is being served; the store hands it to the thread that writes
AUTHOR: contextvars.ContextVar[Author] = contextvars.ContextVar("author", default=NOBODY)


def author_of(headers: Mapping[str, str], credential: str) -> Author:
    """`credential` is what the call was let in with."""
    agent = headers.get("User-Agent", "").split()
    return Author(_plain(headers.get(HEADER, "")) or _plain(credential), _plain(agent[0] if agent else ""))


def _plain(text: str) -> str:
    """One line without control characters; header bytes that are UTF-8 are read as such."""
    raw = text.encode("utf-8", "surrogateescape")
    readable = raw.decode("utf-8", "replace")
    return "".join(each for each in readable if each.isprintable()).strip()[:LONGEST]
