"""What is wrong with the simulated data on purpose: which kinds, which store has which, and how its
documents look.

How the rows of PostgreSQL come out of it is `rows.py`.
Each kind spoils one store of its own among the first of a country, so that the figures of every
other store stay what they are.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from storeavail_platform.demo.countries import DemoCountry

STORES_NOT_IN_POSTGRES = 12
FAR_AWAY = 90_000
"""Places of the stores that PostgreSQL does not know, from here on."""
Time = str | None

# The places of the spoiled stores among the first of a country, in PostgreSQL ...
DUPLICATE_CONFLICTING, DUPLICATE_EQUAL = 0, 1
UNKNOWN_TIMEZONE, MISSPELT_TIMEZONE = 2, 3
WITHOUT_ACTIVE_FLAG = 4  # not wrong: it means active
INVALID_WEEKS: dict[int, tuple[int | None, Time, Time]] = {
    5: (None, "10:00", "22:00"),
    6: (0, "10:00", "22:00"),
    7: (8, "10:00", "22:00"),
    8: (1, None, "22:00"),
    9: (1, "10:00", None),
    10: (1, None, None),
}
"""A weekly row that spoils a store's hours: weekday, opens, closes.

Where the weekday is right, it is so on every day.
"""
CLOSED_BESIDE_INTERVAL, SPECIAL_WITHOUT_END = 11, 12
# ... and in the index.
ONLINE_ABSENT, ONLINE_NULL, ONLINE_UNUSABLE = 20, 21, 22
LISTED_TWICE, LISTED_TWICE_CONFLICTING = 23, 24
UPDATED_AT_UNREADABLE, UPDATED_AT_ABSENT = 25, 26
ID_AS_TEXT = 27  # not wrong: "123" is a store id, and capital letters make no other UUID


def spoil(number: int, document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The documents of the store at this place among the first of a country, wrong in its own
    way if it has one.
    """
    if number == ONLINE_ABSENT:
        yield {name: value for name, value in document.items() if name != "online"}
    elif number == ONLINE_NULL:
        yield document | {"online": None}
    elif number == ONLINE_UNUSABLE:
        yield document | {"online": "perhaps"}
    elif number == LISTED_TWICE:
        yield from (document, document)
    elif number == LISTED_TWICE_CONFLICTING:
        yield from (document | {"online": True}, document | {"online": False})
    elif number == UPDATED_AT_UNREADABLE:
        yield document | {"updated_at": "yesterday"}
    elif number == UPDATED_AT_ABSENT:
        yield {name: value for name, value in document.items() if name != "updated_at"}
    elif number == ID_AS_TEXT:
        yield document | {"store_id": str(document["store_id"]).upper()}
    else:
        yield document


def stray_documents(demo: DemoCountry, read_at: str) -> Iterator[dict[str, Any]]:
    """Documents that belong to no store of PostgreSQL: unknown ids, and what is no id."""
    document = {"online": True, "updated_at": read_at, "observed_at": read_at}
    for number in range(STORES_NOT_IN_POSTGRES):
        yield {"store_id": demo.store_id(FAR_AWAY + number), **document}
    for wrong_id in ("  ", "", None, [demo.store_id(30), demo.store_id(31)]):
        yield {"store_id": wrong_id, **document}
    yield document
