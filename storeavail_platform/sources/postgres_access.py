"""PostgreSQL: which rows of its tables the role that we are may see at all."""

from __future__ import annotations

from typing import Any

SECURED = """
SELECT current_user, STRING_AGG(c.oid::pg_catalog.regclass::text, ', ' ORDER BY c.relname)
FROM pg_catalog.pg_class c
WHERE c.relrowsecurity AND pg_catalog.row_security_active(c.oid)
  AND POSITION(LOWER(c.relname) IN LOWER(%s)) > 0
"""


def row_security(cursor: Any, queries: str) -> str | None:
    """What row level security does to the role, in words; None: nothing to the tables that are
    named in the text of queries.
    """
    cursor.execute(SECURED, (queries,))
    role, tables = cursor.fetchone()
    return None if tables is None else f"row level security chooses what {role} sees of {tables}"
