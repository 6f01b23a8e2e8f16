"""What trouble beside a process costs its requests: two sidecars under the same load at the same time, one with the
trouble and one without, and then the other way round.

Other work on the machine makes the requests of both dearer, and what one of the two always costs more falls out when
they change places. Each block of a second gives one ratio; all of them an estimate with its error.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.e2e.house import wait_until
from tests.faults.cost import precise_cpu
from tests.faults.row import Figures

if TYPE_CHECKING:
    from tests.faults.load import Load
    from tests.faults.place import Place

BLOCK = 1.0  # seconds
SETTLE = 1.5  # seconds behind a change
RATE = 800.0  # requests/s to both together
BLOCKS = 18  # in each place


@dataclass
class Compared:
    """`ratios`, by which of the two had the trouble: the cost of a request without it by that with it. `calm` and
    `upset` are milliseconds a request."""

    ratios: tuple[list[float], list[float]] = field(default_factory=lambda: ([], []))
    calm: list[float] = field(default_factory=list)
    upset: list[float] = field(default_factory=list)

    @property
    def percent(self) -> float:
        """Throughput that is left, as far as the processor bounds it."""
        return 100 * math.exp(statistics.fmean(statistics.fmean(map(math.log, each)) for each in self.ratios))

    @property
    def error(self) -> float:
        """Percent; twice the standard error."""
        variances = [statistics.variance([math.log(ratio) for ratio in each]) / len(each) for each in self.ratios]
        return 200 * math.sqrt(sum(variances)) / 2

    def tell(self, figures: Figures, goal: float = 95, bound: float = 85) -> None:
        """It is below the goal when the whole of its interval is."""
        name = "throughput by processor time"
        figures.at_least(name, self.percent, goal, "%", bound=bound, error=self.error)
        calm, upset = statistics.median(self.calm), statistics.median(self.upset)
        figures.say(f"{calm:.3f} ms a request without it, {upset:.3f} ms with it")


def compared(
    place: Place,
    pids: Sequence[int],
    figures: Figures,
    upsets: Sequence[Callable[[int], None]],
    heal: Callable[[int], None],
    healed: Callable[[int], bool] = lambda number: True,
) -> Compared:
    """`upsets` are done to the one with that number, in turn; `heal` undoes them, `healed` says when they are past."""
    found = Compared()
    first, second = (place.load([gateway], rate=RATE / 2) for gateway in place.house.gateways)
    with first, second:
        time.sleep(3)  # pools and caches are warm now
        for sick in (0, 1):
            for upset in upsets:
                upset(sick)
                time.sleep(SETTLE)
                for _ in range(BLOCKS // len(upsets)):
                    costs = _block((first, second), pids)
                    found.calm.append(costs[1 - sick])
                    found.upset.append(costs[sick])
                    found.ratios[sick].append(costs[1 - sick] / costs[sick])
            heal(sick)
            wait_until(lambda sick=sick: healed(sick), 60, what="the end of the trouble")
    figures.failed(first)
    figures.failed(second)
    return found


def _block(loads: Sequence[Load], pids: Sequence[int]) -> list[float]:
    """Milliseconds of processor time a request, of each."""
    before = [(load.total, precise_cpu(pid)) for load, pid in zip(loads, pids, strict=True)]
    time.sleep(BLOCK)
    return [
        (precise_cpu(pid) - began) / max(load.total - total, 1) * 1000
        for load, pid, (total, began) in zip(loads, pids, before, strict=True)
    ]
