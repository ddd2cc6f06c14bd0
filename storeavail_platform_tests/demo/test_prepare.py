"""What `prepare` leaves on disk and in PostgreSQL, and that it leaves alone what is there."""

from __future__ import annotations

import contextlib
import shutil
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import psycopg2
import pytest

from storeavail_platform import analyst
from storeavail_platform.config import FileIndex, OnlineFlag, Platform, load_platform
from storeavail_platform.demo import FILLED, Demo, postgres_running, prepare, record_live
from storeavail_platform.demo.countries import COUNTRIES
from storeavail_platform.demo.recording import recording_path
from storeavail_platform.domain.errors import SourceRejected
from storeavail_platform.domain.windows import Window
from storeavail_platform.sources.files import FileSource
from storeavail_platform_tests.demo.conftest import NOW

pytestmark = pytest.mark.postgres

INVALID_WEEKLY = {
    "weekday NULL": "weekday IS NULL",
    "weekday below 1": "weekday < 1",
    "weekday above 7": "weekday > 7",
    "no opening": "opens_at IS NULL AND closes_at IS NOT NULL",
    "no closing": "opens_at IS NOT NULL AND closes_at IS NULL",
    "neither": "opens_at IS NULL AND closes_at IS NULL",
    "no store id": "store_id IS NULL",
    "unknown store": "NOT EXISTS (SELECT FROM stores s WHERE s.store_id = h.store_id)",
}
INVALID_STORES = {
    "no store id": "store_id IS NULL",
    "same store twice": (
        "store_id IN (SELECT store_id FROM stores GROUP BY store_id HAVING COUNT(name) >"
        " COUNT(DISTINCT name))"
    ),
    "same id for two stores": (
        "store_id IN (SELECT store_id FROM stores GROUP BY store_id HAVING COUNT(DISTINCT name)"
        " > 1)"
    ),
    "unknown timezone": "NULLIF(timezone, '') NOT IN (SELECT name FROM pg_timezone_names)",
    "blank timezone": "timezone = ''",
    "timezone NULL": "timezone IS NULL",
    "is_active NULL": "is_active IS NULL",
}


def state(home: Path) -> dict[str, tuple[int, bytes]]:
    """Every file of the demo except PostgreSQL's own: when it was written, and what is in it."""
    files = [path for path in home.rglob("*") if path.is_file() and "postgres" not in path.parts]
    return {
        str(path.relative_to(home)): (path.stat().st_mtime_ns, path.read_bytes()) for path in files
    }


@pytest.fixture(scope="module")
def platform(demo: Demo) -> Iterator[Platform]:
    """The demo's configuration, with its PostgreSQL running."""
    with postgres_running(demo.home):
        yield load_platform(str(demo.config_path))


def rows(platform: Platform, code: str, query: str) -> list[tuple[object, ...]]:
    with (
        contextlib.closing(
            psycopg2.connect(platform.country(code).postgres.dsn.resolve())
        ) as database,
        database.cursor() as cursor,
    ):
        cursor.execute(query)
        return cursor.fetchall()


def test_second_call_makes_nothing(demo: Demo) -> None:
    """`make demo` twice: nothing is written again, and the progress starts at the end."""
    before, said = state(demo.home), list[tuple[int, int]]()
    again = prepare(
        demo.home, NOW, hours=1, progress=lambda done, total: said.append((done, total))
    )
    assert demo.made == 3 * 5 + 3
    assert again.made == 0
    assert said == [(18, 18)]
    assert state(demo.home) == before


def test_later_call_only_adds_windows(demo: Demo, tmp_path: Path) -> None:
    """As time goes on windows are added; recorded ones, also one that was made early in its
    window, never change.
    """
    home = tmp_path / "later"
    shutil.copytree(demo.home, home, ignore=shutil.ignore_patterns("postgres"))
    (home / "postgres").mkdir()
    before = state(home)
    later = prepare(home, NOW + timedelta(minutes=15), hours=1)
    after = state(home)
    assert later.windows[-1] == demo.windows[-1].next()
    recordings = {name: content for name, content in before.items() if name.startswith("index/")}
    assert {name: after[name] for name in recordings} == recordings
    added = {f"index/{code}/{demo.windows[-1].next().key}.ndjson" for code in COUNTRIES}
    assert {name for name in after if name.startswith("index/")} - set(recordings) == added


def test_another_home_gets_the_same_data(demo: Demo, tmp_path: Path) -> None:
    """The data is seeded: a recording made elsewhere is equal byte for byte."""
    (tmp_path / "postgres").mkdir()
    (tmp_path / FILLED).touch()
    other = prepare(tmp_path, NOW, hours=0)
    for code in COUNTRIES:
        path = recording_path(other.home, code, other.windows[-1])
        assert path.read_bytes() == recording_path(demo.home, code, other.windows[-1]).read_bytes()


def test_one_country_says_a_status(demo: Demo) -> None:
    """Chile's index has words in an object; read by them, each document says what its flag does."""
    config = load_platform(str(demo.config_path)).country("CL").online_index
    assert isinstance(config, FileIndex)
    assert config.online.field == "listing.status"
    by_flag = config.model_copy(update={"online": OnlineFlag()})
    window = demo.windows[-1]
    found = []
    for settings in (config, by_flag):
        source = FileSource(settings)
        with source.open(window) as snapshot:
            (split,) = snapshot.splits
            found.append([row for batch in source.read(split) for row in batch.to_pylist()])
    assert found[0] == found[1]
    assert {"true", "false", None, "perhaps"} == {row["online"] for row in found[0]}


def test_recordings_say_when_they_were_made(demo: Demo) -> None:
    """Every window has a file that the index source reads, observed in its middle; the one in
    progress not later than now.
    """
    assert demo.windows == tuple(Window.containing(NOW).next(-back) for back in (4, 3, 2, 1, 0))
    for code in COUNTRIES:
        source = FileSource(FileIndex(path=str(demo.home / "index" / code)))
        for window in demo.windows:
            with source.open(window) as snapshot:
                assert window.start <= snapshot.read_at <= NOW
                if window != demo.windows[-1]:
                    assert window.observed_minute(snapshot.read_at) == 7
                assert (
                    sum(batch.num_rows for split in snapshot.splits for batch in source.read(split))
                    > COUNTRIES[code].stores * 0.9
                )


def test_configuration_is_valid_and_stays(demo: Demo, tmp_path: Path) -> None:
    """The file loads whole; every recorded window has a partition; a person's changes to it
    survive the next demo.
    """
    platform = load_platform(str(demo.config_path))
    assert list(platform.countries) == ["BR", "CL", "IN"]
    assert platform.partitions_start < demo.windows[0].start.date()
    assert {country.timezone for country in platform.countries.values()} == {
        each.timezone for each in COUNTRIES.values()
    }
    changed = demo.config_path.read_text() + "# mine\n"
    original = demo.config_path.read_bytes()
    try:
        demo.config_path.write_text(changed)
        prepare(demo.home, NOW, hours=1)
        assert demo.config_path.read_text() == changed
    finally:
        demo.config_path.write_bytes(original)


@pytest.mark.parametrize("code", COUNTRIES)
def test_postgres_holds_the_stores(platform: Platform, code: str) -> None:
    """Every simulated store and its hours are in the country's database, those on the default
    schema's columns.
    """
    distinct = (
        "SELECT COUNT(DISTINCT store_id), COUNT(DISTINCT city), COUNT(DISTINCT brand) FROM stores"
    )
    country = COUNTRIES[code]
    assert rows(platform, code, distinct) == [
        (country.stores, len(country.cities), len(country.brands))
    ]
    assert rows(
        platform, code, "SELECT COUNT(*) > 0 FROM store_weekly_hours WHERE closes_at = '24:00'"
    ) == [(True,)]
    special = (
        "SELECT COUNT(DISTINCT store_id) FROM store_special_hours WHERE business_date BETWEEN"
        " '2026-11-20' AND '2026-11-26'"
    )
    assert rows(platform, code, special)[0][0] != 0


@pytest.mark.parametrize("code", COUNTRIES)
def test_every_kind_of_dirty_row_is_there(platform: Platform, code: str) -> None:
    """Each kind of bad row that the tables name, so that the demo shows what becomes of it."""
    for kind, condition in INVALID_STORES.items():
        assert rows(platform, code, f"SELECT COUNT(*) > 0 FROM stores WHERE {condition}") == [
            (True,)
        ], kind
    for kind, condition in INVALID_WEEKLY.items():
        assert rows(
            platform, code, f"SELECT COUNT(*) > 0 FROM store_weekly_hours h WHERE {condition}"
        ) == [(True,)], kind
    beside = (
        "SELECT COUNT(*) FROM (SELECT 1 FROM store_special_hours WHERE business_date = '2026-11-23'"
        " GROUP BY store_id HAVING BOOL_OR(opens_at IS NULL) AND BOOL_OR(opens_at IS NOT NULL)) q"
    )
    assert rows(platform, code, beside) == [(1,)]
    one_end = (
        "SELECT COUNT(*) FROM store_special_hours WHERE business_date = '2026-11-23' AND opens_at"
        " IS NULL <> (closes_at IS NULL)"
    )
    assert rows(platform, code, one_end) == [(1,)]


def test_role_can_only_read_its_own_country(platform: Platform) -> None:
    """The demo shows the isolation that real countries have: a country's role writes nothing
    and enters no other database.
    """
    with pytest.raises(psycopg2.errors.InsufficientPrivilege):
        rows(platform, "BR", "DELETE FROM stores")
    elsewhere = platform.country("BR").postgres.dsn.resolve().replace("stores_br", "stores_cl")
    with pytest.raises(psycopg2.OperationalError, match="permission denied"):
        psycopg2.connect(elsewhere)


def test_analysts_have_a_role_of_their_own(platform: Platform) -> None:
    """Notebooks reach the demo's raw databases, as another user than the platform, who can only
    read.
    """
    analyst.connect(platform.origin)
    (row,) = analyst.raw.postgres(
        "BR", "SELECT current_user AS who, COUNT(*) > 1000 AS many FROM stores"
    ).to_pylist()
    assert row == {"who": "analyst_br", "many": True}
    with pytest.raises(SourceRejected):
        analyst.raw.postgres("BR", "DELETE FROM stores")


def test_live_recording_is_made_before_schedules_fire(tmp_path: Path) -> None:
    """Schedules fire in the seventh minute: a minute before, not earlier, every country's
    recording is made.
    """
    window = Window.containing(NOW)
    stop = threading.Event()
    stop.set()
    record_live(tmp_path, stop, clock=lambda: window.start + timedelta(minutes=5, seconds=59))
    assert not list(tmp_path.iterdir())
    record_live(tmp_path, stop, clock=lambda: window.start + timedelta(minutes=6, seconds=1))
    assert sorted(
        path.relative_to(tmp_path / "index").parent.name for path in tmp_path.rglob("*.ndjson")
    ) == ["BR", "CL", "IN"]
    assert not list(tmp_path.rglob("*.draft"))
    with FileSource(FileIndex(path=str(tmp_path / "index" / "IN"))).open(window) as snapshot:
        assert snapshot.read_at == window.start + timedelta(minutes=6, seconds=1)
