"""A backup taken while windows are committed and upkeep runs: whatever it is stopped at, the
copy is whole, and so is a restore.
"""

from __future__ import annotations

import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pyiceberg.catalog.sql import SqlCatalog

from storeavail_platform.config import load_text
from storeavail_platform.domain.errors import BackupRunning, ConfigError
from storeavail_platform.domain.windows import Window
from storeavail_platform.pipeline.runtime import Runtime, build_runtime
from storeavail_platform.upkeep import maintain
from storeavail_platform.upkeep.backup import Clock, Copied, back_up
from storeavail_platform.upkeep.lease import LASTS, Leases
from storeavail_platform.upkeep.recovery import plan, put_right
from storeavail_platform.warehouse.catalog import Warehouse
from storeavail_platform.warehouse.markers import Marker
from storeavail_platform_tests.domain.tables.facts import COUNTRY, DAY, commit_window, fact
from storeavail_platform_tests.upkeep.conftest import CONFIG, FACTS, Kept, at, orphan
from storeavail_platform_tests.upkeep.test_retention import FIGURES
from storeavail_testing.s3 import S3Server
from storeavail_testing.storage import die

NOW = datetime(2026, 11, 24, 5, 0, tzinfo=UTC)
FIRST = Window.parse("2026-11-24T0000")
NAMESPACE = "storeavail_br"


def clock() -> datetime:
    return NOW


def runtime_of(folder: Path) -> Runtime:
    return build_runtime(load_text(CONFIG, base=folder, origin="test.yaml"))


@pytest.fixture
def runtime(tmp_path: Path) -> Runtime:
    """A country with three complete windows and their readings."""
    (tmp_path / "warehouse").mkdir()
    made = runtime_of(tmp_path)
    for number in range(3):
        complete(made, FIRST.next(number))
    return made


def complete(runtime: Runtime, window: Window, *, run: str = "run") -> None:
    """Land, commit and mark a window."""
    for source in ("online_index", "postgres"):
        runtime.landing.record(COUNTRY, window, source, {"is_observed": False}, read_at=window.end)
    commit_window(runtime.engine, runtime.warehouse, window, [fact(1, window, "missing")], run)
    state = runtime.warehouse.pointer(COUNTRY, FACTS.name)
    assert state is not None
    runtime.markers.write(
        Marker(COUNTRY, window.key, run, window.middle(), window.end, FIGURES, {FACTS.name: state})
    )


def copy(
    runtime: Runtime,
    folder: Path,
    *,
    home: Path | None = None,
    others: tuple[str, ...] = (),
    clock: Clock = clock,
) -> Copied:
    countries = [code for code in runtime.platform.countries if code not in others]
    return back_up(runtime.storage, folder, home, countries=countries, others=others, clock=clock)


def restored(runtime: Runtime, folder: Path) -> Runtime:
    """The warehouse as a person restores it: emptied, the copy in its place, the catalog made
    from the pointers.
    """
    root = Path(runtime.storage.path())
    shutil.rmtree(root)
    shutil.copytree(folder, root)
    found = build_runtime(runtime.platform)
    put_right(found, plan(found, COUNTRY, NOW), NOW)
    return found


def marked(runtime: Runtime) -> list[str]:
    return runtime.markers.complete(COUNTRY)


def windows(runtime: Runtime) -> list[str]:
    """The windows that the table has rows of."""
    table = runtime.warehouse.load(COUNTRY, FACTS.name)
    assert table is not None
    starts = (
        table.scan(selected_fields=("window_start",))
        .to_arrow()["window_start"]
        .unique()
        .to_pylist()
    )
    return sorted(Window.containing(start.astimezone(UTC)).key for start in starts)


def files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_a_restore_is_whole(runtime: Runtime, tmp_path: Path) -> None:
    """Tables, readings, markers, alerts and silences come back, and the next window is
    committed as if nothing had been.
    """
    for name in ("alerts/BR.json", "silences/BR.json", "roll_up/BR/x/due"):
        runtime.storage.replace(name, b"{}")
    before = files(tmp_path / "warehouse")
    done = copy(runtime, tmp_path / "copy")
    assert done.problems == []
    assert files(tmp_path / "copy") == before - {"catalog.db"} | {"backup.json"}
    after = restored(runtime, tmp_path / "copy")
    assert windows(after) == marked(after) == [FIRST.next(number).key for number in range(3)]
    assert plan(after, COUNTRY, NOW).is_empty
    complete(after, FIRST.next(3))
    assert len(windows(after)) == 4


def test_what_is_there_is_not_copied_again_and_what_is_gone_goes_last(
    runtime: Runtime, tmp_path: Path
) -> None:
    """A second copy takes only what is new; what the warehouse no longer has is removed after
    all of that is there.
    """
    gone, new = f"landing/BR/{FIRST.key}/", f"windows/BR/{FIRST.next(3).key}.json"
    first = copy(runtime, tmp_path / "copy")
    assert copy(runtime, tmp_path / "copy").files == 0
    complete(runtime, FIRST.next(3))
    runtime.landing.remove(COUNTRY, FIRST)
    states: list[set[str]] = []

    def look() -> datetime:
        # a backup asks for the time after each file
        states.append(files(tmp_path / "copy"))
        return NOW

    again = copy(runtime, tmp_path / "copy", clock=look)
    assert 0 < again.files < first.files
    assert all(any(name.startswith(gone) for name in state) for state in states)
    assert new in states[-1]
    assert again.removed == 2
    assert not any(name.startswith(gone) for name in files(tmp_path / "copy"))


def test_a_copy_made_while_windows_are_committed_is_whole(runtime: Runtime, tmp_path: Path) -> None:
    """Windows, reruns and upkeep go on while it is taken, again and again: every marker of the
    copy finds its rows in it.
    """
    stop = threading.Event()

    def commit_on() -> None:
        other, number = runtime_of(tmp_path), 3
        while not stop.is_set():
            complete(other, FIRST.next(number))
            complete(other, FIRST.next(number % 3), run=f"again-{number}")
            list(maintain(other, COUNTRY, at(3 * DAY)))
            number += 1

    writer = threading.Thread(target=commit_on)
    writer.start()
    try:
        copies, before = 0, 0
        while copies < 4 or before <= 3:
            assert writer.is_alive()
            before = len(marked(runtime))
            assert copy(runtime, tmp_path / "copy").problems == []
            copies += 1
    finally:
        stop.set()
        writer.join()
    committed = len(marked(runtime))
    after = restored(runtime, tmp_path / "copy")
    assert 3 < len(marked(after)) <= committed
    assert set(windows(after)) >= set(marked(after))
    assert plan(after, COUNTRY, NOW).is_empty


def test_upkeep_waits_for_a_backup_and_not_for_a_dead_one(kept: Kept) -> None:
    """While the hold lasts nothing is removed, and upkeep says why; when it was not renewed for
    so long it goes on.
    """
    stray, leases, now = (
        orphan(kept, "stray"),
        Leases(kept.runtime.storage),
        at(25 * timedelta(hours=1)),
    )
    leases.take(NAMESPACE, "host:1", now)
    (done,) = maintain(kept.runtime, COUNTRY, now + timedelta(minutes=9))
    assert str(done).startswith("backup: a backup (host:1, since ")
    assert not done.is_error
    assert stray.exists()
    leases.renew(NAMESPACE, "host:1", now + timedelta(minutes=9))
    assert [done.what for done in maintain(kept.runtime, COUNTRY, now + timedelta(minutes=18))] == [
        "backup"
    ]
    list(maintain(kept.runtime, COUNTRY, now + timedelta(minutes=9) + LASTS))
    assert not stray.exists()


def test_two_backups_do_not_mix(runtime: Runtime, tmp_path: Path) -> None:
    """The second is refused and says whose hold it is; one that was silent for too long does
    not go on beside its successor.
    """
    leases = Leases(runtime.storage)
    leases.take(NAMESPACE, "host:1", NOW)
    with pytest.raises(
        BackupRunning,
        match=(
            r"a backup \(host:1, since 2026-11-24 05:00 UTC\) copies its files until 2026-11-24"
            r" 05:10"
        ),
    ):
        copy(runtime, tmp_path / "copy")
    assert leases.current(NAMESPACE, NOW) is not None
    leases.take(NAMESPACE, "host:2", NOW + LASTS)
    with pytest.raises(BackupRunning, match="silent for too long"):
        leases.renew(NAMESPACE, "host:1", NOW + LASTS)
    leases.release(NAMESPACE, "host:1")
    assert leases.current(NAMESPACE, NOW + LASTS) is not None
    leases.release(NAMESPACE, "host:2")
    copy(runtime, tmp_path / "copy")
    assert leases.current(NAMESPACE, NOW) is None


KILLED = """
import sys
from pathlib import Path
from storeavail_platform_tests.upkeep import test_backup

test_backup.copy_until_killed(Path(sys.argv[1]), sys.argv[2])
"""


def copy_until_killed(folder: Path, path: str) -> None:
    """A backup that dies when it asks for the time, as it does after each file, and the copy has
    such a path.
    """

    def mortal() -> datetime:
        if any(name.startswith(path) for name in files(folder / "copy")):
            die()
        return NOW

    copy(runtime_of(folder), folder / "copy", clock=mortal)


@pytest.mark.parametrize(
    "path",
    [
        f"landing/BR/{FIRST.next(3)}",
        f"tables/{NAMESPACE}/{FACTS.name}/data/{FIRST.next(5)}",
        # two more markers are to come
        f"windows/BR/{FIRST.next(3)}",
    ],
)
def test_a_backup_that_is_killed_leaves_a_whole_copy(
    runtime: Runtime, tmp_path: Path, path: str
) -> None:
    """SIGKILL at some file: the copy is at least the one of before; the next backup is not
    held up for ever and completes it.
    """
    copy(runtime, tmp_path / "copy")
    for number in range(3, 6):
        complete(runtime, FIRST.next(number))
    command = [sys.executable, "-c", KILLED, str(tmp_path), path]
    assert subprocess.run(command, timeout=120, check=False).returncode == -signal.SIGKILL
    shutil.copytree(tmp_path / "copy", tmp_path / "as it is")
    with pytest.raises(BackupRunning):
        copy(runtime, tmp_path / "copy")
    later = NOW + LASTS
    assert (
        back_up(
            runtime.storage,
            tmp_path / "copy",
            None,
            countries=["BR", "CL"],
            others=[],
            clock=lambda: later,
        ).problems
        == []
    )
    assert not [name for name in files(tmp_path / "copy") if "/." in name]
    after = restored(runtime, tmp_path / "as it is")
    assert (
        set(windows(after)) >= set(marked(after)) >= {FIRST.next(number).key for number in range(3)}
    )
    after = restored(runtime, tmp_path / "copy")
    assert len(windows(after)) == len(marked(after)) == 6


def test_a_folder_of_somebody_else_is_refused(runtime: Runtime, tmp_path: Path) -> None:
    """Inside of the warehouse, not empty, or of another warehouse: nothing is written, nothing
    removed.
    """
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "file").write_text("mine")
    other = tmp_path / "other"
    other.mkdir()
    (other / "backup.json").write_text('{"warehouse": "s3://elsewhere/warehouse"}')
    for folder, message in (
        (tmp_path / "mine", "is not empty and no copy of a warehouse"),
        (tmp_path / "warehouse" / "copy", "is inside of the warehouse"),
        (other, "is the copy of another warehouse, s3://elsewhere/warehouse"),
    ):
        with pytest.raises(ConfigError, match=message):
            copy(runtime, folder)
    assert files(tmp_path / "mine") == {"file"}


def test_a_warehouse_that_is_gone_takes_nothing_from_its_copy(
    runtime: Runtime, tmp_path: Path
) -> None:
    """A folder that is not mounted is refused; a table that is damaged keeps all that the copy
    has of it, and is told.
    """
    copy(runtime, tmp_path / "copy")
    before = files(tmp_path / "copy")
    data = next((tmp_path / "warehouse" / "tables").rglob("*.parquet"))
    data.unlink()
    assert copy(runtime, tmp_path / "copy").problems == []
    complete(runtime, FIRST.next(3))
    newest = next((tmp_path / "warehouse" / "tables").rglob(f"{FIRST.next(3).key}/**/*.parquet"))
    newest.unlink()
    done = copy(runtime, tmp_path / "copy")
    assert (
        "tables/storeavail_br/store_availability is not whole in the warehouse (1 files, the"
        " first: " in done.problems[0]
    )
    assert files(tmp_path / "copy") >= before
    (tmp_path / "warehouse").rename(tmp_path / "away")
    (tmp_path / "warehouse").mkdir()
    with pytest.raises(
        ConfigError, match=r"has no tables of BR, and the copy has some: is it mounted\?"
    ):
        copy(runtime, tmp_path / "copy")
    assert files(tmp_path / "copy") >= before


def test_one_country_leaves_the_others_alone(runtime: Runtime, tmp_path: Path) -> None:
    """In the warehouse and in the copy: what was copied of them before stays."""
    runtime.storage.replace("silences/CL.json", b"{}")
    copy(runtime, tmp_path / "copy")
    runtime.storage.replace("silences/CL.json", b"{ }")
    runtime.storage.replace("windows/CL/x.json", b"{}")
    complete(runtime, FIRST.next(3))
    copy(runtime, tmp_path / "copy", others=("CL",))
    assert (tmp_path / "copy" / "silences" / "CL.json").read_bytes() == b"{}"
    assert not (tmp_path / "copy" / "windows" / "CL").exists()
    assert (tmp_path / "copy" / "windows" / "BR" / f"{FIRST.next(3).key}.json").exists()


@pytest.mark.parametrize("home", ["warehouse/dagster", "elsewhere"])
def test_dagsters_home_is_copied_as_it_is_at_one_moment(
    runtime: Runtime, tmp_path: Path, home: str
) -> None:
    """Its SQLite files are whole while something is written to them; an unchanged one is not
    copied again.
    """
    folder = tmp_path / home
    folder.mkdir()
    (folder / "dagster.yaml").write_text("x: 1")
    with sqlite3.connect(folder / "runs.db") as writer:
        writer.execute("PRAGMA journal_mode=WAL")
        writer.execute("CREATE TABLE runs (id INTEGER)")
        writer.executemany("INSERT INTO runs VALUES (?)", [(number,) for number in range(1000)])
        writer.commit()
        copy(runtime, tmp_path / "copy", home=folder)
        assert copy(runtime, tmp_path / "copy", home=folder).files == 0
    place = tmp_path / "copy" / ("dagster" if home.startswith("warehouse") else "dagster-home")
    assert files(place) == {"dagster.yaml", "runs.db"}
    with sqlite3.connect(place / "runs.db") as reader:
        assert reader.execute("SELECT COUNT(*) FROM runs").fetchone() == (1000,)


def test_a_warehouse_on_s3_is_copied_to_a_folder(s3: S3Server, tmp_path: Path) -> None:
    """The same copy, and the same second time; the files that its tables name are all in it."""
    place = f"{s3.create_bucket()}/warehouse"
    catalog = "catalog: {type: hive, uri: 'thrift://127.0.0.1:1'}\n"
    platform = load_text(
        CONFIG.replace("./warehouse", place) + catalog, base=tmp_path, origin="test.yaml"
    )
    runtime = build_runtime(platform)
    # committing needs a catalog, and a copy needs none
    opened = SqlCatalog(
        "storeavail",
        uri=f"sqlite:///{tmp_path}/catalog.db",
        warehouse=runtime.storage.uri("tables"),
        **runtime.storage.file_io,
    )
    catalogued = replace(runtime, warehouse=Warehouse(platform, runtime.storage, catalog=opened))
    for number in range(2):
        complete(catalogued, FIRST.next(number))
    done = copy(runtime, tmp_path / "copy")
    assert (done.problems, done.files > 10) == ([], True)
    assert {name for name in files(tmp_path / "copy") if name.startswith("windows/")} == {
        f"windows/BR/{FIRST.next(number).key}.json" for number in range(2)
    }
    assert copy(runtime, tmp_path / "copy").files == 0
