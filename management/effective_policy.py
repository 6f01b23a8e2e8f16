"""What runs for an operation: the documents of all scopes, `<base/>` replaced by the broader one. Ours, not ARM's.

    GET {api}/operations/{operation}/effectivePolicy?productId=starter

A list in the order in which it runs: {section, name, text, line, scope, document}. `line` is that of the element in
its document, `document` the id of that document, empty for what the gateway does where nothing says otherwise.
"""

from __future__ import annotations

from typing import Any

from management import policy_check
from management.declare import Call
from management.errors import ArmError, invalid
from management.policy_format import convert
from management.transaction import Transaction
from proxy.check import Part, outline

SECTIONS = ("inbound", "backend", "outbound", "on-error")
# where no document says otherwise
DEFAULT = {"backend": (Part("forward-request", 0, "<forward-request />"),)}


class _Document:
    """One scope's document; `id` is empty for what the gateway does by itself."""

    def __init__(self, scope: str, id: str, sections: dict[str, tuple[Part, ...]]) -> None:
        self.scope = scope
        self.id = id
        self.sections = sections


def effective_policy(call: Call) -> list[dict[str, Any]]:
    chain = [
        _Document("default", "", dict(DEFAULT)),
        *_documents(call.tx, call.row.id, call.query.get("productId", "")),
    ]
    return [each for section in SECTIONS for each in _section(chain, len(chain) - 1, section)]


def _documents(tx: Transaction, holder: str, product: str) -> list[_Document]:
    """From the broadest scope to the narrowest; absent ones are not there."""
    product = product.rstrip("/").rsplit("/", 1)[-1]
    if product and tx.get(f"/products/{product}") is None:
        raise invalid("productId", f"There is no product '{product[:80]}'.")
    api = "/".join(holder.split("/")[:3])
    holders = [("global", ""), *([("product", f"/products/{product}")] if product else []), ("api", api)]
    if holder != api:
        holders.append(("operation", holder))
    found = []
    for scope, id in holders:
        row = tx.get(f"{id}/policies/policy")
        if row is None:
            continue
        text = convert(str(row.body["value"]), str(row.body.get("format") or "xml"), "rawxml")
        sections = outline(text)
        if sections is None:
            raise ArmError(400, "ValidationError", f"{row.id} cannot be read: check it there.")
        found.append(_Document(scope, row.id, sections))
    return found


def _section(chain: list[_Document], index: int, name: str) -> list[dict[str, Any]]:
    while index >= 0 and name not in chain[index].sections:
        index -= 1
    if index < 0:
        return []
    document, found = chain[index], []
    for part in document.sections[name]:
        if part.name != "base":
            found.append(
                {
                    "section": name,
                    "name": part.name,
                    "text": part.text,
                    "line": part.line,
                    "scope": document.scope,
                    "document": document.id,
                }
            )
        elif document.scope != "global":  # <base/> has no effect at the global scope
            found += _section(chain, index - 1, name)
    return found


def check_text(tx: Transaction, body: dict[str, Any]) -> dict[str, Any]:
    """`{"scope": "/apis/shop", "value", "format"}` to `{"issues"}`: what storing it would find. Stores nothing."""
    scope, value, format = body.get("scope", ""), body.get("value"), str(body.get("format") or "rawxml").lower()
    if not isinstance(value, str):
        raise invalid("value", "value must be the text of a policy document.")
    if format not in ("xml", "rawxml"):
        raise invalid("format", "format must be xml or rawxml.")
    kind = policy_check.kind_of(scope) if isinstance(scope, str) else None
    if kind is None:
        raise invalid(
            "scope",
            "scope must be empty for the global document, /products/NAME, /apis/NAME, /apis/NAME/operations/NAME, "
            "/apis/NAME/resolvers/NAME or /policyFragments/NAME.",
        )
    return {"issues": policy_check.look(tx, value, kind)}
