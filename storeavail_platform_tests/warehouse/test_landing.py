"""The landing: immutable, whole, first reading wins."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.fs as pafs
import pyarrow.parquet as pq
import pytest

from storeavail_platform.domain.addresses import plain
from storeavail_platform.domain.errors import LandingDamaged, SourceUnavailable
from storeavail_platform.domain.finding import Finding
from storeavail_platform.domain.source import RAW_ONLINE_INDEX, Snapshot, Split, Take
from storeavail_platform.domain.windows import Window
from storeavail_platform.pipeline.usable import count_documents
from storeavail_platform.storage.local import LocalStorage
from storeavail_platform.storage.s3 import S3Storage
from storeavail_platform.warehouse.landing import Landing
from storeavail_platform.warehouse.readings import Reading
from storeavail_testing.s3 import S3Server

WINDOW = Window.parse("2026-11-23T1015")
MANIFEST = f"landing/BR/{WINDOW}/online_index/manifest.json"
READ_AT = datetime(2026, 11, 23, 10, 22, 5, tzinfo=UTC)


class TwoSlices:
    """A source of two splits; the second fails where `fails` is set."""

    name = "online_index"
    relations: Mapping[str, pa.Schema] = {"raw_online_index": RAW_ONLINE_INDEX}
    is_recorded = False

    def __init__(self, flag: str = "true", *, fails: bool = False) -> None:
        self.flag, self.fails = flag, fails

    @contextmanager
    def open(self, window: Window) -> Iterator[Snapshot]:
        yield Snapshot(READ_AT, (Split("raw_online_index", 0), Split("raw_online_index", 1)))

    def check(self, take: Take | None = None, window: Window | None = None) -> list[Finding]:
        return []

    def read(self, split: Split) -> Iterator[pa.RecordBatch]:
        row = {
            "source_id": str(split.number),
            "online": self.flag,
            "updated_at": READ_AT,
            "updated_at_text": "x",
        }
        yield pa.RecordBatch.from_pylist([row], schema=RAW_ONLINE_INDEX)
        if self.fails and split.number == 1:
            raise SourceUnavailable("the connection broke")


@pytest.fixture(params=["folder", "s3"])
def landing(request: pytest.FixtureRequest, tmp_path: Path, s3: S3Server) -> Landing:
    is_folder = request.param == "folder"
    return Landing(
        LocalStorage(tmp_path) if is_folder else S3Storage(f"{s3.create_bucket()}/warehouse")
    )


def land(landing: Landing, source: TwoSlices, *, again: bool = False) -> Reading:
    with source.open(WINDOW) as snapshot:
        return landing.land("BR", WINDOW, source, snapshot, tally=count_documents, again=again)


def files_below(landing: Landing) -> list[str]:
    place = plain(landing.storage.path("landing"))
    selector = pafs.FileSelector(place, recursive=True, allow_not_found=True)
    found = landing.storage.filesystem.get_file_info(selector)
    return sorted(info.base_name for info in found if info.is_file)


def test_a_reading_is_found_again_with_rows_counts_and_checksums(landing: Landing) -> None:
    """What was landed is what `find` gives: time, files, sizes, sums of the tally."""
    made = land(landing, TwoSlices())
    found = landing.find("BR", WINDOW, "online_index")
    assert found == made
    assert found is not None
    assert found.read_at == READ_AT
    assert found.details == {"listed": 2, "online": 2, "usable_ids": 2}
    assert found.rows("raw_online_index") == 2
    address = landing.paths({"online_index": found}, "raw_online_index")[0]
    rows = pq.read_table(plain(address), filesystem=landing.storage.filesystem).to_pylist()
    assert rows[0]["source_id"] == "0"
    landing.verify(found)
    assert landing.windows("BR") == [WINDOW.key]


def test_a_broken_reading_leaves_nothing(landing: Landing) -> None:
    """Where one split fails, no manifest and no file of the attempt remain."""
    with pytest.raises(SourceUnavailable):
        land(landing, TwoSlices(fails=True))
    assert landing.find("BR", WINDOW, "online_index") is None
    assert files_below(landing) == []


def test_the_first_reading_wins_and_the_loser_leaves_nothing(landing: Landing) -> None:
    """A second attempt gives the winner's reading and removes its own files."""
    first = land(landing, TwoSlices("true"))
    assert land(landing, TwoSlices("false")) == first
    assert files_below(landing) == [
        "manifest.json",
        "part-raw_online_index-0.parquet",
        "part-raw_online_index-1.parquet",
    ]


def test_a_reading_again_lies_beside_the_first_and_counts(landing: Landing) -> None:
    """The first manifest and its files stay; the highest number counts, not the last by name; a
    manifest that is gone takes the readings again with it.
    """
    first = land(landing, TwoSlices("true"))
    assert first.reread == 0
    for number in range(1, 11):
        again = land(landing, TwoSlices("false"), again=True)
        assert again.reread == number
    assert landing.find("BR", WINDOW, "online_index") == again
    assert again.details == {"listed": 2, "online": 0, "usable_ids": 2}
    manifests = [name for name in files_below(landing) if name.endswith(".json")]
    assert manifests == ["manifest.json", *sorted(f"reread-{n}.json" for n in range(1, 11))]
    landing.verify(first)
    # an ordinary run leaves all as it is
    assert land(landing, TwoSlices("true")) == first
    assert landing.find("BR", WINDOW, "online_index") == again
    landing.storage.delete(MANIFEST)
    assert landing.find("BR", WINDOW, "online_index") is None


def test_files_without_a_manifest_do_not_exist(landing: Landing) -> None:
    """An attempt whose process died before the manifest is not trusted."""
    land(landing, TwoSlices())
    landing.storage.delete(MANIFEST)
    assert landing.find("BR", WINDOW, "online_index") is None


def test_a_damaged_reading_is_refused_by_name(landing: Landing) -> None:
    """A file that is shorter or other than its manifest says, or a manifest that is not JSON,
    is an error that names the file.
    """
    land(landing, TwoSlices())
    reading = landing.find("BR", WINDOW, "online_index")
    assert reading is not None
    storage, damaged = landing.storage, reading.files[1].path
    whole = storage.read(damaged)
    assert whole is not None
    storage.replace(damaged, whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(
        LandingDamaged, match=r"part-raw_online_index-1\.parquet has another content"
    ):
        landing.verify(reading)
    storage.replace(damaged, whole[:-1])
    with pytest.raises(
        LandingDamaged, match=r"part-raw_online_index-1\.parquet has \d+ bytes instead of"
    ):
        landing.verify(reading)
    storage.delete(damaged)
    with pytest.raises(LandingDamaged, match="is missing"):
        landing.verify(reading)
    storage.replace(MANIFEST, b"{")
    with pytest.raises(LandingDamaged, match=r"manifest\.json cannot be understood"):
        landing.find("BR", WINDOW, "online_index")
