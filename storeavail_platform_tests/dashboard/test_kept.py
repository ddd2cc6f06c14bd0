"""What a page keeps for the next one spares reading, and nothing else: every page is, byte for
byte, what it is without.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from storeavail_platform.config import load_text
from storeavail_platform.dashboard import write_country_page
from storeavail_platform.dashboard.kept import PACKAGE, KeptFile, KeptRows, folder_of, release_of
from storeavail_platform.dashboard.relations import RELATIONS
from storeavail_platform.domain.hours import local_start
from storeavail_platform.domain.tables.declarations import (
    AVAILABILITY_SUMMARY,
    STORE_AVAILABILITY,
    WINDOW_QUALITY,
)
from storeavail_platform.domain.tables.table import Table
from storeavail_platform.domain.windows import Window
from storeavail_platform.pipeline.local_dates import roll_up
from storeavail_platform.pipeline.runtime import Runtime, build_runtime
from storeavail_platform.storage.local import LocalStorage
from storeavail_platform.storage.s3 import S3Storage
from storeavail_platform.upkeep import maintain
from storeavail_platform.warehouse.engine import WrittenFile
from storeavail_platform.warehouse.iceberg import rows_of
from storeavail_testing.pages import CONFIG, LAST, NOW, ZONES, fill, make_stores, runtime_in
from storeavail_testing.s3 import S3Server

STORES = make_stores(12, 1, {})
DAYS = 34
"""More than a page shows by hour of the week."""
MANY = 60
"""Windows that are more than a page reads again each time."""
FOLDER = folder_of("BR")
CLOSED = LAST.next(-100)
"""A window of a date that is over, within the 48 hours that are shown by store."""
OLD = LAST.next(-96 * 20)
"""A window that is shown by hour of the week only."""


def page(runtime: Runtime) -> bytes:
    """The page as it is written now."""
    written = write_country_page(runtime, "BR", NOW)
    data = runtime.storage.read(runtime.storage.relative(written.uri) or "")
    assert data is not None
    return data


def kept(runtime: Runtime) -> set[str]:
    """Names of the kept files."""
    with_dots = LocalStorage(Path(runtime.storage.path(FOLDER)))
    return {str(name) for name in with_dots.names("")}


def same_without(runtime: Runtime) -> bytes:
    """The page, which must be the same with what is kept and without."""
    found = page(runtime)
    runtime.storage.delete_tree(FOLDER)
    assert found == page(runtime)
    return found


def change(
    runtime: Runtime, table: Table, window: Window, changed: Callable[[pa.Table], pa.Table]
) -> None:
    """Commit a window's rows again, changed, as a rerun of it does."""
    found = runtime.warehouse.load("BR", table.name)
    assert found is not None
    rows = changed(found.scan(row_filter=rows_of(window)).to_arrow().cast(table.stored_schema()))
    assert rows.num_rows
    path = runtime.warehouse.location("BR", table.name, "data", window.key, "again", "part.parquet")
    with runtime.storage.open_output(path) as stream:
        pq.write_table(rows, stream)
    files = [WrittenFile(runtime.storage.path(path), rows.num_rows, 1)]
    runtime.warehouse.commit("BR", table, window, files, "again")


def all_missing(rows: pa.Table) -> pa.Table:
    """Whatever was expected was missed."""
    names = rows.schema.names
    expected = rows["expected_minutes"]
    values = {"missing_minutes": expected, "available_minutes": pc.multiply(expected, 0)}
    values |= {"unknown_minutes": pc.multiply(expected, 0)}
    if "status" in names:
        is_open = pc.greater(expected, 0)
        values["status"] = pc.if_else(is_open, "missing", rows["status"])
        values["reason"] = pc.if_else(is_open, "offline", rows["reason"])
    for name, column in values.items():
        place = names.index(name)
        rows = rows.set_column(
            place, rows.schema.field(place), column.cast(rows.schema.types[place])
        )
    return rows


def run_again(runtime: Runtime, window: Window) -> None:
    """A window is run again and comes out otherwise; its date is rolled up anew."""
    for table in (STORE_AVAILABILITY, AVAILABILITY_SUMMARY):
        change(runtime, table, window, all_missing)
    list(roll_up(runtime, "BR", [local_start(window, ZONES["BR"])[0]], "again"))


@pytest.fixture(scope="module")
def runtime(tmp_path_factory: pytest.TempPathFactory) -> Runtime:
    """A country of which a page was written, and then many windows were added."""
    made = runtime_in(tmp_path_factory.mktemp("kept"))
    fill(made, "BR", STORES, days=DAYS, last=LAST.next(-MANY - 1))
    page(made)
    fill(made, "BR", STORES, first=LAST.next(-MANY), last=LAST.next(-1), seed=8)
    return made


def test_new_windows_are_added(runtime: Runtime) -> None:
    """Windows after those that something is kept of are on the page: few of them beside it, many
    by keeping them too.
    """
    without_rows = {"open_outages"}
    names = {relation.name for relation in RELATIONS} - without_rows
    assert kept(runtime) == {f"{name}.parquet" for name in names}
    name = f"{FOLDER}/recent_runs.parquet"
    first = runtime.storage.read(name)
    before = page(runtime)
    data = runtime.storage.read(name)
    assert data != first
    fill(runtime, "BR", STORES, first=LAST, last=LAST, seed=5)
    assert page(runtime) != before
    assert runtime.storage.read(name) == data
    same_without(runtime)


def test_nothing_is_opened_again(runtime: Runtime) -> None:
    """With every file gone that was there at the first page the next one is the same."""
    before = page(runtime)
    first = f"made-{LAST.next(-MANY - 1)}"
    opened = list(Path(runtime.storage.path("tables")).rglob(f"data/*/{first}/*.parquet"))
    assert len(opened) > 3 * DAYS
    data = {path: path.read_bytes() for path in opened}
    for path in opened:
        path.unlink()
    try:
        assert page(runtime) == before
    finally:
        for path, content in data.items():
            path.write_bytes(content)


@pytest.mark.parametrize("window", [CLOSED, OLD])
def test_a_window_of_a_closed_date_that_is_run_again_is_shown_as_it_is(
    runtime: Runtime, window: Window
) -> None:
    """Its rows are other ones on the next page."""
    before = page(runtime)
    if window == CLOSED:
        run_again(runtime, window)
    else:
        change(runtime, AVAILABILITY_SUMMARY, window, all_missing)
    assert same_without(runtime) != before


def test_a_window_that_is_found_suspect_later_is_shown_so(runtime: Runtime) -> None:
    """`window_quality` alone is committed again."""
    before = page(runtime)

    def suspect(rows: pa.Table) -> pa.Table:
        place = rows.schema.names.index("suspect")
        return rows.set_column(place, rows.schema.field(place), pa.array([True] * rows.num_rows))

    change(runtime, WINDOW_QUALITY, CLOSED, suspect)
    assert same_without(runtime) != before


def test_upkeep_changes_no_page(runtime: Runtime) -> None:
    """Compacted days have other files with the same rows."""
    before = page(runtime)
    done = [str(each) for each in maintain(runtime, "BR", NOW + timedelta(days=1))]
    assert any("compacted" in each for each in done), done
    assert page(runtime) == before
    assert same_without(runtime) == before


@pytest.mark.parametrize("data", [b"", b"PAR1", bytes(5_000)], ids=["empty", "cut", "zeros"])
def test_a_damaged_file_is_passed_over(
    runtime: Runtime, data: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """It is named, and written anew."""
    before = page(runtime)
    for name in kept(runtime):
        runtime.storage.replace(f"{FOLDER}/{name}", data)
    assert page(runtime) == before
    assert "recent_runs.parquet is passed over" in caplog.text
    caplog.clear()
    assert page(runtime) == before
    assert caplog.text == ""


def test_a_flipped_byte_is_noticed(runtime: Runtime) -> None:
    """Rows whose checksum is another one are not shown."""
    before = page(runtime)
    name = f"{FOLDER}/store_days.parquet"
    data = bytearray(runtime.storage.read(name) or b"")
    data[100] ^= 1
    runtime.storage.replace(name, bytes(data))
    assert page(runtime) == before
    assert runtime.storage.read(name) != bytes(data)


def test_another_time_zone_is_another_page(runtime: Runtime) -> None:
    """Hours of the week are those of the zone that is configured now."""
    before = page(runtime)
    text = CONFIG.replace("America/Sao_Paulo", "Asia/Kolkata")
    base = Path(runtime.storage.path("")).parent
    assert same_without(build_runtime(load_text(text, base=base, origin="test.yaml"))) != before


def test_code_that_came_as_a_zip_has_no_release_to_tell() -> None:
    """It is on the path and nothing is installed: no page fails for that."""
    assert release_of(PACKAGE)
    assert release_of("not-installed-anywhere") == ""


def test_it_is_kept_on_s3_too(s3: S3Server) -> None:
    """What is written is read again, with its files; not by who makes it otherwise."""
    storage = S3Storage(f"{s3.create_bucket()}/warehouse")
    rows = pa.table({"day": pa.array([NOW.date()], pa.date32()), "store_id": ["1"]})
    one = KeptFile(storage, "BR", "recent_runs", ["SELECT 1"])
    assert one.read() is None
    one.write(KeptRows({NOW.date(): {"b", "a"}}, rows))
    assert one.read() == KeptRows({NOW.date(): {"a", "b"}}, rows)
    assert replace(one, made_by=["SELECT 2"]).read() is None
