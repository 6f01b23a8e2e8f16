"""The shell of a page: its fenced `sh` blocks, taken apart into statements, each of a kind that is known here.

A page is run block by block (`shell.py`). A statement that one machine cannot run (another host's, a container
engine's, a cluster's) is `ELSEWHERE`: it is read instead (`elsewhere.py`). Any other word at the head of a statement is
unknown, and its page fails.

What a page may say to the test, in comments that readers do not see:

    <!-- ends with 1 -->     before a block: its last statement ends with that code
    <!-- shown -->           before a block: an example of another machine's, which is read and not run

A block fenced as `text` after a block is what that block prints; `…` in it stands for anything.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FENCE = re.compile(
    r"^(?:<!-- (?P<note>ends with \d+|shown) -->\n)?(?P<indent> *)```sh\n(?P<sh>.*?)^ *```\n"
    r"(?:\n*(?P=indent)```text\n(?P<text>.*?)^ *```\n)?",
    re.DOTALL | re.MULTILINE,
)
HEREDOC = re.compile(r"<<-?\s*(['\"]?)(\w+)\1")

# Run as they stand, with bash, in a folder of the page's own
HERE = {
    "cat", "cp", "curl", "echo", "env", "export", "for", "grep", "ls", "mkdir", "mv", "openssl", "passerelle", "python",
    "rm", "sed", "sleep", "test", "umask",
}  # fmt: skip
# Read, not run
ELSEWHERE = {"apt-get", "az", "docker", "git", "helm", "kubectl", "make", "pip", "psql", "systemctl"}
ASSIGNMENT = re.compile(r"^[\w.]+=")


@dataclass(frozen=True)
class Statement:
    text: str
    head: str  # the command's name, without a folder; empty for an assignment

    @property
    def elsewhere(self) -> bool:
        return self.head in ELSEWHERE or self._abroad or self._stays

    @property
    def only_asks(self) -> bool:
        """Whether it may be done again without harm."""
        if self.head == "curl":
            return " -X " not in self.text
        words = ("diff", "doctor", "gateways", "revisions", "version")
        return self.head == "export" or (self.head == "passerelle" and self.text.split()[1] in words)

    @property
    def _abroad(self) -> bool:
        return self.head == "curl" and "http" in self.text and not _local(self.text)

    @property
    def _stays(self) -> bool:
        """A process that stays in the foreground, which tests of its own start."""
        stays = self.head == "passerelle" and self.text.split()[1] in ("up", "start")
        return stays or (self.head == "env" and "python -m" in self.text and not self.text.endswith("&"))


@dataclass(frozen=True)
class Block:
    page: str
    line: int
    text: str
    statements: tuple[Statement, ...]
    prints: str | None
    code: int
    shown: bool

    @property
    def elsewhere(self) -> bool:
        """Whether it is read rather than run."""
        return self.shown or any(each.elsewhere for each in self.statements)

    @property
    def place(self) -> str:
        return f"{self.page}, line {self.line}"


def _local(text: str) -> bool:
    return any(each in text for each in ("127.0.0.1", "localhost", "$SERVICE"))


def pages() -> list[Path]:
    return [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def unmarked(path: Path) -> list[str]:
    """Blocks that look like shell and are not fenced as `sh`, so that nobody would run them."""
    fences = re.findall(r"^ *```(\w*)\n(.*?)^ *```", path.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    heads = {"passerelle", "curl", "docker", "helm", "kubectl", "make", "az", "pip"}
    return [text for kind, text in fences if not kind and text.split()[:1] and text.split()[0] in heads]


def split(text: str) -> list[str]:
    """Lines put together where a quote, a backslash, a loop or a here-document goes on."""
    found: list[str] = []
    lines = text.splitlines()
    at = 0
    while at < len(lines):
        statement = lines[at]
        at += 1
        while at < len(lines) and not _whole(statement):
            statement += "\n" + lines[at]
            at += 1
        if statement.strip() and not statement.lstrip().startswith("#"):
            found.append(statement)
    return found


def _whole(text: str) -> bool:
    first = text.splitlines()[0] if text else ""
    if here := HEREDOC.search(first):
        return text.splitlines()[-1].strip() == here[2] and len(text.splitlines()) > 1
    if text.endswith("\\"):
        return False
    try:
        words = shlex.split(text, comments=True)
    except ValueError:
        return False
    return "do" not in words or words[-1] == "done"


def head(statement: str) -> str:
    """The command of a statement, behind the settings that it is given."""
    words = statement.replace("\\\n", " ").split()
    while words and ASSIGNMENT.match(words[0]):
        words.pop(0)
    return words[0].rsplit("/", 1)[-1] if words else ""


def blocks(path: Path) -> list[Block]:
    page = path.read_text(encoding="utf-8")
    found = []
    for match in FENCE.finditer(page):
        indent = len(match["indent"])
        text = "".join(line[indent:] for line in match["sh"].splitlines(keepends=True))
        note = match["note"] or ""
        found.append(
            Block(
                page=path.name,
                line=page[: match.start("sh")].count("\n") + 1,
                text=text,
                statements=tuple(Statement(each, head(each)) for each in split(text)),
                prints=match["text"],
                code=int(note.rsplit(" ", 1)[1]) if note.startswith("ends") else 0,
                shown=note == "shown",
            )
        )
    return found


def pattern(printed: str) -> re.Pattern[str]:
    """What a `text` block stands for: `…` is anything, runs of blanks are one."""
    lines = [" ".join(line.split()) for line in printed.strip().splitlines()]
    told = r"\s*\n".join(r"[\s\S]*?" if line == "…" else _line(line) for line in lines)
    # a line that is only `…` may stand for no line at all
    told = told.replace(r"[\s\S]*?\s*\n", r"(?:[\s\S]*?\n)??").replace(r"\s*\n[\s\S]*?", r"(?:\s*\n[\s\S]*?)??")
    return re.compile(rf"\s*{told}\s*\Z")


def _line(line: str) -> str:
    return ".*?".join(re.escape(part) for part in line.split("…"))
