"""What notebooks read of the tables: rows in each form, limits, time travel, without a catalog,
and everything noted.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from storeavail_platform import analyst
from storeavail_platform.domain.errors import AuditFailed, ConfigError, QueryRefused, QueryStopped
from storeavail_platform.reading.analyst.audit import Entry, entries
from storeavail_platform.reading.analyst.reading import at
from storeavail_platform.upkeep.retention import expire_snapshots
from storeavail_platform_tests.domain.tables.facts import commit_facts, fact
from storeavail_platform_tests.end_to_end.world import World
from storeavail_platform_tests.reading.analyst.conftest import WINDOWS

ENDLESS = "SELECT COUNT(*) FROM range(10000000000) a, range(1000000) b"


def noted(world: World) -> list[Entry]:
    """Today's accesses."""
    return list(entries(world.runtime().storage, datetime.now(UTC).date()))


def test_tables_and_columns_are_told(world: World) -> None:
    """Every declared table with the countries that have it, and each column with its meaning."""
    rows = {row["name"]: row for row in analyst.tables().to_pylist()}
    assert rows["store_availability"]["countries"] == "BR"
    assert rows["stores"]["countries"] == ""
    assert rows["store_outages"]["part"] == "local_date"
    columns = {row["name"]: row for row in analyst.columns("store_availability").to_pylist()}
    assert columns["country"] == {
        "name": "country",
        "type": "text",
        "description": "Country code, for example BR.",
        "is_nullable": False,
    }
    with pytest.raises(QueryRefused, match=r"there is no table 'shops' \(tables: stores, "):
        analyst.columns("shops")


def test_a_table_is_read_in_part(world: World) -> None:
    """By country, windows and columns; `until` is the first window that is left out."""
    everything = analyst.table("store_availability")
    assert (everything.num_rows, everything.schema.names[:3]) == (
        6,
        ["country", "window_start", "run_id"],
    )
    some = analyst.table(
        "store_availability",
        country="BR",
        since=WINDOWS[1].start,
        columns=["store_id", "status"],
        until="2026-11-23T1330",
    )
    assert sorted(some.to_pylist(), key=lambda row: row["store_id"]) == [
        {"store_id": "1", "status": "missing"},
        {"store_id": "2", "status": "available"},
        {"store_id": "3", "status": "available"},
    ]
    assert analyst.table("store_availability", until=WINDOWS[0].start).num_rows == 0


def test_several_countries_are_one_table(world: World) -> None:
    """A country that has no such table yet adds nothing; an unknown one is an error that lists
    the known.
    """
    world.add_country("CL", "America/Santiago", "{path: ./index/CL}")
    analyst.connect()
    assert analyst.table("store_availability", country=["BR", "CL"]).num_rows == 6
    with pytest.raises(QueryRefused, match="there is no table 'store_availability' of CL"):
        analyst.table("store_availability", country="CL")
    with pytest.raises(ConfigError, match=r"there is no country 'BX' \(countries: BR, CL\)"):
        analyst.table("store_availability", country="BX")


def test_pandas(world: World) -> None:
    """The same rows as a pandas DataFrame, times in UTC."""
    frame = analyst.sql(
        "SELECT window_start, COUNT(*) AS n FROM store_availability GROUP BY ALL ORDER BY ALL",
        form="pandas",
    )
    assert [str(moment) for moment in frame["window_start"]] == [
        "2026-11-23 13:00:00+00:00",
        "2026-11-23 13:15:00+00:00",
    ]
    assert list(frame["n"]) == [3, 3]
    with pytest.raises(ValueError, match="'excel' is not one of arrow, pandas, spark"):
        analyst.sql("SELECT 1", form="excel")


def test_limits(world: World) -> None:
    """Too many rows or too long is an error, for `table` and `sql`; nothing is cut off silently.

    Each is noted with its reason.
    """
    with pytest.raises(QueryStopped, match="more than 5 rows"):
        analyst.table("store_availability", max_rows=5)
    with pytest.raises(QueryStopped, match="more than 5 rows"):
        analyst.sql("SELECT * FROM store_availability", max_rows=5)
    assert analyst.sql("SELECT * FROM store_availability", max_rows=6).num_rows == 6
    with pytest.raises(QueryStopped, match=r"longer than its limit of 0\.5 s"):
        analyst.sql(ENDLESS, timeout=timedelta(seconds=0.5))
    with pytest.raises(QueryStopped, match="longer than its limit"):
        analyst.table("store_availability", timeout=timedelta(0))
    assert [(entry.kind, entry.rows, entry.error is None) for entry in noted(world)] == [
        ("table", None, False),
        ("sql", None, False),
        ("sql", 6, True),
        ("sql", None, False),
        ("table", None, False),
    ]


def test_time_travel(world: World) -> None:
    """A moment shows the tables as they were: before a rerun its rows, before the first commit
    none.
    """
    between = datetime.now(UTC)
    commit_facts(world.runtime().warehouse, [fact(1, WINDOWS[0], "available")], run="rerun")
    sql = "SELECT run_id, COUNT(*) AS n FROM store_availability GROUP BY ALL ORDER BY ALL"
    assert analyst.sql(sql).to_pylist() == [
        {"run_id": "facts", "n": 3},
        {"run_id": "rerun", "n": 1},
    ]
    then = analyst.as_of(between)
    assert then.sql(sql).to_pylist() == [{"run_id": "facts", "n": 6}]
    assert then.table("store_availability", since=WINDOWS[1].start).num_rows == 3
    assert analyst.as_of(timedelta(days=1)).table("store_availability").num_rows == 0
    assert analyst.as_of("2026-01-01").sql(sql).num_rows == 0
    assert "as of" in noted(world)[1].what


def test_time_travel_ends_where_history_does(world: World) -> None:
    """Of a moment whose state is forgotten nothing is claimed."""
    runtime = world.runtime()
    (table,) = [table for table in runtime.tables if table.name == "store_availability"]
    assert expire_snapshots(runtime, "BR", table, datetime.now(UTC) + timedelta(days=30)) > 0
    with pytest.raises(
        QueryRefused, match=r"store_availability of BR cannot be shown as of .*retention\.history"
    ):
        analyst.as_of(timedelta(days=1)).sql("SELECT COUNT(*) FROM store_availability")
    assert analyst.table("store_availability").num_rows == 6


@pytest.mark.parametrize(
    ("moment", "meant"),
    [
        ("2026-11-23", datetime(2026, 11, 23, tzinfo=UTC)),
        (date(2026, 11, 23), datetime(2026, 11, 23, tzinfo=UTC)),
        ("2026-11-23T1015", datetime(2026, 11, 23, 10, 15, tzinfo=UTC)),
        ("2026-11-23T10:15:00-03:00", datetime(2026, 11, 23, 13, 15, tzinfo=UTC)),
        (
            datetime(2026, 11, 23, 10, tzinfo=timezone(timedelta(hours=-3))),
            datetime(2026, 11, 23, 13, tzinfo=UTC),
        ),
    ],
)
def test_moments(moment: Any, meant: datetime) -> None:
    """Each way to write a time."""
    assert at(moment) == meant


@pytest.mark.parametrize(
    ("moment", "said"),
    [
        ("soon", "'soon' is not a time"),
        ("2026-11-23T10:15:00", "has no time zone"),
        (datetime(2026, 11, 23, 10), "has no time zone"),
    ],
)
def test_moments_that_are_none(moment: Any, said: str) -> None:
    """A time without a zone is not guessed."""
    with pytest.raises(QueryRefused, match=said):
        at(moment)


def test_without_a_catalog(world: World) -> None:
    """Everything is read by pointer: the catalog is not needed."""
    (world.folder / "warehouse" / "catalog.db").unlink()
    analyst.connect()
    assert analyst.table("store_availability").num_rows == 6
    assert (
        analyst.as_of(datetime.now(UTC)).sql("SELECT 1 AS x FROM store_availability").num_rows == 6
    )


def test_the_audit_log_says_who_what_and_how_many(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The user that Zeppelin knows goes before the one of the environment; entries are files
    that are never changed.
    """
    analyst.sql("SELECT 1 AS one")
    user = SimpleNamespace(getUser=lambda: "bia")
    context = SimpleNamespace(
        getInterpreterContext=lambda: SimpleNamespace(getAuthenticationInfo=lambda: user)
    )
    main = ModuleType("__main__")
    main.z = SimpleNamespace(z=context)  # type: ignore[attr-defined]
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "__main__", main)
        analyst.table("store_availability", country="BR")
    first, second = noted(world)
    assert (first.who, first.kind, first.what, first.rows, first.error) == (
        "ana",
        "sql",
        "SELECT 1 AS one",
        1,
        None,
    )
    assert (second.who, second.kind, second.what, second.rows) == (
        "bia",
        "table",
        "store_availability country=BR",
        6,
    )
    assert datetime.fromisoformat(first.at).tzinfo is not None


def test_the_audit_log_keeps_both_ends_and_no_value(world: World) -> None:
    """Of a long statement both ends and a hash of the whole; of a failure no value of a row, also
    where the engine's words repeat one; no control characters.
    """
    long = "SELECT 1 AS one -- " + "x" * 20_000 + " the end"
    analyst.sql(long)
    for failing in (
        "SELECT CAST(name AS INTEGER) FROM store_availability",
        "SELECT error(name) FROM store_availability",
    ):
        with pytest.raises(QueryRefused, match="Store"):
            analyst.sql(failing)
    with pytest.raises(QueryRefused):
        analyst.sql("SELECT 1; SELECT 2")
    first, *failed, own = noted(world)
    assert first.what.startswith("SELECT 1 AS one -- xxx")
    assert first.what.endswith("xxx the end")
    assert "10,027 characters are left out" in first.what
    assert first.sha256 == hashlib.sha256(long.encode()).hexdigest()
    assert [entry.error for entry in failed] == [
        "QueryRefused: Conversion Error",
        "QueryRefused: Invalid Input Error",
    ]
    assert "write exactly one SELECT" in str(own.error)


def test_what_cannot_be_noted_is_not_given(world: World) -> None:
    """Without the log there is no access."""
    (world.folder / "warehouse" / "audit").write_text("in the way")
    with pytest.raises(AuditFailed, match="could not be noted"):
        analyst.table("store_availability")


def test_in_a_plain_shell(world: World) -> None:
    """One import and one call, with nothing but the environment."""
    code = (
        "from storeavail_platform import analyst;"
        " print(analyst.table('store_availability').num_rows)"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=100,
        check=True,
        env={**os.environ, **world.environment},
    )
    assert ran.stdout == "6\n"


def test_the_demo_is_found_without_a_configuration(
    tmp_path: Path, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without $STOREAVAIL_CONFIG it is the demo's; where there is none, the error says what to
    do.
    """
    monkeypatch.delenv("STOREAVAIL_CONFIG")
    monkeypatch.setenv("STOREAVAIL_DEMO_HOME", str(tmp_path / "demo"))
    with pytest.raises(ConfigError, match="there is no configuration file"):
        analyst.connect()
    (tmp_path / "demo").mkdir()
    shutil.copy(world.config, tmp_path / "demo" / "storeavail.yaml")
    shutil.copytree(world.folder / "warehouse", tmp_path / "demo" / "warehouse")
    analyst.connect()
    assert {row["name"] for row in analyst.tables().to_pylist()} >= {"stores", "store_availability"}
