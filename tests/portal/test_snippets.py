"""What the editor inserts must compile where it may stand."""

from __future__ import annotations

import pytest

from portal.snippets import groups, written
from proxy.check import Environment, check_document, known_policies

AROUND = Environment(
    named_values={"password": "x"},
    fragments={"my-fragment": "<fragment />"},
    backends=["embeddings"],
)
SNIPPETS = [block for _, blocks in written() for block in blocks]


@pytest.mark.parametrize(("name", "text"), SNIPPETS, ids=[name for name, _ in SNIPPETS])
def test_a_snippet_compiles_in_some_section(name: str, text: str) -> None:
    found = []
    for section in ("inbound", "backend", "outbound"):
        document = f"<policies><{section}>\n{text}\n</{section}></policies>"
        scope = "product" if name == "quota" else "api"
        issues = check_document(document, scope, AROUND)
        if not [issue for issue in issues if issue.severity == "error"]:
            return
        found += issues
    pytest.fail(f"{name} compiles nowhere: {[str(each) for each in found]}")


def test_every_policy_can_be_inserted_once() -> None:
    known = {name: summary for name, _, summary in known_policies()}
    told = [snippet.name for group in groups(known) for snippet in group.snippets]
    assert sorted(told) == sorted(known)
    assert {name for name, _ in SNIPPETS} <= set(known)
    few = groups({"set-header": "Sets a header."})
    assert [snippet.words for group in few for snippet in group.snippets] == ["Sets a header."]
