"""Any sequence of edits, polled at any time: what the agent holds by changes is what a snapshot would give it."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from management.apply import Applier
from management.errors import ArmError
from management.feed import Feed, Fingerprints
from management.provision import DEFAULT_SERVICE, ensure_default
from management.store import Store
from management.transaction import reading, writing
from management.vault import Vault
from tests.management.agent import Agent
from tests.management.databases import store_url

APIS = ("a", "A", "b", "a;rev=2")
TEXTS = st.sampled_from(["x", "y", "é\n\t\u2028"])
API = st.sampled_from(APIS)
PRODUCT = st.sampled_from(["p", "q"])
OPERATION = {"method": "GET", "urlTemplate": "/"}


def put(id: st.SearchStrategy[str], **properties: Any) -> st.SearchStrategy[tuple[str, str, dict[str, Any]]]:
    values = {key: each if isinstance(each, st.SearchStrategy) else st.just(each) for key, each in properties.items()}
    return st.tuples(st.just("put"), id, st.fixed_dictionaries(values))


def below(api: st.SearchStrategy[str], rest: str) -> st.SearchStrategy[str]:
    return api.map(lambda name: f"/apis/{name}{rest}")


API_IDS = below(API, "")
OPERATION_IDS = below(API, "/operations/get")
LINKS = st.one_of(
    API.map(lambda name: f"/gateways/gw/apis/{name}"),
    st.tuples(PRODUCT, API).map(lambda pair: f"/products/{pair[0]}/apis/{pair[1]}"),
)
PRODUCTS = PRODUCT.map(lambda name: f"/products/{name}")
SECRETS = st.sampled_from(["/namedValues/n", "/namedValues/N"])
SUBSCRIPTIONS = st.sampled_from(["/subscriptions/s", "/subscriptions/t"])
PUTS = st.one_of(
    API.flatmap(lambda name: put(st.just(f"/apis/{name}"), path=name.lower()[0], displayName=TEXTS)),
    put(OPERATION_IDS, displayName=TEXTS, **OPERATION),
    put(LINKS),
    put(PRODUCTS, displayName=TEXTS),
    put(SECRETS, displayName="n", value=TEXTS, secret=st.booleans()),
    put(SUBSCRIPTIONS, displayName=TEXTS, scope=st.one_of(PRODUCTS, API_IDS, st.just("/apis"))),
    put(below(API, "/releases/r"), apiId="/apis/a;rev=2"),
)
LINKS_EDITED = st.one_of(put(LINKS), st.tuples(st.just("delete"), LINKS, st.just({})))
DELETES = st.tuples(
    st.just("delete"),
    st.one_of(API_IDS, OPERATION_IDS, LINKS, PRODUCTS, SECRETS, SUBSCRIPTIONS),
    st.just({"deleteRevisions": "true", "deleteSubscriptions": "true"}),
)
POLL = st.just(("poll", "", {}))
# so that most edits find something to change
START = [
    ("put", "/gateways/gw", {}),
    ("put", "/apis/a", {"path": "a", "displayName": "a"}),
    ("put", "/apis/a/operations/get", {"displayName": "get", **OPERATION}),
    ("put", "/apis/a;rev=2", {"sourceApiId": "/apis/a"}),
    ("put", "/apis/b", {"path": "b", "displayName": "b"}),
    ("put", "/products/p", {"displayName": "p"}),
    ("poll", "", {}),
]


@settings(max_examples=30, deadline=None)
@given(st.lists(st.one_of(PUTS, LINKS_EDITED, DELETES, POLL, POLL), min_size=15, max_size=40))
def test_changes_lead_where_a_snapshot_does(edits: list[tuple[str, str, dict[str, Any]]]) -> None:
    with tempfile.TemporaryDirectory() as directory:
        converge(Path(directory), edits)


def converge(directory: Path, edits: list[tuple[str, str, dict[str, Any]]]) -> None:
    store = Store.open(store_url(directory), Vault(b"k" * 32))
    try:
        ensure_default(store, DEFAULT_SERVICE)
        agent = held_by_nobody()
        for verb, id, content in [*START, *edits, ("poll", "", {})]:
            if verb != "poll":
                edit(store, verb, id, content)
                continue
            poll(store, agent)
            fresh = held_by_nobody()
            poll(store, fresh)
            assert fresh.kind == "snapshot"
            assert agent.held == fresh.held
    finally:
        store.close()


def held_by_nobody() -> Agent:
    return Agent(None, "gw", "")  # type: ignore[arg-type]  # it polls the store, not a plane


def edit(store: Store, verb: str, id: str, content: dict[str, Any]) -> None:
    try:
        with writing(store, DEFAULT_SERVICE) as tx:
            assert tx is not None
            (Applier(tx).put(id, content) if verb == "put" else Applier(tx).delete(id, content))
    except ArmError:
        pass  # a refused edit must leave no trace, which the snapshot shows


def poll(store: Store, agent: Agent) -> None:
    with reading(store, DEFAULT_SERVICE) as tx:
        assert tx is not None
        feed = Feed(tx.connection, store.vault, tx.service, "gw", Fingerprints({}))
        agent.apply("".join(feed.lines(agent.dataset, agent.cursor)))
