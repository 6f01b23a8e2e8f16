"""What is asked of the sidecar beside other gateways, and what was measured; all of it ratios within one run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from benchmarks.table import table

OURS = "Passerelle"
OURS_DEFAULT = "Passerelle, default telemetry"
NODE = ("fast-gateway", "express-gateway")


@dataclass(frozen=True)
class Figures:
    """CPU in microseconds per request; `late` is the 99th percentile at half of saturation, in milliseconds."""

    cpu: float
    late: float


@dataclass(frozen=True)
class Goal:
    """At most `asked` times what the quickest of `beside` needs, in the plain or in the full job."""

    name: str
    full: bool
    asked: float
    beside: tuple[str, ...]
    late: bool = False

    def measured(self, figures: Mapping[tuple[str, bool], Figures]) -> float | None:
        """None where one of the two was not measured."""

        def figure(name: str) -> float:
            found = figures[name, self.full]
            return found.late if self.late else found.cpu

        others = [figure(name) for name in self.beside if (name, self.full) in figures]
        return figure(OURS) / min(others) if others and min(others) > 0 and (OURS, self.full) in figures else None


GOALS = (
    Goal("plain proxying, CPU beside Envoy", False, 0.65, ("Envoy",)),
    Goal("plain proxying, CPU beside nginx", False, 2.0, ("nginx",)),
    Goal("plain proxying, CPU beside the obvious aiohttp proxy", False, 0.2, ("obvious aiohttp",)),
    Goal("the full job, CPU beside Envoy", True, 0.8, ("Envoy",)),
    Goal("the full job, CPU beside nginx with Lua", True, 2.5, ("nginx",)),
    Goal("the full job, CPU beside the quickest gateway on Node", True, 0.4, NODE),
    Goal("plain proxying, p99 at half of saturation beside Envoy", False, 2.0, ("Envoy",), late=True),
    Goal("the full job, p99 at half of saturation beside Envoy", True, 2.0, ("Envoy",), late=True),
)


def report(figures: Mapping[tuple[str, bool], Figures]) -> str:
    rows = []
    for goal in GOALS:
        found = goal.measured(figures)
        if found is not None:
            rows.append([goal.name, f"≤ {goal.asked:g}", f"{found:.2f}", "met" if found <= goal.asked else "missed"])
    return (
        table(["goal", "asked", "measured", ""], rows) if rows else "None of the gateways that goals name was measured."
    )
