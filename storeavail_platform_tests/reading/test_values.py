"""`storeavail check` looks at the values of both sides: nothing usable and nothing in common are
errors, and every finding names examples and what to change.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from storeavail_platform.commands.cli import main
from storeavail_platform.domain.finding import Finding
from storeavail_platform.domain.windows import Window
from storeavail_platform.pipeline.trial import trial
from storeavail_platform.reading.values import value_findings
from storeavail_platform_tests.end_to_end.world import World, world
from storeavail_testing.elasticsearch import ElasticsearchServer
from storeavail_testing.postgres import PASSWORD, PostgresServer

ZONE = "America/Sao_Paulo"
STORES = 300
STORE_ROWS = f"""
INSERT INTO stores SELECT i, 'S' || i, NULL, 'C', 'B', NULL, true FROM generate_series(1, {STORES}) i;
"""
HOURS = f"""
INSERT INTO store_weekly_hours SELECT i, d, '00:00', '24:00'
FROM generate_series(1, {STORES}) i, generate_series(1, 7) d;
"""
NUMBERS = [str(number) for number in range(1, STORES + 1)]
UUIDS = [str(uuid.UUID(int=number * 10**30)) for number in range(1, STORES + 1)]

__all__ = ["world"]

Check = Callable[..., dict[str, Finding]]


def documents(ids: Sequence[Any], **more: Any) -> list[dict[str, Any]]:
    now = datetime.now(UTC) - timedelta(minutes=3)
    return [
        {"store_id": each, "online": True, "updated_at": now.isoformat(), **more} for each in ids
    ]


@pytest.fixture
def look(world: World, monkeypatch: pytest.MonkeyPatch) -> Check:
    """Gives what is found of a company, by what was looked at; its index is a live file."""

    def look(
        listed: Sequence[dict[str, Any]],
        *,
        rows: str = STORE_ROWS + HOURS,
        more: str = "",
        fields: str = "",
    ) -> dict[str, Finding]:
        lines = "".join(f"{json.dumps(document)}\n" for document in listed)
        (world.folder / "live.ndjson").write_text(lines)
        world.add_country("BR", ZONE, f"{{path: ./live.ndjson{fields}}}", rows=rows, more=more)
        return found(world, monkeypatch)

    return look


def found(world: World, monkeypatch: pytest.MonkeyPatch) -> dict[str, Finding]:
    for name, value in world.environment.items():
        monkeypatch.setenv(name, value)
    runtime = world.runtime()
    with trial(runtime, "BR") as tried:
        findings = [*tried.findings, *value_findings(tried, runtime.country("BR"))]
    return {finding.what: finding for finding in findings}


def exit_code(world: World) -> int:
    return CliRunner().invoke(main, ["check", "--config", str(world.config)]).exit_code


def levels(findings: dict[str, Finding], level: str) -> set[str]:
    return {what for what, finding in findings.items() if finding.level == level}


def test_a_company_whose_values_are_right(look: Check, world: World) -> None:
    """Every share is whole, both sides know the same stores, and the window is told as it would
    be; exit 0.
    """
    findings = look(documents(NUMBERS))
    assert levels(findings, "ok") == set(findings)
    for what in (
        "ids of the index (store_id)",
        "online flags (online)",
        "ids of stores",
        "time zones",
    ):
        assert findings[what].message == "all 300 are usable"
    assert "; the newest is " in findings["update times (updated_at)"].message
    assert findings["active stores with hours"].message == "all 300 have any"
    assert (
        findings["opening hours"].message == "of 100.0 % of the stores with hours they are usable"
    )
    assert findings["ids of both sides"].message == (
        "300 of 300 ids of the index are stores; 300 of 300 active stores are listed"
    )
    assert findings["this window"].message == "300 available"
    assert exit_code(world) == 0


def test_nothing_usable_is_an_error(look: Check, world: World) -> None:
    """300 UUIDs of which none is a store and whose flags are words: flags and ids are errors, with
    examples and what to write; exit 1.
    """
    listed = documents(UUIDS, online="active")[:200] + documents(UUIDS, online="paused")[200:]
    findings = look(listed)
    assert {"online flags (online)", "ids of both sides"} <= levels(findings, "error")
    flags = findings["online flags (online)"].message
    assert flags.startswith("0 of 300 are usable; not 'active', 'paused': name the words")
    assert "online_index.online: {field: online, online: [...], offline: [...]}" in flags
    assert "0 of 300 ids of the index are stores" in findings["ids of both sides"].message
    assert exit_code(world) == 1


@pytest.mark.parametrize("ids", [[None, " ", "a\tb"], [True, 1.5, ["1", "2"]]])
def test_ids_that_are_none(look: Check, ids: list[Any]) -> None:
    """What is no id is quoted, a missing one is called nothing."""
    findings = look(documents(ids))
    found = findings["ids of the index (store_id)"]
    assert found.level == "error"
    assert found.message.startswith("0 of 3 are usable; not ")
    assert ("'a\\tb'" in found.message) == (None in ids)


@pytest.mark.parametrize(
    ("ids", "how", "sql"),
    [
        ([f"BR-{each}" for each in NUMBERS], "Without the prefix 'BR-' of the index",
         "'BR-' || store_id::text"),
        ([each.zfill(6) for each in NUMBERS], "Without leading zeros",
         "LPAD(store_id::text, 6, '0')"),
    ],
)  # fmt: skip
def test_numbers_written_otherwise(look: Check, ids: list[str], how: str, sql: str) -> None:
    """A prefix, leading zeros: what would match is told, with the expression for PostgreSQL."""
    said = look(documents(ids))["ids of both sides"]
    assert said.level == "error"
    assert f"{how} 300 of 300 would match" in said.message
    assert f"where stores_query and hours_query give {sql} AS store_id" in said.message


@pytest.mark.parametrize(
    ("ids", "how"),
    [
        ([each.replace("-", "") for each in UUIDS], "Without hyphens 300 of 300"),
        ([f"{each}X" for each in UUIDS], None),
        ([f"x{each}" for each in UUIDS], "In one case 300 of 300"),
    ],
)  # fmt: skip
def test_uuids_written_otherwise(look: Check, ids: list[str], how: str | None) -> None:
    """Hyphens and case of UUIDs; what nothing makes the same is shown as it is."""
    rows = (STORE_ROWS + HOURS).replace("SELECT i,", "SELECT ids.id,")
    source = [f"X{each}" for each in UUIDS] if how and "case" in how else UUIDS
    values = ", ".join(f"({number}, '{each}')" for number, each in enumerate(source, 1))
    rows = rows.replace(f"generate_series(1, {STORES}) i", f"(VALUES {values}) ids(i, id)")
    change = "".join(
        f"ALTER TABLE {table} ALTER store_id TYPE text;"
        for table in ("stores", "store_weekly_hours", "store_special_hours")
    )
    said = look(documents(ids), rows=change + rows)["ids of both sides"]
    assert said.level == "error"
    assert "only in the index: " in said.message
    assert "only in PostgreSQL: " in said.message
    assert (how or "would match") in said.message if how else "would match" not in said.message


def test_row_level_security_that_hides_everything(
    world: World, postgres_server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The role and the tables are named; a company without a store is an error."""
    (world.folder / "live.ndjson").write_text(json.dumps(documents(["1"])[0]) + "\n")
    role = "checks_hidden"
    secured = "".join(
        f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY; GRANT SELECT ON {table} TO {role};"
        for table in ("stores", "store_weekly_hours", "store_special_hours")
    )
    made = f"DROP ROLE IF EXISTS {role}; CREATE ROLE {role} LOGIN PASSWORD '{PASSWORD}';"
    world.add_country("BR", ZONE, "{path: ./live.ndjson}", rows=STORE_ROWS + made + secured)
    dsn = world.environment["BR_DSN"]
    world.environment["BR_DSN"] = dsn.replace("user=postgres", f"user={role}")
    database = dsn.partition("dbname=")[2].split()[0]
    try:
        findings = found(world, monkeypatch)
    finally:
        postgres_server.execute(database, f"DROP OWNED BY {role}; DROP ROLE {role}")
    why = (
        "row level security chooses what checks_hidden sees of store_special_hours,"
        " store_weekly_hours, stores"
    )
    assert findings["stores query"].level == "error"
    assert f"gives 0 rows: no store exists, or {why}" in findings["stores query"].message
    assert "ids of stores" not in findings


def test_hours_alone_hidden(look: Check) -> None:
    """Stores without any hours are an error, with what may hide them."""
    found = look(documents(NUMBERS), rows=STORE_ROWS)["active stores with hours"]
    assert found.level == "error"
    assert found.message.startswith("0 of 300 have any; not '1', '10', '100': ")
    assert "may this user see it?" in found.message
    always = look(documents(NUMBERS), rows=STORE_ROWS, more=", without_hours: always_open")
    assert always["active stores with hours"].level == "ok"


def test_a_weekday_numbering_that_cannot_be_iso(look: Check) -> None:
    """Weekday 0: both readings of it, and what to write for each."""
    findings = look(documents(NUMBERS), rows=STORE_ROWS + HOURS.replace("(1, 7)", "(0, 6)"))
    assert {"opening hours", "weekdays"} <= levels(findings, "error")
    assert "300 rows are not: 'invalid weekday (" in findings["opening hours"].message
    said = findings["weekdays"].message
    assert said.startswith("300 stores have hours of a weekday 0: weekdays are ISO")
    assert "CASE weekday WHEN 0 THEN 7 ELSE weekday END" in said
    assert "weekday + 1" in said


def test_a_few_rows_are_no_error(look: Check) -> None:
    """Above 95 % it is told and is ok, below it is a warning; examples are those that are not
    usable.
    """
    few = "UPDATE stores SET timezone = 'Brasilia' WHERE store_id <= 10;"
    many = "UPDATE stores SET timezone = 'Rio ' || store_id % 5 WHERE store_id <= 20;"
    zones = look(documents(NUMBERS), rows=STORE_ROWS + HOURS + few)["time zones"]
    assert (zones.level, zones.message) == ("ok", "290 of 300 are usable; not 'Brasilia'")
    zones = look(documents(NUMBERS), rows=STORE_ROWS + HOURS + many)["time zones"]
    assert zones.level == "warning"
    assert zones.message.startswith(
        "280 of 300 are usable; not 'Rio 0', 'Rio 1', 'Rio 2': give IANA names"
    )


def test_an_id_that_occurs_twice(look: Check) -> None:
    """On either side, with the ids and what to do."""
    twice = "INSERT INTO stores SELECT * FROM stores WHERE store_id IN (7, 9);"
    findings = look(documents([*NUMBERS, "5"]), rows=STORE_ROWS + HOURS + twice)
    assert findings["ids of several documents"].message == (
        "1, of 2 documents: '5'; their stores are unknown: online_index.several says which counts"
    )
    assert "2, of 4 rows of stores: '7', '9'" in findings["ids of several rows of stores"].message
    counted = look(documents([*NUMBERS, "5"]), fields=", several: any_online")
    assert "ids of several documents" not in counted


def test_update_times(look: Check) -> None:
    """A field that no document has, one that is no time, an indexer that stands still."""
    what = "update times ({})"
    absent = look(documents(NUMBERS), fields=", updated_at: changed")[what.format("changed")]
    assert (absent.level, "no document has the field 'changed'" in absent.message) == (
        "warning",
        True,
    )
    other = look(documents(NUMBERS, updated_at="yesterday"))[what.format("updated_at")]
    assert other.level == "warning"
    assert other.message.startswith("0 of 300 are usable; not 'yesterday': an indexer that stands")
    old = datetime.now(UTC) - timedelta(hours=5)
    still = look(documents(NUMBERS, updated_at=old.isoformat()))[what.format("updated_at")]
    assert still.level == "warning"
    assert "5 h 00 min 0" in still.message
    assert "nothing was written for longer than 60 minutes" in still.message


def test_one_side_down_hides_nothing_of_the_other(look: Check) -> None:
    """Each side is looked at by itself."""
    findings = look(documents(NUMBERS), rows="DROP TABLE stores")
    assert findings["PostgreSQL"].level == "error"
    assert findings["ids of the index (store_id)"].level == "ok"
    assert "ids of both sides" not in findings


def test_the_last_window_of_a_recording(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A recorded index is looked at in its last window, with the hours of that time."""
    windows = [Window.parse("2026-11-23T1300"), Window.parse("2026-11-23T0300")]
    for window in windows:
        listed = documents(NUMBERS, updated_at=window.start.isoformat())
        setting = world.record("BR", window, listed[: 100 if window is windows[1] else None])
    day = HOURS.replace("'00:00', '24:00'", "'09:00', '18:00'")
    world.add_country("BR", ZONE, setting, rows=STORE_ROWS + day)
    findings = found(world, monkeypatch)
    of = next(finding for what, finding in findings.items() if what.startswith("online index"))
    assert "2 windows; the last, 2026-11-23T1300, gives 300 documents (" in of.message
    assert findings["this window"].message == "300 available"


def test_a_live_index(
    tmp_path: Path,
    postgres_server: PostgresServer,
    elasticsearch_server: ElasticsearchServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What the reading cost the index is told; a date field that is mapped and that no document
    has is found.
    """
    world = World(tmp_path, postgres_server, elasticsearch_server)
    listed = documents(NUMBERS)
    for document in listed:
        del document["updated_at"]
    world.add_country("BR", ZONE, world.index("BR", listed), rows=STORE_ROWS + HOURS)
    findings = found(world, monkeypatch)
    of = next(finding for what, finding in findings.items() if what.startswith("online index"))
    assert of.message.startswith("answers, and gives 300 documents (")
    size = int(of.message.partition("(")[2].split()[0].replace(",", ""))
    assert 10_000 < size < 100_000
    assert levels(findings, "warning") == {"update times (updated_at)"}
