"""Nights: what happens to catalog and tables is refused or told in words, and one command
brings everything back.
"""

from __future__ import annotations

import logging
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner
from dagster import DagsterInstance

from storeavail_platform.commands.cli import main
from storeavail_platform.domain.windows import Window
from storeavail_platform.orchestration.assets.gaps import gaps
from storeavail_platform.warehouse.markers import Marker
from storeavail_platform_tests.end_to_end.nights import NEXT, WINDOWS, Night, made, run
from storeavail_testing.metastore import HiveMetastore
from storeavail_testing.postgres import PostgresServer

FACTS = "store_availability"


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory, postgres_server: PostgresServer) -> Night:
    return made(tmp_path_factory.mktemp("nights"), postgres_server)


@pytest.fixture
def night(company: Night, monkeypatch: pytest.MonkeyPatch) -> Night:
    """The company, its warehouse as it was."""
    company.restore()
    company.set_secrets(monkeypatch)
    return company


def newest_metadata(night: Night, table: str) -> Path:
    pointer = night.runtime().warehouse.pointer("BR", table)
    assert pointer is not None
    return Path(pointer.metadata_location.removeprefix("file://"))


def data_files(night: Night, table: str, window: Window) -> list[Path]:
    return sorted((night.table(table) / "data" / window.key).rglob("*.parquet"))


def test_a_catalog_that_is_gone(night: Night) -> None:
    """The next window is refused in words and stays landed; `recover` registers every table,
    runs nothing again, and the window completes.
    """
    (night.warehouse / "catalog.db").unlink()
    code, said = night.command("run", "--window", NEXT.key)
    assert code == 1
    assert "does not have it, and its pointer names a state of it" in said
    assert "storeavail recover --country BR" in said
    assert night.rows() == night.before
    code, said = night.command("recover", "--dry-run")
    assert code == 1
    assert (
        "BR: table store_availability: the catalog lacks it; it is registered as its pointer"
        " names it" in said
    )
    code, said = night.command("recover")
    assert (code, said.splitlines()[-1]) == (0, "BR: whole again")
    assert "run again" not in said
    assert night.rows() == night.before
    assert night.command("recover") == (0, "BR: nothing to do\n")
    run(night.world, [NEXT])
    assert len(night.rows()) > len(night.before)


def test_a_metastore_that_was_emptied(
    metastore: HiveMetastore,
    postgres_server: PostgresServer,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The same with a real Hive Metastore: refused, recovered by one command, and the window
    completes.
    """
    night = made(
        tmp_path_factory.mktemp("metastore"),
        postgres_server,
        catalog=f"catalog: {{type: hive, uri: '{metastore.uri}'}}\n",
    )
    night.set_secrets(monkeypatch)
    metastore.forget("storeavail*")
    code, said = night.command("run", "--window", NEXT.key)
    assert code == 1
    assert (
        f"the catalog at {metastore.uri} does not have it, and its pointer names a state of it"
        in said
    )
    code, said = night.command("recover")
    assert (code, said.splitlines()[-1]) == (0, "BR: whole again")
    assert night.rows() == night.before
    run(night.world, [NEXT])
    assert len(night.rows()) > len(night.before)


def test_a_catalog_of_before_the_last_window(night: Night) -> None:
    """A restored older catalog is told by `check` and `status`; after `recover` no row of the
    windows since is missing.
    """
    older = (night.warehouse / "catalog.db").read_bytes()
    run(night.world, [NEXT])
    rows = night.rows()
    (night.warehouse / "catalog.db").write_bytes(older)
    for command in ("check", "status"):
        assert "it is older than the tables" in night.command(command)[1]
    code, said = night.command("recover")
    assert code == 0, said
    assert "the catalog is older; it is registered as its pointer names it" in said
    assert night.rows() == rows


@pytest.mark.parametrize("data", [b"", b"x" * 5000, None])
def test_a_catalog_that_is_damaged(night: Night, data: bytes | None) -> None:
    """Of zero bytes, overwritten or cut off: `recover` puts a damaged file aside, and loses
    nothing.
    """
    catalog = night.warehouse / "catalog.db"
    catalog.write_bytes(catalog.read_bytes()[:5000] if data is None else data)
    said = night.command("check")[1]
    assert "storeavail recover" in said
    code, said = night.command("recover")
    assert code == 0, said
    assert bool(list(night.warehouse.glob("catalog.db.damaged-*"))) == (data != b"")
    assert night.rows() == night.before


def test_half_a_metadata_file(night: Night) -> None:
    """The table is named; it goes back to its last whole state, and the window since then is
    run again from the landing.
    """
    metadata = newest_metadata(night, FACTS)
    metadata.write_bytes(metadata.read_bytes()[:500])
    code, said = night.command("query", f"SELECT COUNT(*) FROM {FACTS}")
    assert code == 1
    assert (
        f"error: table {FACTS} of BR: its metadata file://{metadata} is missing or damaged" in said
    )
    assert f"table {FACTS} of BR: its metadata" in night.command("check")[1]
    code, said = night.command("recover")
    assert code == 0, said
    assert (
        f"BR: table {FACTS}: its pointer's state is damaged; it goes back to its last whole state"
        in said
    )
    assert f"BR: window {WINDOWS[-1]}: run again from the landing" in said
    assert night.rows() == night.before


@pytest.mark.parametrize("is_gone", [False, True])
def test_a_list_of_files_that_is_damaged(night: Night, is_gone: bool) -> None:
    """No command ends in a reader's own complaint: all name the table and what helps."""
    for file in (night.table(FACTS) / "metadata").glob("*.avro"):
        if is_gone:
            file.unlink()
        else:
            file.write_bytes(file.read_bytes()[:100])
    for arguments in (["query", f"SELECT COUNT(*) FROM {FACTS}"], ["dashboard"], ["maintain"]):
        code, said = night.command(*arguments)
        assert (code, "`storeavail recover --country BR`" in said) == (1, True), said
    assert "a list of its data files is missing or damaged" in night.command("check")[1]


def test_nothing_is_left_of_a_table(night: Night) -> None:
    """A table whose folder was deleted is made anew, and filled from the landing."""
    shutil.rmtree(night.table(FACTS))
    code, said = night.command("run", "--window", NEXT.key)
    assert code == 1
    assert "storeavail recover --country BR" in said
    code, said = night.command("recover")
    assert code == 0, said
    assert "its pointer is gone, and no whole state of it is left; it is made anew" in said
    run(night.world, [NEXT])
    (row,) = night.world.query(f"SELECT COUNT(DISTINCT window_start) AS windows FROM {FACTS}")
    assert row["windows"] == 4


@pytest.mark.parametrize("is_compacted", [False, True])
def test_a_data_file_that_is_gone(night: Night, is_compacted: bool) -> None:
    """File, table and windows are named; `recover` runs exactly the windows again whose rows
    went, also those of a compacted day.
    """
    if is_compacted:
        assert night.command("maintain")[0] == 0
    windows = WINDOWS if is_compacted else WINDOWS[1:2]
    file = (
        next((night.table(FACTS) / "data").rglob("compacted-*/*.parquet"))
        if is_compacted
        else data_files(night, FACTS, WINDOWS[1])[0]
    )
    file.unlink()
    assert night.command("query", f"SELECT COUNT(name) FROM {FACTS}")[0] == 1
    code, said = night.command("check")
    assert code == 1
    named = f"windows {WINDOWS[0]} to {WINDOWS[-1]}" if is_compacted else f"window {WINDOWS[1]}"
    assert f"data file {file} is missing; it has the rows of {named}" in said
    code, said = night.command("recover")
    assert code == 0, said
    assert f"{', '.join(window.key for window in windows)}: run again from the landing" in said
    assert night.rows() == night.before


def facts_of(marker: Marker | None) -> object:
    """What a marker says of its window, without the states of the tables."""
    return marker and (marker.observed_at, marker.figures, sorted(marker.tables))


def test_markers_that_are_damaged_or_gone(night: Night) -> None:
    """They are told with the command, other countries' status is shown all the same; what is
    landed is run again, and of the others the marker is made again of the tables' rows, also by a
    gap run: no row is replaced by one that says `not_observed`.
    """
    runtime = night.runtime()
    before = [runtime.markers.read("BR", window) for window in WINDOWS]
    markers = night.warehouse / "windows" / "BR"
    (markers / f"{WINDOWS[0]}.json").unlink()
    (markers / f"{WINDOWS[1]}.json").write_bytes(b"{")
    (markers / f"{WINDOWS[2]}.json").write_bytes(b"")
    for window in WINDOWS[:2]:
        shutil.rmtree(night.warehouse / "landing" / "BR" / window.key)
    for command in ("status", "check"):
        assert "`storeavail recover --country BR` makes it again" in night.command(command)[1]
    list(gaps(runtime, "BR", WINDOWS[:1], "gap", logging.getLogger(__name__)))
    assert runtime.markers.complete("BR") == [window.key for window in WINDOWS]
    (markers / f"{WINDOWS[0]}.json").unlink()
    assert f"window {WINDOWS[0]} of BR: the tables have the rows" in night.command("check")[1]
    code, said = night.command("recover")
    assert code == 0, said
    assert f"BR: window {WINDOWS[2]}: run again from the landing" in said
    assert f"BR: windows {WINDOWS[0]}, {WINDOWS[1]}: marked as complete again" in said
    after = [runtime.markers.read("BR", window) for window in WINDOWS]
    assert [facts_of(marker) for marker in after] == [facts_of(marker) for marker in before]
    assert night.rows() == night.before
    assert night.command("recover") == (0, "BR: nothing to do\n")


def test_a_local_dates_file_that_is_gone(night: Night) -> None:
    """The date is rolled up again from the facts; no window is run."""
    for file in (night.table("daily_store_availability") / "data").rglob("*.parquet"):
        file.unlink()
    code, said = night.command("recover")
    assert code == 0, said
    assert "it has the rows of local date 2026-11-23" in said
    assert "run again" not in said
    assert night.rows() == night.before


def test_what_the_landing_no_longer_holds_is_told(night: Night) -> None:
    """Rows that nothing can bring back are named, the rest is brought back, and the exit code
    says that not all is whole.
    """
    for window in WINDOWS[:2]:
        data_files(night, FACTS, window)[0].unlink()
    shutil.rmtree(night.warehouse / "landing" / "BR" / WINDOWS[0].key)
    code, said = night.command("recover")
    assert code == 1
    assert f"BR: window {WINDOWS[1]}: run again from the landing" in said
    assert (
        f"BR: still: window {WINDOWS[0]}: LOST, the landing no longer holds what was read" in said
    )
    left = [
        row
        for row in night.before
        if row["table"] == FACTS and row["window_start"] != WINDOWS[0].start
    ]
    assert [row for row in night.rows() if row["table"] == FACTS] == left


@pytest.mark.parametrize("landing", ["gone", pytest.param("damaged", marks=pytest.mark.long)])
def test_a_loss_that_is_accepted_is_counted_and_not_told_again(night: Night, landing: str) -> None:
    """Named with its tables, asked for, recorded; then recovery, `check` and upkeep are silent, the
    marker does not name the table, and `status` counts the window. A later run of the window ends that.
    """
    window = WINDOWS[0]
    data_files(night, FACTS, window)[0].unlink()
    place = night.warehouse / "landing" / "BR" / window.key
    shutil.move(place, night.world.folder / "landed")
    if landing == "damaged":
        shutil.copytree(night.world.folder / "landed", place)
        next(place.rglob("*.parquet")).write_bytes(b"x")
    code, said = night.command("recover")
    assert code == 1
    assert "BR: `storeavail recover --country BR --accept-loss` accepts what no backup has" in said
    code, said = night.command("recover", "--accept-loss", answer="n\n")
    assert code == 1
    assert f"BR: lost: window {window}: {FACTS}" in said
    assert night.command("recover")[0] == 1
    code, said = night.command("recover", "--accept-loss", answer="y\n")
    assert code == 0, said
    assert night.command("recover") == (0, "BR: nothing to do\n")
    assert "hold what pointers and markers name" in night.command("check")[1]
    code, said = night.command("status")
    assert f"BR: rows lost for good (1): {window}" in said
    assert "are not in it" not in said
    code, said = night.command("maintain")
    assert (code, str(window) in said) == (0, False)
    marker = night.runtime().markers.read("BR", window)
    assert marker is not None
    assert FACTS not in marker.tables
    shutil.rmtree(place, ignore_errors=True)
    shutil.move(night.world.folder / "landed", place)
    run(night.world, [window])
    assert "lost for good" not in night.command("status")[1]
    assert night.rows() == night.before


def test_a_backup_restored(night: Night) -> None:
    """A copy by the command, put back to the warehouse's path, and `recover`: rows, readings
    and Dagster's runs are as they were.
    """
    folder = night.world.folder / "copy"
    code, said = night.command("backup", str(folder))
    assert code == 0, said
    shutil.rmtree(night.warehouse)
    shutil.copytree(folder, night.warehouse)
    code, said = night.command("recover")
    assert (code, said.splitlines()[-1]) == (0, "BR: whole again")
    assert night.rows() == night.before
    with DagsterInstance.from_config(str(night.warehouse / "dagster")) as instance:
        assert len(instance.get_runs()) == len(WINDOWS)
    run(night.world, [NEXT])
    code, said = night.command("backup", str(folder))
    assert code == 0, said


@pytest.fixture(scope="module")
def later(company: Night) -> Night:
    """The company one window later, whose copies were begun before it."""
    company.restore()
    run(company.world, [NEXT])
    shutil.copytree(company.warehouse, company.world.folder / "later")
    return Night(company.world, company.world.folder / "later", company.rows())


@pytest.mark.parametrize(
    "first", [["catalog.db"], ["catalog.db", "tables"], ["windows", "landing"]]
)
def test_a_copy_made_in_the_wrong_order(company: Night, later: Night, first: list[str]) -> None:
    """Parts were copied before a window and the others after it: no row of a window that is
    complete there is missing after `recover`.
    """
    later.restore()
    for name in first:
        old, new = company.pristine / name, later.warehouse / name
        if old.is_dir():
            shutil.rmtree(new)
            shutil.copytree(old, new)
        else:
            shutil.copy2(old, new)
    code, said = later.command("recover")
    assert code == 0, said
    assert (f"BR: window {NEXT}: run again from the landing" in said) == ("tables" in first)
    # complete in the tables, and neither marked nor landed in the copy: it is marked again
    assert (f"BR: window {NEXT}: marked as complete again" in said) == ("windows" in first)
    assert later.rows() == later.before
    assert later.command("recover") == (0, "BR: nothing to do\n")


def test_a_copy_at_another_path_is_refused(night: Night) -> None:
    """Writing there would name files of the original; the words say what to do."""
    elsewhere = night.world.folder / "elsewhere"
    shutil.rmtree(elsewhere, ignore_errors=True)
    shutil.copytree(night.warehouse, elsewhere)
    config = night.world.folder / "elsewhere.yaml"
    config.write_text(night.world.config.read_text().replace("./warehouse", "./elsewhere"))
    for arguments in (
        ["run", "--window", NEXT.key],
        ["recover"],
        ["check"],
        ["status"],
        ["maintain"],
        ["query", f"SELECT COUNT(name) FROM {FACTS}"],
        ["dashboard"],
    ):
        result = CliRunner().invoke(main, [*arguments, "--config", str(config)])
        assert result.exit_code == (0 if arguments == ["status"] else 1)
        assert "the tables were written at another path" in result.output.replace("\n", " ")
    assert night.rows() == night.before
