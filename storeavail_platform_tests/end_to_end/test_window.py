"""A window from the servers to the query command: every status and reason, reruns, failures,
dirty rows.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from storeavail_platform.domain.windows import Window
from storeavail_platform_tests.end_to_end.world import World
from storeavail_testing.elasticsearch import ElasticsearchServer
from storeavail_testing.postgres import PASSWORD, PostgresServer
from storeavail_testing.processes import service_folder

WINDOW = Window.parse("2026-11-23T1300")
"""Monday 10:00 in Sao Paulo."""
HOURS = "'08:00', '22:00'"
STORE_ROWS = f"""
INSERT INTO stores SELECT i, 'Store ' || i, NULL, 'City', 'Brand', NULL, i <> 6 AND i <> 7 FROM generate_series(1, 20) i;
INSERT INTO store_weekly_hours SELECT i, 1, {HOURS} FROM generate_series(1, 13) i WHERE i NOT IN (3, 4, 5, 8, 9, 13);
INSERT INTO store_weekly_hours VALUES (3, 1, '10:10', '22:00'), (4, 1, '11:00', '22:00'), (5, 1, '11:00', '22:00'), (13, 1, '08:00', NULL);
INSERT INTO stores VALUES (11, 'Copy', NULL, 'City', 'Other', NULL, true), (21, 'Mars', NULL, 'City', 'Brand', 'Mars/Olympus', true), (NULL, 'No id', NULL, 'City', 'Brand', NULL, true);
INSERT INTO store_weekly_hours SELECT i, 1, {HOURS} FROM generate_series(14, 21) i;
"""  # fmt: skip


def doc(store_id: Any, online: Any) -> dict[str, Any]:
    return {"store_id": store_id, "online": online, "updated_at": "2026-11-23T13:05:00Z"}


DOCUMENTS = [
    doc("1", True), doc("2", False), doc("4", True), doc("7", True), doc("9", True), doc("12", True), doc("12", False), doc("14", None),
    doc("99", True), doc("98", False), doc("", True), *(doc(str(i), True) for i in range(15, 21)),
]  # fmt: skip
EXPECTED = {
    1: ("available", None),
    2: ("missing", "offline"),
    3: ("unknown", "edge"),  # opens at 10:10, not listed at 10:07
    4: ("rogue", "outside_hours"),
    5: ("closed", "outside_hours"),
    6: ("closed", "inactive"),
    7: ("rogue", "inactive"),
    8: ("closed", "no_hours"),
    9: ("rogue", "no_hours"),
    10: ("missing", "absent"),
    11: ("unknown", "invalid_store"),
    12: ("unknown", "invalid_observation"),
    13: ("unknown", "invalid_hours"),
    14: ("unknown", "invalid_observation"),
    **dict.fromkeys(range(15, 21), ("available", None)),
    21: ("unknown", "invalid_store"),
    99: ("rogue", "not_in_stores"),
}
STATUS_SQL = "SELECT store_id, status, reason FROM store_availability ORDER BY store_id"


def statuses(world: World) -> dict[int, tuple[str, str | None]]:
    return {int(row["store_id"]): (row["status"], row["reason"]) for row in world.query(STATUS_SQL)}


def facts(world: World) -> list[dict[str, Any]]:
    """Every row of every table that a rerun must not change, run ids left out."""
    tables = (
        "stores",
        "store_hours",
        "online_index",
        "expected_schedules",
        "store_availability",
        "availability_summary",
        "window_quality",
    )
    return [
        row
        for table in tables
        for row in world.query(f"SELECT * EXCLUDE (run_id) FROM {table} ORDER BY ALL")
    ]


def test_every_status_and_reason(world: World) -> None:
    """The figures of a window are what the rules say, store by store, and all the bad rows are
    kept with their problem.
    """
    world.add_country(
        "BR", "America/Sao_Paulo", world.record("BR", WINDOW, DOCUMENTS), rows=STORE_ROWS
    )
    result = world.command("run", "--window", WINDOW.key)
    assert "BR 2026-11-23T1300  availability" in result.stdout
    assert statuses(world) == EXPECTED
    (summary,) = world.query("SELECT * FROM availability_summary WHERE brand = 'Brand'")
    assert summary["expected_minutes"] == 15 * 11 + 5
    assert summary["unknown_minutes"] == 15 + 15 + 5
    assert summary["availability"] == pytest.approx(7 / 9)
    problems = world.query(
        "SELECT problem, COUNT(*) AS n FROM stores WHERE problem IS NOT NULL GROUP BY ALL ORDER"
        " BY ALL"
    )
    assert {row["problem"]: row["n"] for row in problems} == {
        "duplicate store_id": 2,
        "not a store id": 1,
        "unknown timezone": 1,
    }
    (quality,) = world.query(
        "SELECT stores_with_problem, hours_with_problem, documents_with_problem, listed, online"
        " FROM window_quality"
    )
    assert quality == {
        "stores_with_problem": 4,
        "hours_with_problem": 1,
        "documents_with_problem": 4,
        "listed": 17,
        "online": 13,
    }


@pytest.mark.postgres
def test_a_rerun_changes_nothing_but_the_run(tmp_path: Path) -> None:
    """Computed again from the landing, with both sources stopped: the same rows under another
    run id.
    """
    with service_folder("postgres") as folder:
        server = PostgresServer(folder)
        server.start()
        world = World(tmp_path, server)
        try:
            world.add_country(
                "BR", "America/Sao_Paulo", world.record("BR", WINDOW, DOCUMENTS), rows=STORE_ROWS
            )
            world.command("run", "--window", WINDOW.key)
            before, run = (
                facts(world),
                world.query("SELECT DISTINCT run_id FROM store_availability"),
            )
        finally:
            server.kill()
    (tmp_path / "index" / "BR" / f"{WINDOW.key}.ndjson").unlink()
    world.command("run", "--window", WINDOW.key)
    assert facts(world) == before
    again = world.query("SELECT DISTINCT run_id FROM store_availability")
    assert len(again) == 1
    assert again != run


def test_no_secret_is_written_anywhere(world: World) -> None:
    """The database's password is in no file of the warehouse: not in the landing, metadata,
    events or logs of any run.
    """
    world.add_country(
        "BR", "America/Sao_Paulo", world.record("BR", WINDOW, DOCUMENTS), rows=STORE_ROWS
    )
    done = world.command("run", "--window", WINDOW.key)
    failed = world.command(
        "run",
        "--window",
        WINDOW.next().key,
        check=False,
        BR_DSN=world.environment["BR_DSN"] + " port=1",
    )
    assert failed.returncode == 1
    assert PASSWORD not in done.stdout + done.stderr + failed.stdout + failed.stderr
    files = [path for path in (world.folder / "warehouse").rglob("*") if path.is_file()]
    assert len(files) > 30
    assert [path for path in files if PASSWORD.encode() in path.read_bytes()] == []


def test_live_servers_three_countries_at_once(
    tmp_path: Path, postgres_server: PostgresServer, elasticsearch_server: ElasticsearchServer
) -> None:
    """The window in progress of three countries from real servers in one command; one fails,
    the others complete, exit 1 names the reason.
    """
    world = World(tmp_path, postgres_server, elasticsearch_server)
    hours = (
        "INSERT INTO store_weekly_hours SELECT i, d, '00:00', '24:00' FROM generate_series(1, {n})"
        " i, generate_series(1, 7) d"
    )
    stores = (
        "INSERT INTO stores SELECT i, 'S' || i, NULL, 'C' || i % 7, 'B' || i % 5, NULL, true FROM"
        " generate_series(1, {n}) i;"
    )
    now = datetime.now(UTC).isoformat()
    for code, timezone, n in (
        ("BR", "America/Sao_Paulo", 20_000),
        ("CL", "America/Santiago", 500),
        ("NP", "Asia/Kathmandu", 500),
    ):
        documents = [
            {"store_id": str(i), "online": i % 10 > 0, "updated_at": now} for i in range(1, n + 1)
        ]
        rows = (stores + hours).format(n=n)
        world.add_country(code, timezone, world.index(code, documents, shards=3), rows=rows)
    world.environment["CL_ES"] = world.environment["CL_ES"].replace(
        str(elasticsearch_server.port), "1"
    )
    result = world.command("run", check=False)
    assert result.returncode == 1
    assert "CL" in result.stderr
    assert "no connection; check host and port in online_index.url" in result.stderr
    counts = world.query(
        "SELECT country, status, COUNT(*) AS n FROM store_availability GROUP BY ALL ORDER BY ALL"
    )
    assert [tuple(row.values()) for row in counts] == [
        ("BR", "available", 18_000), ("BR", "missing", 2_000), ("NP", "available", 450), ("NP", "missing", 50),
    ]  # fmt: skip
    shown = json.loads(world.command("status", "--format", "json").stdout)
    assert [(country["country"], country["last_window"] is not None) for country in shown] == [
        ("BR", True),
        ("CL", False),
        ("NP", True),
    ]
    assert world.command("check", "--country", "BR").returncode == 0
    assert world.command("check", "--country", "CL", check=False).returncode == 1


def test_a_window_that_is_over_is_refused(world: World) -> None:
    """A live index cannot be read for the past: the refusal names the window, the deadline and
    what to do, and nothing is landed.
    """
    (world.folder / "live.ndjson").write_text(json.dumps(doc("1", True)) + "\n")
    world.add_country("BR", "America/Sao_Paulo", "{path: ./live.ndjson}", rows=STORE_ROWS)
    result = world.command("run", "--window", "2026-11-01T1000", check=False)
    assert result.returncode == 1
    assert (
        "window 2026-11-01T1000 of BR could be observed until 2026-11-01 10:17:00 UTC"
        in result.stderr
    )
    assert "Run the window in progress instead" in result.stderr
    assert not list((world.folder / "warehouse" / "landing").rglob("*.parquet"))


def test_a_subset_computes_from_the_landing_and_commits_only_itself(world: World) -> None:
    """`--select` renews one table of a complete window; the others keep their run."""
    world.add_country(
        "BR", "America/Sao_Paulo", world.record("BR", WINDOW, DOCUMENTS), rows=STORE_ROWS
    )
    world.command("run", "--window", WINDOW.key)
    before = facts(world)
    world.command("run", "--window", WINDOW.key, "--select", "store_availability")
    assert facts(world) == before
    runs = world.query(
        "SELECT (SELECT MAX(run_id) FROM store_availability) <> (SELECT MAX(run_id) FROM stores) AS"
        " differ"
    )
    assert runs == [{"differ": True}]
