"""Where in the package a table is declared, for messages and links: read from the sources'
syntax trees.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files

PACKAGE = "storeavail_platform.domain.tables"
ELSEWHERE = "declared outside the package"


def place_of(table: str) -> str:
    """File and line of a table's declaration, `tables/declarations.py:28`; else that it is
    another's.
    """
    found = declarations().get(table)
    return f"tables/{found[0]}:{found[1]}" if found is not None else ELSEWHERE


@cache
def declarations() -> Mapping[str, tuple[str, int]]:
    """The file in this folder and the line of each `Table(...)`, by its name; also from a zip."""
    sources = [entry for entry in files(PACKAGE).iterdir() if entry.name.endswith(".py")]
    return {
        table: (source.name, line)
        for source in sorted(sources, key=lambda entry: entry.name)
        for table, line in _tables(ast.parse(source.read_text(encoding="utf-8")))
    }


def _tables(tree: ast.Module) -> Iterator[tuple[str, int]]:
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id == "Table"
        ):
            named = {keyword.arg: keyword.value for keyword in node.keywords}
            name = node.args[0] if node.args else named.get("name")
            if isinstance(name, ast.Constant) and isinstance(name.value, str):
                yield name.value, node.lineno
