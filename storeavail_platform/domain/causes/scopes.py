"""Whom a fault can strike: the country, a city, a brand, a brand in a city; and sums over each.

Counts are arrays with an element a pair of city and brand; scopes are numbered one after another:
the country, its cities, its brands, its pairs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.intp]
Flags = npt.NDArray[np.bool_]

COUNTRY, CITY, BRAND, CITY_BRAND = "country", "city", "brand", "city_brand"
LEVELS = (COUNTRY, CITY, BRAND, CITY_BRAND)
SINGLE_STORES, UNEXPLAINED = "single_stores", "unexplained"


@dataclass(frozen=True, order=True)
class Scope:
    """Whom a cause is about; `city` and `brand` are None where the scope has none."""

    scope: str
    city: str | None = None
    brand: str | None = None


@dataclass(frozen=True)
class Pairs:
    """The pairs of city and brand that counts are of.

    Attributes:
        cities, brands: names. Stores without a city or brand have None there: they are part of the
            country, and of what they do have.
        city, brand: of each pair, as a place among these names.
    """

    cities: tuple[str | None, ...]
    brands: tuple[str | None, ...]
    city: Ints
    brand: Ints

    @classmethod
    def of(cls, names: Sequence[tuple[str | None, str | None]]) -> Pairs:
        """The pairs of (city, brand)."""
        cities, brands = (tuple(dict.fromkeys(side)) for side in zip(*names, strict=True))
        city_places, brand_places = _places(cities), _places(brands)
        return cls(
            cities,
            brands,
            np.array([city_places[city] for city, _ in names], np.intp),
            np.array([brand_places[brand] for _, brand in names], np.intp),
        )

    def __len__(self) -> int:
        return len(self.city)

    @cached_property
    def starts(self) -> dict[str, int]:
        """Number of the first scope of each level."""
        cities, brands = 1 + len(self.cities), 1 + len(self.cities) + len(self.brands)
        return {COUNTRY: 0, CITY: 1, BRAND: cities, CITY_BRAND: brands}

    @property
    def scopes(self) -> int:
        """How many scopes there are."""
        return self.starts[CITY_BRAND] + len(self)

    @cached_property
    def level(self) -> Ints:
        """The level of each scope, as its place in `LEVELS`."""
        sizes = (1, len(self.cities), len(self.brands), len(self))
        return np.repeat(np.arange(len(LEVELS)), sizes)

    @cached_property
    def is_named(self) -> Flags:
        """Whether a scope can be told to people: one of stores without a city cannot."""
        cities = np.array([city is not None for city in self.cities], np.bool_)
        brands = np.array([brand is not None for brand in self.brands], np.bool_)
        pairs = cities[self.city] & brands[self.brand]
        return np.concatenate([[True], cities, brands, pairs])

    def sums(self, values: Floats) -> Floats:
        """The sum of a value a pair over each scope."""
        by_city = np.bincount(self.city, values, len(self.cities))
        by_brand = np.bincount(self.brand, values, len(self.brands))
        return np.concatenate([[values.sum()], by_city, by_brand, values])

    def members(self, number: int) -> Ints:
        """The pairs of a scope."""
        level = LEVELS[self.level[number]]
        place = number - self.starts[level]
        if level == COUNTRY:
            return np.arange(len(self))
        if level == CITY_BRAND:
            return np.array([place])
        return np.flatnonzero((self.city if level == CITY else self.brand) == place)

    def scope(self, number: int) -> Scope:
        level = LEVELS[self.level[number]]
        place = number - self.starts[level]
        if level == COUNTRY:
            return Scope(COUNTRY)
        if level == CITY:
            return Scope(CITY, city=self.cities[place])
        if level == BRAND:
            return Scope(BRAND, brand=self.brands[place])
        return Scope(CITY_BRAND, self.cities[self.city[place]], self.brands[self.brand[place]])

    def number(self, scope: Scope) -> int | None:
        """The number of a scope; None where the country has no such stores."""
        start = self.starts.get(scope.scope)
        if start is None:
            return None
        is_member = np.ones(len(self), np.bool_)
        if scope.scope in (CITY, CITY_BRAND):
            is_member &= self.city == _places(self.cities).get(scope.city, -1)
        if scope.scope in (BRAND, CITY_BRAND):
            is_member &= self.brand == _places(self.brands).get(scope.brand, -1)
        found = np.flatnonzero(is_member)
        if not found.size:
            return None
        places = {COUNTRY: 0, CITY: self.city[found[0]], BRAND: self.brand[found[0]]}
        return start + int(places.get(scope.scope, found[0]))


def _places(names: Sequence[str | None]) -> dict[str | None, int]:
    return {name: place for place, name in enumerate(names)}
