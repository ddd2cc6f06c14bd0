"""`python -m benchmarks.incidents`: how well the causes of faults are found whose truth is known, and
what it costs.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
from rich.console import Console
from rich.table import Table

from storeavail_platform.demo.countries import COUNTRIES
from storeavail_platform.domain.causes.scopes import Scope
from storeavail_testing.demo_causes import demo_days
from storeavail_testing.faults import Fault, country, day, estimated, judged
from storeavail_testing.judgement import BEGINS, NOON, Simulated, outcomes

CASES = 300
SEED = 20261123
DEMO_DAYS = 3
LARGE_STORES, LARGE_SIZES = 100_000, (1_000, 800)
GOALS = {"10,000 stores": 0.05, "100,000 stores": 0.5, "100,000 stores, the country down": 0.6}
CONSOLE = Console(width=110, highlight=False)


def measure(cases: int = CASES, seed: int = SEED) -> None:
    """Judge and print."""
    table = Table("fault", "goal", "reached", "cases", "", title="causes, judged on known faults")
    for outcome in outcomes(np.random.default_rng(seed), cases):
        is_share = not outcome.is_most or outcome.goal < 1
        goal, reached = (
            f"{100 * value:.1f} %" if is_share else f"{value:.2f}"
            for value in (outcome.goal, outcome.reached)
        )
        sign = "at most" if outcome.is_most else "at least"
        met = "" if outcome.is_met else "missed"
        table.add_row(outcome.fault, f"{sign} {goal}", reached, f"{outcome.cases:,}", met)
    for code in COUNTRIES:
        days = demo_days(code, DEMO_DAYS)
        false, named, outages = len(days.false_openings), days.named, days.outage_windows
        what = f"the demo's {code} from no past, three days"
        met = "" if named == outages else "missed"
        table.add_row(f"{what}: outage windows named", f"{outages}", f"{named}", "", met)
        met = "" if false <= 1 else "missed"
        table.add_row(f"{what}: false openings", "at most 1", f"{false}", "", met)
    CONSOLE.print(table)
    CONSOLE.print(costs(seed))


def costs(seed: int) -> Table:
    """What the slowest window of some takes."""
    table = Table("a window of", "goal", "seconds of processor", "pairs", title="what it costs")
    random = np.random.default_rng(seed)
    usual = country(random)
    large = country(random, stores=LARGE_STORES, sizes=LARGE_SIZES)
    of = {"10,000 stores": Simulated(usual, estimated(usual, 2))}
    of["100,000 stores"] = of["100,000 stores, the country down"] = Simulated(
        large, estimated(large, 2)
    )
    for name, goal in GOALS.items():
        faults = [Fault(Scope("country"), 0.6, BEGINS)] if "down" in name else []
        seconds = seconds_a_window(of[name], faults)
        pairs = f"{len(of[name].country.pairs):,}"
        table.add_row(name, f"at most {goal}", f"{seconds:.3f}", pairs)
    return table


def seconds_a_window(of: Simulated, faults: list[Fault]) -> float:
    """The most seconds of the processor that a window takes."""
    slots = range(NOON, NOON + BEGINS + 4)
    on = day(of.country, 0, faults, slots)
    taken = []
    for number in range(len(slots)):
        began = time.process_time()
        judged(of.country, on, slots[: number + 1], of.before)
        taken.append(time.process_time() - began)
    return float(np.diff([0.0, *taken]).max())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.incidents", description=__doc__)
    parser.add_argument("--cases", type=int, default=CASES, help="faults a row (default: 300)")
    parser.add_argument("--seed", type=int, default=SEED)
    arguments = parser.parse_args()
    measure(arguments.cases, arguments.seed)
