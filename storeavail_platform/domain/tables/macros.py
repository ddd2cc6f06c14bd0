"""What a table's SQL may write by a short name, like `$availability`. Nothing is parsed here."""

from __future__ import annotations

import re
from collections.abc import Mapping

from storeavail_platform.domain.availability import AVAILABILITY_SQL, COVERAGE_SQL
from storeavail_platform.domain.store_ids import STORE_ID_SQL
from storeavail_platform.domain.windows import LOCAL_TIME_SQL

MACROS: Mapping[str, str] = {
    "$availability": AVAILABILITY_SQL,
    "$coverage": COVERAGE_SQL,
    "$store_id": STORE_ID_SQL,
    "$local_time": LOCAL_TIME_SQL,
}
"""Expressions over columns of the relation at hand.

Each is one line, so that a mistake is told at the line of the file.
"""
NAME = re.compile(r"\$\w+")


def expanded(sql: str) -> str:
    """The SQL with each macro written out.

    Any other `$name` stays as it is; where it is not text, `portable.py` refuses it.
    """
    return NAME.sub(lambda found: MACROS.get(found[0], found[0]), sql)
