"""`storeavail init` over companies of several shapes: what it writes gives the hours and stores that
people mean, on real servers, without a question.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from storeavail_platform.commands.cli import main
from storeavail_platform.config import load_platform
from storeavail_platform.domain.windows import Window
from storeavail_platform.sources.postgres import PostgresSource
from storeavail_platform_tests.sources.test_ways import (
    COUNTRY,
    WAYS,
    WAYS_BY_EXAMPLE,
    WINDOWS,
    Way,
    open_mask,
    schedules,
)
from storeavail_platform_tests.test_docs import page, section, sql_blocks
from storeavail_testing.elasticsearch import ElasticsearchServer
from storeavail_testing.postgres import PASSWORD, SCHEMA, PostgresServer

SHAPES = ("Another schema", "Periods as jsonb", "A column a weekday", "Weekdays otherwise")
NOW = datetime.now(UTC).isoformat()

Init = Callable[..., Result]


@pytest.fixture
def init(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Init:
    """Runs the command into a folder of its own; the connection string is in the environment."""

    def run(dsn: str, *index: str, answer: str | None = None) -> Result:
        monkeypatch.setenv("BR_POSTGRES_DSN", dsn)
        options = ["--country", "BR", "--timezone", COUNTRY, "--postgres", "env:BR_POSTGRES_DSN"]
        return CliRunner().invoke(
            main,
            ["init", *options, *index, "--into", str(tmp_path / "own")],
            input=answer,
            env={"COLUMNS": "300"},
        )

    return run


def index_file(folder: Path, documents: Sequence[dict[str, Any]]) -> str:
    path = folder / "index.ndjson"
    path.write_text("".join(f"{json.dumps(document)}\n" for document in documents))
    return str(path)


def own_queries(folder: Path) -> PostgresSource:
    country = load_platform(str(folder / "own" / "storeavail.yaml")).country("BR")
    return PostgresSource(country.postgres, country.timezone)


@pytest.mark.parametrize(
    "way", [way for way in WAYS_BY_EXAMPLE if way.heading in SHAPES], ids=lambda way: way.name
)
def test_schemas_of_the_documentation(
    postgres_server: PostgresServer, tmp_path: Path, init: Init, way: Way
) -> None:
    """Weekday 0 for Sunday, jsonb, a column a weekday, names of weekdays: the queries that are
    written give each store the open minutes of the sign at its door; `check` finds no error.
    """
    level = "##" if way.page == "schemas.md" else "###"
    (tables, *_) = sql_blocks(section(page(way.page), f"{level} {way.heading}"))
    rows = (WAYS / f"{way.name}.sql").read_text(encoding="utf-8")
    dsn = postgres_server.create(f"init_{way.name}", tables + rows)
    listed = [{"store_id": store, "online": True, "updated_at": NOW} for store in way.stores]
    result = init(dsn, "--index-path", index_file(tmp_path, listed))
    assert result.exit_code == 0, result.output
    assert "Next:  storeavail up --config" in result.output
    postgres = own_queries(tmp_path)
    for key, what in WINDOWS.items():
        window = Window.parse(key)
        found = schedules(postgres, tmp_path, window)
        expected = {store: open_mask(way, store, window) for store in way.stores}
        assert {store: row["open_mask"] for store, row in found.items()} == expected, what


UUIDS = {number: str(uuid.UUID(int=number * 7**40 % 2**128)) for number in range(1, 41)}
BY_UUID = """
CREATE TABLE "Outlets" (
  id bigint, public_id uuid, display_name text, town text, "isActive" boolean, is_active boolean
);
CREATE TABLE schedules (outlet_id bigint, dow int, opens int, closes int);
CREATE TABLE exceptions (outlet_id bigint, day date, opens time, closes time);
CREATE TABLE orders (id bigint, outlet_id bigint, created_at timestamptz);
"""
STATUSES = ("ACTIVE", "PAUSED", "CLOSED", "ACTIVE", "NEW")


def test_uuids_and_status_words_in_an_object(
    postgres_server: PostgresServer,
    elasticsearch_server: ElasticsearchServer,
    tmp_path: Path,
    init: Init,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An index whose text ids have no hyphens and whose status is a word in an object, with fields
    that only their keyword sub-fields give; hours in minutes by an internal id, weekday 0 for
    Monday. Each store comes out as what its document and its hours say.
    """
    dsn = postgres_server.create("init_uuids", BY_UUID)
    postgres_server.execute(
        "init_uuids",
        'INSERT INTO "Outlets" VALUES (%s, %s, %s, %s, NULL, %s)',
        [(i, each, f"S{i}", "T", i != 9) for i, each in UUIDS.items()],
    )
    postgres_server.execute(
        "init_uuids",
        "INSERT INTO schedules SELECT i, d, 0, 1440 FROM generate_series(1, 38) i,"
        " generate_series(0, 6) d WHERE d < 6 OR i < 20;"
        "INSERT INTO exceptions VALUES (3, '2026-11-25', NULL, NULL), (4, '2026-11-25', '12:00', '12:10');"
        "INSERT INTO orders SELECT i, i % 38 + 1, now() FROM generate_series(1, 500) i",
    )
    documents = [
        {
            "store": {"ref": each.replace("-", ""), "name": f"S{i}"},
            "listing": {"status": STATUSES[i % 5]},
            "meta": {"lastModified": NOW, "updatedAt": NOW},
        }
        for i, each in UUIDS.items()
    ]
    elasticsearch_server.fill("init_uuids", documents)
    monkeypatch.setenv("BR_ES_URL", elasticsearch_server.url)
    result = init(dsn, "--index-url", "env:BR_ES_URL", "--index", "init_uuids")
    text = (tmp_path / "own" / "storeavail.yaml").read_text()
    assert "store_id: store.ref.keyword\n" in text
    assert "updated_at: meta.updatedAt\n" in text
    assert PASSWORD not in text + "".join(
        path.read_text() for path in (tmp_path / "own").glob("*.sql")
    )
    assert 'listing.status.keyword, online: ["ACTIVE"], offline: ["PAUSED", "CLOSED"]' in text
    assert f"partitions_start: {datetime.now(UTC):%Y-%m-%d}" in text
    assert "in neither list: 'NEW'" in result.output
    assert "40 of 40 ids of the index are stores" in result.output
    assert "of 100.0 % of the stores with hours" in result.output
    postgres = own_queries(tmp_path)
    ids = {i: each.replace("-", "") for i, each in UUIDS.items()}
    found = schedules(postgres, tmp_path, Window.parse("2026-11-25T1500"))
    bits = {**dict.fromkeys(range(1, 39), 2**15 - 1), 3: 0, 4: 2**10 - 1, 9: 0, 39: 0, 40: 0}
    assert {i: found[each]["open_mask"] for i, each in ids.items()} == bits
    sunday = schedules(postgres, tmp_path, Window.parse("2026-11-29T1500"))
    assert {i for i, each in ids.items() if sunday[each]["open_mask"]} == set(range(1, 20)) - {9}


def test_the_default_tables_need_no_query(
    postgres_server: PostgresServer, tmp_path: Path, init: Init
) -> None:
    """Only the configuration is written; a second time nothing is overwritten. A view that cannot
    be read is named.
    """
    rows = (
        "CREATE VIEW broken AS SELECT 1 / (random() * 0)::int AS id;"
        "INSERT INTO stores SELECT i, 'S', NULL, 'C', 'B', NULL, true FROM generate_series(1, 9) i;"
        "INSERT INTO store_weekly_hours SELECT i, d, '0:00', '24:00' FROM generate_series(1, 9) i,"
        " generate_series(1, 7) d"
    )
    dsn = postgres_server.create("init_default", SCHEMA + rows)
    listed = [{"id": i, "is_open": i % 2, "updated": 1764201600} for i in range(1, 10)]
    path = index_file(tmp_path, listed)
    result = init(dsn, "--index-path", path)
    assert result.exit_code == 0, result.output
    assert [each.name for each in (tmp_path / "own").iterdir() if each.is_file()] == [
        "storeavail.yaml"
    ]
    assert "the tables are the default ones" in result.output
    assert "broken was not looked at: division by zero" in result.output
    text = (tmp_path / "own" / "storeavail.yaml").read_text()
    assert ("store_id: id\n" in text, "online: is_open\n" in text) == (True, True)
    again = init(dsn, "--index-path", path)
    assert again.exit_code == 1
    assert "is there already, and nothing is overwritten" in again.output
    assert (tmp_path / "own" / "storeavail.yaml").read_text() == text


def test_without_a_terminal_nothing_is_asked(tmp_path: Path) -> None:
    """What is missing is named, and nothing is written."""
    into = ["--into", str(tmp_path / "own")]
    result = CliRunner().invoke(main, ["init", "--country", "BR", *into])
    assert result.exit_code == 2
    for option in ("--timezone", "--postgres", "--index-url", "--index"):
        assert option in result.output
    assert not (tmp_path / "own").exists()


@pytest.mark.parametrize(
    ("postgres", "more"),
    [
        (f"host=127.0.0.1 user=x password='{PASSWORD}'", []),
        ("postgresql://x:hidden@localhost/db", []),
        ("env:BR_POSTGRES_DSN", ["--api-key", "hidden"]),
        # the last one counts
        ("env:BR_POSTGRES_DSN", ["--index-url", "https://x:hidden@localhost:9200"]),
    ],
)
def test_a_secret_is_never_written_out(tmp_path: Path, postgres: str, more: list[str]) -> None:
    """It is refused with what to write, and not repeated."""
    options = ["--country", "BR", "--timezone", COUNTRY, "--postgres", postgres]
    index = ["--index-url", "http://localhost:9200", "--index", "stores", *more]
    result = CliRunner().invoke(main, ["init", *options, *index, "--into", str(tmp_path / "own")])
    assert result.exit_code == 1
    assert "a secret is never written into the file" in " ".join(result.output.split())
    assert "hidden" not in result.output
    assert PASSWORD not in result.output
    assert not (tmp_path / "own").exists()


def test_sides_that_share_nothing(
    postgres_server: PostgresServer, tmp_path: Path, init: Init
) -> None:
    """No guess is made: fields and columns that were looked at are named."""
    dsn = postgres_server.create("init_apart", SCHEMA + "INSERT INTO stores VALUES (1), (2)")
    listed = [{"place": f"x{number}y", "online": True} for number in "ab"]
    result = init(dsn, "--index-path", index_file(tmp_path, listed))
    assert result.exit_code == 1
    assert "place: xay, xby" in result.output
    assert "stores.store_id" in result.output
    assert not (tmp_path / "own").exists()
