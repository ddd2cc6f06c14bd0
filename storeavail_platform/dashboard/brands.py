"""A page of one brand, for sending to the brand: of all that a country's page has, that brand's
stores and no other's.

It is cut out of what the country's page is made of, so that nothing is read twice.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from storeavail_platform.dashboard.figures import DAY_WINDOWS, PERIODS, RECENT_WINDOWS, shares
from storeavail_platform.dashboard.relations import DAYS, STATES
from storeavail_platform.domain.windows import WINDOW_MINUTES

LONGEST_SLUG = 60
HASHED = 6
"""Digits of a name's hash that tell it from another one that would be written the same."""
NOBODY = -2
"""No code of a brand, and not that of stores without one."""
UNSAID = "its reading looks wrong"
"""Why a window is suspect: what people said of it is not for others."""
RUNS = ("run_start", "run_length", "run_state")
Ints = npt.NDArray[np.int64]


def slugs(brands: Sequence[str]) -> dict[str, str]:
    """A part of an address for each brand, its own: small letters and digits, `galeto-dourado`."""
    plain = {brand: _plain(brand) for brand in brands}
    found = list(plain.values())
    return {
        brand: slug if slug and found.count(slug) == 1 else f"{slug or 'brand'}-{_digits(brand)}"
        for brand, slug in plain.items()
    }


def only(
    brand: str, document: Mapping[str, Any], arrays: Mapping[str, pa.Array]
) -> tuple[dict[str, Any], dict[str, pa.Array]]:
    """What `stores.detail` gives, with the stores of one brand. What is of the country (last week,
    the heat of cities) is left out; `incidents` are the caller's.
    """
    values = {name: array.to_numpy(zero_copy_only=False) for name, array in arrays.items()}
    code = document["brands"].index(brand) if brand in document["brands"] else NOBODY
    chosen = np.flatnonzero(values["store_brand"] == code)
    places = {int(number): place for place, number in enumerate(chosen)}
    cities = sorted(set(values["store_city"][chosen].tolist()) - {-1})
    of_city = {city: place for place, city in enumerate(cities)} | {-1: -1}
    is_run = np.repeat(values["store_brand"] == code, values["run_count"])
    things = [number for number, thing in enumerate(document["heat"]) if thing == ["brand", brand]]
    hours = sorted(set(values["store_hours"][chosen].tolist()))
    of_hours = {place: own for own, place in enumerate(hours)}
    cut = {
        "store_hours": np.array(
            [of_hours[place] for place in values["store_hours"][chosen].tolist()]
        ),
        "store_city": np.array([of_city[city] for city in values["store_city"][chosen].tolist()]),
        "store_brand": np.zeros(len(chosen)),
        "run_count": values["run_count"][chosen],
        **{name: values[name][is_run] for name in RUNS},
        **{
            name: array.reshape(-1, DAYS)[chosen].reshape(-1)
            for name, array in values.items()
            if name.startswith("day_")
        },
        **{
            name: np.concatenate([array.reshape(-1, 168)[n] for n in things] or [array[:0]])
            for name, array in values.items()
            if name.startswith("heat_")
        },
    }
    kept = {
        **document,
        "ids": [document["ids"][number] for number in chosen],
        "names": [document["names"][number] for number in chosen],
        "cities": [document["cities"][city] for city in cities],
        "brands": [brand],
        "heat": [["all", None] for _ in things],
        "week_before": [None] * RECENT_WINDOWS,
        "windows": [[*window[:3], window[3] and UNSAID] for window in document["windows"]],
        "troubles": [
            [*trouble[:2], UNSAID if trouble[1] == "suspect" else trouble[2]]
            for trouble in document["troubles"]
        ],
        **{
            name: [[places[row[0]], *row[1:]] for row in document[name] if row[0] in places]
            for name in ("missing", "closed", "addresses")
        },
        "hours": [document["hours"][place] for place in hours],
    }
    return kept, {name: pa.array(cut[name]).cast(array.type) for name, array in arrays.items()}


def figures_of(
    brand: str,
    figures: Mapping[str, Any],
    document: Mapping[str, Any],
    arrays: Mapping[str, pa.Array],
) -> dict[str, Any]:
    """A summary of a brand's stores, of what `only` gave: the country's where it is about time, but
    for when it is written: a page in which nothing else is new is not another one.
    """
    counted, reasons = _states(document, arrays)
    periods = {
        "now": _of_windows(document, arrays, RECENT_WINDOWS - 1, 1),
        "24h": _of_windows(document, arrays, RECENT_WINDOWS - DAY_WINDOWS, DAY_WINDOWS),
        **{name: _of_days(arrays, days) for name, days in PERIODS.items()},
    }
    for name, period in periods.items():
        whole = figures["periods"][name]
        period |= {key: value for key, value in whole.items() if key.startswith("there_")}
    return {
        **{name: value for name, value in figures.items() if name != "written_at"},
        "brand": brand,
        "suspect": figures["suspect"] and UNSAID,
        "confirmation": None,
        "periods": periods,
        "stores": counted,
        "reasons": reasons,
        "outages": len(document["missing"]) + len(document["closed"]),
    }


def _plain(brand: str) -> str:
    letters = unicodedata.normalize("NFKD", brand).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", letters).strip("-")[:LONGEST_SLUG].strip("-")


def _digits(brand: str) -> str:
    return hashlib.sha256(brand.encode()).hexdigest()[:HASHED]


def _states(
    document: Mapping[str, Any], arrays: Mapping[str, pa.Array]
) -> tuple[dict[str, int], dict[str, dict[str, int]]]:
    """Stores of the newest window by status, and by status and reason."""
    start, length, state = (arrays[name].to_numpy().astype(np.int64) for name in RUNS)
    newest = state[start + length == RECENT_WINDOWS]
    counts = dict.fromkeys(STATES, 0)
    reasons: dict[str, dict[str, int]] = {}
    for code, number in zip(*np.unique(newest, return_counts=True), strict=True):
        status, reason, _ = document["states"][code]
        counts[status] += int(number)
        if reason is not None:
            of = reasons.setdefault(status, {})
            of[reason] = of.get(reason, 0) + int(number)
    return counts, reasons


def _of_windows(
    document: Mapping[str, Any], arrays: Mapping[str, pa.Array], first: int, count: int
) -> dict[str, Any]:
    """Minutes and shares of recent windows, with those of as many before."""
    period = shares(_window_minutes(document, arrays, first, first + count))
    before = shares(_window_minutes(document, arrays, first - count, first))
    return {**period, "before": before}


def _window_minutes(
    document: Mapping[str, Any], arrays: Mapping[str, pa.Array], first: int, end: int
) -> dict[str, int]:
    start, length, state = (arrays[name].to_numpy().astype(np.int64) for name in RUNS)
    windows = np.maximum(0, np.minimum(start + length, end) - np.maximum(start, first))
    minutes = dict.fromkeys(("expected", "available", "missing", "rogue", "unknown"), 0)
    for code, (status, _, expected) in enumerate(document["states"]):
        number = int(windows[state == code].sum())
        minutes["expected"] += number * expected
        if status == "rogue":
            minutes["rogue"] += number * WINDOW_MINUTES
        elif status in minutes:
            minutes[status] += number * expected
    return {f"{name}_minutes": value for name, value in minutes.items()}


def _of_days(arrays: Mapping[str, pa.Array], days: int) -> dict[str, Any]:
    """Minutes and shares of the last local dates, with those of as many before."""
    sums = {
        name.removeprefix("day_"): array.to_numpy().astype(np.int64).reshape(-1, DAYS).sum(axis=0)
        for name, array in arrays.items()
        if name.startswith("day_")
    }
    sums["available"] = sums["expected"] - sums["missing"] - sums["unknown"]

    def added(first: int, end: int) -> dict[str, Any]:
        return shares(
            {f"{name}_minutes": int(each[first:end].sum()) for name, each in sums.items()}
        )

    return {**added(DAYS - days, DAYS), "before": added(DAYS - 2 * days, DAYS - days)}
