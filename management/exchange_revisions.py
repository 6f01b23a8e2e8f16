"""Makes another revision of an API the current one: the two exchange their places, with all below them."""

from __future__ import annotations

from management.declare import Writer
from management.revisions import number_of, root_of
from management.transaction import Transaction

# these belong to the API, not to a revision
STAY = ("/releases/",)


def make_current(tx: Transaction, write: Writer, id: str) -> None:
    """`id` is a revision that is not current ("/apis/orders;rev=2"); nothing happens when it is."""
    root = tx.get(f"/apis/{root_of(id.split('/')[2])}")
    revision = tx.get(id)
    if root is None or revision is None or number_of(revision.name) is None:
        return
    retired = f"{root.id};rev={root.body['apiRevision']}"
    old = [row for row in tx.below(root.key) if not row.key[len(root.key) :].startswith(STAY)]
    new = tx.below(revision.key)
    lookup = root.lookup
    for row in old:
        write.place(row, retired + row.id[len(root.id) :])
    for row in new:
        write.place(row, root.id + row.id[len(revision.id) :])
    held = {row.key[len(revision.key) :] for row in new}
    for row in old:
        if row.key[len(root.key) :] not in held:
            tx.remove(row.key)
    for row in (*new, revision):
        tx.remove(row.key)
    write.place(root, retired, {**root.body, "isCurrent": False}, lookup=None)
    write.place(revision, root.id, {**revision.body, "isCurrent": True}, lookup=lookup)
