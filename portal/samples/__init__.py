"""The languages that calls are shown in: one module for each, with `sample(call)`, a program that can be run as it
stands but for the key, and needs nothing beyond what comes with the language."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from portal.samples import csharp, curl, go, http, java, javascript, php, python, ruby
from portal.samples.call import KEY, Call, Versioning, address, call


@dataclass(frozen=True)
class Language:
    """`id` in addresses, `name` for people."""

    id: str
    name: str
    sample: Callable[[Call], str]


LANGUAGES = (
    Language("curl", "curl", curl.sample),
    Language("http", "HTTP", http.sample),
    Language("python", "Python", python.sample),
    Language("javascript", "JavaScript", javascript.sample),
    Language("csharp", "C#", csharp.sample),
    Language("java", "Java", java.sample),
    Language("php", "PHP", php.sample),
    Language("ruby", "Ruby", ruby.sample),
    Language("go", "Go", go.sample),
)


def language(id: str) -> Language:
    """The first one, where there is no such."""
    return next((one for one in LANGUAGES if one.id == id), LANGUAGES[0])


__all__ = ["KEY", "LANGUAGES", "Call", "Language", "Versioning", "address", "call", "language"]
