"""What is different between two states of a resource, as the pages draw it."""

from __future__ import annotations

from portal.differences import MOST_LINES, read, text_of


def test_a_policy_is_a_diff_with_line_numbers() -> None:
    before = "\n".join(["<policies>", *(f"  <a{n} />" for n in range(20)), "</policies>"])
    after = before.replace("<a9 />", '<a9 x="1" />').replace("  <a15 />\n", "")
    text = text_of("value", before, after)
    assert text.rows is not None
    assert (text.added, text.removed) == (1, 2)
    changed = next(row for row in text.rows if row.kind == "changed")
    assert (changed.left, changed.right) == (11, 11)
    assert [span.text for span in changed.after if span.marked] == ['x="1" ']
    removed = next(row for row in text.rows if row.kind == "removed")
    assert (removed.left, removed.right) == (17, 0)
    assert [row.kind for row in text.rows].count("gap") >= 1
    rebuilt = {row.right: "".join(span.text for span in row.after) for row in text.rows if row.right}
    assert all(after.splitlines()[number - 1] == line for number, line in rebuilt.items())


def test_what_is_too_long_is_counted() -> None:
    text = text_of("value", "x", "\n" * (MOST_LINES + 1))
    assert (text.rows, text.added) == (None, MOST_LINES + 1)


def test_short_properties_are_a_table() -> None:
    found = read(
        {
            "id": "/apis/shop",
            "kind": "apis",
            "operation": "update",
            "before": {"displayName": "Shop", "protocols": ["http"], "path": "p", "description": "one\ntwo"},
            "after": {"displayName": "Shop!", "protocols": ["https"], "path": "p", "description": "one\nthree"},
            "secrets": ["key"],
        }
    )
    assert (found.kind, found.done, found.scope, found.secrets) == ("API", "changed", None, ("key",))
    assert [field.name for field in found.fields] == ["displayName", "protocols"]
    assert [text.name for text in found.texts] == ["description"]


def test_a_policy_leads_to_its_editor() -> None:
    for id, kind, scope in (
        ("/policies/policy", "policies", ""),
        ("/apis/a/policies/policy", "apis/policies", "/apis/a"),
        ("/policyFragments/f", "policyfragments", "/policyFragments/f"),
    ):
        found = read({"id": id, "kind": kind, "operation": "create", "after": {"value": "<x />", "format": "rawxml"}})
        assert found.scope == scope
        assert [text.name for text in found.texts] == ["value"]


def test_what_is_missing_is_empty() -> None:
    assert read({}).fields == ()
