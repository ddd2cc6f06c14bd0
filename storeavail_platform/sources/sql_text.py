"""Where PostgreSQL's statements begin and end in a text: a lexer that knows quotes and comments and
nothing of the grammar.

Whether a statement is right is the server's word, which knows its own version.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

QUERY_STARTS = ("SELECT", "WITH", "VALUES", "TABLE")
"""The words that a query starts with; beside them an opening bracket."""
_SPACE = r"[ \t\n\r\f\v]"
_LETTER = r"A-Za-z_\u0080-\U0010ffff"
_GOES_ON = rf"(?:(?:[ \t\f\v]|--[^\n\r]*)*+[\n\r](?:{_SPACE}|--[^\n\r]*[\n\r])*+')"
"""Between two parts of one text: at least one line break, and nothing but blanks and comments."""
_TOKEN = re.compile(
    rf"""
      (?P<space>{_SPACE}+)
    | (?P<comment>--[^\n\r]*)
    | (?P<block>/\*)
    | [eE](?P<escaped>'(?:[^'\\]|\\.|''|'{_GOES_ON})*+(?P<escaped_end>')?)
    | (?P<text>'(?:[^']|'')*+(?P<text_end>')?)
    | (?P<name>"(?:[^"]|"")*+(?P<name_end>")?)
    | (?P<dollar>\$(?:[{_LETTER}][{_LETTER}0-9]*)?\$)
    | (?P<word>[{_LETTER}][{_LETTER}0-9$]*)
    | (?P<number>[0-9][{_LETTER}0-9.]*|\$[0-9]+)
    | (?P<sign>.)
    """,
    re.VERBOSE | re.DOTALL,
)
_BLOCK_END = re.compile(r"/\*|\*/")


class SqlTextError(ValueError):
    """A text that is not what is asked for: what is wrong, and where.

    Attributes:
        line, column: from 1.
    """

    def __init__(self, what: str, text: str, at: int) -> None:
        self.line, self.column = place(text, at)
        super().__init__(f"line {self.line}, column {self.column}: {what}")


@dataclass(frozen=True)
class Statement:
    """The one statement of a text.

    Attributes:
        text: without the semicolon that ends it; a position in it is one in the whole text.
        is_query: whether it gives rows as a SELECT does.
    """

    text: str
    is_query: bool


def place(text: str, at: int) -> tuple[int, int]:
    """Line and column, both from 1, of a position from 0."""
    line = text.count("\n", 0, at) + 1
    return line, at - (text.rfind("\n", 0, at) + 1) + 1


def one_statement(text: str) -> Statement:
    """The one statement that a text holds; comments and semicolons around it do no harm.

    Raises:
        SqlTextError: none, several, or a quote, comment or bracket without its other half.
    """
    first, end, start = "", None, 0
    open_brackets: list[int] = []
    for kind, token, at in _tokens(text):
        if kind in ("space", "comment"):
            continue
        if token == ";":
            start = start if first else at + 1
            end = at if end is None and first else end
            continue
        if end is not None:
            raise SqlTextError("a second statement starts; write exactly one statement", text, at)
        first = first or token
        if token == "(":
            open_brackets.append(at)
        elif token == ")" and not open_brackets:
            raise SqlTextError("this bracket closes none that is open", text, at)
        elif token == ")":
            open_brackets.pop()
    if open_brackets:
        raise SqlTextError("this bracket is not closed", text, open_brackets[-1])
    if not first:
        raise SqlTextError("write exactly one statement; there is none", text, 0)
    # blanks for what stands before, so that positions stay
    before = re.sub(r"[^\n]", " ", text[:start])
    return Statement(before + text[start:end], first == "(" or first.upper() in QUERY_STARTS)


def one_query(text: str) -> str:
    """The one SELECT (or WITH, VALUES, TABLE) that a text holds, without the semicolon that ends
    it.

    Raises:
        SqlTextError: as `one_statement`, or it is another statement.
    """
    statement = one_statement(text)
    if not statement.is_query:
        start = next(at for kind, _, at in _tokens(text) if kind == "word")
        raise SqlTextError("write exactly one SELECT (it may start with WITH)", text, start)
    return statement.text


def _tokens(text: str) -> Iterator[tuple[str, str, int]]:
    """Kind, text and position of each token.

    Raises:
        SqlTextError: a quote or comment does not end.
    """
    at = 0
    while match := _TOKEN.match(text, at):
        kind = match.lastgroup or ""
        start, at = at, match.end()
        if kind.removesuffix("_end") in ("escaped", "text", "name"):
            kind = kind.removesuffix("_end")
            if match[f"{kind}_end"] is None:
                raise SqlTextError("this quote is not closed", text, start)
        elif kind == "block":
            kind, at = "comment", _comment_end(text, start)
        elif kind == "dollar":
            at = text.find(match["dollar"], match.end()) + len(match["dollar"])
            if at < match.end():
                raise SqlTextError("this dollar quote is not closed", text, start)
        yield kind, text[start:at], start


def _comment_end(text: str, start: int) -> int:
    depth, at = 0, start
    while mark := _BLOCK_END.search(text, at):
        depth += 1 if mark[0] == "/*" else -1
        at = mark.end()
        if not depth:
            return at
    raise SqlTextError("this comment is not closed", text, start)
