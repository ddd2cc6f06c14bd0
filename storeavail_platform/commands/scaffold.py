"""`storeavail new-table`: a declaration, a SQL file and a test that work as they are, to be
changed into what is wanted.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb

from storeavail_platform.domain.errors import ConfigError, TableDeclarationError
from storeavail_platform.domain.tables import TABLES
from storeavail_platform.domain.tables.daily import DAILY_TABLES
from storeavail_platform.domain.tables.portable import check_portable
from storeavail_platform.domain.tables.queries import QUERIES
from storeavail_platform.domain.tables.relations import RELATIONS
from storeavail_platform.domain.tables.table import Column, Table

NAME = re.compile(r"[a-z][a-z0-9_]{2,62}")
ASSETS = {"observation", "availability_dashboard"}
"""Assets that are no tables."""
DECLARATIONS = Path("storeavail_platform/domain/tables/declarations.py")
LINE_LENGTH = 100
"""The formatter's, of pyproject.toml."""
LIST = "TABLES: tuple[Table, ...] = (\n"


@dataclass(frozen=True)
class NewTable:
    """The files of a table that is added: contents by path below the checkout."""

    files: dict[Path, str]


def new_table(checkout: Path, name: str, inputs: Sequence[str]) -> NewTable:
    """What to write for a table that counts the rows of its first input by that input's key.

    Raises:
        ConfigError: the name is no name or taken, an input is unknown, a file is there already, or
            the folder is no checkout of the platform.
    """
    by_name = {table.name: table for table in TABLES}
    taken = {
        *by_name,
        *RELATIONS,
        *(table.name for table in DAILY_TABLES),
        *ASSETS,
        *(query.name for query in QUERIES),
    }
    if NAME.fullmatch(name) is None or name in taken or not _is_free(name):
        raise ConfigError(
            f"{name!r} cannot be a table's name: lower-case letters, digits and _, 3 to 63 of them,"
            f" no word of SQL, not {', '.join(sorted(taken))}"
        )
    unknown = [table for table in inputs if table not in by_name]
    if unknown or not inputs:
        raise ConfigError(
            f"there is no table {', '.join(unknown) or 'given'}; inputs are of {', '.join(by_name)}"
        )
    declarations = checkout / DECLARATIONS
    if not declarations.is_file():
        raise ConfigError(f"{checkout} is not a checkout of the platform: it has no {DECLARATIONS}")
    first = by_name[inputs[0]]
    text = declarations.read_text(encoding="utf-8")
    if re.search(rf"^{name.upper()}\b", text, re.MULTILINE):
        raise ConfigError(f"{declarations} has a {name.upper()} already; choose another name")
    before, listed = text.split(LIST)
    listed = listed.replace(")", f"    {name.upper()},\n)", 1)
    text = f"{before}{_declaration(name, inputs, first)}\n{LIST}{listed}"
    new = {
        Path(f"storeavail_platform/domain/tables/sql/{name}.sql"): _sql(inputs, first),
        Path(f"storeavail_platform_tests/domain/tables/test_{name}.py"): _test(name, first),
    }
    if there := [str(path) for path in new if (checkout / path).exists()]:
        raise ConfigError(f"{', '.join(there)}: is there already; choose another name")
    return NewTable({DECLARATIONS: text, **new})


def _is_free(name: str) -> bool:
    """Whether a name is no word of SQL's own, on either engine."""
    try:
        check_portable(f"SELECT COUNT(*) AS row_count FROM {name}", name)
        with duckdb.connect(":memory:") as connection:
            connection.execute(f"CREATE TABLE {name} (row_count BIGINT)")
    except (TableDeclarationError, duckdb.Error):
        return False
    return True


def _key(table: Table) -> tuple[str, ...]:
    return table.key or (table.columns[0].name,)


def _declaration(name: str, inputs: Sequence[str], first: Table) -> str:
    types = {column.name: column for column in first.columns}
    columns = "\n".join(_column(types[key]) for key in _key(first))
    key = "".join(f'"{column}", ' for column in _key(first)).rstrip(" ")
    return f"""{name.upper()} = Table(
    name="{name}",
    description="What a row of {name} is, for people.",
    columns=(
{columns}
        Column("row_count", "bigint", "Rows of {first.name}.", nullable=False),
    ),
    key=({key if len(_key(first)) == 1 else key.rstrip(",")}),
    inputs=({", ".join(f'"{table}"' for table in inputs)}{"," if len(inputs) == 1 else ""}),
    checks=(
        Check(
            "complete",
            "Every row is counted.",
            "SELECT TRUE AS passed, COUNT(*) AS groups FROM {name}",
        ),
    ),
)
"""


def _column(column: Column) -> str:
    """As the formatter writes it."""
    inner = f'"{column.name}", "{column.type}", "{column.description}"'
    line = f"        Column({inner}),"
    return line if len(line) <= LINE_LENGTH else f"        Column(\n            {inner}\n        ),"


def _sql(inputs: Sequence[str], first: Table) -> str:
    key = ", ".join(f"f.{column}" for column in _key(first))
    others = "".join(
        f"\n-- join {table} here, or take it out of the inputs\nCROSS JOIN (SELECT COUNT(*) AS"
        f" row_count FROM {table}) {table}_rows"
        for table in inputs[1:]
    )
    return f"SELECT {key}, COUNT(*) AS row_count\nFROM {first.name} f{others}\nGROUP BY {key}\n"


def _test(name: str, first: Table) -> str:
    values = {
        "bigint": "1",
        "int": "1",
        "text": '"a"',
        "boolean": "True",
        "date": "date(2026, 11, 23)",
    }
    types = {column.name: column.type for column in first.columns}
    row = ", ".join(f'"{column}": {values.get(types[column], "None")}' for column in _key(first))
    imports = (
        "from datetime import date\n\n"
        if any(types[column] == "date" for column in _key(first))
        else ""
    )
    return f'''"""The table {name}."""

from __future__ import annotations

{imports}from storeavail_platform.domain.tables.declarations import {name.upper()}
from storeavail_platform.pipeline.testing import run_table
from storeavail_platform.warehouse.engine import Engine


def test_rows_are_counted(each_engine: Engine) -> None:
    """Say the rule here: two rows of a key are counted as two."""
    row = {{{row}}}
    found = run_table(each_engine, {name.upper()}, {{"{first.name}": [row, row]}})
    assert found == [row | {{"row_count": 2}}]
'''
