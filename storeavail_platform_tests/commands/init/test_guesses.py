"""What `storeavail init` takes columns and fields for, by what is in them."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from storeavail_platform.commands.init.documents import seen
from storeavail_platform.commands.init.guess_documents import (
    guess_flag,
    guess_time,
    id_fields,
    nested_of,
)
from storeavail_platform.commands.init.guess_hours import WeeklyRows, guess_weekly, weekday_sql
from storeavail_platform.commands.init.guess_stores import Join, guess_ids, guess_stores
from storeavail_platform.commands.init.tables import SeenTable


def table(name: str, rows: list[dict[str, Any]], /, **types: str) -> SeenTable:
    """A table whose columns that end with `id` may hold ids."""
    ids = {
        column: frozenset(str(row[column]) for row in rows if row[column] is not None)
        for column, kind in types.items()
        if kind in ("bigint", "text") and column.endswith("id")
    }
    counts = {
        column: Counter(str(row[column]) for row in rows if row[column] is not None)
        for column in types
    }
    return SeenTable(name, types, rows, ids, counts)


SHOPS = table(
    "shops",
    [{"id": i, "shop_name": "S", "chain_id": i % 2 + 50, "zone": None} for i in range(1, 31)],
    id="bigint", shop_name="text", chain_id="bigint", zone="text",
)  # fmt: skip
CHAINS = table(
    "chains", [{"id": 50, "name": "A"}, {"id": 51, "name": "B"}], id="bigint", name="text"
)


def hours(rows: list[tuple[Any, Any, Any]], day: str, end: str) -> SeenTable:
    named = [
        {"shop_id": i % 30 + 1, "day": row[0], "opens": row[1], "closes": row[2]}
        for i, row in enumerate(rows)
    ]
    return table("hours", named, shop_id="bigint", day=day, opens=end, closes=end)


@pytest.mark.parametrize(
    ("values", "expression"),
    [
        ([1, 2, 3, 4, 5, 6, 7], "d"),
        ([0, 1, 2, 3, 4, 5, 6], "CASE d WHEN 0 THEN 7 ELSE d END"),
        ([0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6], "d + 1"),
        ([1, *[2, 3, 4, 5, 6, 7] * 3], "CASE WHEN d = 1 THEN 7 WHEN d BETWEEN 2 AND 7 THEN d - 1 END"),
        ([], "d"),
    ],
)  # fmt: skip
def test_numbers_of_weekdays(values: list[int], expression: str) -> None:
    """Sunday is the day with the fewest rows, where a numbering could mean several."""
    found = weekday_sql(Counter(map(str, values)), "d")
    assert found is not None
    assert found[0] == expression


@pytest.mark.parametrize(
    ("values", "names"),
    [
        (["Monday", "tue", "SUN"], "mon,tue,wed,thu,fri,sat,sun"),
        (["segunda-feira", "Terça", "sábado"], "seg,ter,qua,qui,sex,sab,dom"),
        (["lunes", "miércoles", "domingo"], "lun,mar,mie,jue,vie,sab,dom"),
    ],
)
def test_names_of_weekdays(values: list[str], names: str) -> None:
    """Long and short, in three languages."""
    found = weekday_sql(Counter(map(str, values)), "d")
    assert found is not None
    assert f"'{{{names}}}'" in found[0]


@pytest.mark.parametrize("values", [[17, 18], ["delivery", "pickup"], [2026, 1]])
def test_what_is_no_weekday(values: list[Any]) -> None:
    """Other numbers and other words."""
    assert weekday_sql(Counter(map(str, values)), "d") is None


@pytest.mark.parametrize(
    ("rows", "end", "opens"),
    [
        ([(1, 8, 22)], "integer", "(h.opens * 60)::int"),
        ([(1, 0, 1440)], "integer", "h.opens::int"),
        ([(1, 830, 2200)], "integer", "(h.opens / 100 * 60 + h.opens % 100)::int"),
        ([(1, 28800, 79200)], "bigint", "CEIL(h.opens / 60.0)::int"),
        ([(1, "08:00:00", "22:00:00")], "time without time zone",
         "CEIL(EXTRACT(EPOCH FROM h.opens) / 60)::int"),
    ],
)  # fmt: skip
def test_what_the_ends_count(rows: list[tuple[Any, Any, Any]], end: str, opens: str) -> None:
    """Hours, minutes, HHMM or seconds by the largest number of both ends."""
    found = guess_weekly(SHOPS, [SHOPS, CHAINS, hours(rows, "integer", end)])
    assert isinstance(found, WeeklyRows)
    assert (found.table, found.key, found.store_key) == ("hours", "shop_id", "id")
    assert found.ends.opens == opens


def test_the_stores_are_the_table_whose_ids_the_index_has() -> None:
    """Also where a table of hours has them too, once a store; a brand stands in another table."""
    rows = [(1, "08:00", "22:00")] * 30
    tables = [hours(rows, "integer", "text"), CHAINS, SHOPS]
    found = guess_ids(tables, {"_id": ["x1", "x2"], "ref": [str(i) for i in range(1, 31)]})
    assert found is not None
    assert (found.table.name, found.column, found.field, found.sql) == ("shops", "id", "ref", "{0}")
    columns = guess_stores(SHOPS, tables).columns
    assert columns == {
        "name": "shop_name",
        "brand": Join("chains", "chain_id", "id", "name"),
        "timezone": "zone",
    }


def documents(**fields: list[Any]) -> list[tuple[Any, Any]]:
    return [
        (f"d{number}", dict(zip(fields, row, strict=True)))
        for number, row in enumerate(zip(*fields.values(), strict=True))
    ]


def test_the_flag_and_its_words() -> None:
    """A boolean by its name; a status by its words, with those that are in neither list."""
    plain = guess_flag(seen(documents(open=[True, False], premium=[True, True], id=["a", "b"])))
    assert plain is not None
    assert (plain.field, plain.online, plain.offline) == ("open", (), ())
    status = guess_flag(seen(documents(s=[{"state": each} for each in ("Aberto", "FECHADO", "?")])))
    assert status is not None
    assert (status.field, status.online, status.offline, status.unknown) == (
        "s.state", ("Aberto",), ("FECHADO",), ("?",),
    )  # fmt: skip
    assert guess_flag(seen(documents(name=["a", "b"], rating=[1, 5]))) is None


def test_fields_of_ids_and_times() -> None:
    """What is different in every document may name it, times never do; entries of a list are
    counted by themselves, and an id that is among the fields of a line as well is one.
    """
    times = ["2026-11-23T10:00:00Z", "2026-11-23T10:00:01Z"]
    found = seen(documents(id=[1, 2], city=["a", "a"], updated=times))
    assert set(id_fields(found)) == {"_id", "id"}
    assert guess_time(found) == "updated"
    dumped = [(str(i), {"_id": str(i), "shop": {"code": f"MX-{i}"}}) for i in range(5)]
    assert set(id_fields(seen(dumped))) == {"_id", "shop.code"}
    entries = [[{"id": "a", "on": 1}, {"id": "b", "on": 0}], [{"id": "c", "on": 1}]]
    nested = seen(documents(stores=entries))
    assert set(id_fields(nested)) == {"_id", "stores.id"}
    assert nested_of(nested, "stores.id") == "stores"
