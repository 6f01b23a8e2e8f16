"""What .NET says of XML that is not well-formed, with line and position. Only read when expat has refused a text.

`explain` walks the text as XmlReader does and gives the message of the first fault, or "" when it finds none.
"""

from __future__ import annotations

import re
from typing import NoReturn

from proxy.expressions.runtime import spend, tick

_NAME = re.compile("[A-Za-z_:\u00b7-\uffff\U00010000-\U000effff][-.\\w:\u00b7]*")
_SPACE = re.compile(r"[ \t\r\n]*")
_BAD = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
# what may stand in text and in values without a look
_RUN = re.compile("[^<&\\]'\"\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]+")
_KNOWN = {"amp", "lt", "gt", "quot", "apos"}
_ROOT = "Data at the root level is invalid."
_END = "Unexpected end of file has occurred."
_SECOND_DECLARATION = (
    "Unexpected XML declaration. The XML declaration must be the first node in the document, and no whitespace "
    "characters are allowed to appear before it."
)


class _Fault(Exception):
    def __init__(self, message: str, at: int) -> None:
        super().__init__(message)
        self.message = message
        self.at = at


def hexadecimal(char: str) -> str:
    return f"0x{ord(char):02X}"


class _Walker:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        # name and place of the elements that are open, and the prefixes that each declares
        self.open: list[tuple[str, int, dict[str, str]]] = []
        self.seen_root = False

    def place(self, at: int) -> tuple[int, int]:
        before = self.text[:at].replace("\r\n", "\n\n").replace("\r", "\n")
        breaks = self.text[:at].replace("\r\n", "\n").replace("\r", "\n").count("\n")
        return breaks + 1, at - before.rfind("\n")

    def fail(self, message: str, at: int) -> NoReturn:
        raise _Fault(message, at)

    def char(self) -> str:
        return self.text[self.at : self.at + 1]

    def space(self) -> bool:
        start = self.at
        self.at = _SPACE.match(self.text, start).end()  # type: ignore[union-attr]
        return self.at > start

    def unclosed(self) -> NoReturn:
        names = ", ".join(name for name, _, _ in reversed(self.open))
        self.fail(f"{_END} The following elements are not closed: {names}." if names else _END, len(self.text))

    def past(self, end: str, kind: str) -> str:
        """Past `end`; what stands before it."""
        found = self.text.find(end, self.at)
        if found < 0:
            self.fail(f"Unexpected end of file while parsing {kind} has occurred.", len(self.text))
        inner = self.text[self.at : found]
        bad = _BAD.search(inner)
        if bad:
            self.invalid(self.at + bad.start())
        self.at = found + len(end)
        return inner

    def invalid(self, at: int) -> NoReturn:
        char = self.text[at]
        shown = "." if char == "\0" else char
        self.fail(f"'{shown}', hexadecimal value {hexadecimal(char)}, is an invalid character.", at)

    def name(self) -> str:
        found = _NAME.match(self.text, self.at)
        if found is None or self.char() == ":":
            self.name_ends()
            char = self.char()
            self.fail(f"Name cannot begin with the '{char}' character, hexadecimal value {hexadecimal(char)}.", self.at)
        first, second = found[0].find(":"), found[0].rfind(":")
        if first != second:
            at = self.at + found[0].index(":", first + 1)
            self.fail("The ':' character, hexadecimal value 0x3A, cannot be included in a name.", at)
        if first == len(found[0]) - 1:
            self.at = found.end()
            char = self.char() or " "
            self.fail(f"Name cannot begin with the '{char}' character, hexadecimal value {hexadecimal(char)}.", self.at)
        self.at = found.end()
        self.name_ends()
        return found[0]

    def name_ends(self) -> None:
        if self.at >= len(self.text):
            self.fail("Unexpected end of file while parsing Name has occurred.", self.at)

    def expect(self, wanted: str, shown: str = "") -> None:
        if self.at >= len(self.text):
            self.unclosed()
        if self.char() not in wanted:
            self.fail(
                f"'{self.char()}' is an unexpected token. The expected token is {shown or repr(wanted)}.", self.at
            )
        self.at += 1

    def run(self) -> None:
        if len(self.text) < 4 and self.text.strip(" \t\r\n"):
            self.fail(_ROOT, 0)
        while self.at < len(self.text):
            tick()
            if self.char() == "<":
                self.markup()
            elif self.open:
                self.characters()
            elif not self.space():
                self.fail(_ROOT, self.at)
        if self.open:
            self.unclosed()

    def markup(self) -> None:
        start = self.at
        self.at += 1
        if self.at >= len(self.text):
            self.unclosed()
        if self.text.startswith("<?", start):
            self.instruction(start)
        elif self.text.startswith("<!--", start):
            self.comment()
        elif self.text.startswith("<![CDATA[", start) and self.open:
            self.at += 8
            self.past("]]>", "CDATA")
        elif self.text.startswith("<!", start):
            self.declaration(start)
        elif self.text.startswith("</", start):
            self.end_tag()
        else:
            if not self.open and self.seen_root:
                self.fail("There are multiple root elements.", start + 1)
            self.start_tag()

    def declaration(self, start: int) -> None:
        """<! that begins neither a comment nor CDATA."""
        if not self.open:
            self.fail(_ROOT, start)
        self.at += 1
        if not self.char():
            self.unclosed()
        wanted = "'-'" if self.char() == "-" else "'<!--' or '<[CDATA['"
        self.at += self.char() == "-"
        self.fail(f"'{self.char()}' is an unexpected token. The expected token is {wanted}.", self.at)

    def instruction(self, start: int) -> None:
        self.at += 1
        begin = self.at
        name = self.name()
        if name != "xml":
            self.past("?>", "PI")
            return
        if start:
            self.fail(_SECOND_DECLARATION, begin)
        end = self.text.find("?>", self.at)
        found = re.compile(r"[ \t\r\n]+version[ \t\r\n]*=[ \t\r\n]*(['\"])([^'\"]*)\1").match(self.text, self.at)
        if found is None or end < 0:
            self.fail("Syntax for an XML declaration is invalid.", self.at)
        if not re.fullmatch(r"1\.[0-9]+", found[2]):
            self.fail(f"Version number '{found[2]}' is invalid.", found.start(2))
        self.at = end + 2

    def comment(self) -> None:
        self.at += 3
        self.past("--", "Comment")
        if self.char() != ">":
            if self.at >= len(self.text):
                self.fail("Unexpected end of file while parsing Comment has occurred.", self.at)
            self.fail("An XML comment cannot contain '--', and '-' cannot be the last character.", self.at - 2)
        self.at += 1

    def end_tag(self) -> None:
        self.at += 1
        begin = self.at
        if not self.open:
            self.fail("Unexpected end tag.", begin)
        opened, where, _ = self.open[-1]
        if self.text[begin:] == opened:
            self.unclosed()
        name = self.name()
        if name != opened:
            line, column = self.place(where)
            self.fail(
                f"The '{opened}' start tag on line {line} position {column} does not match the end tag of '{name}'.",
                begin,
            )
        self.space()
        self.expect(">")
        self.open.pop()

    def start_tag(self) -> None:
        begin = self.at
        name = self.name()
        names: dict[str, int] = {}
        declared: dict[str, str] = {}
        after = self.char()
        if after and after not in " \t\r\n/>":
            self.fail(f"The '{after}' character, hexadecimal value {hexadecimal(after)}, cannot be included in a name.",
                      self.at)  # fmt: skip
        while True:
            spaced = self.space()
            char = self.char()
            if not char:
                self.unclosed()
            if char in "/>":
                break
            if not spaced:
                self.fail(f"'{char}' is an unexpected token. Expecting whitespace.", self.at)
            self.attribute(names, declared)
        closed = char == "/"
        if closed and self.at + 1 >= len(self.text):
            self.fail("Unexpected end of file while parsing > has occurred.", self.at)
        if closed and self.text[self.at + 1] != ">":
            self.fail("'/' is an unexpected token. The expected token is '>'.", self.at)
        self.at += 2 if closed else 1
        self.open.append((name, begin, declared))
        for one, at in ((name, begin), *names.items()):
            prefix, colon, _ = one.partition(":")
            if colon and prefix not in ("xml", "xmlns") and not any(prefix in known for _, _, known in self.open):
                self.fail(f"'{prefix}' is an undeclared prefix.", at)
        self.twice(names)
        self.seen_root = True
        if closed:
            self.open.pop()

    def twice(self, names: dict[str, int]) -> None:
        """Two attributes of one namespace and local name."""
        met: set[tuple[str, str]] = set()
        for one, at in names.items():
            prefix, colon, local = one.partition(":")
            spaces = [known[prefix] for _, _, known in reversed(self.open) if prefix in known]
            if not colon or not spaces:
                continue
            if (spaces[0], local) in met:
                self.fail(f"'{one}' is a duplicate attribute name.", at)
            met.add((spaces[0], local))

    def attribute(self, names: dict[str, int], declared: dict[str, str]) -> None:
        begin = self.at
        name = self.name()
        self.space()
        self.expect("=")
        self.space()
        quoted = self.at
        self.expect("\"'", "'\"' or '''")
        value = self.value(self.text[quoted])
        if name in names:
            self.fail(f"'{name}' is a duplicate attribute name.", begin)
        names[name] = begin
        if name.startswith("xmlns:"):
            declared[name[6:]] = value
            if not value:
                self.fail("Invalid namespace declaration.", quoted)

    def value(self, quote: str) -> str:
        start = self.at
        while True:
            char = self.char()
            if not char:
                self.fail("There is an unclosed literal string.", self.at)
            if char == quote:
                self.at += 1
                return self.text[start : self.at - 1]
            if char == "<":
                self.fail("'<', hexadecimal value 0x3C, is an invalid attribute character.", self.at)
            self.one(char)

    def characters(self) -> None:
        if self.text.startswith("]]>", self.at):
            self.fail("']]>' is not allowed in character data.", self.at)
        self.one(self.char())

    def one(self, char: str) -> None:
        """Past one character or reference."""
        if char == "&":
            self.reference()
            return
        run = _RUN.match(self.text, self.at)
        if run is not None:
            spend(len(run[0]) >> 4)
            self.at = run.end()
            return
        tick()
        if _BAD.match(char):
            self.invalid(self.at)
        self.at += 1

    def reference(self) -> None:
        self.at += 1
        if self.char() == "#":
            self.numeric()
            return
        found = _NAME.match(self.text, self.at)
        if self.at >= len(self.text):
            self.fail(_END, self.at - 1)
        if found is None or found.end() >= len(self.text):
            self.fail("An error occurred while parsing EntityName.", self.at)
        begin, self.at = self.at, found.end()
        self.expect(";")
        if found[0] not in _KNOWN:
            self.fail(f"Reference to undeclared entity '{found[0]}'.", begin)

    def numeric(self) -> None:
        self.at += 1
        base, word = (16, "hexadecimal") if self.char() == "x" else (10, "decimal")
        self.at += base == 16
        begin = self.at
        digits = re.compile("[0-9a-fA-F]*" if base == 16 else "[0-9]*").match(self.text, begin)
        assert digits is not None
        self.at = digits.end()
        if self.char() != ";" or not digits[0]:
            self.fail(f"Invalid syntax for a {word} numeric entity reference.", self.at)
        self.at += 1
        number = int(digits[0], base)
        if number > 0x10FFFF or _BAD.match(chr(number)):
            shown = "." if number == 0 or number > 0x10FFFF else chr(number)
            self.fail(f"'{shown}', hexadecimal value 0x{number:02X}, is an invalid character.", begin)


def explain(text: str) -> str:
    """The message of the first fault, "" when there is none."""
    walker = _Walker(text)
    try:
        walker.run()
    except _Fault as fault:
        line, column = walker.place(fault.at)
        return f"{fault.message} Line {line}, position {column}."
    return "" if walker.seen_root else "Root element is missing."
