"""Whether SQL is portable: both engines answer it alike. What is not, is data in `dialects.py`."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from functools import cache
from typing import Any

import sqlglot
from sqlglot import Token, TokenType, exp
from sqlglot.errors import SqlglotError

from storeavail_platform.domain.errors import TableDeclarationError
from storeavail_platform.domain.tables.dialects import (
    BEFORE_PARENTHESIS,
    DIALECT,
    FUNCTIONS,
    REFUSED_SIGNS,
    REFUSED_WORDS,
    trap,
)


def check_portable(sql: str, name: str) -> exp.Query:
    """The parsed statement, when both engines answer it alike.

    Args:
        name: the table, for the message.

    Raises:
        TableDeclarationError: names file, line, the word, why, and what to write instead.
    """
    return parsed(sql, sql_file(name))


@cache
def parsed(sql: str, place: str) -> exp.Query:
    try:
        tokens = sqlglot.tokenize(sql, read=DIALECT)
        bare = _without_text(sql, tokens)
        _check_refused(bare, place)
        _check_functions(tokens, place)
        statements = sqlglot.parse(sql, dialect=DIALECT)
    except SqlglotError as error:
        where: dict[str, Any] = next(iter(getattr(error, "errors", ())), {})
        reason = where.get("description") or str(error)
        raise sql_error(
            place, where.get("line") or 1, f"is not SQL that both engines read: {reason}"
        ) from error
    if len(statements) != 1 or not isinstance(statements[0], exp.Query):
        raise sql_error(place, 1, "write exactly one SELECT")
    statement = statements[0]
    orders = [found.start() for found in re.finditer(r"(?i)\border\s+by\b", bare)]
    if len(list(statement.find_all(exp.Ordered))) > len(
        re.findall(r"(?i)\bnulls\s+(?:first|last)\b", bare)
    ):
        raise sql_error(
            place,
            bare.count("\n", 0, orders[0]) + 1,
            "every expression of ORDER BY needs NULLS FIRST or NULLS LAST",
        )
    for node in statement.walk():
        if message := trap(node):
            reason = (
                message
                if isinstance(node, exp.Select)
                else f"{node.sql(dialect=DIALECT)}: {message}"
            )
            raise sql_error(place, line_of(node), reason)
    return statement


def _check_refused(bare: str, place: str) -> None:
    patterns = [
        (rf"(?<!\w)(?:{pattern})(?!\w)", reason) for pattern, reason in REFUSED_WORDS.items()
    ]
    for pattern, reason in (*patterns, *REFUSED_SIGNS.items()):
        if found := re.search(pattern, bare, re.IGNORECASE):
            raise sql_error(
                place, bare.count("\n", 0, found.start()) + 1, f"{found.group()} {reason}"
            )


def _check_functions(tokens: Sequence[Token], place: str) -> None:
    for token, following in itertools.pairwise(tokens):
        word = token.text.upper()
        is_name = word.replace("_", "").isalnum() and token.token_type not in (
            TokenType.STRING,
            TokenType.NUMBER,
        )
        if (
            following.token_type == TokenType.L_PAREN
            and is_name
            and word not in FUNCTIONS | BEFORE_PARENTHESIS
        ):
            message = (
                f"{token.text}() is not known to answer alike on both engines; use one of"
                f" {', '.join(sorted(FUNCTIONS))}"
            )
            raise sql_error(place, token.line, message)


def _without_text(sql: str, tokens: Sequence[Token]) -> str:
    """The SQL with comments and the insides of text literals blanked, positions kept."""
    characters = [character if character == "\n" else " " for character in sql]
    for token in tokens:
        ends = (
            (token.start, token.end)
            if token.token_type == TokenType.STRING
            else range(token.start, token.end + 1)
        )
        for position in ends:
            characters[position] = sql[position]
    return "".join(characters)


def line_of(node: exp.Expr) -> int:
    """The line at which a node starts, as far as what it holds knows it."""
    return min((inner.meta["line"] for inner in node.walk() if "line" in inner.meta), default=1)


def sql_file(name: str) -> str:
    return f"tables/sql/{name}.sql"


def sql_error(place: str, line: int, message: str) -> TableDeclarationError:
    return TableDeclarationError(f"{place}:{line}: {message}")
