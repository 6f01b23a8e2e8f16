"""Puts the demo into a management plane, by ARM calls as any client makes them: once per data directory.

What a person changed afterwards stays as it is. Only the backend's address follows its port.
"""

from __future__ import annotations

import json
import secrets
import time
from dataclasses import asdict, dataclass
from importlib.resources import files

from passerelle.home import Home
from passerelle.house import House
from passerelle.plan import GATEWAY, Plan
from passerelle.plane import Plane, PlaneError
from passerelle.private import write_private
from passerelle.probe import status_of

API = "/apis/shop"
PRODUCT = "/products/starter"
SUBSCRIPTION = "/subscriptions/demo"
OPERATIONS_WITH_POLICY = ("search", "place-order", "list-offers")
KEY_HEADER = "Ocp-Apim-Subscription-Key"


@dataclass(frozen=True, slots=True)
class State:
    """What the demo must know of the last time; kept in DIR/demo/state.json (0600, it holds the key)."""

    key: str
    backend_port: int
    seeded: bool


def read_state(home: Home) -> State:
    try:
        return State(**json.loads((home.demo / "state.json").read_text(encoding="utf-8")))
    except FileNotFoundError:
        return State(key=secrets.token_hex(16), backend_port=0, seeded=False)


def last_backend_port(home: Home) -> int:
    return read_state(home).backend_port


def document(name: str) -> str:
    """A file of the demo, e.g. `shop.yaml` or `policies/shop.xml`."""
    return files("passerelle.demo").joinpath(name).read_text(encoding="utf-8")


def seed(plan: Plan, plane: Plane) -> None:
    """Make the demo when this directory has none yet; otherwise only point the API at the backend's new port."""
    state = read_state(plan.home)
    if not state.seeded:
        # written before the first call, so that a start that was interrupted goes on with the same key
        _write(plan.home, State(state.key, plan.backend_port, seeded=False))
        create(plane, plan.backend_url, state.key)
    elif state.backend_port != plan.backend_port:
        _follow_backend(plane, state.backend_port, plan)
    _write(plan.home, State(state.key, plan.backend_port, seeded=True))


def create(plane: Plane, backend_url: str, key: str) -> None:
    """Every call is idempotent: the whole may be repeated after an interruption."""
    plane.put("/namedValues/shop-name", {"displayName": "shop-name", "value": "The little book shop"})
    plane.put(
        API,
        {
            "format": "openapi",
            "value": document("shop.yaml"),
            "displayName": "Book shop",
            "path": "shop",
            "protocols": ["http", "https"],
            "serviceUrl": backend_url,
            "subscriptionRequired": True,
        },
    )
    plane.put_policy(API, document("policies/shop.xml"))
    for operation in OPERATIONS_WITH_POLICY:
        plane.put_policy(f"{API}/operations/{operation}", document(f"policies/{operation}.xml"))
    plane.put(
        PRODUCT,
        {
            "displayName": "Starter",
            "description": "The book shop, for whoever has a key.",
            "subscriptionRequired": True,
            "approvalRequired": False,
            "state": "published",
        },
    )
    plane.put(f"{PRODUCT}{API}")
    for group in ("guests", "developers"):  # who sees it in the portal
        plane.put(f"{PRODUCT}/groups/{group}")
    plane.put(
        SUBSCRIPTION,
        {"displayName": "demo", "scope": PRODUCT, "state": "active", "primaryKey": key},
    )
    if not plane.exists(f"/gateways/{GATEWAY}"):
        plane.gateway_token(GATEWAY)  # makes the gateway
    plane.put(f"/gateways/{GATEWAY}{API}", {"provisioningState": "created"})


def _follow_backend(plane: Plane, old_port: int, plan: Plan) -> None:
    """Unless a person has pointed the API elsewhere, or has deleted it."""
    try:
        current = str(plane.get(API)["properties"].get("serviceUrl", ""))
    except PlaneError as error:
        if error.status != 404:
            raise
        return
    if current.rstrip("/").endswith(f"127.0.0.1:{old_port}"):
        plane.patch(API, {"serviceUrl": plan.backend_url})


def wait_until_live(plan: Plan, house: House) -> None:
    """Until each sidecar answers the page's first command; no longer than three polls, since the demo may be edited."""
    key = read_state(plan.home).key
    deadline = time.monotonic() + 3 * plan.poll_interval + 5
    for port in plan.gateway_ports:
        while status_of(port, "/shop/books", {KEY_HEADER: key}) != 200 and time.monotonic() < deadline:
            house.pause(0.1)


def _write(home: Home, state: State) -> None:
    write_private(home.demo / "state.json", json.dumps(asdict(state)))
