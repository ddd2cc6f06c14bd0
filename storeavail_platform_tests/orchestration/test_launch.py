"""Countries whose processes are forked from one: those that have the same secrets."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from storeavail_platform.config import dagster_home
from storeavail_platform.domain.windows import Window
from storeavail_platform.orchestration.home_storage import open_home
from storeavail_platform.orchestration.launch import Outcome, Work, groups, launch
from storeavail_platform.orchestration.processes import RunProcess
from storeavail_platform_tests.end_to_end.world import World
from storeavail_testing.postgres import PostgresServer

pytestmark = pytest.mark.postgres

FIRST = Window.parse("2026-11-23T1300")
STORE = "INSERT INTO stores VALUES (1, 'Store', NULL, 'City', 'Brand', NULL, true)"
WINDOWS = [FIRST.next(number) for number in range(3)]


def company(folder: Path, server: PostgresServer, *codes: str) -> World:
    """Countries with recorded windows."""
    world = World(folder, server)
    for code in codes:
        for window in WINDOWS:
            index = world.record(code, window, [{"store_id": "1", "online": True}])
        world.add_country(code, "America/Sao_Paulo", index, rows=STORE)
    return world


def without_secrets(world: World) -> World:
    """The same company; its configuration has the connection strings themselves."""
    text = world.config.read_text()
    for name, dsn in world.environment.items():
        text = text.replace(f"env:{name}", f'"{dsn}"')
    world.config.write_text(text)
    return world


def test_countries_that_share_secrets_share_a_process(
    tmp_path: Path, postgres_server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A variable that another country's secret is in keeps two apart; one that is not set, or none
    at all, does not.
    """
    world = company(tmp_path, postgres_server, "AR", "BR", "CL")
    work = [Work(code, [FIRST]) for code in ("AR", "BR", "CL")]

    def found() -> list[list[str]]:
        return [[each.country for each in group] for group in groups(platform, work)]

    platform = world.runtime().platform
    assert found() == [["AR", "BR", "CL"]]
    monkeypatch.setenv("BR_DSN", world.environment["BR_DSN"])
    assert found() == [["AR", "CL"], ["BR"]]
    platform = without_secrets(world).runtime().platform
    assert found() == [["AR", "BR", "CL"]]


def test_a_killed_child_leaves_the_others(tmp_path: Path, postgres_server: PostgresServer) -> None:
    """Its windows are told to have failed, with how its process ended; the other country's
    complete, in a process of its own.
    """
    world = without_secrets(company(tmp_path, postgres_server, "AR", "BR"))
    platform = world.runtime().platform
    processes: dict[str, int] = {}

    def kill(outcome: Outcome) -> None:
        if outcome.run_id is None or outcome.country in processes:
            return
        with open_home(dagster_home(platform)) as instance:
            run = instance.get_run_by_id(outcome.run_id)
        process = None if run is None else RunProcess.of(run.tags)
        assert process is not None
        assert process.pid is not None
        processes[outcome.country] = process.pid
        if outcome.country == "AR":
            os.kill(process.pid, signal.SIGKILL)

    outcomes = launch(platform, [Work("AR", WINDOWS), Work("BR", WINDOWS)], kill)
    assert len(set(processes.values())) == 2
    by_country = {
        code: {each.window: each.reason for each in outcomes if each.country == code}
        for code in ("AR", "BR")
    }
    assert by_country["BR"] == {window.key: None for window in WINDOWS}
    assert by_country["AR"].keys() == by_country["BR"].keys()
    assert "exit code 137" in (by_country["AR"][WINDOWS[-1].key] or "")
