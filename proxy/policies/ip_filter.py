"""`ip-filter`: lets callers through, or refuses them, by their address.

https://learn.microsoft.com/azure/api-management/ip-filter-policy
"""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import TYPE_CHECKING

from proxy.errors import ExpressionFailed, PolicyRefused
from proxy.pipeline.registry import INBOUND, Handler, policy

if TYPE_CHECKING:
    from proxy.exchange import Exchange
    from proxy.pipeline.compile import Compiler
    from proxy.pipeline.element import Element

Address = IPv4Address | IPv6Address


@policy("ip-filter", sections={INBOUND})
def ip_filter(element: Element, compiler: Compiler) -> Handler:
    """Allow or forbid callers by IPv4 or IPv6 address and range."""
    action = element.choice("action", "allow", "forbid")
    singles: set[Address] = set()
    dynamic = []
    children = element.children("address")
    for child in children:
        value = child.content(required=True)
        if not value.constant:
            dynamic.append(value)
        elif value.value and (address := _literal(child, value.value)):
            singles.add(address)
    ranges = []
    computed = []
    range_elements = element.children("address-range")
    for child in range_elements:
        start, end = child.string("from"), child.string("to")
        if not (start.constant and end.constant):
            computed.append((start, end))
            continue
        first, last = start.value, end.value
        low, high = _literal(child, first), _literal(child, last)
        if low and high:
            if low.version != high.version or int(low) > int(high):
                child.issue(f"'{first}' to '{last}' is no range. Put the lower address first.", "invalid-attribute")
            ranges.append((low.version, int(low), int(high)))
    if not children and not range_elements:
        element.issue("<ip-filter> needs at least one <address> or <address-range>.", "missing-element")

    def listed(exchange: Exchange, caller: Address) -> bool:
        if caller in singles:
            return True
        number = int(caller)
        if any(caller.version == version and low <= number <= high for version, low, high in ranges):
            return True
        if any(_computed(value.get(exchange)) == caller for value in dynamic):
            return True
        return any(_within(caller, start.get(exchange), end.get(exchange)) for start, end in computed)

    def handle(exchange: Exchange) -> None:
        caller = parse_address(exchange.request.client_ip)
        allow = action.get(exchange) == "allow"
        if caller is None:
            if allow:
                raise _refused("FailedToParseCallerIP", "Failed to establish IP address for the caller. Access denied.")
            return
        if listed(exchange, caller) == allow:
            return
        if allow:
            raise _refused("CallerIpNotAllowed", f"Caller IP address {caller} is not allowed. Access denied.")
        raise _refused("CallerIpBlocked", "Caller IP address is blocked. Access denied.")

    return handle


@lru_cache(maxsize=4096)
def parse_address(text: str) -> Address | None:
    """An address, an IPv4 one also when it is written as IPv4-mapped IPv6; None when it is none."""
    try:
        address = ip_address(text.strip())
    except ValueError:
        return None
    if isinstance(address, IPv6Address):
        return address.ipv4_mapped or address
    return address


def _literal(element: Element, text: str) -> Address | None:
    address = parse_address(text)
    if address is None and text:
        element.issue(f"{text!r} is not an IPv4 or IPv6 address. Use <address-range> for ranges.", "invalid-text")
    return address


def _computed(text: str) -> Address:
    address = parse_address(text)
    if address is None:
        raise ExpressionFailed(f"{text!r} is not an IP address.")
    return address


def _within(caller: Address, start: str, end: str) -> bool:
    low, high = _computed(start), _computed(end)
    return caller.version == low.version == high.version and int(low) <= int(caller) <= int(high)


def _refused(reason: str, message: str) -> PolicyRefused:
    return PolicyRefused(403, "Forbidden", reason, message, public="Forbidden")
