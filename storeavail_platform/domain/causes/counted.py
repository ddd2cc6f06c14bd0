"""What of `availability_summary` is counted, by kind, and its rows by number of pair."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from storeavail_platform.domain.causes.scopes import Floats, Ints, Pairs

SIDES = ("city", "brand")


@dataclass(frozen=True)
class Kind:
    """What can be raised.

    Attributes:
        known: columns of `availability_summary` that add up to the stores it is known of.
        raised: the column of those that are raised, and of their minutes.
    """

    known: tuple[str, ...]
    raised: str
    minutes: str


KINDS: Mapping[str, Kind] = {
    "missing": Kind(("stores_available", "stores_missing"), "stores_missing", "missing_minutes"),
    "rogue": Kind(("stores_closed", "stores_rogue"), "stores_rogue", "rogue_minutes"),
    "unknown": Kind(
        ("stores_available", "stores_missing", "stores_unknown"),
        "stores_unknown",
        "unknown_minutes",
    ),
}
COUNTED = (
    "stores_available",
    "stores_missing",
    "stores_rogue",
    "stores_unknown",
    "stores_closed",
)
MINUTES = tuple(kind.minutes for kind in KINDS.values())
MARGINS: Mapping[str, str] = {
    "country": "margin_country",
    "city": "margin_city",
    "brand": "margin_brand",
    "city_brand": "margin",
}
"""The column of `usual_rates` that has a level's margin."""


@dataclass(frozen=True)
class Coded:
    """Pairs of city and brand, as rows name them.

    Attributes:
        names: of cities, and of brands.
        keys: of the pairs, rising.
    """

    names: tuple[pa.Array, pa.Array]
    keys: Ints
    pairs: Pairs

    @classmethod
    def of(cls, tables: Sequence[pa.Table]) -> Coded:
        """The pairs that rows of some tables have."""
        rows = pa.concat_tables([table.select(SIDES) for table in tables])
        # in order, so that sums do not differ by the order of rows
        found = [pc.unique(rows[side]) for side in SIDES]
        cities, brands = (names.take(pc.sort_indices(names)) for names in found)
        keys = np.unique(_keys(rows, (cities, brands)))
        width = max(1, len(brands))
        pairs = Pairs(
            tuple(cities.to_pylist()), tuple(brands.to_pylist()), keys // width, keys % width
        )
        return cls((cities, brands), keys, pairs)

    def places(self, rows: pa.Table) -> Ints:
        """The number of each row's pair; -1 where it is none of them."""
        keys = _keys(rows, self.names)
        if not len(self.keys):
            return np.full(len(keys), -1, np.intp)
        found = np.minimum(np.searchsorted(self.keys, keys), len(self.keys) - 1)
        return np.where(self.keys[found] == keys, found, -1)


def _keys(rows: pa.Table, names: tuple[pa.Array, pa.Array]) -> Ints:
    """A number for each row's pair; -1 where a name is not among these."""
    city, brand = (
        np.asarray(pc.fill_null(pc.index_in(rows[side], value_set=values), -1), np.intp)
        for side, values in zip(SIDES, names, strict=True)
    )
    return np.where((city < 0) | (brand < 0), -1, city * len(names[1]) + brand)


def sum_of(rows: pa.Table, columns: Sequence[str]) -> Floats:
    """The sum of columns of stores or minutes, row by row."""
    columns_of = [np.asarray(rows[name], np.float64) for name in columns]
    return np.asarray(np.sum(columns_of, axis=0), np.float64)
