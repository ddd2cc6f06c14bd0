"""What a text of SQL is: one statement that only reads, and the names in it. Nothing is run here.

Whether it compares text with numbers is said by `comparisons.py`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import duckdb

from storeavail_platform.domain.errors import QueryRefused

LONGEST_STATEMENT = 100_000
"""Characters of a statement: planning a longer one takes its time before any limit of time acts."""
GAP = r"(?:\s|--[^\n]*(?:\n|\Z)|/\*.*?\*/)*"
"""Blanks and comments."""
EXPLAIN = re.compile(rf"{GAP}EXPLAIN\b{GAP}(?:ANALYZE\b{GAP})?", re.IGNORECASE | re.DOTALL)
OPTIONS = re.compile(rf"\([^()]*\){GAP}", re.DOTALL)
DESCRIBED = re.compile(
    rf'{GAP}(?:DESCRIBE|DESC|SHOW){GAP}"?(\w+)"?{GAP};?{GAP}\Z', re.IGNORECASE | re.DOTALL
)
"""DESCRIBE of a table, and SHOW TABLES."""
LISTING = re.compile(
    rf"\A{GAP}(?:SHOW|DESCRIBE{GAP};?{GAP}\Z|DESC{GAP};?{GAP}\Z)|\(\s*(?:SHOW|DESCRIBE)\b"
    r"|\b(?:information_schema|pg_catalog|sqlite_master|duckdb_\w+)\b",
    re.IGNORECASE | re.DOTALL,
)
"""What asks which tables there are: all of them must be there to answer it."""
LITERALS = re.compile(
    r"""'(?:[^']|'')*'|"(?:[^"]|"")*"|\$(\w*)\$.*?\$\1\$|--[^\n]*|/\*.*?\*/""", re.DOTALL
)
WRITES = re.compile(
    r"[()]\s*(?:COPY\b.*?\bTO|INSERT\s.*?\bINTO|DELETE\s+FROM|UPDATE\b.*?\bSET|MERGE\s+INTO)\b",
    re.IGNORECASE | re.DOTALL,
)
"""What the WITH of a SELECT may hold and do: DuckDB lets it write to its folder for spilling."""

COMPARES = re.compile(r"[=<>]|\b(?:BETWEEN|CASE|DISTINCT\s+FROM|IN|JOIN|NULLIF)\b", re.IGNORECASE)
"""How a comparison is written."""
WITH_TEXT = re.compile(
    r"[=<>!]+\s*'\s*(?=\Z|[;)]|\b(?:AND|OR|GROUP|ORDER|HAVING|LIMIT)\b)", re.IGNORECASE
)
"""A comparison with text as it stands, the text left out."""


def require_one_query(connection: duckdb.DuckDBPyConnection, sql: str) -> None:
    """Let one statement through that only reads: SELECT in each of its forms (WITH, FROM first,
    VALUES, UNION, PIVOT, DESCRIBE, SHOW, SUMMARIZE), or EXPLAIN of one.

    Raises:
        QueryRefused: it is anything else.
        duckdb.ParserException: it is not SQL.
    """
    if len(sql) > LONGEST_STATEMENT:
        raise QueryRefused(
            f"the statement has {len(sql):,} characters, and at most {LONGEST_STATEMENT:,} are"
            " read: put lists of values into a file (--table NAME=FILE)"
        )
    try:
        sql.encode()
    except UnicodeEncodeError:
        raise QueryRefused("the statement is not text: it has bytes that are not UTF-8") from None
    statements = connection.extract_statements(sql)
    kinds = ", ".join(statement.type.name for statement in statements) or "nothing"
    if len(statements) == 1 and EXPLAIN.match(statements[0].query):
        if not any(_is_select(connection, text) for text in _explained(statements[0].query)):
            raise QueryRefused("EXPLAIN is for a SELECT alone; this explains something else")
    elif not _is_select(connection, sql):
        raise QueryRefused(f"write exactly one SELECT or EXPLAIN; this is {kinds}")
    if WRITES.search(LITERALS.sub(" ", sql)):
        raise QueryRefused("write exactly one SELECT or EXPLAIN; this one also writes")


def _is_select(connection: duckdb.DuckDBPyConnection, sql: str) -> bool:
    try:
        (statement,) = connection.extract_statements(sql)
        if statement.type != duckdb.StatementType.MULTI:
            return bool(statement.type == duckdb.StatementType.SELECT)
        # PIVOT, and whatever has one in it: only a query can be another one's table
        body = re.sub(rf";{GAP}\Z", "", statement.query, flags=re.DOTALL)
        (wrapped,) = connection.extract_statements(f"SELECT * FROM (\n{body}\n)")
    except (duckdb.Error, ValueError):
        return False
    return bool(wrapped.type == duckdb.StatementType.MULTI)


def _explained(sql: str) -> Iterator[str]:
    """What an EXPLAIN may be of: what follows the word, with and without options in brackets."""
    text = EXPLAIN.sub("", sql, count=1)
    yield text
    yield OPTIONS.sub("", text, count=1) if OPTIONS.match(text) else text


def names_in(sql: str) -> set[str]:
    """Every word of a statement, in lower case: whichever is a table's name may stand for it."""
    return {name.lower() for name in re.findall(r"\w+", sql)}


def asks_which_tables(sql: str) -> bool:
    """Whether a statement may list tables without naming them."""
    return LISTING.search(sql) is not None


def described(sql: str) -> str | None:
    """The name, in lower case, that a bare `DESCRIBE name` or `SHOW name` is about."""
    found = DESCRIBED.match(sql)
    return found[1].lower() if found else None


def may_compare(sql: str) -> bool:
    """Whether a statement may compare anything with something else than text as it stands."""
    if "\\" in sql:
        # text may hold a quote then
        return True
    bare = LITERALS.sub(lambda found: "'" if found[0][0] in "'$" else " ", sql)
    return COMPARES.search(WITH_TEXT.sub(" ", bare)) is not None
