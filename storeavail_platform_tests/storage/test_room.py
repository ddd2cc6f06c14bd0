"""A full disk is known as one, whichever library met it, and its room is what the system says."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from storeavail_platform.domain.errors import DiskFull, SourceUnavailable
from storeavail_platform.storage.local import LocalStorage
from storeavail_platform.storage.room import MEGABYTE, disks_of, is_disk_full, size_text
from storeavail_testing.disk import fill, small_disk

NO_DISK = "a small disk is made by mounting one, which needs root"


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of two megabytes."""
    with small_disk(tmp_path / "disk", "2m") as is_mounted:
        if not is_mounted:
            pytest.skip(NO_DISK)
        yield tmp_path / "disk"


def by_pyarrow(disk: Path) -> None:
    pq.write_table(pa.table({"n": list(range(500_000))}), disk / "n.parquet")


def by_duckdb(disk: Path) -> None:
    duckdb.sql(f"COPY (SELECT random() FROM range(1_000_000)) TO '{disk}/n.parquet'")


def by_sqlite(disk: Path) -> None:
    with sqlite3.connect(disk / "n.db") as connection:
        connection.execute("CREATE TABLE t (n BLOB)")
        connection.execute("INSERT INTO t VALUES (zeroblob(4000000))")


def by_storage(disk: Path) -> None:
    LocalStorage(disk).replace("n", bytes(4 * MEGABYTE))


@pytest.mark.parametrize("write", [by_pyarrow, by_duckdb, by_sqlite, by_storage])
def test_every_writer_says_it_in_a_way_that_is_understood(
    disk: Path, write: Callable[[Path], None]
) -> None:
    """Also where an error of ours was made of it; what a source says is of its server's disk."""
    fill(disk / "filler")
    with pytest.raises((OSError, DiskFull, duckdb.Error, sqlite3.Error)) as met:
        write(disk)
    assert is_disk_full(met.value)
    outer = RuntimeError("the table could not be written")
    outer.__cause__ = met.value
    assert is_disk_full(outer)
    assert not is_disk_full(SourceUnavailable("PostgreSQL says: No space left on device"))
    assert not is_disk_full(OSError("the network is down"))


def test_a_disk_is_named_once_with_all_that_lies_on_it(disk: Path, tmp_path: Path) -> None:
    """Its free bytes are those that may be written, also below a folder that is not made yet."""
    folders = {
        "the warehouse": disk / "to" / "come",
        "Dagster's home": disk,
        "temporary files": tmp_path,
    }
    small, other = disks_of(folders)
    assert small.uses == ("the warehouse", "Dagster's home")
    assert small.free == 2 * MEGABYTE
    assert other.uses == ("temporary files",)
    fill(disk / "filler")
    assert disks_of(folders)[0].free == 0


def test_sizes_are_rounded_up() -> None:
    """So that what is needed is never said to be less than it is."""
    assert [size_text(size) for size in (0, 1, MEGABYTE, 1024 * MEGABYTE)] == [
        "0 MB",
        "1 MB",
        "1 MB",
        "1.0 GB",
    ]
