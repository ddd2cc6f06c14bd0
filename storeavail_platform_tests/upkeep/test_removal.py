"""A country that was taken out of the configuration: it is told, it can be read, and one
command removes it.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from storeavail_platform.commands.cli import main
from storeavail_platform.config import load_platform, load_text
from storeavail_platform.domain.errors import ConfigError, StorageRefused
from storeavail_platform.domain.places import code_of, files_of, folders_of, is_of, namespace_of
from storeavail_platform.domain.windows import Window
from storeavail_platform.pipeline.runtime import Runtime, build_runtime
from storeavail_platform.storage.local import LocalStorage, Name
from storeavail_platform.upkeep.lease import Leases
from storeavail_platform.upkeep.removal import left_of
from storeavail_platform.warehouse.catalog import Warehouse
from storeavail_platform.warehouse.markers import Marker
from storeavail_platform_tests.domain.tables.facts import commit_window, fact
from storeavail_platform_tests.upkeep.conftest import CONFIG, FACTS
from storeavail_platform_tests.upkeep.test_retention import FIGURES
from storeavail_testing.metastore import HiveMetastore

WINDOW = Window.parse("2026-11-24T0300")
TWO = CONFIG
ONE = "".join(line for line in CONFIG.splitlines(keepends=True) if "BR:" not in line)
RENAMED = CONFIG.replace("BR:", "BRA:")


@pytest.fixture(params=["sql", pytest.param("hive", marks=pytest.mark.metastore)])
def catalog(request: pytest.FixtureRequest) -> str:
    if request.param == "sql":
        return ""
    metastore: HiveMetastore = request.getfixturevalue("metastore")
    return f"catalog: {{type: hive, uri: '{metastore.uri}'}}\n"


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, catalog: str) -> Path:
    """BR and CL, with a complete window of BR."""
    monkeypatch.setenv("DSN", "postgresql://localhost/none")
    (tmp_path / "warehouse").mkdir()
    file = tmp_path / "storeavail.yaml"
    runtime = written(file, TWO, catalog)
    commit_window(runtime.engine, runtime.warehouse, WINDOW, [fact(1, WINDOW, "missing")], "run")
    state = runtime.warehouse.pointer("BR", FACTS.name)
    assert state is not None
    runtime.markers.write(
        Marker("BR", WINDOW.key, "run", WINDOW.middle(), WINDOW.end, FIGURES, {FACTS.name: state})
    )
    runtime.landing.record("BR", WINDOW, "online_index", {}, read_at=WINDOW.end)
    for path in (
        *files_of("BR"),
        "dashboard/BR/index.html",
        "roll_up/BR/x/due",
        "alerts/notes/BR/y/note.json",
    ):
        runtime.storage.replace(path, b"{}")
    return file


def written(file: Path, text: str, catalog: str) -> Runtime:
    file.write_text(text + catalog)
    return build_runtime(load_platform(str(file)))


def storeavail(config: Path, *arguments: str, answer: str | None = None) -> Result:
    return CliRunner().invoke(
        main, [*arguments, "--config", str(config)], input=answer, env={"COLUMNS": "400"}
    )


def test_it_is_told_and_can_be_read(config: Path, catalog: str) -> None:
    """`status` and `check` name it and what can be done, also for programs; `query` reads its
    rows as before.
    """
    runtime = written(config, ONE, catalog)
    runtime.markers.write(Marker("CL", WINDOW.key, "run", WINDOW.middle(), WINDOW.end, FIGURES, {}))
    said = storeavail(config, "status").output
    assert "BR: is not in " in said
    assert "`storeavail remove-country BR` removes them. A country's code is for ever" in said
    statuses = {
        status["country"]: status
        for status in json.loads(storeavail(config, "status", "--format", "json").output)
    }
    assert statuses["BR"]["last_window"] == WINDOW.key
    assert len(statuses["BR"]["problems"]) == 1
    assert "BR\n  warning country: is not in " in storeavail(config, "check").output
    rows = storeavail(
        config,
        "query",
        "--format",
        "csv",
        "SELECT country, COUNT(*) AS n FROM store_availability GROUP BY 1",
    )
    assert rows.output == "country,n\nBR,1\n"


def test_a_renamed_country_is_told_as_that(config: Path, catalog: str) -> None:
    """The new code has no window yet: the words say what a code is, and how to go on with the
    old rows.
    """
    written(config, RENAMED, catalog)
    said = storeavail(config, "status").output
    assert "If it is BRA or CL now: a country's code is for ever" in said
    assert "write the country under its old code" in said


def test_it_is_removed_after_asking(config: Path, catalog: str) -> None:
    """All of it goes and nothing of the others; without a yes nothing does."""
    assert (
        "take it out of the file first"
        in storeavail(config, "remove-country", "BR", "--yes").output
    )
    runtime = written(config, ONE, catalog)
    runtime.storage.replace("windows/CL/2026-11-24T0300.json", b"{}")
    refused = storeavail(config, "remove-country", "BR", answer="n\n")
    assert refused.exit_code == 1
    assert (
        "BR: 1 tables, 1 complete windows (2026-11-24T0300 to 2026-11-24T0300), readings of 1"
        " windows" in refused.output
    )
    assert runtime.storage.read(f"windows/BR/{WINDOW.key}.json") is not None
    removed = storeavail(config, "remove-country", "BR", answer="y\n")
    assert (removed.exit_code, removed.output.splitlines()[-1]) == (0, "BR: removed")
    left = {
        path.relative_to(config.parent / "warehouse").as_posix()
        for path in (config.parent / "warehouse").rglob("*")
    }
    assert not [path for path in left if is_of(path, "BR")]
    assert "windows/CL/2026-11-24T0300.json" in left
    assert not build_runtime(runtime.platform).warehouse.catalog.namespace_exists("storeavail_br")
    assert "there is nothing of 'BR'" in storeavail(config, "remove-country", "BR", "--yes").output
    assert "BR" not in storeavail(config, "status").output


def test_who_may_list_one_countrys_folders_only_knows_of_no_other(tmp_path: Path) -> None:
    """Where listing all countries' tables is refused the configured ones are read as before."""

    class Refusing(LocalStorage):
        def names(self, relative: str, *, after: str = "") -> list[Name]:
            if relative == "tables":
                raise StorageRefused("s3://bucket/warehouse/tables: Access Denied")
            return super().names(relative, after=after)

    (tmp_path / "tables" / "storeavail_xx").mkdir(parents=True)
    platform = load_text(CONFIG, base=tmp_path, origin="test.yaml")
    assert Warehouse(platform, LocalStorage(tmp_path)).countries() == ["BR", "CL", "XX"]
    assert Warehouse(platform, Refusing(tmp_path)).countries() == ["BR", "CL"]


def test_a_backup_is_waited_for(config: Path, catalog: str) -> None:
    """While a backup copies its files a country is not removed."""
    runtime = written(config, ONE, catalog)
    Leases(runtime.storage).take("storeavail_br", "host:1", datetime.now(UTC))
    refused = storeavail(config, "remove-country", "BR", "--yes")
    assert refused.exit_code == 1
    assert "a backup (host:1" in refused.output


def test_places_of_a_country_are_its_own() -> None:
    """Nothing of a country whose code begins with the same letters, and nothing that belongs to
    all.
    """
    assert code_of(namespace_of("BR")) == "BR"
    assert all(is_of(f"{folder}/x", "BR") for folder in folders_of("BR"))
    assert not any(is_of(f"{folder}/x", "BR") for folder in folders_of("BRA"))
    assert not any(
        is_of(path, "BR") for path in ("dashboard/index.html", "alerts/BRA.json", "warehouse.json")
    )


@pytest.mark.parametrize("code", ["br", "cl", "..", "B/R", ""])
def test_what_is_no_code_removes_nothing(tmp_path: Path, code: str) -> None:
    """In small letters it would be the namespace of a configured country's tables, and two dots the
    warehouse.
    """
    (tmp_path / "warehouse").mkdir()
    runtime = build_runtime(load_text(CONFIG, base=tmp_path, origin="test.yaml"))
    with pytest.raises(ConfigError, match="is not a country code"):
        left_of(runtime, code, WINDOW.end)


@pytest.mark.parametrize("catalog", [""])
def test_a_damaged_file_of_it_is_told_with_what_helps(config: Path, catalog: str) -> None:
    """Recovery knows configured countries alone: it is not what the words advise."""
    written(config, ONE, catalog)
    next((config.parent / "warehouse" / "tables").rglob("data/**/*.parquet")).unlink()
    said = storeavail(config, "query", "SELECT name FROM store_availability").output
    assert "`storeavail remove-country BR` removes the tables" in said
    assert "storeavail recover" not in said
