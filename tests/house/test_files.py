"""The shape of the files: small, well named, and about this project alone."""

from __future__ import annotations

import re
import statistics
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("proto", "telemetry", "syncagent", "proxy", "management", "portal", "passerelle")
LONGEST = 450  # lines; request loops and compilers are what other projects regret
TABLES = "proxy/expressions/dotnet/"  # a table of members is as long as its .NET type is wide
LONGEST_TABLE = 600
USUAL = 400  # nine files of ten are shorter
FORBIDDEN_NAMES = {"utils", "util", "helpers", "helper", "common", "manager", "managers", "base", "misc"}
NAMED_AFTER_A_POLICY = {"proxy/policies/base.py"}

# Paths of one machine, and addresses of package indexes: locks and images must work anywhere.
# Spelt in pieces, since this file is read too.
MACHINE_PATHS = re.compile(
    r"(?<![\w.:/-])/(?:" + "|".join(["root", "work/[a-z]", "home/[a-z]+", "Users/[A-Za-z]+"]) + r")\b"
)
INDEX_HOSTS = re.compile(r"pypi\.(?:org|python)|pythonhosted|--(?:extra-)?index-url\s|simple/?$", re.MULTILINE)
BINARY = {".png", ".ico", ".woff2", ".gz", ".db", ".svg"}


def tracked() -> list[Path]:
    """Files of the project, as git knows them, and new ones that it would not ignore."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout.splitlines()  # fmt: skip
    return [path for name in listed if (path := ROOT / name).is_file()]


def modules() -> list[Path]:
    return [path for package in PACKAGES for path in (ROOT / package).rglob("*.py") if "_pb2" not in path.name]


def lines_of(path: Path) -> int:
    return len(path.read_text(encoding="utf-8").splitlines())


def test_no_module_is_too_long() -> None:
    long = {}
    for path in modules():
        name, lines = path.relative_to(ROOT).as_posix(), lines_of(path)
        if lines > (LONGEST_TABLE if name.startswith(TABLES) else LONGEST):
            long[name] = lines
    assert not long, f"split these: {long}"


def test_most_modules_are_short() -> None:
    sizes = [lines_of(path) for path in modules()]
    assert sum(size <= USUAL for size in sizes) >= 0.9 * len(sizes)
    assert statistics.median(sizes) <= 200


def test_names_say_what_a_module_is() -> None:
    named = {
        str(path.relative_to(ROOT))
        for path in modules()
        if path.stem in FORBIDDEN_NAMES or path.parent.stem in FORBIDDEN_NAMES
    }
    assert named <= NAMED_AFTER_A_POLICY, named - NAMED_AFTER_A_POLICY


def test_every_module_says_what_it_is() -> None:
    silent = []
    for path in modules():
        text = path.read_text(encoding="utf-8").lstrip()
        if text and not text.startswith(('"""', "'''", 'r"""')):
            silent.append(str(path.relative_to(ROOT)))
    assert not silent, f"these have no docstring at their head: {silent}"


def test_no_pattern_repeats_a_group_possessively() -> None:
    """The `re` of Python 3.11.2, which Debian 12 has, finds no match with `(?:...)*+`; write `(?>(?:...)*)`."""
    offences = []
    for path in modules():
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            if re.search(r"\)[*+?]\+(?!,)", line):  # `()*+,` is a list of characters, not a pattern
                offences.append(f"{path.relative_to(ROOT)}:{number}")
    assert not offences, offences


def test_nothing_names_a_machine_or_an_index() -> None:
    offences = []
    for path in tracked():
        if path.suffix in BINARY or path == Path(__file__) or "vendor" in path.parts:  # what others wrote, as it is
            continue
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        for pattern in (MACHINE_PATHS, INDEX_HOSTS):
            offences += [
                f"{path.relative_to(ROOT)}:{text.count(chr(10), 0, found.start()) + 1}: {found.group()}"
                for found in pattern.finditer(text)
            ]
    assert not offences, "\n".join(offences)


def test_the_patterns_find_what_they_are_for() -> None:
    assert MACHINE_PATHS.search("see /" + "root/.venv")
    assert MACHINE_PATHS.search("data: /" + "home/alice/x")
    assert not MACHINE_PATHS.search("https://host/" + "root/of/api")
    assert INDEX_HOSTS.search("https://" + "pypi.org/simple/")
