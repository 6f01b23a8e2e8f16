"""A client's allowance for frames that cost us work and it next to nothing: PING, SETTINGS, resets, empty frames.

Rules
1. Each such frame takes from the allowance, which time fills and honest work too: a response that was taken whole, a
   DATA frame that no window made shorter. When it is empty the connection ends with ENHANCE_YOUR_CALM.
2. A stream that the client resets when it is YOUNG costs as much as a whole response earns, so that half of them may be
   given up; older ones, as deadlines end them, cost nothing: how many there are is bounded by how many may be open.
Against: rapid reset (CVE-2023-44487), PING, SETTINGS, empty-frame and window floods (CVE-2019-9511, 9512, 9515, 9517,
9518), resets that we are made to send (CVE-2025-8671).
"""

from __future__ import annotations

FULL = 2000.0
PER_SECOND = 200.0
RESET = 5.0
YOUNG = 0.1  # seconds
SETTINGS = 5.0
FRAME = 1.0
SENT = 10.0  # earned by a DATA frame that went out whole: gRPC acknowledges each several times


class Allowance:
    """`left` may become negative; then the connection ends."""

    __slots__ = ("_at", "left")

    def __init__(self, now: float) -> None:
        self.left = FULL
        self._at = now

    def take(self, cost: float, now: float) -> bool:
        """False when nothing is left."""
        self.left = min(FULL, self.left + (now - self._at) * PER_SECOND) - cost
        self._at = now
        return self.left >= 0

    def earn(self, size: float) -> None:
        self.left = min(FULL, self.left + size)
