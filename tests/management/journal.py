"""Is the store whole? Every revision against its rows, the sums, and what an agent makes of the feed.

Rules that are checked
1. The numbers of revisions have no hole, and the service is at the last one.
2. What a revision changed is told by the log and by what is kept for a rollback alike.
3. The resources there are are those that the log leaves, each with the revision that it has there.
4. The fingerprints that are kept are those of the resources.
5. An agent that took the changes holds what a snapshot gives.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from sqlalchemy import select

from management import fingerprint, schema
from management.feed import Feed, Fingerprints
from management.provision import DEFAULT_SERVICE
from management.store import Row, Store
from management.sums import Sums
from management.transaction import Transaction, reading
from tests.management.agent import Agent

GATEWAY = "gw"


@dataclass
class Journal:
    """What was read so far, so that each look costs what is new. `rows` are the resources as of the last look."""

    store: Store
    revision: int = 0
    left: dict[str, int] = field(default_factory=dict)  # key -> revision, as the log leaves them
    rows: dict[str, Row] = field(default_factory=dict)
    agent: Agent = field(default_factory=lambda: Agent(None, GATEWAY, ""))  # type: ignore[arg-type]

    def check(self) -> None:
        """Fails with the first rule that does not hold."""
        with reading(self.store, DEFAULT_SERVICE) as tx:
            assert tx is not None
            self._read_log(tx)
            self.rows = {row.key: row for row in tx.below("/")}
            root = tx.get("/")
            assert root is not None
            self.rows["/"] = root
            found = {key: row.revision for key, row in self.rows.items()}
            assert found == self.left, "the resources are not those that the log leaves"
            self._check_sums(tx)
            self._check_feed(tx)

    def _read_log(self, tx: Transaction) -> None:
        number, last = tx.service.number, tx.service.revision
        changed: dict[int, set[str]] = {}
        query = select(schema.log.c.revision, schema.log.c.key, schema.log.c.op)
        query = query.where(schema.log.c.service == number, schema.log.c.revision > self.revision)
        for revision, key, op in tx.connection.execute(query.order_by(schema.log.c.revision, schema.log.c.op)):
            changed.setdefault(revision, set()).add(key)
            if op == "put":
                self.left[key] = revision
            elif self.left.get(key) != revision:
                self.left.pop(key, None)
        kept: dict[int, set[str]] = {}
        query = select(schema.former.c.revision, schema.former.c.key)
        query = query.where(schema.former.c.service == number, schema.former.c.revision > self.revision)
        for revision, key in tx.connection.execute(query):
            kept.setdefault(revision, set()).add(key)
        # what was made and gone within one revision is kept for a rollback and told to nobody
        assert {revision: keys & changed.get(revision, set()) for revision, keys in kept.items()} == changed
        assert sorted(kept) == list(range(self.revision + 1, last + 1)), "the numbers of revisions have a hole"
        self.revision = last

    def _check_sums(self, tx: Transaction) -> None:
        totals: dict[str, int] = {}
        for row in self.rows.values():
            if row.audience != "-":
                term = fingerprint.term(row.id, row.digest or "")
                totals[row.audience] = (totals.get(row.audience, 0) + term) % fingerprint.MODULUS
        number = tx.service.number
        names = tx.connection.scalars(select(schema.sums.c.audience).where(schema.sums.c.service == number)).all()
        held = Sums(tx.connection, self.store.vault, number).read(names)
        of_apis = {name: held.pop(name) for name in names if name.startswith("apis-of:")}
        assert held == totals, "a sum is not that of its resources"
        prefix = f"/gateways/{GATEWAY}/apis/"
        apis = [f"api:{key.removeprefix(prefix)}" for key in self.rows if key.startswith(prefix)]
        whole = sum(totals.get(audience, 0) for audience in apis) % fingerprint.MODULUS
        assert of_apis.get(f"apis-of:{GATEWAY}", 0) == whole

    def _check_feed(self, tx: Transaction) -> None:
        fresh = Agent(None, GATEWAY, "")  # type: ignore[arg-type]
        for agent in (self.agent, fresh):
            feed = Feed(tx.connection, self.store.vault, tx.service, GATEWAY, Fingerprints({}))
            agent.apply("".join(feed.lines(agent.dataset, agent.cursor)))
        assert self.agent.held == fresh.held
