"""What Spark 3.5 (ANSI, UTC session) and DuckDB do not answer alike, as data, and what to write
instead. No parsing, no tables.

Whatever is added here or to `FUNCTIONS` was tried on both engines first.
"""

from __future__ import annotations

from collections.abc import Mapping

from sqlglot import exp

from storeavail_platform.domain.tables.macros import MACROS

DIALECT = "spark"
"""As what the SQL is parsed."""
ON_ONE_ENGINE = "is on one engine only"
DATE_FIELDS = "takes dates apart differently; join local_windows"
DATES = "computes with dates differently; give the value from Python in a relation"
REFUSED_WORDS: Mapping[str, str] = {
    r"dayofweek|day_of_week|isodow|extract|date_part": DATE_FIELDS,
    r"(weekday|year|month|day|hour|minute)(?=\s*\()": DATE_FIELDS,
    r"at\s+time\s+zone|from_utc_timestamp|to_utc_timestamp|timezone(?=\s*\()": (
        "computes local time; join local_windows"
    ),
    r"epoch|unix_timestamp|date_format|strftime|to_date|to_timestamp": DATES,
    r"datediff|date_diff|date_add|date_sub|date_trunc|interval": DATES,
    r"timestamp(?=\s+')": "reads an offset differently; give the value from Python in a relation",
    r"current_date|current_timestamp|(now|today|rand|random|uuid)(?=\s*\()": (
        "differs from run to run; give the value from Python"
    ),
    r"concat|concat_ws": "treats NULL differently; use ||",
    r"nvl|ifnull": f"{ON_ONE_ENGINE}; use COALESCE",
    r"shiftleft|shiftright": f"{ON_ONE_ENGINE}; use POW(2, n) or a bit given from Python",
    r"div": f"{ON_ONE_ENGINE}; use CAST(FLOOR(CAST(a AS DOUBLE) / n) AS BIGINT)",
    r"regexp\w*|rlike|similar|ilike": (
        "differs in syntax and meaning; use TRANSLATE, LIKE or SUBSTRING from 1"
    ),
    r"split|split_part|substring_index": "counts from 0 on one engine and from 1 on the other",
    r"explode|unnest|generate_series|(sequence|range)(?=\s*\()": (
        f"{ON_ONE_ENGINE}; join a relation given from Python"
    ),
    r"any_value|array_agg|arbitrary|(first|last)(?=\s*\()": (
        "depends on order and treats NULL differently; use MIN or MAX"
    ),
    r"hash|md5|sha|sha1|sha2|sha256": (
        "gives other values on the other engine; give the value from Python"
    ),
    r"qualify": "is not in Spark 3.5; use a subquery",
    r"left\s+anti|left\s+semi": f"{ON_ONE_ENGINE}; write ANTI JOIN or SEMI JOIN",
    r"exclude|distinct\s+on|order\s+by\s+all|tablesample|lateral|pivot|asof": (
        f"{ON_ONE_ENGINE}; write it out"
    ),
    r"decimal|numeric": "has other precision rules on the other engine; use BIGINT or DOUBLE",
    r"as\s+(text|varchar|hugeint|timestamp|timestamptz)(?=\s*\))": (
        "is another type there; use STRING, BIGINT, DOUBLE or DATE"
    ),
}
"""Pattern of words, and why they are refused with what to write instead."""
REFUSED_SIGNS: Mapping[str, str] = {
    r"<<|>>": f"{ON_ONE_ENGINE}; use POW(2, n) or a bit given from Python",
    r"//": f"{ON_ONE_ENGINE}; use CAST(FLOOR(CAST(a AS DOUBLE) / n) AS BIGINT)",
    r"\^": "is power on one engine and exclusive or on the other; use POW",
    r"::": f"{ON_ONE_ENGINE}; use CAST",
    r"<=>": f"{ON_ONE_ENGINE}; use IS NOT DISTINCT FROM",
    r"\[": "counts from 0 on one engine and from 1 on the other",
    r"`": f"{ON_ONE_ENGINE}; write names without quotes",
    r"\$\w*": f"stands for nothing here; a table's SQL may write {', '.join(MACROS)}",
    r"\"": (
        "encloses text on one engine and a name on the other; write names without quotes, text in"
        " single ones"
    ),
}
"""The same for what is not a word."""
FUNCTIONS = frozenset({
    "ABS", "BIT_COUNT", "BIT_OR", "CAST", "CEIL", "COALESCE", "COUNT", "DENSE_RANK", "FLOOR",
    "GREATEST", "LAG", "LEAD", "LEAST", "LENGTH", "LOWER", "MAX", "MIN", "NULLIF", "POW", "RANK",
    "ROW_NUMBER", "SUBSTRING", "SUM", "TRANSLATE", "TRIM", "UPPER",
})  # fmt: skip
"""Functions that were seen to answer alike on both engines, within the rules below."""
BEFORE_PARENTHESIS = frozenset({
    "ALL", "AND", "AS", "BETWEEN", "BY", "CASE", "DISTINCT", "ELSE", "EXCEPT", "EXISTS", "FILTER",
    "FROM", "HAVING", "IN", "INTERSECT", "JOIN", "LIKE", "NOT", "ON", "OR", "OVER", "SELECT",
    "THEN", "UNION", "USING", "VALUES", "WHEN", "WHERE",
})  # fmt: skip
"""Words that may stand before a parenthesis without being functions."""


WHOLE_NUMBERS = (exp.Length, exp.BitwiseCount, exp.RowNumber, exp.Rank, exp.DenseRank)
"""What gives a whole number of another size on the other engine."""


def trap(node: exp.Expr) -> str | None:
    """What is wrong with a node that both engines read, and answer differently; None where
    nothing is.
    """
    match node:
        case exp.Div() | exp.Mod() if not (
            isinstance(node.expression, exp.Nullif) or _is_number(node.expression)
        ):
            return (
                "a division by 0 is an error on one engine and NULL on the other; divide by"
                " NULLIF(..., 0)"
            )
        case exp.Sum() if not _is_cast(
            node.parent.parent if isinstance(node.parent, exp.Window) else node.parent
        ):
            return "has another type on the other engine; write CAST(SUM(...) AS BIGINT)"
        case exp.Floor() | exp.Ceil() if not _is_cast(node.parent):
            return "has another type on the other engine; write CAST(FLOOR(...) AS BIGINT)"
        case exp.Literal() if (
            not node.is_string and "." in node.name and not _is_cast(node.parent, "double")
        ):
            return "is DECIMAL, with other rules on the other engine; write CAST(... AS DOUBLE)"
        case exp.Cast() if node.to.is_type(*exp.DataType.INTEGER_TYPES) and _has_fraction(
            node.this
        ):
            return "is cut on one engine and rounded on the other; write CAST(FLOOR(...) AS BIGINT)"
        case exp.Substring() if not (
            _is_number(node.args.get("start")) and int(node.args["start"].name) >= 1
        ):
            return (
                "positions other than 1 and up mean different things; write SUBSTRING(text, 1, n)"
            )
        case exp.Select() if found := next(filter(None, map(_uncast, node.selects)), None):
            return f"{found} has another type on the other engine; write CAST(... AS BIGINT)"
        case exp.Trim() if node.expression is None:
            return "cuts other blanks on the other engine; write TRIM(BOTH ' ' FROM text)"
    return None


def _uncast(select: exp.Expr) -> str | None:
    """A whole number of this kind that a column of a SELECT gives as it is: neither cast nor
    only compared.
    """
    for node in select.find_all(*WHOLE_NUMBERS):
        outer: exp.Expr | None = node
        while outer is not None and not isinstance(outer, exp.Cast | exp.Predicate | exp.Select):
            outer = outer.parent
        if outer is None or isinstance(outer, exp.Select):
            return node.sql(dialect=DIALECT)
    return None


def _is_cast(node: exp.Expr | None, kind: str | None = None) -> bool:
    return isinstance(node, exp.Cast) and (kind is None or bool(node.to.is_type(kind)))


def _is_number(node: exp.Expr | None) -> bool:
    """Whether it is a whole number other than 0, written out."""
    return (
        isinstance(node, exp.Literal)
        and not node.is_string
        and node.name.isdigit()
        and int(node.name) != 0
    )


def _has_fraction(node: exp.Expr) -> bool:
    """Whether a value can have a fraction: by a division or a DOUBLE in it that is not inside
    FLOOR or CEIL.
    """
    for inner in node.walk(prune=lambda inner: isinstance(inner, exp.Floor | exp.Ceil | exp.Case)):
        if (
            isinstance(inner, exp.Div)
            or _is_cast(inner, "double")
            or (isinstance(inner, exp.Literal) and not inner.is_string and "." in inner.name)
        ):
            return True
    return False
