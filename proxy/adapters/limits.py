"""How much a client may ask for and how long it may take: the limits and deadlines of the ports, from settings.

Each is documented in docs/wire.md and docs/settings.md. All of them hold for HTTP/1.1 and, where it has such a thing,
for HTTP/2. A value out of bounds is refused at the start.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from proxy.messages import MAX_BUFFERED_BODY
from proxy.settings import SettingError, duration, integer

KIB, MIB = 1024, 1024 * 1024


@dataclass(slots=True, frozen=True)
class Limits:
    """Sizes are bytes, times seconds.

    `line` is the request line (else 414), `field` one header field, `fields` their number, `head` all of them (431).
    `framing` is what the sizes, extensions and trailers of a chunked body may take beyond eight bytes for each of its
    own. `connections` are those of one process, `per_source` those of one address, 0 for any number (503).
    `head_deadline` is from the first byte to the end of a head, `idle` between requests; a body that somebody reads
    comes at `rate` per second, measured over `grace`; `send` is how long a client may take nothing of an answer;
    `half_close` how long one that closed its side is waited for.
    """

    line: int = 8 * KIB
    field: int = 8 * KIB
    fields: int = 100
    head: int = 64 * KIB
    framing: int = 16 * KIB
    connections: int = 10_000
    per_source: int = 0
    buffered: int = MAX_BUFFERED_BODY
    head_deadline: float = 10.0
    idle: float = 75.0
    rate: int = 240
    grace: float = 5.0
    send: float = 60.0
    half_close: float = 0.5

    @classmethod
    def read(cls, values: Mapping[str, str]) -> Limits:
        """Raises SettingError."""
        usual = cls()
        made = cls(
            line=integer(values, "net.server.limits.request-line", usual.line, 256, MIB),
            field=integer(values, "net.server.limits.header-field", usual.field, 256, MIB),
            fields=integer(values, "net.server.limits.header-count", usual.fields, 8, 10_000),
            head=integer(values, "net.server.limits.headers", usual.head, 1024, 16 * MIB),
            framing=integer(values, "net.server.limits.chunked-overhead", usual.framing, 256, 16 * MIB),
            connections=integer(values, "net.server.limits.connections", usual.connections, 1, 1_000_000),
            per_source=integer(values, "net.server.limits.connections-per-source", usual.per_source, 0, 1_000_000),
            buffered=integer(values, "net.server.limits.buffered-body", usual.buffered, 1024, 1024 * MIB),
            head_deadline=_seconds(values, "net.server.timeout.headers", usual.head_deadline, 1.0),
            idle=_seconds(values, "net.server.timeout.idle", usual.idle, 1.0),
            rate=integer(values, "net.server.limits.body-rate", usual.rate, 0, 1_000_000_000),
            grace=_seconds(values, "net.server.timeout.body", usual.grace, 1.0),
            send=_seconds(values, "net.server.timeout.send", usual.send, 1.0),
            half_close=_seconds(values, "net.server.timeout.half-close", usual.half_close, 0.0),
        )
        if made.field > made.head:
            raise SettingError("net.server.limits.header-field is more than net.server.limits.headers allows in all.")
        return made


def _seconds(values: Mapping[str, str], name: str, default: float, low: float) -> float:
    found = duration(values, name, default)
    if not low <= found <= 86_400:
        raise SettingError(f"{name} is {values[name]!r}; it must be {low:g} seconds to a day.")
    return found


DEFAULTS = Limits()
