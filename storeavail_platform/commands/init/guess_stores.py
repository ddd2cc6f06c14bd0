"""Guesses of which table holds the stores, and what its columns say: pure functions of what was
seen.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import pyarrow as pa

from storeavail_platform.commands.init.tables import ID_NAMES, SeenTable
from storeavail_platform.domain.hours import zones
from storeavail_platform.domain.id_forms import likeness

ROLES = {
    "name": ("name", "title", "label", "display_name", "nome", "nombre"),
    "address": ("address", "street", "endereco", "direccion"),
    "city": ("city", "town", "municipality", "cidade", "ciudad"),
    "brand": ("brand", "chain", "banner", "franchise", "marca", "cadena", "bandeira", "rede"),
}
ENDED = ("deleted_at", "closed_at", "closed_since", "archived_at", "removed_at", "deactivated_at")
ACTIVE = ("is_active", "active", "enabled", "is_enabled", "ativo", "activo")
PREFIXES = ("store_", "shop_", "outlet_", "restaurant_", "branch_")
SAMPLE_TRIED = 2_000
ENOUGH = 0.5
"""Share of the index's ids that is in the column of the stores' own."""


@dataclass(frozen=True)
class GuessedIds:
    """Where both sides have the store's id.

    Attributes:
        table, column: PostgreSQL's.
        field: the index's.
        sql: what makes the column's value `{0}` the index's id.
    """

    table: SeenTable
    column: str
    field: str
    sql: str
    why: str


@dataclass(frozen=True)
class Join:
    """Where a value is in another table: its id is in a column of the stores."""

    table: str
    own: str
    theirs: str
    value: str


@dataclass(frozen=True)
class GuessedStores:
    """What columns of the stores say.

    Attributes:
        columns: by role (`name`, `address`, `city`, `brand`, `timezone`), or a join.
        active: SQL over the stores `s`; None: every store is.
        why: a line for each guess.
    """

    columns: Mapping[str, str | Join] = field(default_factory=dict)
    active: str | None = None
    why: Sequence[str] = ()


def guess_ids(
    tables: Sequence[SeenTable], fields: Mapping[str, Sequence[str]]
) -> GuessedIds | None:
    """The column and the field that share most ids; None where nothing is shared, whichever way it
    is written.
    """
    found = [
        (share, table, column, name)
        for table, column, name in _candidates(tables, fields)
        if (share := _share(fields[name], table.ids[column])) > 0
    ]
    if found:
        best = max(found, key=lambda each: (round(each[0], 2), *_looks(each[1], each[2], each[3])))
        share, table, column, name = best
        if share >= ENOUGH:
            why = f"{share:.1%} of the index's {name} are in {table.name}.{column}"
            return GuessedIds(table, column, name, "{0}", why)
    alike = _alike(tables, fields)
    if alike is not None:
        return alike
    if found:
        why = f"only {share:.1%} of the index's {name} are in {table.name}.{column}"
        return GuessedIds(table, column, name, "{0}", why)
    return None


def _candidates(
    tables: Sequence[SeenTable], fields: Mapping[str, Sequence[str]]
) -> Iterator[tuple[SeenTable, str, str]]:
    """Keys of tables and fields that may name a store; names for people do not."""
    spoken = {each for names in ROLES.values() for each in names}
    for table in tables:
        for column, ids in table.ids.items():
            if not ids or not table.is_unique(column) or _bare(column) in spoken:
                continue
            for name in fields:
                if not name.lower().endswith("name"):
                    yield table, column, name


def _share(texts: Sequence[str], ids: frozenset[str]) -> float:
    return sum(text in ids for text in texts) / len(texts)


def _alike(tables: Sequence[SeenTable], fields: Mapping[str, Sequence[str]]) -> GuessedIds | None:
    """Ids that are the same once they are written alike."""
    best: tuple[tuple[int, ...], GuessedIds] | None = None
    for table, column, name in _candidates(tables, fields):
        tried = pa.array(sorted(set(fields[name]))[:SAMPLE_TRIED])
        like = likeness(pa.array(sorted(table.ids[column])), tried)
        if like is None or like.matches < ENOUGH * like.tried:
            continue
        order = (like.matches, *_looks(table, column, name))
        if best is None or order > best[0]:
            why = (
                f"{like.how}, {like.matches:,} of {like.tried:,} of the index's {name} are in"
                f" {table.name}.{column}: {like.store_id!r} and {like.document_id!r}"
            )
            if like.sql is None:
                why += "; write the expression that makes one of the other"
            best = order, GuessedIds(table, column, name, like.sql or "{0}", why)
    return None if best is None else best[1]


def _looks(table: SeenTable, column: str, name: str) -> tuple[int, int, int, int]:
    """How much a table looks like the stores', a column like their key, a field like an id; of two
    that look alike the one with fewer ids.
    """
    roles = sum(_column_of(table, role) is not None for role in ROLES)
    is_id = name.lower().endswith(ID_NAMES)
    is_key = column.lower() in ("id", "store_id")
    return roles, int(is_id), int(is_key), -len(table.ids[column])


def guess_stores(table: SeenTable, tables: Sequence[SeenTable]) -> GuessedStores:
    """What the columns of the stores' table say, and tables that their values are in."""
    columns: dict[str, str | Join] = {}
    why = []
    for role in ROLES:
        found = _column_of(table, role) or next(_joins(table, tables, role), None)
        if found is not None:
            columns[role] = found
    if zone := _zone_of(table):
        columns["timezone"] = zone
        why.append(f"{zone} has IANA zones")
    else:
        why.append("no column has IANA zones: every store is in the country's")
    for name, kind in table.columns.items():
        if name.lower() in ENDED and kind.startswith(("timestamp", "date")):
            why.append(f"a store with {name} takes no part any more")
            return GuessedStores(columns, f"s.{quoted(name)} IS NULL", why)
        if name.lower() in ACTIVE and kind == "boolean":
            return GuessedStores(columns, f"s.{quoted(name)}", why)
    why.append("no column says which stores take part: all do")
    return GuessedStores(columns, None, why)


def quoted(name: str) -> str:
    """A column as SQL writes it behind its table."""
    # behind the alias of its table any word may stand
    plain = name.isidentifier() and name.isascii() and name == name.lower()
    return name if plain else '"' + name.replace('"', '""') + '"'


def _bare(name: str) -> str:
    small = name.lower()
    return next((small.removeprefix(each) for each in PREFIXES if small.startswith(each)), small)


def _column_of(table: SeenTable, role: str) -> str | None:
    texts = [name for name, kind in table.columns.items() if kind in ("text", "character varying")]
    for wanted in ROLES[role]:
        for name in texts:
            if _bare(name) in (wanted, f"{wanted}_name"):
                return name
    return None


def _joins(table: SeenTable, tables: Sequence[SeenTable], role: str) -> Iterator[Join]:
    """A column such as `chain_id`, whose values are ids of a table with names."""
    for own in table.columns:
        if _bare(own) not in {f"{wanted}_id" for wanted in ROLES[role]}:
            continue
        values = frozenset(map(str, table.values(own)))
        for other in tables:
            value = _column_of(other, "name")
            if value is None or other is table or not values:
                continue
            for theirs, ids in other.ids.items():
                if values <= ids and other.is_unique(theirs):
                    yield Join(other.name, own, theirs, value)


def _zone_of(table: SeenTable) -> str | None:
    known = {name.lower() for name in zones()}
    for name, kind in table.columns.items():
        values = [str(value).strip().lower() for value in table.values(name)]
        is_named = any(word in name.lower() for word in ("zone", "tz", "fuso"))
        if kind in ("text", "character varying") and (values or is_named):
            given_zones = [value for value in values if value]
            good = sum(value in known for value in given_zones)
            if (given_zones and good >= 0.8 * len(given_zones)) or (is_named and not given_zones):
                return name
    return None
