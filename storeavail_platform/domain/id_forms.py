"""Ways in which two sides write one id differently: in another case, with leading zeros, with
hyphens, behind a prefix.

No window matches ids so: what people are told of two sides that share too few ids.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

MOST_TRIED = 10_000
"""Ids of the index that are tried."""
PREFIXES = (
    r"^(?P<prefix>[^0-9]+)",
    r"^(?P<prefix>(?:[A-Za-z]+[-_:./#])+)",
    r"^(?P<prefix>[A-Za-z0-9]+[-_:./#])",
)
UUID = re.compile("[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")


@dataclass(frozen=True)
class Likeness:
    """What would make ids of the two sides the same.

    Attributes:
        how: in words.
        matches, tried: ids of the index: that would be stores then, and that were tried.
        store_id, document_id: a pair that would be one.
        sql: what PostgreSQL has to give for an id `{0}`, so that it is the index's; None where
            that is not one expression for all.
    """

    how: str
    matches: int
    tried: int
    store_id: str
    document_id: str
    sql: str | None


@dataclass(frozen=True)
class _Form:
    """A way of writing that is left out of a comparison.

    Attributes:
        plain: ids without it.
        sql: of the index's ids, what gives an id `{0}` their way of writing; None: nothing does.
    """

    how: str
    plain: Callable[[pa.StringArray], pa.StringArray]
    sql: Callable[[list[str]], str | None]


def _case_sql(ids: list[str]) -> str | None:
    for function, change in (("LOWER", str.lower), ("UPPER", str.upper)):
        if all(each == change(each) for each in ids):
            return f"{function}({{0}})"
    return None


def _zeros_sql(ids: list[str]) -> str | None:
    if not any(each.startswith("0") for each in ids):
        return "LTRIM({0}, '0')"
    lengths = {len(each) for each in ids}
    return f"LPAD({{0}}, {lengths.pop()}, '0')" if len(lengths) == 1 else None


def _hyphens_sql(ids: list[str]) -> str | None:
    if not any("-" in each for each in ids):
        return "REPLACE({0}, '-', '')"
    return "({0})::uuid::text" if all(UUID.fullmatch(each) for each in ids) else None


CASE = _Form("in one case", pc.utf8_lower, _case_sql)
ZEROS = _Form("without leading zeros", lambda ids: pc.utf8_ltrim(ids, characters="0"), _zeros_sql)
HYPHENS = _Form(
    "without hyphens",
    lambda ids: pc.replace_substring(ids, pattern="-", replacement=""),
    _hyphens_sql,
)
FORMS = ((), (CASE,), (ZEROS,), (HYPHENS,), (HYPHENS, CASE))


def likeness(stores: pa.StringArray, documents: pa.StringArray) -> Likeness | None:
    """What would make most ids of the two sides the same, the simplest of it; None: nothing does.

    Args:
        stores, documents: ids of PostgreSQL and of the index, none of which the other side has.
    """
    documents = documents.slice(0, MOST_TRIED)
    best: Likeness | None = None
    for store_prefix, document_prefix in _prefix_pairs(stores, documents):
        cut_stores, cut_documents = _cut(stores, store_prefix), _cut(documents, document_prefix)
        for forms in FORMS:
            plain_stores, plain_documents = cut_stores, cut_documents
            for form in forms:
                plain_stores = form.plain(plain_stores)
                plain_documents = form.plain(plain_documents)
            at = pc.index_in(plain_documents, plain_stores)
            matches = len(at) - at.null_count
            if matches <= (best.matches if best else 0):
                continue
            number = pc.index(pc.is_valid(at), True).as_py()
            sql = _sql(forms, cut_documents, store_prefix, document_prefix)
            best = Likeness(
                how=_how(forms, store_prefix, document_prefix),
                matches=matches,
                tried=len(documents),
                store_id=stores[at[number].as_py()].as_py(),
                document_id=documents[number].as_py(),
                sql=sql,
            )
    return best


def _prefix_pairs(stores: pa.StringArray, documents: pa.StringArray) -> Iterator[tuple[str, str]]:
    """What may stand before the ids of each side, nothing first."""
    pairs = [
        (of_stores, of_documents)
        for of_stores in ("", *_prefixes(stores))
        for of_documents in ("", *_prefixes(documents))
    ]
    yield from sorted(pairs, key=lambda pair: sum(map(bool, pair)))


def _prefixes(ids: pa.StringArray) -> list[str]:
    """What most ids begin with, and is no number."""
    found = []
    for pattern in PREFIXES:
        prefixes = pc.struct_field(pc.extract_regex(ids, pattern), "prefix")
        counted = pc.value_counts(prefixes.drop_null()).to_pylist()
        for most in sorted(counted, key=lambda each: -each["counts"])[:1]:
            if 2 * most["counts"] > len(ids):
                found.append(most["values"])
    return list(dict.fromkeys(found))


def _cut(ids: pa.StringArray, prefix: str) -> pa.StringArray:
    if not prefix:
        return ids
    begins = pc.starts_with(ids, prefix)
    return pc.if_else(begins, pc.utf8_slice_codeunits(ids, start=len(prefix)), ids)


def _how(forms: tuple[_Form, ...], store_prefix: str, document_prefix: str) -> str:
    ways = [
        f"without the prefix {prefix!r} of {side}"
        for prefix, side in ((store_prefix, "PostgreSQL"), (document_prefix, "the index"))
        if prefix
    ]
    return " and ".join([*ways, *(form.how for form in forms)])


def _sql(
    forms: tuple[_Form, ...], documents: pa.StringArray, store_prefix: str, document_prefix: str
) -> str | None:
    """
    Args:
        documents: ids of the index without their prefix.
    """
    ids, made = documents.to_pylist(), "{0}::text"
    if store_prefix:
        made = f"SUBSTRING({made} FROM {len(store_prefix) + 1})"
    for form in forms:
        step = form.sql(ids)
        if step is None:
            return None
        made = step.format(made)
    if document_prefix:
        quoted = document_prefix.replace("'", "''").replace("{", "{{").replace("}", "}}")
        made = f"'{quoted}' || {made}"
    return made
