"""What a store's id is: the one place where a text from a source becomes the id of a store.

Ids are text everywhere. What makes two texts the same store is said here and nowhere else, so that
both worlds agree: SQL only compares (engines trim differently).
"""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

LONGEST = 200
"""Characters an id has at most."""
CONTROL = r"\p{Cc}"
UUID = "^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$"


def store_ids(texts: pa.StringArray) -> pa.StringArray:
    """The ids of stores in texts, NULL where a text is none.

    Blanks around it do not count; what is left is 1 to 200 characters without control characters.
    8-4-4-4-12 hex digits are a UUID, in small letters. Everything else is as it was read: case and
    leading zeros mean something.

    Args:
        texts: as read; whole numbers by their digits.
    """
    if pc.all(pc.ascii_is_decimal(texts), min_count=0).as_py() and _is_short(texts):
        return texts
    trimmed = pc.utf8_trim_whitespace(texts)
    is_id = pc.and_(
        pc.and_(pc.not_equal(trimmed, ""), pc.less_equal(pc.utf8_length(trimmed), LONGEST)),
        pc.invert(pc.match_substring_regex(trimmed, CONTROL)),
    )
    is_uuid = pc.match_substring_regex(trimmed, UUID)
    ids = pc.if_else(is_uuid, pc.ascii_lower(trimmed), trimmed)
    return pc.if_else(is_id, ids, pa.scalar(None, pa.string()))


def _is_short(texts: pa.StringArray) -> bool:
    longest = pc.max(pc.binary_length(texts)).as_py()
    return longest is None or longest <= LONGEST
