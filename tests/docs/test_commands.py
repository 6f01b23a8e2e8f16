"""Every command of README.md and docs/: run where one machine can, else read; one of an unknown kind fails its page."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.docs import elsewhere, places
from tests.docs.shell import Shell
from tests.docs.statements import ELSEWHERE, HERE, Block, Statement, blocks, head, pages, pattern, split, unmarked
from tests.e2e.house import House
from tests.ports import free_port

# Pages whose commands have tests of their own, which play what the page needs: a service in Azure
PLAYED = {"move-from-azure.md": "tests/cli/test_move_page.py"}
PAGES = {page.name: found for page in pages() if (found := blocks(page))}
# the quick start counts revisions, so it comes first in the house
ORDER = sorted(PAGES, key=lambda name: (name != "quick-start.md", name))


@pytest.mark.parametrize("page", PAGES)
def test_each_command_is_of_a_known_kind(page: str) -> None:
    unknown = [
        f"{block.place}: {each.text}"
        for block in PAGES[page]
        for each in block.statements
        if each.head and each.head not in HERE | ELSEWHERE
    ]
    assert not unknown, unknown


@pytest.mark.parametrize("path", pages(), ids=lambda path: path.name)
def test_shell_is_marked_as_shell(path: Path) -> None:
    assert not unmarked(path), "fence it as sh"


def test_pages_that_are_played_elsewhere_are_there() -> None:
    for page, test in PLAYED.items():
        assert page in PAGES
        assert page in Path(elsewhere.ROOT / test).read_text(encoding="utf-8")


@pytest.fixture
def names(house: House) -> dict[str, str]:
    """What the pages call by the usual ports, and what it is in this house."""
    info = house.info
    first, second = info["gateways"][:2]
    return {
        "http://127.0.0.1:8080": first,
        "http://127.0.0.1:8081": second,
        "https://127.0.0.1:8443": info["gateways_tls"][0],
        "http://127.0.0.1:9080": info["management"],
        "https://127.0.0.1:9443": info["management_tls"],
        "http://127.0.0.1:9090": info["portal"],
        "https://plane.example:9443": info["management_tls"],
        "/run/secrets/admin.token": str(house.data / "admin.token"),
        "/subscriptions/...": info["service"],
        "=9180": f"={(plane := free_port())}",
        "127.0.0.1:9180": f"127.0.0.1:{plane}",
        "=9543": f"={free_port()}",
        "--port 8000": f"--port {(port := free_port())}",
        "127.0.0.1:8000": f"127.0.0.1:{port}",
    }


@pytest.fixture
def folder(tmp_path: Path, house: House) -> Path:
    (tmp_path / ".passerelle").symlink_to(house.data)
    for name in ("compose", "kubernetes", "docs"):
        (tmp_path / name).symlink_to(elsewhere.ROOT / name)
    return tmp_path


@pytest.fixture
def shell(folder: Path, names: dict[str, str]) -> Iterator[Shell]:
    if missing := [name for name in ("bash", "curl") if shutil.which(name) is None]:
        pytest.skip(f"the pages are run with {' and '.join(missing)}, which is not here")
    it = Shell(folder, names)
    try:
        yield it
    finally:
        it.close()


@pytest.mark.e2e
@pytest.mark.parametrize("page", [page for page in ORDER if page not in PLAYED])
def test_the_commands_do_what_the_page_says(page: str, shell: Shell, folder: Path, house: House) -> None:
    places.prepare(page, folder, house.data)
    for block in PAGES[page]:
        if not block.elsewhere:
            shell.run(block)
            continue
        for each in block.statements:
            if each.elsewhere or (block.shown and each.head in elsewhere.READERS):
                _read(block, each, folder)
            elif not block.shown:
                shell.run(replace(block, text=each.text, statements=(each,), prints=None, code=0))


def _read(block: Block, statement: Statement, folder: Path) -> None:
    try:
        elsewhere.look(statement, folder)
    except Exception as wrong:
        raise AssertionError(f"{block.place}: {statement.text}\n{wrong}") from wrong


def test_what_a_block_prints_is_compared() -> None:
    told = pattern("HTTP/1.1 200 OK\n…\nX-Reader: Me\n…\n")
    assert told.match("HTTP/1.1 200 OK\nDate: x\nX-Reader: Me\nContent-Length: 1\n\n{}")
    assert told.match("HTTP/1.1 200 OK\nX-Reader: Me")
    assert not told.match("HTTP/1.1 200 OK\nDate: x\nX-Reader: You")
    assert not pattern("201\n").match("201\n404")
    assert pattern("a … c").match("a b c")


def test_statements_are_taken_apart() -> None:
    text = "cat > a <<'END'\n# not a comment\nEND\n# a comment\nfor a in b; do\n echo $a\ndone\n"
    text += "A=1 .venv/bin/passerelle apply x \\\n  --dry-run  # yes\n"
    assert [head(each) for each in split(text)] == ["cat", "for", "passerelle"]
    assert head("frobnicate --all") not in HERE | ELSEWHERE


@pytest.mark.parametrize(
    "text",
    [
        "make nonsense",
        "docker compose -f compose/compose.yaml logs nobody",
        "docker compose -f compose/nothing.yaml up",
        "helm template a kubernetes/passerelle --set gateway.nonsense=1",
        "kubectl apply -f broken.yaml",
        "kubectl explode pods",
        "passerelle up --nonsense",
        "az rest --method put --body '{'",
        "pip install 'passerelle[nonsense]'",
    ],
)
def test_what_is_read_can_be_wrong(text: str, tmp_path: Path) -> None:
    (tmp_path / "broken.yaml").write_text("apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec: {portz: []}\n")
    with pytest.raises(Exception, match=r"."):
        elsewhere.look(Statement(text, head(text)), tmp_path)
