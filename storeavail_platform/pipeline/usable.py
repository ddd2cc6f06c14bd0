"""Counts of a reading, and whether it says anything at all: a reading in which nothing names a
store is refused. Whether single rows are good is the tables' work (`tables/sql`).
"""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa
import pyarrow.compute as pc

from storeavail_platform.domain.errors import NothingUsable
from storeavail_platform.domain.source import RAW_STORES
from storeavail_platform.domain.windows import Window

DIGITS = "^[0-9]{1,19}$"


def count_documents(batch: pa.RecordBatch) -> dict[str, int]:
    """How many documents a batch of `raw_online_index` lists, how many are online, and how many
    name a store.
    """
    online = pc.sum(pc.equal(pc.utf8_lower(batch.column("online")), "true")).as_py()
    return {"listed": batch.num_rows, "online": online or 0, "usable_ids": _usable_ids(batch)}


def count_stores(batch: pa.RecordBatch) -> dict[str, int]:
    """How many stores a batch of `raw_stores` has, and how many of them have an id; of hours
    nothing is counted.
    """
    if batch.schema.names != RAW_STORES.names:
        return {}
    return {"stores": batch.num_rows, "usable_ids": _usable_ids(batch)}


def _usable_ids(batch: pa.RecordBatch) -> int:
    ids, rows = batch.column("store_id"), int(batch.num_rows)
    if ids.null_count == 0:
        return rows
    # what SQL takes for an id where a source gives none of its own (`domain/store_ids.py`)
    digits = pc.match_substring_regex(batch.column("source_id"), DIGITS)
    usable = pc.or_(pc.is_valid(ids), pc.fill_null(digits, False))
    found: int = pc.sum(usable, min_count=0).as_py()
    return found


def require_documents(country: str, window: Window, counts: Mapping[str, int]) -> None:
    """Refuse a reading of the index in which no document names a store.

    Raises:
        NothingUsable: says what it gave, likely causes and what to do.
    """
    if counts.get("usable_ids", 0) == 0:
        raise _refused(
            country,
            window,
            f"its online index gave {counts.get('listed', 0):,} documents",
            "the index is empty or being filled anew, the field of the ids was renamed"
            " (`online_index.store_id`), or `online_index.query` matches nothing",
        )


def require_stores(country: str, window: Window, counts: Mapping[str, int]) -> None:
    """Refuse a reading of PostgreSQL in which no row is a store.

    Raises:
        NothingUsable: see `require_documents`.
    """
    if counts.get("usable_ids", 0) == 0:
        raise _refused(
            country,
            window,
            f"its PostgreSQL gave {counts.get('stores', 0):,} stores",
            "the table is being loaded anew, `stores_query` matches nothing or gives another"
            " column as store_id, or row-level security hides the rows from this user",
        )


def _refused(country: str, window: Window, gave: str, likely: str) -> NothingUsable:
    return NothingUsable(
        f"window {window} of {country}: {gave} and not one usable store id, which says nothing of"
        " any store; it was not landed and is read again like a source that is down. Likely"
        f" {likely}; `storeavail check --country {country}` tries it"
    )
