"""docs/adding-an-asset.md, followed: what the page tells to write is written into a copy of the
checkout, and works.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any, cast

import pytest
from click.testing import CliRunner

from storeavail_platform.commands import scaffold
from storeavail_platform.commands.cli import main
from storeavail_platform.config import load_text
from storeavail_platform.domain.errors import (
    ConfigError,
    ObservationRefused,
    SourceRejected,
    SourceUnavailable,
    TableContractError,
    TableDeclarationError,
)
from storeavail_platform.domain.tables import TABLES
from storeavail_platform.domain.tables.checking import check_tables
from storeavail_platform.domain.tables.declarations import STORE_AVAILABILITY
from storeavail_platform.domain.tables.table import Check, Column, Table
from storeavail_platform.domain.windows import Window
from storeavail_platform.engines.duckdb import DuckDBEngine
from storeavail_platform.engines.typecheck import check_types
from storeavail_platform.pipeline.compute import run_check
from storeavail_platform.pipeline.observe import INDEX, Observing, Sources, Target, observe
from storeavail_platform.pipeline.runtime import build_runtime
from storeavail_platform.pipeline.testing import run_table
from storeavail_platform.reading.query import query
from storeavail_platform.storage.local import LocalStorage
from storeavail_platform.warehouse.engine import Engine
from storeavail_platform_tests.domain.tables.facts import COUNTRY, commit_window, fact
from storeavail_testing.http_server import QuietHandler, http_server

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "adding-an-asset.md").read_text(encoding="utf-8")
WINDOW = Window.parse("2026-11-23T1300")
LISTED = "            dashboard_asset(platform),\n"
CONFIG = """
warehouse: ./warehouse
countries:
  BR: {timezone: America/Sao_Paulo, postgres: {dsn: "env:DSN"}, online_index: {path: ./index.ndjson}}
"""


@cache
def block(place: str) -> str:
    """The code that the page shows for a file."""
    (found,) = re.findall(rf"^```\w+ {re.escape(place)}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    return str(found)


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    return DuckDBEngine(LocalStorage(tmp_path))


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of what an engineer works in."""
    for name in ("storeavail_platform", "storeavail_platform_tests"):
        shutil.copytree(
            ROOT / name, tmp_path / "checkout" / name, ignore=shutil.ignore_patterns("__pycache__")
        )
    shutil.copy(ROOT / "pyproject.toml", tmp_path / "checkout")
    return tmp_path / "checkout"


def in_checkout(checkout: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Python in the copy, whose packages come before the installed ones."""
    command = [sys.executable, *arguments]
    return subprocess.run(
        command,
        cwd=checkout,
        env={"PYTHONPATH": str(checkout), "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )


def run_tests(checkout: Path, path: str) -> str:
    """Run tests in the copy, on DuckDB (`tables/test_run_table.py` runs the page's on Spark
    too); what pytest said.
    """
    done = in_checkout(
        checkout, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", "duckdb", path
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def new_table(checkout: Path) -> None:
    """The page's command."""
    (command,) = re.findall(r"^storeavail (new-table .*)$", PAGE, re.MULTILINE)
    done = CliRunner().invoke(main, [*command.split(), "--into", str(checkout)])
    assert done.exit_code == 0, done.output


def test_a_new_table_works_as_it_is_written(checkout: Path) -> None:
    """The three files that the command writes load, are as `make check` wants them, and their test
    passes.
    """
    new_table(checkout)
    made = "storeavail_platform_tests/domain/tables/test_city_hours.py"
    for check in (["format", "--check"], ["check"]):
        places = (made, "storeavail_platform/domain/tables/declarations.py")
        done = in_checkout(checkout, "-m", "ruff", *check, "--no-cache", *places)
        assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed" in run_tests(checkout, made)
    loaded = in_checkout(
        checkout,
        "-c",
        "from storeavail_platform.domain.tables import TABLES; print(TABLES[-1].name,"
        " TABLES[-1].inputs)",
    )
    assert loaded.stdout == "city_hours ('store_availability',)\n"


def test_a_table_in_the_windows_step(checkout: Path) -> None:
    """The page's SQL, declaration and test, in the places that the command made, give the
    page's rows; the definitions load with the asset.
    """
    new_table(checkout)
    declarations = checkout / "storeavail_platform/domain/tables/declarations.py"
    text, count = re.subn(
        r"^CITY_HOURS = Table\(.*?^\)\n",
        lambda _: block("storeavail_platform/domain/tables/declarations.py"),
        declarations.read_text(),
        flags=re.MULTILINE | re.DOTALL,
    )
    assert count == 1
    declarations.write_text(text)
    for place in (
        "storeavail_platform/domain/tables/sql/city_hours.sql",
        "storeavail_platform_tests/domain/tables/test_city_hours.py",
    ):
        (checkout / place).write_text(block(place))
    assert "1 passed" in run_tests(
        checkout, "storeavail_platform_tests/domain/tables/test_city_hours.py"
    )
    (checkout / "storeavail.yaml").write_text(CONFIG)
    script = (
        "from storeavail_platform.config import load_platform; from"
        " storeavail_platform.orchestration.build import build_definitions; print('city_hours' in"
        " {key.to_user_string() for key in"
        " build_definitions(load_platform('storeavail.yaml')).resolve_all_asset_keys()})"
    )
    loaded = in_checkout(checkout, "-c", script)
    assert loaded.stdout == "True\n", loaded.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["stores", "--inputs", "store_availability"], "'stores' cannot be a table's name"),
        (["Cities!", "--inputs", "store_availability"], "'Cities!' cannot be a table's name"),
        (["order", "--inputs", "stores"], "'order' cannot be a table's name"),
        (["check", "--inputs", "stores"], "'check' cannot be a table's name"),
        (["availability_dashboard", "--inputs", "stores"], "cannot be a table's name"),
        (["cities", "--inputs", "shops"], "there is no table shops"),
        (["cities", "--inputs", "stores"], "is not a checkout of the platform"),
    ],
)
def test_a_new_table_that_cannot_be(tmp_path: Path, arguments: list[str], message: str) -> None:
    """Each mistake is named, and nothing is written."""
    done = CliRunner().invoke(main, ["new-table", *arguments, "--into", str(tmp_path)])
    assert done.exit_code == 1
    assert message in done.output
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "message"),
    [("problems", "test_problems.py: is there already"), ("tables", "has a TABLES already")],
)
def test_a_new_table_writes_over_nothing(name: str, message: str) -> None:
    """Neither a test of the same name, nor what the declarations call something else."""
    with pytest.raises(ConfigError, match=message):
        scaffold.new_table(ROOT, name, ["stores"])


COUNTS = Table(
    name="city_counts",
    description="Stores of each city.",
    columns=(Column("city", "text", "City."), Column("stores", "bigint", "Stores.")),
    key=("city",),
    inputs=("stores",),
    sql_text="SELECT city,\n  COUNT(*) AS stores\nFROM stores GROUP BY city",
)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (replace(COUNTS, sql_text="SELECT city,\n  CAST(COUNT(*) AS INT) AS stores\nFROM stores GROUP BY city"), "city_counts.sql:2: column stores is int32; its declaration says int64"),
        (replace(COUNTS, sql_text="SELECT city,\n COUNT(*) AS stores FROM stores"), "city_counts.sql:1: Binder Error"),
        (replace(COUNTS, sql_text="SELECT city,\n NOW() AS stores FROM stores"), "city_counts.sql:2: now"),
        (replace(COUNTS, sql_text="SELECT city,\n  COUNT(town) AS stores\nFROM stores GROUP BY city"), "city_counts.sql:2: Column 'town' could not be resolved"),
        (replace(COUNTS, sql_text="SELECT s.city,\n  1 AS stores\nFROM stores s\nJOIN stores t ON t.id = s.store_id"), "city_counts.sql:4: "),
        (replace(COUNTS, sql_text="SELECT\n  city\nFROM stores"), "city_counts.sql:2: gives the columns city; its declaration says city, stores (declared outside the package)"),
        (replace(COUNTS, sql_text="SELECT h.kind AS city, COUNT(*) AS stores\nFROM stores\nCROSS JOIN store_hours h GROUP BY h.kind"), "city_counts.sql:3: reads store_hours without declaring it"),
        (replace(COUNTS, name="stores"), "table stores: the name is taken"),
        (replace(COUNTS, name="observation"), "table observation: the name is taken"),
        (replace(COUNTS, key=("town",)), "key or sort column 'town' is not among its columns"),
        (replace(COUNTS, columns=(*COUNTS.columns, Column("run_id", "text", "?"))), "column run_id is declared twice"),
        (replace(COUNTS, sql_text=None), "there is no SQL file tables/sql/city_counts.sql"),
        (replace(COUNTS, checks=(Check("quality", "?", "SELECT now() AS passed"),)), "table city_counts, check quality:1: now"),
        (replace(COUNTS, checks=(Check("quality", "?", "SELECT TRUE AS passed FROM shops"),)), "check quality: reads shops"),
        (replace(COUNTS, inputs=("stores", "store_hours")), "city_counts.sql declares the input store_hours without reading it"),
        (replace(COUNTS, inputs=("shops",)), "there is no input 'shops'"),
        (replace(COUNTS, inputs=("city_counts",)), "reads itself"),
        (replace(COUNTS, columns=(Column("city", cast(Any, "string"), "City."), COUNTS.columns[1])), "column city has the type 'string'; there are text, bigint"),
        (replace(COUNTS, sql_text="SELECT city,\n  COUNT(* AS stores\nFROM stores GROUP BY city"), "city_counts.sql:2: is not SQL that both engines read: Expecting"),
        (replace(COUNTS, sql_text="SELECT 'city"), "city_counts.sql:1: is not SQL that both engines read"),
        (replace(COUNTS, sql_text="SELECT city FROM stores; SELECT 1"), "city_counts.sql:1: write exactly one SELECT"),
        (replace(COUNTS, checks=(Check("quality", "?", "SELECT COUNT(*) > 0 AS pass FROM city_counts"),)), "check quality: gives pass; it needs a boolean column passed"),
        (replace(COUNTS, checks=(Check("quality", "?", "SELECT 'no' AS passed FROM city_counts"),)), "it needs a boolean column passed"),
        (replace(COUNTS, checks=(Check("quality", "?", "SELECT nothing AS passed FROM city_counts"),)), "table city_counts, check quality"),
        (replace(COUNTS, checks=(Check(cast(Any, "fresh"), "?", "SELECT TRUE AS passed"),)), "table city_counts: a check is named 'fresh'; name it one of complete, quality"),
        (replace(COUNTS, checks=(Check("quality", "?", "SELECT TRUE AS passed"),) * 2), "table city_counts: two checks are named 'quality'"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_when_the_tables_are_loaded(table: Table, message: str) -> None:
    """With the file and line of the SQL or of the declaration, and what is wrong."""

    def load(tables: Sequence[Table]) -> None:
        check_tables(tables)
        check_types(tables)

    with pytest.raises(TableDeclarationError) as caught:
        load((*TABLES, table))
    assert message.lower() in str(caught.value).lower()
    places = (
        r"tables/sql/city_counts\.sql:\d+|tables/declarations\.py:\d+|declared outside the package"
    )
    assert re.match(rf"({places}): ", str(caught.value))


def test_a_mistake_in_a_declaration_of_the_package_is_told_at_its_line() -> None:
    """Whoever added the check finds the table by file and line."""
    with pytest.raises(TableDeclarationError, match="two checks are named 'quality'") as caught:
        check_tables(
            (replace(TABLES[0], checks=(Check("quality", "?", "SELECT TRUE AS passed"),) * 2),)
        )
    file, line, _ = str(caught.value).split(":", 2)
    source = (
        (ROOT / "storeavail_platform" / "domain" / file).read_text(encoding="utf-8").splitlines()
    )
    assert source[int(line) - 1 : int(line) + 1] == ["STORES = Table(", '    name="stores",']


def test_rows_by_hand_have_to_fit(engine: Engine) -> None:
    """An input that the table does not read, and a column that an input does not have, are
    mistakes of the test.
    """
    assert run_table(engine, COUNTS, {"stores": [{"city": "A"}, {"city": "A"}, {}]}) == [
        {"city": "A", "stores": 2},
        {"city": None, "stores": 1},
    ]
    with pytest.raises(TableContractError, match="does not read store_hours"):
        run_table(engine, COUNTS, {"store_hours": []})
    with pytest.raises(TableContractError, match="stores has no column town"):
        run_table(engine, COUNTS, {"stores": [{"town": "A"}]})


@pytest.fixture
def api() -> Iterator[ThreadingHTTPServer]:
    """An HTTP API that serves what its `answer` says."""

    class Answer(QuietHandler):
        def do_GET(self) -> None:
            status, body = self.server.answer  # type: ignore[attr-defined]
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body)

    with http_server(Answer) as server:
        yield server


def test_a_source(api: ThreadingHTTPServer, tmp_path: Path) -> None:
    """The page's class is a source: its rows are landed in the window's time, a past window is
    refused, and each error is of its kind.
    """
    names: dict[str, Any] = {"__name__": "http_index"}
    exec(
        compile(block("storeavail_platform/sources/http_index.py"), "http_index.py", "exec"), names
    )
    source = names["HttpIndex"](f"http://127.0.0.1:{api.server_address[1]}/")
    runtime = build_runtime(load_text(CONFIG, base=tmp_path, origin="test.yaml"))
    window = Window.containing(datetime.now(UTC))
    grace = timedelta(minutes=2)

    def land(of: Window) -> None:
        # the same class reads both sources here: what matters is the index
        observe(
            runtime.landing,
            Target(COUNTRY, "America/Sao_Paulo", of),
            Sources(source, source),
            Observing(grace),
        )

    api.answer = (200, b'{"store_id": "1", "online": true}\n{"store_id": "2", "online": false}\n')  # type: ignore[attr-defined]
    (found,) = source.check()
    assert (found.level, found.message) == ("ok", "gives 2 documents")
    land(window)
    reading = runtime.landing.find(COUNTRY, window, INDEX)
    assert reading is not None
    assert reading.rows("raw_online_index") == 2
    with pytest.raises(ObservationRefused):
        land(window.next(-96))
    api.answer = (404, b"")  # type: ignore[attr-defined]
    with source.open(window) as snapshot, pytest.raises(SourceRejected, match="answered 404"):
        list(source.read(snapshot.splits[0]))
    gone = names["HttpIndex"]("http://127.0.0.1:1/")
    with gone.open(window) as snapshot, pytest.raises(SourceUnavailable, match="does not answer"):
        list(gone.read(snapshot.splits[0]))


@pytest.mark.parametrize(
    ("statuses", "passed"),
    [(["available", "missing"], True), (["available", "missing", "missing"], False)],
)
def test_a_check(engine: Engine, statuses: list[str], passed: bool) -> None:
    """The page's check is admitted, and says so when more than half of the stores are missing."""
    names: dict[str, Any] = {"Check": Check}
    exec(block("check"), names)
    table = replace(STORE_AVAILABILITY, checks=(*STORE_AVAILABILITY.checks[:0], names["CHECK"]))
    check_tables(tuple(table if other.name == table.name else other for other in TABLES))
    rows = [{"store_id": str(number), "status": status} for number, status in enumerate(statuses)]
    import pyarrow as pa

    with engine.session() as session:
        session.add_table(table.name, pa.Table.from_pylist(rows, schema=table.computed_schema()))
        outcome = run_check(session, table, names["CHECK"])
    assert outcome.passed is passed
    assert outcome.figures["stores"] == len(statuses)


def test_a_column(tmp_path: Path) -> None:
    """The page's column joins a table that has rows: what was written before reads as NULL,
    what is written now has its value.
    """
    (tmp_path / "warehouse").mkdir()
    runtime = build_runtime(load_text(CONFIG, base=tmp_path, origin="test.yaml"))
    names: dict[str, Any] = {"Column": Column}
    exec(block("column"), names)
    commit_window(
        runtime.engine, runtime.warehouse, WINDOW, [fact(1, WINDOW, "available")], "before"
    )
    wider = replace(STORE_AVAILABILITY, columns=(*STORE_AVAILABILITY.columns, names["COLUMN"]))
    later = WINDOW.next()
    with runtime.engine.session() as session:
        session.create("given", "SELECT CAST(1 AS BIGINT) AS store_id, TRUE AS is_long_day")
        constants: dict[str, Any] = {
            name: None
            for name in wider.stored_schema().names
            if name not in ("store_id", "is_long_day")
        }
        constants |= {"country": COUNTRY, "window_start": later.start, "run_id": "after"}
        files = session.write(
            "given",
            wider.stored_schema(),
            constants,
            (),
            runtime.warehouse.location(COUNTRY, wider.name, "data", "wider"),
        )
    runtime.warehouse.commit(COUNTRY, wider, later, files, "after")
    rows = query(
        runtime, "SELECT run_id, is_long_day FROM store_availability ORDER BY window_start"
    ).to_pylist()
    assert rows == [
        {"run_id": "before", "is_long_day": None},
        {"run_id": "after", "is_long_day": True},
    ]
