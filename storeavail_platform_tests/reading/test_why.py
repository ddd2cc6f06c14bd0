"""From a fact back to what it was made of."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from click.testing import CliRunner

from storeavail_platform.commands.cli import main
from storeavail_platform.domain.tables.declarations import (
    EXPECTED_SCHEDULES,
    ONLINE_INDEX,
    STORE_AVAILABILITY,
    STORE_HOURS,
    STORES,
)
from storeavail_platform.domain.tables.table import Table
from storeavail_platform.pipeline.runtime import Runtime
from storeavail_platform.reading.why import RULES, why
from storeavail_testing.pages import CONFIG, LAST, runtime_in, write

MIDDLE = LAST.middle()
FACT = {
    "status": "missing",
    "reason": "offline",
    "expected_minutes": 15,
    "missing_minutes": 15,
    **dict.fromkeys(("available_minutes", "rogue_minutes", "unknown_minutes"), 0),
    "observed_at": MIDDLE,
    "local_date": LAST.start.date(),
    "local_minute": 915,
}
ROWS: dict[Table, dict[str, Any]] = {
    STORE_AVAILABILITY: FACT,
    STORES: {"name": "Grill <42>", "city": "Recife", "is_active": True, "has_weekly_hours": True},
    EXPECTED_SCHEDULES: {
        "expected_minutes": 15,
        "hours_kind": "weekly",
        "local_date": LAST.start.date(),
        "local_minute": 915,
    },
    STORE_HOURS: {
        "business_date": LAST.start.date(),
        "kind": "weekly",
        "opens_minute": 600,
        "closes_minute": 1320,
        "is_closed": False,
    },
    ONLINE_INDEX: {"is_online": False, "updated_at": MIDDLE},
}


@pytest.fixture(scope="module")
def runtime(tmp_path_factory: pytest.TempPathFactory) -> Runtime:
    """A country with one window of one store."""
    made = runtime_in(tmp_path_factory.mktemp("why"))
    for table, row in ROWS.items():
        full = {
            "country": "BR",
            "window_start": LAST.start,
            "run_id": "r",
            "store_id": "a-1",
            **row,
        }
        write(made, "BR", table, pa.Table.from_pylist([full], schema=table.stored_schema()))
    return made


def test_a_fact_leads_back_to_hours_document_and_rule(runtime: Runtime) -> None:
    """Each line is what the window's tables have of the store, on its own clock."""
    found = why(runtime, "BR", "a-1", LAST)
    assert found is not None
    assert (found.status, found.reason) == ("missing", "offline")
    lines = dict(found.lines)
    assert lines["rule"] == RULES["missing", "offline"]
    assert lines["window"] == "2026-11-23T1815: Mon 2026-11-23 15:15 to 15:30 (America/Sao_Paulo)"
    assert lines["store"] == "Grill ‹42›, Recife, active"
    assert lines["hours"] == (
        "weekly of Mon 2026-11-23: 10:00-22:00: should be open for 15 of 15 minutes"
    )
    assert lines["document"] == "offline, updated Mon 15:22:00"
    assert lines["minutes"].startswith("expected 15, available 0, missing 15")
    assert why(runtime, "BR", "a-2", LAST) is None
    assert why(runtime, "CL", "a-1", LAST) is None


def test_every_reason_has_its_rule() -> None:
    """A reason of the fact's SQL that is not lines in words would be a dash."""
    sql = STORE_AVAILABILITY.sql
    reasons = {reason for _, reason in RULES if reason is not None}
    assert all(f"'{reason}'" in sql for reason in reasons)
    said = {part.split("'")[1] for part in sql.split("THEN ")[1:] if part.startswith("'")}
    # what an API said of it stands beside its status, and is none
    said -= {"confirmed", "contradicted", "not_answered"}
    assert said <= {*reasons, *(status for status, _ in RULES)}


def test_the_command_finds_the_country(runtime: Runtime, tmp_path: Path) -> None:
    """It looks in all countries, and says so where none has the store."""
    config = tmp_path / "storeavail.yaml"
    config.write_text(CONFIG.replace("./warehouse", runtime.storage.path("")))
    asked = ["why", "--config", str(config), "--window", LAST.key]
    done = CliRunner().invoke(main, [*asked, "a-1"])
    assert done.exit_code == 0, done.output
    assert done.output.startswith("BR a-1: missing (offline)")
    failed = CliRunner().invoke(main, [*asked, "a-2"])
    assert failed.exit_code == 1
    assert "has a store a-2" in failed.output
