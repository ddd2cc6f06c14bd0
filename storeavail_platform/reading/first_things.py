"""Which things to do first after a date, by the store-hours that they cost. Pure: a brief in,
sentences out; what is written is neutral for every channel.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from storeavail_platform.domain.text import neutralised
from storeavail_platform.reading.brief import Brief, LongOff
from storeavail_platform.reading.recent import Group
from storeavail_platform.reading.verdict import STATES, since_when

FIRST_THINGS = 2
LEAST_COST = 60
"""Minutes of stores below which nothing has to be done first."""


@dataclass(frozen=True)
class Thing:
    """Something to do.

    Attributes:
        group: whose stores it is about, so that one cause is not told twice.
        cost: minutes of stores on the date.
    """

    what: str
    group: Group
    cost: float


def first_things(brief: Brief) -> list[Thing]:
    """The dearest things, at most FIRST_THINGS of them, each about other stores."""
    found: list[Thing] = []
    for thing in sorted(_things(brief), key=lambda each: -each.cost):
        is_new = all(thing.group == Group() or thing.group != each.group for each in found)
        if thing.cost >= LEAST_COST and is_new and len(found) < FIRST_THINGS:
            found.append(thing)
    return found


def store_hours(minutes: float) -> str:
    """Minutes of stores for people: `12.5 store-hours`, `1,240 store-hours`."""
    hours = minutes / 60
    return f"{hours:,.1f} store-hours" if hours < 10 else f"{hours:,.0f} store-hours"


def _things(brief: Brief) -> Iterator[Thing]:
    yield from _incidents(brief)
    yield from _off(brief)
    if brief.lost:
        count = "a window was" if len(brief.lost) == 1 else f"{len(brief.lost)} windows were"
        yield Thing(
            f"find out why {count} lost: the alert `gap` and the failed runs say it"
            f" ({store_hours(brief.lost_minutes)} are unknown)",
            brief.group,
            brief.lost_minutes,
        )
    unknown = brief.day.now.unknown - brief.lost_minutes
    before = brief.day.before
    usual = before.unknown / before.expected * brief.day.now.expected if before.expected else 0
    yield Thing(
        "see for which reasons stores are unknown (rows with problems, edges of hours):"
        f" {store_hours(unknown)} beside lost windows",
        brief.group,
        unknown - usual,
    )
    down = [Group(each.brand, each.city) for each in brief.incidents if each.kind == "missing"]
    for changed in brief.worse:
        if any(changed.group.overlaps(group) for group in down):
            # the incident says why
            continue
        yield Thing(
            f"ask {neutralised(changed.name)} why its stores missed"
            f" {store_hours(changed.missing)}, usually {store_hours(changed.usual)}",
            changed.group,
            changed.beyond,
        )


def _incidents(brief: Brief) -> Iterator[Thing]:
    for each in brief.incidents:
        name = neutralised(each.scope_name)
        cost = store_hours(each.missed_minutes)
        if each.kind == "missing":
            since = since_when(each.started_at, each.last_window, brief.timezone)
            state = "is still going on" if each.is_ongoing else "is over, find out what it was"
            what = f"call {name}: its incident since {since} {state} ({cost})"
            if each.scope == "unexplained":
                what = f"see which stores were off {name.removeprefix('stores ')}: {cost}"
        elif each.kind == "rogue":
            what = f"compare the opening hours of {name} with those who run it: {cost} online"
        else:
            what = f"find out why the stores of {name} are {STATES[each.kind]}: {cost}"
        yield Thing(what, Group(each.brand, each.city), each.missed_minutes)


def _off(brief: Brief) -> Iterator[Thing]:
    """Stores off for long, a thing a brand."""
    by_brand: dict[str | None, list[LongOff]] = defaultdict(list)
    for store in brief.off:
        by_brand[store.brand].append(store)
    for brand, stores in by_brand.items():
        count = "a store that is" if len(stores) == 1 else f"{len(stores):,} stores that are"
        cost = sum(missed_on(brief, stores))
        yield Thing(
            f"tell {neutralised(brand or 'those who run them')} of {count} off for long"
            f" ({store_hours(cost)} yesterday); one that is closed for good becomes inactive",
            Group(brand),
            cost,
        )


def missed_on(brief: Brief, stores: Sequence[LongOff]) -> list[int]:
    """The minutes that stores missed on the brief's date."""
    return [each.missed_minutes if each.local_date == brief.local_date else 0 for each in stores]
