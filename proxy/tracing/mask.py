"""What a trace may not show: keys, tokens, passwords, cookies, and every named value that is flagged secret.

Rules
1. A header, query parameter, form field, JSON field or variable whose name speaks of a secret loses its value.
2. What was such a value once is hidden wherever it appears in the same trace: in an expression's value, in a body.
3. Tokens and private keys are known by their look, whatever they are called.
A text is masked before it is cut, so that no half of a secret stays.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Mapping, Set
from functools import lru_cache
from urllib.parse import unquote_plus

from proxy.hiding import HIDDEN, SHORTEST, variants

MOST_LEARNED = 200

_WORDS = (
    r"authorization|cookie|secret|passw(?:or)?d|pwd|passphrase|token(?!s)|credential|assertion|signature|session"
    r"|api[-_]?key|access[-_]?key|subscription[-_]?key|(?:functions|primary|secondary|private|shared|account)[-_]?key"
    r"|connection[-_]?string|client[-_]cert"
)
_NAME = re.compile(rf"{_WORDS}|^(?:x-)?key$|-key$", re.IGNORECASE)
_PARAMETER = re.compile(rf"{_WORDS}|^(?:sig|code|key|jwt|sas)$|[-_]key$", re.IGNORECASE)
_SIGN = r"""\\?["']?\s{0,4}[:=]\s{0,4}(?:\\?["'])?"""
_PAIR = re.compile(
    rf"""((?:{_WORDS})[\w.-]{{0,40}}{_SIGN})((?:basic |bearer )?[^\s"'&<>,;\\]{{1,4096}})""", re.IGNORECASE
)
# What each pattern needs, in lower case: a text that has none of it is not searched, which would cost milliseconds.
_LOOKS = (
    (("eyj",), re.compile(r"eyJ[\w-]{8,600}\.[\w-]{8,}(?:\.[\w-]*){0,3}"), "eyJ***"),
    (
        ("bearer ", "basic ", "negotiate ", "sharedaccesssignature "),
        re.compile(r"\b(Bearer|Basic|Negotiate|SharedAccessSignature) [\w.~+/=%&:-]{6,}", re.IGNORECASE),
        r"\1 ***",
    ),
    (("private key",), re.compile(r"-----BEGIN [A-Z ]{0,20}PRIVATE KEY-----.*?(?:-----END|$)", re.DOTALL), HIDDEN),
    (("sig=", "code=", "key="), re.compile(r"([?&](?:sig|code|key)=)[^&\s\"']+", re.IGNORECASE), r"\1***"),
)
_HINTS = ("authoriz", "cookie", "secret", "pass", "pwd", "token", "credential", "assertion", "signature", "session",
          "key", "connection", "client")  # fmt: skip
_HARMLESS = re.compile(r"\d{1,12}|true|false|null|", re.IGNORECASE)


class Mask:
    """Of one trace. `secrets` are values to hide wherever they stand; `names` further names of headers and query
    parameters that hold one."""

    def __init__(self, secrets: frozenset[str] = frozenset(), names: Iterable[str] = ()) -> None:
        self._known = index_of(secrets)
        self._learned: list[str] = []  # the longest first, so that none is left in pieces
        self._names = {name.lower() for name in names}

    def hides(self, name: str) -> bool:
        """Whether what has this name is a secret."""
        return name.lower() in self._names or _NAME.search(name) is not None

    def name(self, name: str) -> None:
        """A header or query parameter that holds a secret."""
        self._names.add(name.lower())

    def learn(self, value: str) -> None:
        """Hide this value from now on, also behind a scheme ("Bearer x"), in a cookie ("a=x"), in Basic credentials."""
        for part in {value, value.rpartition(" ")[2], value.partition(";")[0].partition("=")[2], *_basic(value)}:
            if not _HARMLESS.fullmatch(part) and len(self._learned) < MOST_LEARNED:
                self._learned += [each for each in variants(part) if each not in self._learned]
                self._learned.sort(key=len, reverse=True)

    def value(self, name: str, value: str) -> str:
        """The value of something with a name: a header, a variable."""
        if not self.hides(name) or _HARMLESS.fullmatch(value.strip('"')):
            return self.text(value)
        self.learn(value.strip('"'))
        scheme, space, _ = value.partition(" ")
        return f"{scheme} {HIDDEN}" if space and scheme.isalpha() and len(scheme) < 24 else HIDDEN

    def text(self, text: str) -> str:
        """Any text that came from the request, a backend or an expression."""
        text = self.code(text)
        lower = text.lower()
        return _PAIR.sub(rf"\1{HIDDEN}", text) if any(hint in lower for hint in _HINTS) else text

    def code(self, text: str) -> str:
        """A text of the policy's author, where `token = ...` is no secret."""
        text = without(text, self._known)
        for secret in self._learned:
            if secret in text:
                text = text.replace(secret, HIDDEN)
        lower = text.lower()
        for needs, look, shown in _LOOKS:
            if any(need in lower for need in needs):
                text = look.sub(shown, text)
        return text

    def query(self, query: str) -> str:
        """A query string without its secrets."""
        return "&".join(self._parameter(each) for each in query.split("&")) if query else ""

    def url(self, url: str) -> str:
        plain, mark, query = url.partition("?")
        return self.code(plain) + (f"?{self.query(query)}" if mark else "")

    def headers(self, headers: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
        return [(name, self.value(name, value)) for name, value in headers]

    def _parameter(self, part: str) -> str:
        name, sign, value = part.partition("=")
        plain = unquote_plus(name)
        if not sign or not (self.hides(plain) or _PARAMETER.search(plain)):
            return self.code(part)
        self.learn(unquote_plus(value))
        return f"{name}={HIDDEN}"


class Open(Mask):
    """Hides nothing: for somebody who runs a document of their own with values of their own."""

    def __init__(self) -> None:
        super().__init__()

    def hides(self, name: str) -> bool:
        return False

    def text(self, text: str) -> str:
        return text

    code = text

    def query(self, query: str) -> str:
        return query

    def url(self, url: str) -> str:
        return url


Index = Mapping[str, Mapping[int, Set[str]]]


@lru_cache(maxsize=4)
def index_of(secrets: frozenset[str]) -> Index:
    """The texts in which these values appear, by how they begin and by their length, the longest first."""
    index: dict[str, dict[int, set[str]]] = {}
    for form in sorted({form for secret in secrets for form in variants(secret)}, key=len, reverse=True):
        index.setdefault(form[:SHORTEST], {}).setdefault(len(form), set()).add(form)
    return index


def without(text: str, index: Index) -> str:
    """The text without the secrets of an index; takes as long for thousands of them as for one."""
    if not index:
        return text
    pieces, done, at = [], 0, 0
    while at <= len(text) - SHORTEST:
        lengths = index.get(text[at : at + SHORTEST])
        size = next((size for size, known in lengths.items() if text[at : at + size] in known), 0) if lengths else 0
        if size:
            pieces += [text[done:at], HIDDEN]
            done = at + size
        at += size or 1
    return "".join([*pieces, text[done:]]) if pieces else text


def _basic(value: str) -> tuple[str, ...]:
    """User and password, and the password, of Basic credentials."""
    scheme, _, packed = value.partition(" ")
    if scheme.lower() != "basic":
        return ()
    try:
        pair = base64.b64decode(packed.strip(), validate=True).decode()
    except ValueError:
        return ()
    return pair, pair.partition(":")[2]
