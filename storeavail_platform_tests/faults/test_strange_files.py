"""Files that do not belong, halves of files, and files that speak for another country: they are
named in a warning, stop nothing else, and the other countries are right.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import orjson
import pytest

from storeavail_platform.dashboard import write_country_page, write_overview
from storeavail_platform.dashboard.summaries import read_summary
from storeavail_platform.domain.errors import (
    LandingDamaged,
    MarkerDamaged,
    TableDamaged,
    WarehouseError,
)
from storeavail_platform.domain.tables.declarations import STORE_AVAILABILITY
from storeavail_platform.orchestration.catch_up import find_work
from storeavail_platform.pipeline.compute import baseline
from storeavail_platform.pipeline.notes import noted_windows
from storeavail_platform.pipeline.runtime import Runtime, build_runtime
from storeavail_platform.reading import silences
from storeavail_platform.reading.query import query
from storeavail_platform.reading.status import CountryStatus, all_statuses
from storeavail_platform.storage.listing import pass_over
from storeavail_platform.warehouse.readings import MANIFEST, LandedFile
from storeavail_testing.pages import LAST, NOW, fill, make_stores, runtime_in

FACTS = f"tables/storeavail_br/{STORE_AVAILABILITY.name}"
BEFORE = LAST.next(-1)
STRANGE = (
    "windows/BR/x.json.bak",
    f"windows/BR/{LAST.key}.json~",
    "windows/BR/2026-02-30T1000.json",
    "windows/BR/2026-11-23T1007.json",
    f"windows/BR/{LAST.next(-2).key}/folder",
    f"windows/BR/{LAST.next().key}.json/folder",
    "landing/BR/notes.txt",
    "landing/BR/old/folder",
    "landing/BR/1999-01-01T0000/folder",
    "roll_up/BR/x.json.bak",
    "roll_up/BR/later/folder",
    "tables/storeavail_br.bak/folder",
    "tables/README",
    "tables/storeavail_BR/folder",
    "tables/storeavail_br/x.json.bak",
    "tables/storeavail_br/things.old/folder",
)
"""Each is named by the folder's own name or file that does not belong."""
HALVES = (b"{", b"[]", b"null", b"\xff", b"")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Runtime:
    """BR and CL with a day of rows and pages, and a reading each."""
    runtime = runtime_in(tmp_path_factory.mktemp("strange"))
    for number, code in enumerate(("BR", "CL")):
        fill(runtime, code, make_stores(10, number, {}), days=1, is_calm=True)
        write_country_page(runtime, code, NOW)
        runtime.landing.record(code, LAST, "online_index", {}, read_at=LAST.middle())
    return runtime


@pytest.fixture
def runtime(whole: Runtime, tmp_path: Path) -> Iterator[Runtime]:
    """The same at the same path, put back after the test."""
    folder = Path(whole.storage.path())
    shutil.copytree(folder, tmp_path / "kept")
    pass_over.cache_clear()
    yield build_runtime(whole.platform)
    shutil.rmtree(folder)
    shutil.copytree(tmp_path / "kept", folder)


def put(runtime: Runtime, path: str, data: bytes = b"") -> Path:
    file = Path(runtime.storage.path(path))
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(data)
    return file


def rows_by_country(runtime: Runtime) -> dict[str, int]:
    found = query(
        runtime, "SELECT country, COUNT(*) AS n FROM store_availability GROUP BY ALL ORDER BY 1"
    )
    return {row["country"]: row["n"] for row in found.to_pylist()}


def shown(runtime: Runtime) -> dict[str, tuple[CountryStatus, int]]:
    """What people see of each country: status, rows, and whether the page can be written."""
    statuses = {status.country: status for status in all_statuses(runtime, NOW)}
    for code in ("BR", "CL"):
        write_country_page(runtime, code, NOW)
    write_overview(runtime, NOW)
    rows = rows_by_country(runtime)
    return {code: (statuses[code], rows[code]) for code in ("BR", "CL")}


def test_what_does_not_belong_is_passed_over_with_a_warning(
    runtime: Runtime, caplog: pytest.LogCaptureFixture
) -> None:
    """Backups of editors, folders, wrong names and links to nowhere: everything is as it was, the
    next window finds its baseline, catch-up its work, and each of them is named once.
    """
    before = shown(runtime)
    work = find_work(runtime, "BR", NOW)
    strange = [put(runtime, path) for path in STRANGE]
    link = Path(runtime.storage.path("windows/BR/2026-11-01T0000.json"))
    link.symlink_to("nowhere")
    with caplog.at_level(logging.WARNING):
        assert shown(build_runtime(runtime.platform)) == before
        assert find_work(runtime, "BR", NOW) == work
        assert noted_windows(runtime.storage, "BR") == []
        assert baseline(runtime.markers, "BR", LAST.next()).num_rows == 1
    warned = [record.getMessage() for record in caplog.records]
    for file in (*strange, link):
        named = file.parent if file.name == "folder" else file
        said = [text for text in warned if text.startswith(f"{named} is passed over: ")]
        assert len(said) == 1 or named.name == f"{LAST.next(-2).key}", (named, warned)


@pytest.mark.parametrize("half", HALVES)
def test_half_a_file_stops_nothing_else(
    runtime: Runtime, caplog: pytest.LogCaptureFixture, half: bytes
) -> None:
    """A marker, a manifest, a silence and a summary of BR: its next window goes on, its status and
    page are there, and what is damaged is told: by name, and where it is needed by an error.
    """
    before = shown(runtime)
    marker = put(runtime, f"windows/BR/{BEFORE.key}.json", half)
    put(runtime, f"landing/BR/{LAST.key}/online_index/manifest.json", half)
    silence = put(runtime, "silences/BR.json", half)
    summary = put(runtime, "dashboard/BR/summary.json", half)
    runtime = build_runtime(runtime.platform)
    with caplog.at_level(logging.WARNING):
        assert baseline(runtime.markers, "BR", LAST)["window_start"].to_pylist() == [
            BEFORE.next(-1).start
        ]
        assert read_summary(runtime.storage, "BR") is None
        after = shown(runtime)
        assert silences.current(runtime.storage, "BR", NOW) == []
    assert after["CL"] == before["CL"]
    status, _ = after["BR"]
    assert status.last_window == LAST.key
    assert any(str(marker) in problem and "recover" in problem for problem in status.problems)
    for file in (marker, silence, summary):
        assert f"{file} is passed over" in caplog.text
    with pytest.raises(MarkerDamaged):
        runtime.markers.read("BR", BEFORE)
    with pytest.raises(LandingDamaged, match=r"cannot be understood"):
        runtime.landing.find("BR", LAST, "online_index")


@pytest.mark.parametrize("half", HALVES[:2])
def test_a_country_with_a_wrong_pointer_is_left_out(
    runtime: Runtime, caplog: pytest.LogCaptureFixture, half: bytes
) -> None:
    """A query gives the others with a warning; where it is the only one that has the table, the
    damage is the answer.
    """
    cl = rows_by_country(runtime)["CL"]
    put(runtime, f"{FACTS}/current.json", half)
    runtime = build_runtime(runtime.platform)
    with caplog.at_level(logging.WARNING):
        assert rows_by_country(runtime) == {"CL": cl}
    assert "BR is left out of the result: pointer " in caplog.text
    statuses = {status.country: status for status in all_statuses(runtime, NOW)}
    assert statuses["CL"].problems == []
    assert any("current.json" in problem for problem in statuses["BR"].problems)
    write_country_page(runtime, "CL", NOW)
    with pytest.raises(TableDamaged):
        write_country_page(runtime, "BR", NOW)
    shutil.rmtree(runtime.storage.path("tables/storeavail_cl"))
    with pytest.raises(TableDamaged, match=r"current\.json cannot be understood"):
        rows_by_country(build_runtime(runtime.platform))


def test_a_country_with_damaged_rows_is_left_out(
    runtime: Runtime, caplog: pytest.LogCaptureFixture
) -> None:
    """Also where it is found out in the middle of reading."""
    cl = rows_by_country(runtime)["CL"]
    for file in Path(runtime.storage.path(FACTS)).rglob("*.parquet"):
        file.write_bytes(file.read_bytes()[:40])
    with caplog.at_level(logging.WARNING):
        assert rows_by_country(build_runtime(runtime.platform)) == {"CL": cl}
    assert "BR is left out of the result: table store_availability of BR: data file" in caplog.text


def other_pointer(runtime: Runtime) -> None:
    """BR's pointer names CL's table."""
    theirs = runtime.storage.read(FACTS.replace("_br", "_cl") + "/current.json")
    assert theirs is not None
    put(runtime, f"{FACTS}/current.json", theirs)


def other_metadata(runtime: Runtime) -> None:
    """BR's own metadata file is a copy of CL's."""
    theirs = runtime.warehouse.pointer("CL", STORE_AVAILABILITY.name)
    assert theirs is not None
    data = Path(theirs.metadata_location.removeprefix("file://")).read_bytes()
    file = put(runtime, f"{FACTS}/metadata/00009-x.metadata.json", data)
    state = replace(theirs, metadata_location=f"file://{file}")
    put(runtime, f"{FACTS}/current.json", orjson.dumps(state))


def climbing_pointer(runtime: Runtime) -> None:
    """It begins with BR's folder and leads out of it."""
    theirs = runtime.warehouse.pointer("CL", STORE_AVAILABILITY.name)
    assert theirs is not None
    away = theirs.metadata_location.replace("/tables/", f"/{FACTS}/../../../tables/", 1)
    put(runtime, f"{FACTS}/current.json", orjson.dumps(replace(theirs, metadata_location=away)))


def other_data(runtime: Runtime) -> None:
    """BR's metadata is its own, and says that BR's rows are CL's files."""
    state = runtime.warehouse.pointer("BR", STORE_AVAILABILITY.name)
    theirs = runtime.warehouse.load("CL", STORE_AVAILABILITY.name)
    assert state is not None
    assert theirs is not None
    document = orjson.loads(Path(state.metadata_location.removeprefix("file://")).read_bytes())
    (snapshot,) = (orjson.loads(s.model_dump_json(by_alias=True)) for s in theirs.snapshots()[-1:])
    document |= {"snapshots": [snapshot], "current-snapshot-id": snapshot["snapshot-id"]}
    document |= {"refs": {}, "snapshot-log": []}
    file = put(runtime, f"{FACTS}/metadata/00009-x.metadata.json", orjson.dumps(document))
    state = replace(state, metadata_location=f"file://{file}")
    put(runtime, f"{FACTS}/current.json", orjson.dumps(state))


@pytest.mark.parametrize(
    "forge", [other_pointer, other_metadata, climbing_pointer, other_data], ids=lambda f: f.__name__
)
def test_a_pointer_speaks_for_its_own_table_only(
    runtime: Runtime, forge: Callable[[Runtime], None]
) -> None:
    """CL's rows are there once, whatever BR's files say."""
    before = rows_by_country(runtime)
    forge(runtime)
    assert rows_by_country(build_runtime(runtime.platform)) == {"CL": before["CL"]}
    with pytest.raises(WarehouseError):
        write_country_page(runtime, "BR", NOW)


def test_a_marker_speaks_for_its_own_window_only(runtime: Runtime) -> None:
    """One of another country, of another window, or that names another country's table."""
    theirs = runtime.storage.read(f"windows/CL/{BEFORE.key}.json")
    own = runtime.storage.read(f"windows/BR/{BEFORE.key}.json")
    assert theirs is not None
    assert own is not None
    foreign = orjson.loads(own)
    location = "file:///x/tables/storeavail_cl/stores/metadata/1.metadata.json"
    foreign["tables"] = {
        "stores": {"snapshot_id": 1, "sequence_number": 1, "metadata_location": location}
    }
    for window, data in (
        (BEFORE, theirs),
        (BEFORE.next(-1), own),
        (BEFORE, orjson.dumps(foreign)),
    ):
        put(runtime, f"windows/BR/{window.key}.json", data)
        with pytest.raises(MarkerDamaged, match=r"speaks for|is not a table of BR"):
            runtime.markers.read("BR", window)


@pytest.mark.parametrize(
    "path",
    [
        f"landing/CL/{LAST.key}/online_index/a/part-0.parquet",
        f"landing/BR/{LAST.key}/online_index/../../../CL/part-0.parquet",
        f"landing/BR/{LAST.key}/online_index/./part-0.parquet",
        f"landing/BR/{LAST.key}/online_index//part-0.parquet",
        "/etc/passwd",
        f"landing/BR/{LAST.key}/postgres/a/part-0.parquet",
    ],
)
def test_a_manifest_names_its_own_files_only(runtime: Runtime, path: str) -> None:
    """Below its own folder, in every component; nothing else is read, hashed or removed."""
    reading = runtime.landing.find("BR", LAST, "online_index")
    assert reading is not None
    forged = replace(reading, files=(LandedFile("raw_online_index", path, 1, 1, "x"),))
    data = orjson.dumps(MANIFEST.dump_python(forged, by_alias=True))
    put(runtime, f"landing/BR/{LAST.key}/online_index/manifest.json", data)
    with pytest.raises(LandingDamaged, match="it names files that do not lie beside it"):
        runtime.landing.find("BR", LAST, "online_index")


@pytest.mark.parametrize(("key", "value"), [("country", "CL"), ("source", "postgres")])
def test_a_manifest_speaks_for_its_own_reading_only(runtime: Runtime, key: str, value: str) -> None:
    """Country, window and source are those of its path."""
    reading = runtime.landing.find("BR", LAST, "online_index")
    assert reading is not None
    data = orjson.dumps(MANIFEST.dump_python(reading, by_alias=True) | {key: value})
    put(runtime, f"landing/BR/{LAST.key}/online_index/manifest.json", data)
    with pytest.raises(LandingDamaged, match="it speaks for"):
        runtime.landing.find("BR", LAST, "online_index")


def test_a_summary_and_a_silence_speak_for_their_own_country_only(runtime: Runtime) -> None:
    """Another country's summary shows nothing; a silence of a year holds nothing back."""
    theirs = runtime.storage.read("dashboard/CL/summary.json")
    assert theirs is not None
    put(runtime, "dashboard/BR/summary.json", theirs)
    assert read_summary(runtime.storage, "BR") is None
    made = silences.begin(runtime.storage, "BR", NOW, timedelta(hours=1), "why")
    assert silences.current(runtime.storage, "BR", NOW) == [made]
    written = runtime.storage.read("silences/BR.json") or b""
    year = (NOW + timedelta(days=365)).isoformat()
    put(runtime, "silences/BR.json", orjson.dumps(orjson.loads(written) | {"until": year}))
    assert silences.current(runtime.storage, "BR", NOW) == []
