"""What a store's id is: the one place that says which text from a source names a store.

Both worlds land ids as text (`source_id`), and the landing keeps it as it was read; a window's
computation makes it the store's id. A text that is none is NULL, and its row says so.
"""

from __future__ import annotations

_DIGITS = "source_id <> '' AND TRANSLATE(source_id, '0123456789', '') = ''"
_FITS = "LENGTH(source_id) <= 18 OR (LENGTH(source_id) = 19 AND source_id <= '9223372036854775807')"
STORE_ID_SQL = f"CASE WHEN {_DIGITS} AND ({_FITS}) THEN CAST(source_id AS BIGINT) END"
"""Over a raw relation's `source_id`: digits alone that fit a BIGINT; else NULL."""
