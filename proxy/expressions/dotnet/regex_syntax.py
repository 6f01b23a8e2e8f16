"""Translates .NET's regular expressions for RE2 and the `regex` module, and finds their errors in .NET's words.

Each capturing group becomes `(?P<gN>...)`, N being .NET's number: unnamed groups first, then named ones. White space
and comments of option x, and the parentheses that option n makes silent, go away here. RE2 takes what has no
look-around, back reference or the like; `Translated.plain` says so.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import NoReturn

from proxy.expressions.runtime import argument

IGNORE_CASE, MULTILINE, EXPLICIT, COMPILED, SINGLELINE, IGNORE_SPACE, RIGHT_TO_LEFT, ECMA = 1, 2, 4, 8, 16, 32, 64, 256
_LETTERS = {"i": IGNORE_CASE, "m": MULTILINE, "n": EXPLICIT, "s": SINGLELINE, "x": IGNORE_SPACE}
_SIMPLE = {"a": "\a", "e": "\x1b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
_UNICODE = {
    "w": r"\p{L}\p{Mn}\p{Nd}\p{Pc}", "d": r"\p{Nd}", "s": r"\f\n\r\t\v\x85\p{Z}",
}  # fmt: skip
_ASCII = {"w": "a-zA-Z0-9_", "d": "0-9", "s": r" \f\n\r\t\v"}
_QUANTIFIER = re.compile(r"[*+?]|\{(\d+)(?:(,)(\d*))?\}", re.ASCII)
_NAME = re.compile(r"\(\?(?:<(\w+)>|'(\w+)')")


@dataclass(slots=True)
class Translated:
    """`text` for an engine; names and numbers of the groups, whole match first; `plain` when RE2 may take it."""

    text: str
    names: list[str]
    numbers: list[int]
    plain: bool
    classes: bool = False
    dollar: bool = False


@dataclass(slots=True)
class _Numbers:
    """.NET's group numbers: of the n-th unnamed parenthesis, and by name."""

    unnamed: list[int] = field(default_factory=list)
    named: dict[str, int] = field(default_factory=dict)

    def all(self) -> set[int]:
        return {*self.unnamed, *self.named.values()}


class _Reader:
    def __init__(self, text: str, options: int, *, slow: bool) -> None:
        self.text = text
        self.place = 0
        self.options = options
        self.slow = slow
        self.made: list[str] = []
        self.plain = not options & RIGHT_TO_LEFT
        self.classes = self.dollar = False
        self.seen = 0
        self.numbers = _Numbers()

    def wrong(self, why: str, offset: int | None = None) -> NoReturn:
        argument(f"Invalid pattern '{self.text}' at offset {self.place if offset is None else offset}. {why}")

    def rest(self, text: str) -> bool:
        return self.text.startswith(text, self.place)

    # groups are counted first: a back reference may stand before its group

    def count(self) -> None:
        """Find the capturing groups."""
        place, options, stack, unnamed = 0, self.options, [], 0
        names: list[str] = []
        while place < len(self.text):
            char = self.text[place]
            if char == "\\":
                place += 2
                continue
            if char == "[":
                place = self.set_end(place)
                continue
            if char == "#" and options & IGNORE_SPACE:
                stop = self.text.find("\n", place)
                place = len(self.text) if stop < 0 else stop
                continue
            if char == "(":
                if self.text.startswith("(?#", place):
                    stop = self.text.find(")", place)
                    place = len(self.text) if stop < 0 else stop + 1
                    continue
                stack.append(options)
                if self.text.startswith("(?(", place):
                    # the condition's own parentheses take nothing
                    stack.append(options)
                    place += 3
                    continue
                name = _NAME.match(self.text, place)
                inline = re.match(r"\(\?([imnsx]*)(?:-([imnsx]*))?([:)])", self.text[place : place + 24])
                if name is not None:
                    names.append(name[1] or name[2])
                elif inline is not None:
                    options = _changed(options, inline[1], inline[2] or "")
                    if inline[3] == ")":
                        stack.pop()
                        place += inline.end()
                        continue
                elif self.text[place + 1 : place + 2] != "?" and not options & EXPLICIT:
                    unnamed += 1
            elif char == ")" and stack:
                options = stack.pop()
            place += 1
        # RE2 would keep groups of one name apart
        self.plain = self.plain and len(names) == len(set(names))
        given = {int(name) for name in names if name.isdigit()}
        free = (number for number in range(1, 10_000) if number not in given)
        self.numbers.unnamed = [next(free) for _ in range(unnamed)]
        for label in names:
            if label.isdigit():
                self.numbers.named[label] = int(label)
        taken = self.numbers.all()
        later = (number for number in range(1, 10_000) if number not in taken)
        for label in names:
            if label not in self.numbers.named:
                self.numbers.named[label] = next(later)

    def set_end(self, place: int) -> int:
        """Behind the set that begins here."""
        place += 1
        if self.text[place : place + 1] == "^":
            place += 1
        if self.text[place : place + 1] == "]":
            place += 1
        while place < len(self.text) and self.text[place] != "]":
            if self.text[place] == "\\":
                place += 1
            elif self.text.startswith("-[", place):
                place = self.set_end(place + 1) - 1
            place += 1
        return place + 1

    def names(self) -> list[str]:
        known = {number: name for name, number in self.numbers.named.items()}
        return ["0", *(known.get(number, str(number)) for number in sorted(self.numbers.all()))]

    def read(self) -> Translated:
        self.count()
        self.alternatives(depth=0)
        if self.place < len(self.text):
            self.place += 1
            self.wrong("Too many )'s.")
        numbers = [0, *sorted(self.numbers.all())]
        return Translated("".join(self.made), self.names(), numbers, self.plain, self.classes, self.dollar)

    def alternatives(self, depth: int) -> None:
        """Up to the closing parenthesis or the end."""
        if depth > 200:
            self.wrong("The groups nest too deeply.")
        options = self.options
        can_repeat = False
        while self.place < len(self.text):
            char = self.text[self.place]
            if self.options & IGNORE_SPACE and self.skip_space():
                continue
            if char == ")":
                break
            quantifier = _QUANTIFIER.match(self.text, self.place)
            if quantifier is not None:
                self.quantify(quantifier, can_repeat)
                can_repeat = False
                continue
            self.place += 1
            can_repeat = True
            if char == "(":
                can_repeat = self.group(depth)
            elif char == "[":
                self.made.append(self.char_set())
            elif char == "\\":
                self.escape()
            elif char == "|":
                self.made.append("|")
                can_repeat = False
            elif char == ".":
                self.made.append("(?s:.)" if self.options & SINGLELINE else r"[^\n]")
            elif char == "^":
                self.made.append("(?m:^)" if self.options & MULTILINE else r"\A")
            elif char == "$":
                self.end_anchor()
            else:
                self.literal(char)
        self.options = options

    def end_anchor(self) -> None:
        if self.options & MULTILINE:
            self.made.append("(?m:$)")
        elif self.slow:
            self.made.append(r"(?=\n?\Z)")
        else:
            # RE2 has no look-ahead: a text that ends in a new line goes to the other engine
            self.dollar = True
            self.made.append(r"\z")

    def skip_space(self) -> bool:
        char = self.text[self.place]
        if char.isspace():
            self.place += 1
            return True
        if char == "#":
            stop = self.text.find("\n", self.place)
            self.place = len(self.text) if stop < 0 else stop + 1
            return True
        return False

    def literal(self, char: str) -> None:
        text = re.escape(char) if char.isascii() else char
        self.made.append(f"(?i:{text})" if self.options & IGNORE_CASE and char.upper() != char.lower() else text)

    def quantify(self, found: re.Match[str], can_repeat: bool) -> None:
        text = found[0]
        if not can_repeat:
            self.place += 1
            if self.made and not self.made[-1].endswith(("|", "(")) and self.place > 1 and self.made[-1][-1:] in "*+?}":
                self.wrong(f"Nested quantifier '{text}'.")
            self.wrong("Quantifier {x,y} following nothing.")
        self.place = found.end()
        if text[0] == "{":
            least, most = int(found[1]), int(found[3]) if found[3] else None
            if most is not None and least > most:
                self.wrong("Illegal {x,y} with x > y.")
            if least > 1000 or (most or 0) > 1000:
                self.plain = False
        if self.rest("?"):
            self.place += 1
            text += "?"
        self.made.append(text)
        if self.options & IGNORE_SPACE:
            while self.place < len(self.text) and self.skip_space():
                pass
        following = _QUANTIFIER.match(self.text, self.place)
        if following is not None:
            self.place += 1
            self.wrong(f"Nested quantifier '{following[0]}'.")

    def close(self, depth: int) -> None:
        self.alternatives(depth + 1)
        if not self.rest(")"):
            self.place = len(self.text)
            self.wrong("Not enough )'s.")
        self.place += 1
        self.made.append(")")

    def group(self, depth: int) -> bool:
        """After "(". Whether what it made may be repeated."""
        if not self.rest("?"):
            if self.options & EXPLICIT:
                self.made.append("(?:")
            else:
                self.made.append(f"(?P<g{self.numbers.unnamed[self.seen]}>")
                self.seen += 1
            self.close(depth)
            return True
        start = self.place - 1
        if self.rest("?#"):
            stop = self.text.find(")", self.place)
            if stop < 0:
                self.place = len(self.text)
                self.wrong("Unterminated (?#...) comment.")
            self.place = stop + 1
            return False
        for head in ("?:", "?=", "?!", "?<=", "?<!", "?>"):
            if self.rest(head):
                self.place += len(head)
                self.plain = self.plain and head == "?:"
                self.made.append(f"({head}")
                self.close(depth)
                return True
        inline = re.compile(r"\?([imnsx]*)(?:-([imnsx]*))?([:)])").match(self.text, self.place)
        if inline is not None:
            return self.inline(inline, depth)
        if self.rest("?("):
            return self.conditional(depth)
        name = _NAME.match(self.text, start)
        if name is None:
            balance = re.compile(r"\?[<'](\w*)-(\w+)").match(self.text, self.place)
            if balance is not None:
                self.place = balance.start(2)
                if balance[2] not in self.numbers.named:
                    self.wrong(f"Reference to undefined group name '{balance[2]}'.", self.place + len(balance[2]))
                self.wrong("Balancing groups are not supported.")
            self.place = min(self.place + (2 if self.rest("?<") else 1) + 1, len(self.text))
            self.wrong("Unrecognized grouping construct.", start + 3)
        label = name[1] or name[2]
        if label[0].isdigit() and not label.isdigit():
            self.wrong("Invalid group name: Group names must begin with a word character.", start + 4)
        self.place = name.end()
        self.made.append(f"(?P<g{self.numbers.named[label]}>")
        self.close(depth)
        return True

    def inline(self, found: re.Match[str], depth: int) -> bool:
        changed = _changed(self.options, found[1], found[2] or "")
        self.place = found.end()
        if found[3] == ")":
            self.options = changed
            return False
        outer, self.options = self.options, changed
        self.made.append("(?:")
        self.close(depth)
        self.options = outer
        return True

    def conditional(self, depth: int) -> bool:
        self.plain = False
        name = re.compile(r"\?\((\w+)\)").match(self.text, self.place)
        number = self.number(name[1]) if name is not None else None
        if name is not None and number is not None:
            self.made.append(f"(?(g{number})")
            self.place = name.end()
        else:
            self.place += 2
            look = re.compile(r"\?<?[=!]").match(self.text, self.place)
            self.made.append("(?(" + (look[0] if look else "?="))
            self.place = look.end() if look else self.place
            self.close(depth)
        self.close(depth)
        return True

    def number(self, name: str) -> int | None:
        """The group that a name or number means."""
        if name.isdigit():
            return int(name) if int(name) in self.numbers.all() else None
        return self.numbers.named.get(name)

    def refer(self, number: int) -> None:
        self.plain = False
        text = f"(?P=g{number})"
        self.made.append(f"(?i:{text})" if self.options & IGNORE_CASE else text)

    def escape(self) -> None:
        """After a backslash outside a set."""
        if self.place >= len(self.text):
            self.wrong("Illegal \\\\ at end of pattern.")
        char = self.text[self.place]
        if char in "bBAGZz":
            self.place += 1
            self.anchor(char)
        elif char in "wWdDsS":
            self.place += 1
            self.classes = True
            self.made.append(self.class_text(char))
        elif char in "pP":
            self.made.append(self.property())
        elif char == "k":
            name = re.compile(r"k(?:<(\w+)>|'(\w+)')").match(self.text, self.place)
            if name is None:
                self.place += 1
                self.wrong("Malformed \\k<...> named back reference.")
            number = self.number(name[1] or name[2])
            if number is None:
                self.wrong(f"Reference to undefined group name '{name[1] or name[2]}'.", name.end())
            self.place = name.end()
            self.refer(number)
        elif char in "123456789":
            digits = re.compile(r"\d+").match(self.text, self.place)
            assert digits is not None
            number = int(digits[0])
            if number in self.numbers.all():
                self.place = digits.end()
                self.refer(number)
            elif number < 10 or any(d in "89" for d in digits[0][:1]):
                self.place = digits.end()
                self.wrong(f"Reference to undefined group number {number}.")
            else:
                self.literal(self.one())
        else:
            self.literal(self.one())

    def anchor(self, char: str) -> None:
        if char in "bB":
            self.classes = True
            self.made.append(f"\\{char}")
        elif char == "G":
            self.plain = False
            self.made.append(r"\G")
        elif char == "A":
            self.made.append(r"\A")
        elif char == "z":
            self.made.append(r"\Z" if self.slow else r"\z")
        else:
            self.plain = False
            self.made.append(r"(?=\n?\Z)")

    def class_text(self, char: str) -> str:
        table = _ASCII if self.options & ECMA else _UNICODE if self.slow else _ASCII
        return f"[{'^' if char.isupper() else ''}{table[char.lower()]}]"

    def property(self) -> str:
        found = re.compile(r"[pP]\{(\w+)\}").match(self.text, self.place)
        if found is None:
            self.place = min(self.place + 2, len(self.text))
            self.wrong("Malformed \\p{X} character escape.")
        self.place = found.end()
        name = found[1]
        self.plain = self.plain and len(name) < 3
        return f"\\{found[0][0]}{{{'In' + name[2:] if name.startswith('Is') else name}}}"

    def one(self) -> str:
        """The character that an escape stands for."""
        char = self.text[self.place]
        self.place += 1
        if char in _SIMPLE:
            return _SIMPLE[char]
        for head, width in (("x", 2), ("u", 4)):
            if char == head:
                digits = self.text[self.place : self.place + width]
                if not re.fullmatch(rf"[0-9a-fA-F]{{{width}}}", digits):
                    self.wrong("Insufficient hexadecimal digits.")
                self.place += width
                return chr(int(digits, 16))
        if char == "c":
            control = self.text[self.place : self.place + 1].upper()
            if not control or not "@" <= control <= "_":
                self.wrong("Unrecognized control character.")
            self.place += 1
            return chr(ord(control) - 64)
        if char in "01234567":
            octal = re.compile(r"[0-7]{1,3}").match(self.text, self.place - 1)
            assert octal is not None
            self.place = octal.end()
            return chr(int(octal[0], 8) & 0xFF)
        if char.isalnum() or char == "_":
            self.wrong(f"Unrecognized escape sequence \\\\{char}.")
        return char

    def char_set(self) -> str:
        """After "[": the set in the engines' syntax."""
        negated = self.rest("^")
        self.place += negated
        parts: list[str] = []
        taken = ""
        first = True
        while True:
            if self.place >= len(self.text):
                self.place = len(self.text)
                self.wrong("Unterminated [] set.")
            char = self.text[self.place]
            if char == "]" and not first:
                self.place += 1
                break
            if self.rest("-[") and not first:
                self.place += 2
                self.plain = False
                taken = self.char_set()
                if not self.rest("]"):
                    self.wrong("A subtraction must be the last element in a character class.")
                continue
            first = False
            parts.append(self.set_part())
        body = "".join(parts)
        text = f"[{'^' if negated else ''}{body}]" if body else "[^\\s\\S]" if negated else ""
        if taken:
            text = f"(?!{taken}){text}"
        if self.options & IGNORE_CASE:
            text = f"(?i:{text})"
        return f"(?:{text})" if taken else text

    def set_part(self) -> str:
        """A class, a character or a range."""
        low = self.set_item()
        follows = self.rest("-") and self.text[self.place + 1 : self.place + 2] not in ("]", "[", "")
        if not follows:
            return low if len(low) > 1 else _in_set(low)
        if len(low) > 1:
            return low
        self.place += 1
        high = self.set_item()
        if len(high) > 1:
            self.wrong(f"Cannot include class \\\\{high_name(self.text, self.place)} in character range.")
        if low > high:
            self.wrong("[x-y] range in reverse order.")
        return f"{_in_set(low)}-{_in_set(high)}"

    def set_item(self) -> str:
        """One character, or more than one for the inside of a class."""
        char = self.text[self.place]
        self.place += 1
        if char == "[" and self.rest(":"):
            stop = self.text.find(":]", self.place)
            if stop > 0:
                return char
        if char != "\\":
            return char
        if self.place >= len(self.text):
            self.wrong("Illegal \\\\ at end of pattern.")
        char = self.text[self.place]
        if char in "wds":
            self.place += 1
            self.classes = True
            return (_ASCII if self.options & ECMA or not self.slow else _UNICODE)[char]
        if char in "WDS":
            self.place += 1
            self.classes = True
            if self.slow:
                return f"\\{char}" if not self.options & ECMA else f"[^{_ASCII[char.lower()]}]"
            return f"\\{char}"
        if char in "pP":
            return self.property()
        if char == "b":
            self.place += 1
            return "\b"
        return self.one()


def high_name(text: str, place: int) -> str:
    """The letter of the class that ends here."""
    return text[place - 1]


def _in_set(char: str) -> str:
    return f"\\{char}" if char in "\\]^-[&~|" else re.escape(char) if char.isspace() else char


def _changed(options: int, on: str, off: str) -> int:
    for letter in on:
        options |= _LETTERS[letter]
    for letter in off:
        options &= ~_LETTERS[letter]
    return options


def translate(text: str, options: int, *, slow: bool) -> Translated:
    """For the `regex` module when `slow`, else for RE2. Raises ArgumentException where .NET does."""
    return _Reader(text, options, slow=slow).read()
