"""A brief in sentences: made here alone, so that the page, the mail, a chat and the terminal say
the same. Pure; names from outside are made harmless here, whoever writes HTML escapes them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from storeavail_platform.domain.text import neutralised
from storeavail_platform.domain.windows import Window
from storeavail_platform.reading.brief import (
    NOTHING,
    Beside,
    Brief,
    Changed,
    LongOff,
    Sums,
)
from storeavail_platform.reading.first_things import first_things, store_hours
from storeavail_platform.reading.hours_changed import HoursChanged
from storeavail_platform.reading.incidents import Incident
from storeavail_platform.reading.verdict import STATES, since_when

LISTED = 8
"""Lines of a section: incidents, stores, brands; of the others it gives the number."""
NAMED = 5
"""Names in one line."""
LONGEST_NAME = 60
FIRST = "Do first"


@dataclass(frozen=True)
class Section:
    """A heading and its sentences."""

    title: str
    lines: Sequence[str]

    def shown(self, most: int = LISTED) -> list[str]:
        """The first sentences, and how many more there are."""
        more = len(self.lines) - most
        return [*self.lines[:most], *([f"and {more:,} more"] if more > 0 else [])]


@dataclass(frozen=True)
class ReportText:
    """A brief, or another report, for people.

    Attributes:
        title: whom it is of, and which date.
        headline: the date beside the usual, in a sentence.
        warnings: what makes the figures less than they look: said first.
    """

    title: str
    headline: str
    warnings: Sequence[str]
    sections: Sequence[Section]

    def plain(self, most: int = LISTED) -> str:
        """As plain text.

        Args:
            most: lines of a section.
        """
        paragraphs = [*(f"NOTE: {warning}" for warning in self.warnings), self.headline]
        for section in self.sections:
            lines = (f"- {line}" for line in section.shown(most))
            paragraphs.append("\n".join([f"{section.title}:", *lines]))
        return "\n\n".join(paragraphs)


def text_of(brief: Brief) -> ReportText:
    """The sentences of a brief."""
    sections = [
        Section(FIRST, [each.what for each in first_things(brief)] or ["nothing stands out"]),
        Section("Incidents", [_incident(brief, each) for each in brief.incidents]),
        Section("Off for long", list(_off(brief))),
        Section("Got better", list(_better(brief))),
        Section("Worse than usual", [_changed(each) for each in brief.worse]),
        Section("Opening hours that changed", list(_hours(brief))),
        Section("Coverage", [_coverage(brief)]),
        Section("The week", list(_week(brief))),
    ]
    return ReportText(
        f"{subject_of(brief)}, {day_text(brief.local_date)}",
        _headline(brief),
        list(_warnings(brief)),
        [section for section in sections if section.lines],
    )


def subject_of(brief: Brief) -> str:
    """Whom a brief is of: `BR`, `BR brand Grill 42`."""
    return f"{brief.country} {brief.group}".strip()


def day_text(day: date) -> str:
    """`Sunday 22 November 2026`."""
    return f"{day:%A} {day.day} {day:%B %Y}"


def percent(share: float | None) -> str:
    return "unknown" if share is None else f"{share:.1%}".replace("%", " %")


def _headline(brief: Brief) -> str:
    day, plural = brief.day, f"{brief.local_date:%A}s"
    if not day.now.expected:
        return "No store should have been open, or nothing is known of the date."
    said = f"Availability {percent(day.now.availability)}"
    missed = store_hours(day.now.missing)
    if not day.count:
        return f"{said}, {missed} missed; there are no earlier {plural} to compare with."
    before = f"the {day.count} {plural}" if day.count > 1 else f"the {brief.local_date:%A}"
    return (
        f"{said}, on {before} before {percent(day.before.availability)}; {missed} missed, usually"
        f" {store_hours(day.usual_missing or 0)}."
    )


def _warnings(brief: Brief) -> Iterator[str]:
    if brief.lost:
        unknown = f", and {store_hours(brief.lost_minutes)} in them are unknown, which is not down"
        yield (
            f"{_count(len(brief.lost), 'window was', 'windows were')} lost"
            f" ({_times(brief.lost, brief.timezone)}): nobody read the sources"
            f"{unknown if brief.lost_minutes else ''}."
        )
    if brief.waiting:
        yield (
            f"{_count(len(brief.waiting), 'window waits', 'windows wait')} to be computed"
            f" ({_times(brief.waiting, brief.timezone)}): the figures are without them yet."
        )
    if brief.suspect:
        reasons = ", ".join(dict.fromkeys(map(neutralised, brief.suspect.values())))
        yield (
            f"{_count(len(brief.suspect), 'window is', 'windows are')} suspect"
            f" ({_times(list(brief.suspect), brief.timezone)}; {reasons}): the figures may be"
            " wrong."
        )
    if brief.is_provisional:
        yield "The date is not over yet in every zone of the country: its figures will change."


def _incident(brief: Brief, each: Incident) -> str:
    zone = ZoneInfo(brief.timezone)
    began = since_when(each.started_at, each.last_window, brief.timezone)
    if each.is_ongoing or each.ended_at is None:
        when = f"since {began}"
    else:
        ended = each.ended_at.astimezone(zone)
        is_same_day = ended.date() == each.last_window.astimezone(zone).date()
        when = f"{began} to {ended:%H:%M}" if is_same_day else f"{began} to {ended:%a %H:%M}"
    return (
        f"{_name(each.scope_name)}, {when}: up to {each.stores:,} of {each.known:,} stores"
        f" {STATES[each.kind]}, {store_hours(each.missed_minutes)}"
    )


def _off(brief: Brief) -> Iterator[str]:
    zone = ZoneInfo(brief.timezone)
    for store in brief.off:
        since = _day_and_time(store.started_at, zone)
        before = "before " if store.is_started_before else ""
        yield (
            f"{_store(store)}: since {before}{since},"
            f" {store.missed_minutes_total / 60:,.0f} opening hours"
        )


def _better(brief: Brief) -> Iterator[str]:
    yield from (_changed(each) for each in brief.better)
    for each in brief.incidents:
        if not each.is_ongoing and each.kind == "missing":
            yield f"the incident of {_name(each.scope_name)} is over"
    if brief.back:
        names = [_store(store) for store in brief.back[:NAMED]]
        more = len(brief.back) - NAMED
        names += [f"{more:,} more"] if more > 0 else []
        were = _count(len(brief.back), "store is", "stores are")
        yield f"{were} back after being off for long: {', '.join(names)}"


def _changed(changed: Changed) -> str:
    missed, usual = store_hours(changed.missing), store_hours(changed.usual)
    return f"{_name(changed.name)}: {missed} missed, usually {usual}"


def _hours(brief: Brief) -> Iterator[str]:
    if brief.hours_changed is None:
        yield "not looked for: the dates have too many rows of hours"
        return
    for each in brief.hours_changed:
        stores = _count(each.stores, "store", "stores")
        said = f"{_name(each.brand or 'no brand')}: {stores} {_verb(each)}"
        if each.change.startswith("opens"):
            said += f" ({_clock(each.opens_before)} to {_clock(each.opens)})"
        elif each.change.startswith("closes"):
            said += f" ({_clock(each.closes_before)} to {_clock(each.closes)})"
        special = ", by special hours" if each.is_special else ""
        yield f"{said}{special}, since {each.since:%A}"


def _verb(each: HoursChanged) -> str:
    """What stores do that changed: `open later` of many, `opens later` of one."""
    if each.change == "closed":
        return "closed all day"
    if each.change == "open":
        return "open, closed a week before"
    if each.change == "other breaks":
        return "with other hours between"
    verb, when = each.change.split()
    return f"{verb if each.stores == 1 else verb.removesuffix('s')} {when}"


def _clock(minute: int | None) -> str:
    return "closed" if minute is None else f"{minute // 60 % 24:02d}:{minute % 60:02d}"


def _coverage(brief: Brief) -> str:
    day = brief.day
    usual = f", usually {percent(day.before.coverage)}" if day.count else ""
    lost = _count(len(brief.lost), "window", "windows")
    return (
        f"{percent(day.now.coverage)} of the time in which stores should have been open is"
        f" known{usual}; {lost} of {brief.windows} lost, {len(brief.suspect)} suspect"
    )


def _week(brief: Brief) -> Iterator[str]:
    if brief.week is None:
        return
    yield _week_beside(brief.week)
    days = [brief.local_date - timedelta(days=number) for number in range(7)]
    of_days = {day: brief.dates.get(day, NOTHING) for day in days}
    worst = min(of_days, key=lambda day: _availability(of_days[day]))
    if of_days[worst].availability is not None:
        yield f"the worst day was {worst:%A}: {percent(of_days[worst].availability)}"
    for each in brief.week_incidents[:NAMED]:
        yield f"incident: {_incident(brief, each)}"


def _week_beside(week: Beside) -> str:
    said = f"availability {percent(week.now.availability)}, {store_hours(week.now.missing)} missed"
    if not week.count:
        return f"{said}; there are no earlier weeks to compare with"
    weeks = "the week before" if week.count == 1 else f"the {week.count} weeks before"
    return (
        f"{said}; as in {weeks} ({percent(week.before.availability)}) it would have been"
        f" {store_hours(week.usual_missing or 0)}"
    )


def _availability(sums: Sums) -> float:
    share = sums.availability
    return 1.0 if share is None else share


def _store(store: LongOff) -> str:
    where = f" ({store.city})" if store.city else ""
    return _name(f"{store.name or 'store'} {store.store_id}{where}")


def _name(text: str) -> str:
    line = neutralised(text)
    return line if len(line) <= LONGEST_NAME else line[: LONGEST_NAME - 1] + "…"


def _count(number: int, one: str, many: str) -> str:
    return f"{number:,} {one if number == 1 else many}"


def _times(windows: Sequence[Window], timezone: str) -> str:
    """When windows began on the country's clock, those in a row as a span."""
    zone, spans = ZoneInfo(timezone), list[list[Window]]()
    for window in sorted(windows, key=lambda each: each.start):
        if spans and spans[-1][-1].next() == window:
            spans[-1].append(window)
        else:
            spans.append([window])
    named = [
        f"{span[0].start.astimezone(zone):%H:%M}"
        + (f" to {span[-1].end.astimezone(zone):%H:%M}" if len(span) > 1 else "")
        for span in spans[:NAMED]
    ]
    more = [f"{len(spans) - NAMED} more"] if len(spans) > NAMED else []
    return ", ".join([*named, *more])


def _day_and_time(moment: datetime, zone: ZoneInfo) -> str:
    local = moment.astimezone(zone)
    return f"{local.day} {local:%b %H:%M}"
