"""How a table's SQL names a store over a raw relation.

Sources make the ids (`sources/store_ids.py`); SQL only compares them.
"""

from __future__ import annotations

_DIGITS = "TRANSLATE(source_id, '0123456789', '') = '' AND LENGTH(source_id) BETWEEN 1 AND 19"
STORE_ID_SQL = f"COALESCE(store_id, CASE WHEN {_DIGITS} THEN source_id END)"
"""Over a raw relation: its `store_id`.

A landing of 0.2.0 and before has none: there a store's id was a whole number, by its digits.
"""
