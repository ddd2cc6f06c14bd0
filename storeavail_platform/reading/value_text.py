"""A month's value in sentences, with the method and how sure it is. Pure."""

from __future__ import annotations

from storeavail_platform.domain.value import RESAMPLES, Estimate
from storeavail_platform.reading.brief_text import ReportText, Section, percent
from storeavail_platform.reading.first_things import store_hours
from storeavail_platform.reading.value import LEAST_EVIDENCE, Value

SURE = "95 times of 100"


def value_text(value: Value) -> ReportText:
    """The sentences of a value report."""
    month = f"{value.month:%B %Y}"
    return ReportText(
        f"{value.country}, {month}: what it was worth",
        _headline(value),
        list(_warnings(value)),
        [
            Section("Missed time", [_shares(value), _recovered(value)]),
            Section("Outages", list(_outages(value))),
            Section("How it is computed", _method(value)),
        ],
    )


def _headline(value: Value) -> str:
    found = value.comparison
    hours = store_hours(abs(found.recovered))
    if found.low <= 0 <= found.high:
        what = "recovered" if found.recovered >= 0 else "more missed"
        return f"No change that can be told from chance: {hours} {what} ({_bounds(value)})."
    if found.recovered > 0:
        return f"{hours} recovered beside the baseline ({_bounds(value)})."
    return f"{hours} more were missed than in the baseline ({_bounds(value)})."


def _bounds(value: Value) -> str:
    found = value.comparison
    low, high = (f"{minutes / 60:,.0f}" for minutes in (found.low, found.high))
    return f"{SURE} between {low} and {high}"


def _warnings(value: Value) -> list[str]:
    said = []
    if value.left_out:
        said.append(
            f"{value.left_out} dates of the month are left out: less than"
            f" {LEAST_EVIDENCE:.0%} of their windows are evidence."
        )
    if value.left_windows:
        said.append(
            f"{value.left_windows} windows of the other dates are left out: lost, or suspect."
        )
    return said


def _shares(value: Value) -> str:
    share = value.comparison.missed_share
    return (
        f"{percent(share.after)} of the time in which stores should have been open was missed, in"
        f" the baseline {percent(share.before)}"
    )


def _recovered(value: Value) -> str:
    missed = sum(each.missing for each in value.dates)
    usual = missed + value.comparison.recovered
    return (
        f"{store_hours(missed)} were missed; at the baseline's share of each weekday it would have"
        f" been {store_hours(usual)}"
    )


def _outages(value: Value) -> list[str]:
    found = value.comparison
    count = sum(each.outages for each in value.dates)
    length, repeats = found.outage_minutes, found.repeat_share
    if length.before is None or length.after is None:
        return [f"{count:,} outages; there is nothing to compare them with"]
    shown = f"{length.low:+,.0f} to {length.high:+,.0f} min"
    return [
        f"{count:,} outages lasted {length.after:,.0f} min of opening hours on the mean, in the"
        f" baseline {length.before:,.0f} (difference {shown})",
        f"{percent(repeats.after)} of them came again at the same store within seven days, in the"
        f" baseline {percent(repeats.before)} (difference {_points(repeats)})",
    ]


def _points(estimate: Estimate) -> str:
    return f"{100 * estimate.low:+.1f} to {100 * estimate.high:+.1f} points"


def _method(value: Value) -> list[str]:
    first, last = value.baseline[0].day, value.baseline[-1].day
    return [
        f"the baseline is {len(value.baseline)} complete dates from {first} to {last}, the month"
        f" {len(value.dates)} of its dates",
        "recovered is what the month would have missed at the baseline's missed share of the same"
        " weekday, less what it missed; minutes of which nothing is known are in neither",
        "windows that were lost or are suspect are left out, and outages that began in one",
        f"the bounds are a bootstrap over dates within weekdays ({RESAMPLES:,} times, one date"
        f" fewer than there are): {SURE} the change lies between them, if dates are independent of"
        " each other; outages of many days make them narrower than they should be",
        "what else changed since the baseline (stores, hours, seasons) is in the difference too: it"
        " does not say why",
    ]
