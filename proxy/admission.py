"""Subscription keys: who may call which API, and in which product's context.

Rules (https://learn.microsoft.com/azure/api-management/api-management-subscriptions)
1. The key is read from the header; only when there is none, from the query. Both names belong to the API.
2. A key must belong to an active subscription whose scope covers the API: this API, a product that holds it, all APIs,
   or the service. Any other key is refused, whatever the API would allow without one.
3. Without a key, an open product that holds the API wins (product context), else the API must be open itself.
4. A product that is not published keeps its keys valid.
5. The query key is removed before the backend; the header stays, as in APIM (set-header can delete it).
Keys are found by their SHA-256 digest and then compared in constant time; no key is ever logged.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from urllib.parse import unquote_plus

from multidict import MultiMapping

from proxy.config.layers import changed
from proxy.config.resources import Api, Product, Subscription, User
from proxy.errors import SubscriptionKeyInvalid, SubscriptionKeyMissing
from proxy.exchange import Exchange
from proxy.templates import query_values

REMEMBERED = 256  # characters


@dataclass(slots=True, frozen=True)
class Access:
    """`keys` is digest -> subscription; `open_products` API name -> the first open product that holds it."""

    keys: Mapping[bytes, Subscription]
    products: Mapping[str, Product]
    users: Mapping[str, User]
    open_products: Mapping[str, Product]
    # API name -> an open product that would admit it, were it published
    unpublished: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, subscriptions: Iterable[Subscription], products: Iterable[Product], users: Iterable[User]) -> Access:
        empty = cls({}, {}, {}, {})
        return empty.with_subscriptions((), subscriptions).with_products(products).with_users(users)

    def with_subscriptions(self, old: Iterable[Subscription], new: Iterable[Subscription]) -> Access:
        """These with the subscriptions `old` replaced by `new`."""
        changes: dict[bytes, Subscription | None] = {}
        for subscription in old:
            for key in (subscription.primary_key, subscription.secondary_key):
                held = self.keys.get(digest(key)) if key else None
                if held is not None and held.id == subscription.id:
                    changes[digest(key)] = None
        for subscription in new:
            for key in (subscription.primary_key, subscription.secondary_key):
                if key:
                    changes[digest(key)] = subscription
        return replace(self, keys=changed(self.keys, changes))

    def with_products(self, products: Iterable[Product]) -> Access:
        listed = {product.id.lower(): product for product in products}
        open_products: dict[str, Product] = {}
        unpublished: dict[str, str] = {}
        for product in sorted(listed.values(), key=lambda each: each.id):
            if not product.subscription_required:
                for api in product.apis:
                    if product.published:
                        open_products.setdefault(api, product)
                    else:
                        unpublished.setdefault(api, product.id)
        return replace(self, products=listed, open_products=open_products, unpublished=unpublished)

    def with_users(self, users: Iterable[User]) -> Access:
        return replace(self, users={user.id.lower(): user for user in users})


def digest(key: str) -> bytes:
    """SHA-256 of a key; any text will do, also what is not UTF-8. Short ones used last are remembered."""
    return _remembered(key) if len(key) <= REMEMBERED else _digest(key)


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()


_remembered = lru_cache(maxsize=4096)(_digest)


def admit(access: Access, exchange: Exchange) -> None:
    """Set product, subscription and user of an exchange that has its API, or raise what is wrong with its key."""
    request = exchange.request
    api = exchange.api
    assert api is not None
    key = request.headers.get(api.key_header)
    if api.key_query and request.query:
        in_query = query_values(request.query).get(api.key_query.lower())
        if in_query is not None:
            request.query = without(request.query, api.key_query)
            key = in_query if key is None else key
    if not key:
        product = access.open_products.get(api.id.lower())
        if product is None and api.subscription_required:
            raise SubscriptionKeyMissing(challenge(exchange, api), detail=_missing(access, api, key is not None))
        exchange.product = product
        return
    subscription = access.keys.get(digest(key))
    if subscription is None:
        why = f"no such key; it was in {_place(request.headers, api)}"
    else:
        why = _refusal(subscription, key) or _scope(access, subscription, api, exchange)
    if why or subscription is None:
        raise SubscriptionKeyInvalid(challenge(exchange, api), detail=why)
    exchange.subscription = subscription
    if subscription.user:
        exchange.user = access.users.get(subscription.user.lower())


def _missing(access: Access, api: Api, empty: bool) -> str:
    """Why a request without a key is not admitted."""
    query = f" nor in the query parameter '{api.key_query}'" if api.key_query else ""
    found = "an empty key" if empty else f"no key in the header '{api.key_header}'{query}"
    if product := access.unpublished.get(api.id.lower()):
        return f"{found}; product '{product}' would admit API '{api.id}' without one, but it is not published"
    return f"{found}; API '{api.id}' requires a subscription and no open product holds it"


def _place(headers: MultiMapping[str], api: Api) -> str:
    where = f"the header '{api.key_header}'" if api.key_header in headers else f"the query as '{api.key_query}'"
    return f"{where} for API '{api.id}'"


def challenge(exchange: Exchange, api: Api) -> str:
    """The WWW-Authenticate value: where the key belongs."""
    url = exchange.request.original_url
    path = f"/{api.path.strip('/')}" if api.path.strip("/") else ""
    return f'AzureApiManagementKey realm="{url.scheme}://{url.authority}{path}",name="{api.key_header}",type="header"'


def _refusal(subscription: Subscription, key: str) -> str:
    given = key.encode("utf-8", "surrogateescape")
    primary = hmac.compare_digest(given, subscription.primary_key.encode("utf-8", "surrogateescape"))
    secondary = hmac.compare_digest(given, subscription.secondary_key.encode("utf-8", "surrogateescape"))
    if not primary and not secondary:
        return "no such key"
    # The state alone decides: APIM keeps the dates of a subscription for audits, and clocks of two hosts differ.
    if subscription.state.lower() != "active":
        return f"subscription '{subscription.id}' is {subscription.state}"
    return ""


def _scope(access: Access, subscription: Subscription, api: Api, exchange: Exchange) -> str:
    """Set the product when the scope is one; returns why the scope does not cover the API, or ""."""
    kind, _, name = subscription.scope.partition(":")
    if kind in ("apis", "service"):
        return ""
    if kind == "api":
        if name.lower() == api.id.lower():
            return ""
        return f"subscription '{subscription.id}' is for API '{name}' only"
    product = access.products.get(name.lower())
    if product is None or api.id.lower() not in product.apis:
        return f"product '{name}' of subscription '{subscription.id}' does not hold API '{api.id}'"
    exchange.product = product
    return ""


def without(query: str, name: str) -> str:
    """The query without a parameter; every other byte stays as it was."""
    wanted = name.lower()
    return "&".join(part for part in query.split("&") if unquote_plus(part.partition("=")[0]).lower() != wanted)
