"""What policy documents allow, evaluated as IAM does: a matching Deny wins, then a matching Allow,
else it is denied.

Literals and wildcards (`*`, `?`) of actions and resources, and the conditions that our documents
use. Any other condition is an error: a document is never taken to allow less or more than this can
tell.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any


def allows(
    documents: Iterable[Mapping[str, Any]], action: str, resource: str, **context: str
) -> bool:
    """Whether a role with these documents may do an action on a resource.

    Args:
        context: condition keys, `:` and `/` written as `__` and `___`.
    """
    keys = {
        name.replace("___", "/").replace("__", ":").lower(): value
        for name, value in context.items()
    }
    matching = [
        statement
        for document in documents
        for statement in document["Statement"]
        if _any(statement["Action"], action, is_action=True)
        and _is_on(statement, resource)
        and _conditions(statement.get("Condition", {}), keys)
    ]
    effects = {statement["Effect"] for statement in matching}
    return "Allow" in effects and "Deny" not in effects


def _is_on(statement: Mapping[str, Any], resource: str) -> bool:
    if "NotResource" in statement:
        return not _any(statement["NotResource"], resource)
    return _any(statement["Resource"], resource)


def _any(patterns: str | list[str], value: str, *, is_action: bool = False) -> bool:
    return any(
        _like(each, value, is_action)
        for each in ([patterns] if isinstance(patterns, str) else patterns)
    )


def _like(pattern: str, value: str, ignore_case: bool = False) -> bool:
    expression = "".join(
        ".*" if text == "*" else "." if text == "?" else re.escape(text)
        for text in re.split(r"([*?])", pattern)
    )
    return re.fullmatch(expression, value, re.IGNORECASE if ignore_case else 0) is not None


def _conditions(conditions: Mapping[str, Mapping[str, Any]], context: Mapping[str, str]) -> bool:
    for operator, tests in conditions.items():
        for key, wanted in tests.items():
            found = context.get(key.lower())
            values = [wanted] if isinstance(wanted, str) else wanted
            if operator in ("StringEquals", "ArnEquals", "Bool"):
                if found not in values:
                    return False
            elif operator in ("StringLike", "ArnLike"):
                if found is None or not _any(values, found):
                    return False
            elif operator == "Null":
                if (found is None) != (wanted == "true"):
                    return False
            else:
                raise AssertionError(f"this evaluator does not know {operator}")
    return True
