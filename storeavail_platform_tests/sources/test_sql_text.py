"""One statement in a text, whatever its quotes and comments hold."""

from __future__ import annotations

import random

import pytest

from storeavail_platform.sources.sql_text import SqlTextError, one_query, one_statement
from storeavail_testing.postgres import PostgresServer

ONE = [
    "SELECT 1;",
    "SELECT ';' ; -- x;\n/* ; /* ; */ */ ;",
    "SELECT $a$ ; $b$ $a$, $$;$$, a$b$c;",
    r"SELECT E'\';', 'a\' ;",
    """SELECT 'a''b;', "x"";"; """,
    "SELECT E'a'\n '\\';b';",
    "SELECT E'a' -- and\n '\\';b';",
    "SELECT 1_000_000, $1, 1e5, U&'\\0041;'",
    "(SELECT 1) UNION (SELECT 2)",
    "VALUES (1);;",
    "  ; SELECT 1",
    "-- why; not\nwith a as (select 1) select * from a",
    "TABLE stores",
]


@pytest.mark.parametrize("text", ONE)
def test_one_query_is_found(text: str) -> None:
    """Semicolons in quotes and comments are none; those around the query are left out."""
    query = one_query(text)
    assert query.strip() in text
    assert not query.rstrip().endswith(";") or "--" in query


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("SELECT 1;\n  SELECT 2", "line 2, column 3: a second statement starts"),
        ("", "line 1, column 1: .* there is none"),
        ("-- nothing\n;", "there is none"),
        ("SELECT (1", "line 1, column 8: this bracket is not closed"),
        ("SELECT 1) q, (SELECT 2", "line 1, column 9: this bracket closes none"),
        ("SELECT\n 'x", "line 2, column 2: this quote is not closed"),
        ('SELECT "x', "this quote is not closed"),
        ("SELECT E'x\\'", "this quote is not closed"),
        ("SELECT $x$ $y$", "line 1, column 8: this dollar quote is not closed"),
        ("SELECT 1 /* /* */", "line 1, column 10: this comment is not closed"),
        ("DELETE FROM stores", "line 1, column 1: write exactly one SELECT"),
        ("/* a */ SET x = 1", "line 1, column 9: write exactly one SELECT"),
    ],
)
def test_what_is_not_one_query_is_told_with_its_place(text: str, message: str) -> None:
    """A text that could end the statement around it, or undo its limits, never reaches the
    server.
    """
    with pytest.raises(SqlTextError, match=message):
        one_query(text)


def test_statements_end_where_the_server_says_that_they_do(postgres_server: PostgresServer) -> None:
    """For random texts made of quotes, comments, brackets and semicolons: what the server takes as
    one statement is one here, and what is one here the server runs as a subquery or refuses whole.
    """
    dice = random.Random(7)
    pieces = ["'", "''", "E'", "\\", "$$", "$a$", '"', "--", "\n", "/*", "*/", "(", ")", ";", " "]
    pieces += ["1", "a", ",", "+", "e", "$1", "SELECT "]
    agreed = 0
    with postgres_server.connect("postgres") as connection, connection.cursor() as cursor:
        connection.autocommit = True
        cursor.execute("SET check_function_bodies = on")
        for _ in range(4_000):
            text = "SELECT " + "".join(dice.choices(pieces, k=dice.randint(1, 12)))
            try:
                statement = one_statement(text)
            except SqlTextError:
                continue
            try:
                cursor.execute(f"SELECT 7 AS seven FROM (\n{statement.text}\n) q LIMIT 0")
            except connection.Error:
                continue
            agreed += 1
            assert [column.name for column in cursor.description] == ["seven"], text
    assert agreed > 20
