"""A small country with some complete windows, whose warehouse can be put back as it was: what
every night begins with.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from storeavail_platform.commands.cli import main
from storeavail_platform.domain.tables import TABLES
from storeavail_platform.domain.tables.daily import ROLLED_UP
from storeavail_platform.domain.windows import Window
from storeavail_platform.orchestration.launch import Work, launch
from storeavail_platform.pipeline.runtime import Runtime
from storeavail_platform_tests.end_to_end.world import World
from storeavail_testing.postgres import PostgresServer

WINDOWS = [Window.parse("2026-11-23T1300").next(number) for number in range(3)]
NEXT = WINDOWS[-1].next()
STORE_ROWS = """
INSERT INTO stores SELECT i, 'S' || i, NULL, 'C' || i % 2, 'B', NULL, true FROM generate_series(1, 9) i;
INSERT INTO store_weekly_hours SELECT i, 1, '08:00', '22:00' FROM generate_series(1, 9) i;
"""
EXCLUDED = {"window_quality": "country, run_id, stores_read_at"}
Rows = list[dict[str, Any]]


@dataclass(frozen=True)
class Night:
    """A company and its warehouse as it was before anything happened to it.

    Attributes:
        before: every row then.
    """

    world: World
    pristine: Path
    before: Rows

    @property
    def warehouse(self) -> Path:
        return self.world.folder / "warehouse"

    def restore(self) -> None:
        """Put the warehouse back as it was, at the same path."""
        shutil.rmtree(self.warehouse, ignore_errors=True)
        shutil.copytree(self.pristine, self.warehouse)

    def set_secrets(self, patch: pytest.MonkeyPatch) -> None:
        """Set what the configuration's secrets name."""
        for name, value in self.world.environment.items():
            patch.setenv(name, value)

    def rows(self) -> Rows:
        """Every row of every table, without what differs between runs."""
        return all_rows(self.world)

    def runtime(self) -> Runtime:
        return self.world.runtime()

    def table(self, name: str) -> Path:
        return self.warehouse / "tables" / "storeavail_br" / name

    def command(self, *arguments: str, answer: str = "") -> tuple[int, str]:
        """Run `storeavail`, its question answered: its exit code, and what it printed."""
        result = CliRunner().invoke(
            main,
            [*arguments, "--config", str(self.world.config)],
            input=answer,
            env={"COLUMNS": "300"},
        )
        assert result.exception is None or isinstance(result.exception, SystemExit), (
            result.exception
        )
        return result.exit_code, result.output


def made(folder: Path, postgres: PostgresServer, *, catalog: str = "") -> Night:
    """The company with its complete windows; one more window is recorded and not run."""
    world = World(folder, postgres)
    for number, window in enumerate([*WINDOWS, NEXT]):
        documents = [{"store_id": str(i), "online": (i + number) % 3 > 0} for i in range(1, 10)]
        online_index = world.record("BR", window, documents)
    world.add_country("BR", "America/Sao_Paulo", online_index, rows=STORE_ROWS)
    world.config.write_text(world.config.read_text() + catalog)
    run(world, WINDOWS)
    shutil.copytree(folder / "warehouse", folder / "pristine")
    return Night(world, folder / "pristine", all_rows(world))


def run(world: World, windows: list[Window]) -> None:
    """Run windows of BR in one process; each has to complete."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in world.environment.items():
            patch.setenv(name, value)
        outcomes = launch(world.runtime().platform, [Work("BR", windows)])
    assert [outcome.reason for outcome in outcomes] == [None] * len(windows)


def all_rows(world: World) -> Rows:
    found: Rows = []
    for table in (*TABLES, *ROLLED_UP):
        excluded = EXCLUDED.get(table.name, "country, run_id")
        rows = world.query(f"SELECT * EXCLUDE ({excluded}) FROM {table.name} ORDER BY ALL")
        found += [{"table": table.name, **row} for row in rows]
    return found
