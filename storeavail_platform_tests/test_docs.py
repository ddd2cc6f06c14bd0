"""The documentation says what there is: commands and options, make targets, tables, settings,
statuses and problems, sources. It cannot drift.

The metadata of materialisations is compared in `orchestration/test_build.py`; how `make docs`
writes is tested in `commands/test_documents.py`.
"""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
import sqlglot
from sqlglot import exp

from scripts.documents import generated_pages
from storeavail_platform.commands.cli import main
from storeavail_platform.config import Platform, load_text
from storeavail_platform.domain.source import RAW_STORE_HOURS, RAW_STORES
from storeavail_platform.domain.tables import TABLES
from storeavail_platform.domain.tables.dialects import DIALECT
from storeavail_platform.domain.tables.table import Table
from storeavail_platform.domain.tables.views import VIEWS
from storeavail_platform.domain.windows import Window
from storeavail_platform.orchestration.build import build_definitions
from storeavail_platform.pipeline.compute import SCHEMA_AND_KEY
from storeavail_platform.sources.postgres import PostgresSource
from storeavail_platform.sources.postgres_queries import MADE_HERE
from storeavail_testing.postgres import PostgresServer

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
README = (ROOT / "README.md").read_text(encoding="utf-8")
FOLDERS_OF_PAGES = (ROOT, DOCS, DOCS / "adr", ROOT / "deploy", ROOT / "zeppelin")
PAGES = sorted(path for folder in FOLDERS_OF_PAGES for path in folder.glob("*.md"))
WINDOW = Window.parse("2026-11-23T1300")
"""Monday 10:00 in Sao Paulo."""
CONFIG = """
warehouse: ./warehouse
countries:
  BR: {timezone: America/Sao_Paulo, postgres: {dsn: "env:BR_DSN"}, online_index: {path: ./br.ndjson}}
"""
ADR_PARTS = ("## Context", "## Decision", "## Consequences", "## The way back")
LONGEST_ADR = 40
OTHER_ROWS = """
INSERT INTO chains VALUES (1, 'Chain');
INSERT INTO shops VALUES (7, 'Corner', 'City', 1, NULL, NULL);
INSERT INTO shop_hours VALUES (7, 1, '08:00', '24:00'), (7, 0, '08:00', '22:00');
"""
"""Rows of the other schema in docs/sources.md: open now, and on a Sunday that is over."""


def page(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def first_cells(text: str) -> list[str]:
    """The code in the first cell of each row of the Markdown tables of a text."""
    return re.findall(r"^\| `([^`]+)` \|", text, re.MULTILINE)


def section(text: str, heading: str) -> str:
    """What stands below a heading until the next one of the same or a higher level."""
    level = len(heading) - len(heading.lstrip("#"))
    found = re.search(
        rf"^{re.escape(heading)}\n(.*?)(?=^#{{1,{level}}} |\Z)", text, re.MULTILINE | re.DOTALL
    )
    assert found is not None, f"there is no heading {heading!r}"
    return found[1]


def sql_blocks(text: str) -> list[str]:
    return re.findall(r"^```sql\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def documented_commands(path: Path) -> Iterator[tuple[str, ...]]:
    """The arguments of each `storeavail` line in a page's shell examples."""
    for block in re.findall(
        r"^```sh\n(.*?)^```", path.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    ):
        for line in block.replace("\\\n", " ").splitlines():
            tokens = shlex.split(line, comments=True)
            if tokens and tokens[0].endswith("storeavail"):
                yield tuple(tokens[1:])


def given_words(sql: str, column: str) -> set[str]:
    """The text values that the CASE expressions of a column give."""
    tokens: set[str] = set()
    for alias in sqlglot.parse_one(sql, dialect=DIALECT).find_all(exp.Alias):
        if alias.alias == column:
            for case in alias.find_all(exp.Case):
                results = [
                    *(branch.args["true"] for branch in case.args["ifs"]),
                    case.args.get("default"),
                ]
                tokens.update(
                    result.this
                    for result in results
                    if isinstance(result, exp.Literal) and result.is_string
                )
    return tokens


def test_tables_and_settings_are_documented_as_declared() -> None:
    """Each page is what `make docs` writes from the declarations and the models, word for word."""
    pages = generated_pages(DOCS)
    stale = [path.name for path, text in pages.items() if path.read_text(encoding="utf-8") != text]
    assert stale == [], "run `make docs`, and commit what it writes"


def test_every_asset_has_a_section_and_no_other(tmp_path: Path) -> None:
    """Each asset that Dagster shows, each view, and nothing else."""
    definitions = build_definitions(load_text(CONFIG, base=tmp_path, origin="test.yaml"))
    assets = {key.to_user_string() for key in definitions.resolve_all_asset_keys()}
    assert set(re.findall(r"^### `(\w+)`$", page("tables.md"), re.MULTILINE)) == {
        *assets,
        *(view.name for view in VIEWS),
    }


def test_every_status_and_reason_is_documented() -> None:
    """The pairs of the table in docs/tables.md hold every status and reason that the SQL gives,
    and no other.
    """
    (fact,) = [table for table in TABLES if table.name == "store_availability"]
    rows = re.findall(
        r"^\| `(\w+)` \| (?:`(\w+)`|NULL) \|",
        section(page("tables.md"), "## Status and reason"),
        re.MULTILINE,
    )
    assert {status for status, _ in rows} == given_words(fact.sql, "status")
    assert {reason for _, reason in rows if reason} == given_words(fact.sql, "reason")


@pytest.mark.parametrize(
    "table", [table for table in TABLES if table.has_problem], ids=lambda table: table.name
)
def test_every_problem_is_documented(table: Table) -> None:
    """The problems that a table's SQL names, and no other."""
    rows = re.findall(
        r"^\| `(\w+)` \| `([^`]+)` \|", section(page("tables.md"), "## Problems"), re.MULTILINE
    )
    assert {problem for name, problem in rows if name == table.name} == given_words(
        table.sql, "problem"
    )


def test_every_reason_of_a_suspect_window_is_documented() -> None:
    """The words of `suspect_reason`."""
    (quality,) = [table for table in TABLES if table.name == "window_quality"]
    reasons = {
        reason.removeprefix("; ")
        for reason in given_words(quality.sql, "suspect_reasons")
        if reason
    }
    assert set(first_cells(section(page("tables.md"), "## Suspect windows"))) == reasons
    assert len(reasons) == 14


def test_readme_lists_every_command() -> None:
    """And none that is not there."""
    assert first_cells(section(README, "## Commands"))[: len(main.commands)] == [
        f"storeavail {name}" for name in main.commands
    ]


def test_readme_lists_every_make_target() -> None:
    """In the Makefile's order; `make help` shows the same ones."""
    targets = re.findall(
        r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert [row for row in first_cells(README) if row.startswith("make ")] == [
        f"make {target}" for target in targets
    ]


def named_targets(path: Path) -> set[str]:
    """The make targets in a page's shell examples and code spans."""
    text = path.read_text(encoding="utf-8")
    examples = re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    spans = re.findall(r"`([^`\n]+)`", text)
    return set(re.findall(r"^make ([\w-]+)", "\n".join([*examples, *spans]), re.MULTILINE))


def test_make_help_lists_every_target_that_a_page_names() -> None:
    """Whoever reads of a target finds it in `make help`; what the pages name is there at all."""
    done = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True)
    listed = set(re.findall(r"^  make ([\w-]+) +\w", done.stdout, re.MULTILINE))
    named = {path.name: named_targets(path) - listed for path in PAGES}
    assert {page: targets for page, targets in named.items() if targets} == {}
    assert {"docs", "notebook", "test-long"} <= listed


def options_of(command: click.Command) -> Iterator[tuple[str, str]]:
    """How docs/commands.md writes each parameter of a command, and its default."""
    for parameter in command.params:
        said = (
            re.search(r"\[default: (.+)\]", parameter.help or "")
            if isinstance(parameter, click.Option)
            else None
        )
        if isinstance(parameter, click.Argument):
            yield parameter.human_readable_name, "required"
        elif parameter.required:
            yield f"{parameter.opts[0]} {parameter.metavar}", "required"
        elif isinstance(parameter, click.Option) and parameter.is_flag:
            yield parameter.opts[0], "off"
        else:
            metavar = (
                parameter.make_metavar(click.Context(command))
                .removeprefix("[")
                .removesuffix("]")
                .replace("INTEGER RANGE", "N")
            )
            yield f"{parameter.opts[0]} {metavar}", said[1] if said else f"`{parameter.default}`"


@pytest.mark.parametrize("name", main.commands)
def test_every_option_is_documented_with_its_default(name: str) -> None:
    """docs/commands.md: a section for every command, with each argument and option, its choices
    and default, and no other.
    """
    shown = section(page("commands.md"), f"## storeavail {name}")
    rows = re.findall(r"^\| `((?:[^`\\]|\\.)+)` \| (.+?) \|", shown, re.MULTILINE)
    assert [(written.replace("\\|", "|"), default) for written, default in rows] == list(
        options_of(main.commands[name])
    )


def test_commands_page_has_every_command_and_no_other() -> None:
    """In the order of `storeavail --help`."""
    assert re.findall(r"^## storeavail ([\w-]+)$", page("commands.md"), re.MULTILINE) == list(
        main.commands
    )


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_documented_commands_are_understood(path: Path) -> None:
    """Every `storeavail` line of a shell example is a command line with options and values that
    there are.
    """
    for tokens in documented_commands(path):
        main.commands[tokens[0]].make_context(tokens[0], list(tokens[1:]))


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_relative_links_lead_somewhere(path: Path) -> None:
    """No page links to a file that is not there."""
    links = re.findall(r"\]\(([^)#\s]+)", path.read_text(encoding="utf-8"))
    broken = [
        link
        for link in links
        if not re.match(r"[a-z]+:", link) and not (path.parent / link).exists()
    ]
    assert broken == []


def test_every_page_is_linked_from_the_readme() -> None:
    """A page that nobody finds is none; decisions are found through their folder."""
    pages = [path for path in DOCS.glob("*.md") if f"docs/{path.name}" not in README]
    assert pages == []
    assert "docs/adr" in README


def test_a_stranger_is_sent_to_the_right_place() -> None:
    """Each place that architecture.md names for a question is a file that has what is named in it."""
    text = (DOCS / "architecture.md").read_text(encoding="utf-8")
    table = text[text.index("Where a stranger looks first") : text.index("## The tree")]
    places = re.findall(r"`([\w/]+\.(?:py|sql))` \(`([^`]+)`\)", table)
    assert len(places) >= table.count("\n| where") + table.count("\n| what")
    for path, name in places:
        assert name in (ROOT / "storeavail_platform" / path).read_text(encoding="utf-8"), path


@pytest.mark.parametrize("path", sorted((DOCS / "adr").glob("*.md")), ids=lambda path: path.stem)
def test_decisions_are_short_and_say_the_way_back(path: Path) -> None:
    """Context, decision, consequences, the way back, on less than a screen."""
    text = path.read_text(encoding="utf-8")
    assert tuple(line for line in text.splitlines() if line.startswith("## ")) == ADR_PARTS
    assert len(text.splitlines()) < LONGEST_ADR


@pytest.fixture
def example_database(postgres_server: PostgresServer) -> str:
    """The default schema and the example of another one, as docs/sources.md writes them."""
    text = page("sources.md")
    (schema,) = sql_blocks(section(text, "### Default schema"))
    other_schema = sql_blocks(section(text, "### Another schema"))[0]
    postgres_server.create("docs_sources", schema)
    postgres_server.execute("docs_sources", other_schema + OTHER_ROWS)
    return "docs_sources"


def read(platform: Platform) -> dict[str, list[dict[str, Any]]]:
    """The rows of both queries by relation."""
    source = PostgresSource(platform.country("BR").postgres, "America/Sao_Paulo")
    with source.open(WINDOW) as snapshot:
        return {
            split.relation: [row for batch in source.read(split) for row in batch.to_pylist()]
            for split in snapshot.splits
        }


def test_the_documented_queries_map_another_schema(
    postgres_server: PostgresServer,
    example_database: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """stores.sql and hours.sql of docs/sources.md, run as they stand, give the rows of the
    example's schema that matter in the window.
    """
    _, stores_query, hours_query = sql_blocks(section(page("sources.md"), "### Another schema"))
    (tmp_path / "stores.sql").write_text(stores_query)
    (tmp_path / "hours.sql").write_text(hours_query)
    monkeypatch.setenv("BR_DSN", postgres_server.dsn(example_database))
    own = CONFIG.replace(
        'dsn: "env:BR_DSN"', 'dsn: "env:BR_DSN", stores_query: stores.sql, hours_query: hours.sql'
    )
    rows = read(load_text(own, base=tmp_path, origin="test.yaml"))
    (store,) = rows["raw_stores"]
    assert (store["source_id"], store["name"], store["brand"]) == ("7", "Corner", "Chain")
    assert (store["address"], store["is_active"], store["has_weekly_hours"]) == (None, True, True)
    assert [
        (row["kind"], row["weekday"], row["opens_minute"], row["closes_minute"])
        for row in rows["raw_store_hours"]
    ] == [("weekly", 1, 480, 1440)]


def test_the_columns_of_own_queries_are_documented() -> None:
    """docs/sources.md names each column that a stores or hours query has to give."""
    text = section(page("sources.md"), "### Another schema")
    wanted = {
        "store_id" if name == "source_id" else name
        for name in {*RAW_STORES.names, *RAW_STORE_HOURS.names} - MADE_HERE
    }
    assert set(first_cells(text)) == wanted


def test_checks_are_explained() -> None:
    """The names of checks that people meet in the UI."""
    names = {SCHEMA_AND_KEY, *(check.name for table in TABLES for check in table.checks)}
    assert set(first_cells(section(page("tables.md"), "## Checks"))) == names
