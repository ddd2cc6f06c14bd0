"""Small JSON files of another release: what this one does not know is no obstacle."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest

from storeavail_platform.alerting.alerts import Alert
from storeavail_platform.alerting.notify import OpenAlert, State, ToTell, read_state, replace_state
from storeavail_platform.config import load_text
from storeavail_platform.dashboard.summaries import read_summary
from storeavail_platform.domain.alert_kinds import Cause, Kind
from storeavail_platform.domain.errors import LandingDamaged, StoreAvailError, WarehouseError
from storeavail_platform.domain.windows import Window
from storeavail_platform.orchestration.emr.staging import Batch
from storeavail_platform.reading import silences
from storeavail_platform.reading.analyst.audit import audited, entries
from storeavail_platform.storage.local import LocalStorage, Storage
from storeavail_platform.warehouse.catalog import Committed, Warehouse
from storeavail_platform.warehouse.landing import Landing
from storeavail_platform.warehouse.markers import Figures, Marker, Markers

NOW = datetime(2026, 11, 23, 10, 22, tzinfo=UTC)
WINDOW = Window.parse("2026-11-23T1015")
ALERT = Alert(Kind.RUN_FAILED, "BR", "a run failed", NOW, Cause.DISK_FULL, window=WINDOW.key)
STATE = State(
    watched_since=NOW,
    alerts={ALERT.key: OpenAlert(ALERT, {"log": NOW})},
    to_tell=[ToTell(["log"], resolved=replace(ALERT, scope="other"))],
)
CONFIG = (
    "countries: {BR: {timezone: UTC, postgres: {dsn: 'env:DSN'}, online_index: {path: ./x.ndjson}}}"
)


@dataclass(frozen=True)
class Kept:
    """A kind of file: how it is written, where it lies then, how it is read, what is optional."""

    write: Callable[[Storage], object]
    path: str
    read: Callable[[Storage], Any]
    optional: tuple[str, ...] = ()
    error: type[StoreAvailError] = WarehouseError


def pointers(storage: Storage) -> Warehouse:
    return Warehouse(load_text(CONFIG, base=Path(), origin="test.yaml"), storage)


def write_pointer(storage: Storage) -> None:
    warehouse = pointers(storage)
    state = Committed(5, 7, "file:///x/7.metadata.json")
    warehouse.pointers.advance(warehouse.location("BR", "things"), state)


def write_marker(storage: Storage) -> None:
    figures = Figures(1, 2, 3, 4, 5, 6, 7, suspect=False)
    location = "file:///x/tables/storeavail_br/things/metadata/0.metadata.json"
    tables = {"things": Committed(None, 0, location)}
    Markers(storage).write(Marker("BR", WINDOW.key, "run", NOW, NOW, figures, tables))


def write_manifest(storage: Storage) -> None:
    Landing(storage).record("BR", WINDOW, "online_index", {"is_observed": False}, read_at=NOW)


def write_audit(storage: Storage) -> None:
    with audited(storage, "sql", "SELECT 1") as entry:
        entry.at = NOW.isoformat()
    (day,) = storage.names("audit")
    (name,) = storage.names(f"audit/{day}")
    data = storage.read(f"audit/{day}/{name}")
    assert data is not None
    storage.replace("audit/2026-11-23/entry.json", data)


SINCE_LAYOUT_2 = (
    "active_stores",
    "weekly_hours_share",
    "rogue_share",
    "no_hours_share",
    "coverage_without_edge",
    "stores_with_problem",
    "hours_with_problem",
    "documents_with_problem",
    "stores_asked",
    "stores_confirmed",
    "stores_contradicted",
)
"""Figures of a marker that 0.2.0 does not know: it has no business in a warehouse of layout 2."""
FILES = {
    "pointer": Kept(
        write_pointer,
        "tables/storeavail_br/things/current.json",
        lambda storage: pointers(storage).pointer("BR", "things"),
    ),
    "marker": Kept(
        write_marker,
        f"windows/BR/{WINDOW.key}.json",
        lambda storage: Markers(storage).read("BR", WINDOW),
        (
            "figures.listed",
            "figures.missing_share",
            "figures.suspect_reason",
            *(f"figures.{name}" for name in SINCE_LAYOUT_2),
        ),
    ),
    "manifest": Kept(
        write_manifest,
        f"landing/BR/{WINDOW.key}/online_index/manifest.json",
        lambda storage: Landing(storage).find("BR", WINDOW, "online_index"),
        error=LandingDamaged,
    ),
    "alerts": Kept(
        lambda storage: replace_state(storage, "BR", STATE),
        "alerts/BR.json",
        lambda storage: read_state(storage, "BR", NOW),
        (
            *("failures", "newest", "failed_until", "judged_at", "gaps"),
            *(f"alerts.{ALERT.key}.{name}" for name in ("size", "worse_at", "held_by")),
            *(f"alerts.{ALERT.key}.alert.{name}" for name in ("city", "brand", "size", "beside")),
        ),
    ),
    "silence": Kept(
        lambda storage: silences.begin(storage, "BR", NOW, timedelta(hours=1), "why"),
        "silences/BR.json",
        lambda storage: silences.read(storage, "BR"),
        ("ended_at", "city", "brand", "store", "alert", "narrower"),
    ),
    "audit": Kept(
        write_audit,
        "audit/2026-11-23/entry.json",
        lambda storage: list(entries(storage, NOW.date())),
        ("country", "rows", "error"),
    ),
}


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    return LocalStorage(tmp_path)


def loaded(storage: Storage, path: str) -> Any:
    data = storage.read(path)
    assert data is not None
    return orjson.loads(data)


def with_new_keys(found: Any) -> Any:
    """The same with a key that no release knows in every object."""
    if isinstance(found, dict):
        return {**{key: with_new_keys(item) for key, item in found.items()}, "of_later": {"x": [1]}}
    return [with_new_keys(item) for item in found] if isinstance(found, list) else found


@pytest.mark.parametrize("name", [name for name in FILES if name not in ("marker", "alerts")])
def test_a_key_that_is_not_known_is_ignored(storage: Storage, name: str) -> None:
    """A later release may write more: what is known of it reads as before."""
    kept = FILES[name]
    kept.write(storage)
    before = kept.read(storage)
    document = loaded(storage, kept.path)
    facts = document.get("facts")
    document = with_new_keys(document)
    # a manifest's facts are whatever its reader found out: they are kept as they are
    document |= {} if facts is None else {"facts": facts}
    storage.replace(kept.path, orjson.dumps(document))
    assert kept.read(storage) == before


def test_a_key_that_is_not_known_is_ignored_inside_a_marker(storage: Storage) -> None:
    """In the marker itself, its figures, and each of its tables' states."""
    kept = FILES["marker"]
    kept.write(storage)
    before = kept.read(storage)
    document = loaded(storage, kept.path)
    tables = {name: with_new_keys(state) for name, state in document["tables"].items()}
    document = with_new_keys(document) | {"tables": tables}
    storage.replace(kept.path, orjson.dumps(document))
    assert kept.read(storage) == before


def test_an_alert_of_a_kind_that_is_not_known_is_forgotten(storage: Storage) -> None:
    """It can be judged by nobody here; the others stay, with all their new keys; a new cause is
    `unknown`.
    """
    kept = FILES["alerts"]
    kept.write(storage)
    before = kept.read(storage)
    document = loaded(storage, kept.path)
    of_later = with_new_keys(document["alerts"][ALERT.key])
    of_later["alert"] |= {"kind": "of_later"}
    renamed = with_new_keys(document["alerts"][ALERT.key])
    renamed["told"].pop("of_later")
    renamed["alert"] |= {"cause": "moon"}
    document |= {
        "alerts": {ALERT.key: renamed, "BR/of_later/": of_later},
        "to_tell": [*document["to_tell"], {"channels": ["log"], "resolved": of_later["alert"]}],
        "of_later": 1,
    }
    storage.replace(kept.path, orjson.dumps(document))
    alert = replace(ALERT, cause=Cause.UNKNOWN)
    assert kept.read(storage) == replace(before, alerts={ALERT.key: OpenAlert(alert, {"log": NOW})})


@pytest.mark.parametrize("name", [name for name in FILES if FILES[name].optional])
def test_an_optional_key_may_be_missing(storage: Storage, name: str) -> None:
    """An earlier release wrote less: it reads as None, or as nothing of the kind."""
    kept = FILES[name]
    kept.write(storage)
    before = kept.read(storage)
    document = loaded(storage, kept.path)
    for path in kept.optional:
        *parents, last = path.split(".")
        place = document
        for key in parents:
            place = place[key]
        del place[last]
    storage.replace(kept.path, orjson.dumps(document))
    assert kept.read(storage) == before


def test_the_alerts_of_the_last_release_go_on(storage: Storage) -> None:
    """Who was told of what is known; what this release does not keep any more is left out."""
    alert = {
        "kind": "freshness_warn", "country": "BR", "what": "late", "since": "2026-11-23T10:07:00Z",
        "cause": "run lost", "scope": "", "window": WINDOW.key, "run_id": None, "hint": None,
    }  # fmt: skip
    document = {
        "watched_since": "2026-11-20T00:00:00Z",
        "observed": {"window": WINDOW.key, "observed_at": "2026-11-23T10:07:00Z"},
        "failures": [],
        "seen": {"observed": [WINDOW.key], "gaps": []},
        "alerts": {"BR/freshness_warn/": {"alert": alert, "told": {"log": "2026-11-23T10:27:00Z"}}},
        "to_tell": [],
        "silenced": "2026-11-23T10:00:00Z",
    }
    storage.replace("alerts/BR.json", orjson.dumps(document))
    (entry,) = read_state(storage, "BR", NOW).alerts.values()
    assert (entry.alert.key, entry.told) == (
        "BR/freshness_warn/",
        {"log": datetime(2026, 11, 23, 10, 27, tzinfo=UTC)},
    )


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("data", [b"{", b"[]", b"{}", b"\xff\x00", b"null"])
def test_what_lacks_the_essential_is_a_clear_error(
    storage: Storage, name: str, data: bytes
) -> None:
    """Nothing is guessed: the error names the file, and says what to do."""
    kept = FILES[name]
    storage.replace(kept.path, data)
    with pytest.raises(kept.error, match=rf"{kept.path}.* cannot be understood .*; `?\w+"):
        kept.read(storage)
    assert storage.read(kept.path) == data


def test_every_figure_that_may_be_missing_has_a_default() -> None:
    """What a window's figures can do without is what their type says may be None."""
    optional = {field.name for field in fields(Figures) if field.default is None}
    assert optional == {name.removeprefix("figures.") for name in FILES["marker"].optional}


SHARES = {"availability": 0.5, "coverage": None, "before": {"availability": None}}
SUMMARY = {
    "version": 1,
    "country": "BR",
    "timezone": "America/Sao_Paulo",
    "observed_at": None,
    "next_at": "2026-11-23T10:37:00Z",
    "objective": 0.98,
    "warn_seconds": 1500,
    "fail_seconds": 2700,
    "periods": {"now": SHARES, "24h": SHARES},
    "stores": {"missing": 1, "rogue": 0},
    "outages": 1,
    "suspect": None,
    "waiting": [],
    "gaps": [],
}


def test_a_pages_summary_may_have_new_keys(storage: Storage) -> None:
    """The overview is made of the keys it knows, as long as the summary's version is the same."""
    storage.replace("dashboard/BR/summary.json", orjson.dumps(with_new_keys(SUMMARY)))
    assert read_summary(storage, "BR") is not None
    storage.replace("dashboard/BR/summary.json", orjson.dumps({**SUMMARY, "version": 2}))
    assert read_summary(storage, "BR") is None


def test_a_steps_events_may_have_new_keys_and_no_problem() -> None:
    """What travels between a launcher and a cluster of another release is read as far as it is
    known.
    """
    document = orjson.loads(Batch([], is_last=True, problem="lost").encode()) | {"of_later": 1}
    assert Batch.decode(orjson.dumps(document)) == Batch([], is_last=True, problem="lost")
    del document["problem"]
    assert Batch.decode(orjson.dumps(document)) == Batch([], is_last=True)


KEYS = {
    "pointer": "metadata_location sequence_number snapshot_id",
    "marker": (
        "completed_at country figures figures.available_minutes figures.expected_minutes"
        " figures.listed figures.missing_minutes figures.missing_share figures.rogue_minutes"
        " figures.stores_missing figures.stores_rogue figures.suspect figures.suspect_reason"
        f" figures.unknown_minutes figures.{' figures.'.join(SINCE_LAYOUT_2)} observed_at run_id tables tables.things"
        " tables.things.metadata_location tables.things.sequence_number tables.things.snapshot_id"
        " window failed_checks"
    ),
    "manifest": "attempt country facts facts.is_observed files landed_at read_at source window",
    "alerts": (
        "alerts alerts.* alerts.*.alert alerts.*.alert.cause alerts.*.alert.country"
        " alerts.*.alert.kind alerts.*.alert.run_id alerts.*.alert.scope alerts.*.alert.since"
        " alerts.*.alert.what alerts.*.alert.window alerts.*.told alerts.*.told.log failures"
        " to_tell watched_since"
        # since layout 2, which 0.1.0 does not go back to; `observed`, `silenced` and `seen` are found
        # again by the release that reads them
        " alerts.*.alert.hint alerts.*.alert.city alerts.*.alert.brand alerts.*.alert.size"
        " alerts.*.alert.beside alerts.*.size alerts.*.worse_at alerts.*.held_by failed_until"
        " judged_at gaps newest"
    ),
    # what names a scope since layout 2: another release takes none of these for the country's
    "silence": "ended_at made_at reason until who city brand store alert narrower",
    # the last since layout 2; no release reads the log to go on
    "audit": "at country error kind rows seconds what who sha256",
}
"""What 0.1.0 writes and reads. It refuses a pointer, marker or manifest with any other key."""


def paths(found: Any, above: str = "") -> set[str]:
    """Every key of a document with those above it."""
    if not isinstance(found, dict):
        return set()
    here = {key: f"{above}{key}".replace(ALERT.key, "*") for key in found}
    return set(here.values()).union(*(paths(found[key], f"{here[key]}.") for key in found))


@pytest.mark.parametrize("name", FILES)
def test_keys_are_those_of_the_release_before(storage: Storage, name: str) -> None:
    """A key that is renamed or left out is lost to the other release; one that is new stops
    0.1.0 wherever that is the release to go back to.
    """
    FILES[name].write(storage)
    assert sorted(paths(loaded(storage, FILES[name].path))) == sorted(KEYS[name].split())
