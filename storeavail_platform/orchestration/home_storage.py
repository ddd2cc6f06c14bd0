"""Dagster's databases in a home on one machine, at less cost than its own storages for SQLite.

Those make an engine and a connection for each statement, wait for the disk at each commit, and have
Alembic read all its revisions when they are opened and for each run's file. Here a process has one
engine a database, what is made before is only looked at, and a commit waits for no disk: a machine
that stops loses the last moments, a process that is killed loses nothing, and no database is
damaged (`synchronous=NORMAL` of SQLite's write-ahead log).

The files and tables are those of Dagster's own storages, so that every release, and whatever else
opens a home by its `dagster.yaml`, reads what another has written.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import dagster as dg
import sqlalchemy as db
import yaml
from dagster._core.events.log import EventLogEntry
from dagster._core.instance.ref import InstanceRef
from dagster._core.storage.event_log.sqlite.sqlite_event_log import SqliteEventLogStorage
from dagster._core.storage.runs.sqlite.sqlite_run_storage import SqliteRunStorage
from dagster._core.storage.schedules.sqlite.sqlite_schedule_storage import SqliteScheduleStorage
from dagster._core.storage.sqlite import SQLITE_BUSY_TIMEOUT_SECONDS, create_db_conn_string
from dagster._core.storage.sqlite_storage import DagsterSqliteStorage
from dagster._serdes import ConfigurableClassData
from sqlalchemy.exc import DisconnectionError

SETTINGS = "dagster.yaml"
STORAGES = {"storage", "run_storage", "event_log_storage", "schedule_storage"}
"""The settings of a home that has storages of its own, such as PostgreSQL."""
ENGINES_KEPT = 64
"""Each run has a database: those that were not used for longest are left."""
EMPTY_RUN = f".empty-run-{dg.__version__}"
"""A run's database without events, beside those of runs: they begin as copies of it."""

_engines: dict[str, db.Engine] = {}
_lock = threading.Lock()
_of_parent: list[db.Engine] = []
"""SQLite forbids that a process uses, or closes, connections that it has of its parent."""


def open_home(home: Path) -> dg.DagsterInstance:
    """Dagster's instance of a home."""
    return dg.DagsterInstance.from_ref(home_ref(home))


def home_ref(home: Path) -> InstanceRef:
    """What a process needs to open a home: by the storages of this module, unless the home's
    settings name others.
    """
    settings = home / SETTINGS
    said = yaml.safe_load(settings.read_text(encoding="utf-8")) if settings.exists() else None
    if STORAGES & (said or {}).keys():
        return InstanceRef.from_dir(str(home))
    storage = {
        "module": HomeStorage.__module__,
        "class": HomeStorage.__name__,
        "config": {"base_dir": str(home)},
    }
    return InstanceRef.from_dir(str(home), overrides={"storage": {"custom": storage}})


@contextlib.contextmanager
def connected(address: str) -> Iterator[db.Connection]:
    """A transaction in the database at an address, `sqlite:///PATH`."""
    with _engine_of(address).begin() as connection:
        yield connection


def _engine_of(address: str) -> db.Engine:
    with _lock:
        engine = _engines.pop(address, None) or _engine(address)
        _engines[address] = engine
        if len(_engines) > ENGINES_KEPT:
            _engines.pop(next(iter(_engines))).dispose()
        return engine


def _engine(address: str) -> db.Engine:
    engine = db.create_engine(
        address, max_overflow=-1, connect_args={"timeout": SQLITE_BUSY_TIMEOUT_SECONDS}
    )
    path = str(engine.url.database)

    def begin(connection: sqlite3.Connection, record: Any) -> None:
        connection.execute("PRAGMA synchronous=NORMAL")
        record.info["file"] = _file(path)

    def look(connection: sqlite3.Connection, record: Any, _: Any) -> None:
        # a home that was lost is made anew below the processes that have it open
        if record.info["file"] != _file(path):
            raise DisconnectionError(f"{path} is another file than it was")

    db.event.listen(engine, "connect", begin)
    db.event.listen(engine, "checkout", look)
    return engine


def _file(path: str) -> tuple[int, int] | None:
    """Which file a path names; None: none."""
    try:
        found = Path(path).stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


def _begin_anew() -> None:
    """What a forked process begins with."""
    global _lock
    _of_parent.extend(_engines.values())
    _engines.clear()
    _lock = threading.Lock()


os.register_at_fork(after_in_child=_begin_anew)


def is_made(address: str) -> bool:
    """Whether a database has its tables: Dagster notes last which revision they have."""
    if _file(str(db.make_url(address).database)) is None:
        return False
    with connected(address) as connection:
        if not db.inspect(connection).has_table("alembic_version"):
            return False
        return connection.scalar(db.text("SELECT version_num FROM alembic_version")) is not None


class HomeRuns(SqliteRunStorage):
    """Runs and their tags."""

    @classmethod
    def from_local(cls, base_dir: str, inst_data: ConfigurableClassData | None = None) -> HomeRuns:
        address = create_db_conn_string(base_dir, "runs")
        if is_made(address):
            return cls(address, inst_data)
        return super().from_local(base_dir, inst_data)

    def __init__(self, conn_string: str, inst_data: ConfigurableClassData | None = None) -> None:
        super().__init__(conn_string, inst_data)
        self._built: set[str] = set()

    @contextlib.contextmanager
    def connect(self) -> Iterator[db.Connection]:
        with connected(self._conn_string) as connection:
            yield connection

    def has_built_index(self, migration_name: str) -> bool:
        return _remembered(self._built, migration_name, super().has_built_index)


class HomeSchedules(SqliteScheduleStorage):
    """Schedules, sensors and their ticks."""

    @classmethod
    def from_local(
        cls, base_dir: str, inst_data: ConfigurableClassData | None = None
    ) -> HomeSchedules:
        address = create_db_conn_string(base_dir, "schedules")
        if is_made(address):
            return cls(address, inst_data)
        return cast(HomeSchedules, super().from_local(base_dir, inst_data))

    def __init__(self, conn_string: str, inst_data: ConfigurableClassData | None = None) -> None:
        super().__init__(conn_string, inst_data)
        self._built: set[str] = set()

    @contextlib.contextmanager
    def connect(self) -> Iterator[db.Connection]:
        with connected(self._conn_string) as connection:
            yield connection

    def has_built_index(self, migration_name: str) -> bool:
        return _remembered(self._built, migration_name, super().has_built_index)


class HomeEvents(SqliteEventLogStorage):
    """Events: a database a run, and an index over all runs."""

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        self._built: set[str] = set()
        self._thread = threading.local()
        super().__init__(base_dir, inst_data)
        # a thread has a run's database and the index at once
        self._db_lock = threading.RLock()  # type: ignore[assignment]  # Dagster's is not reentrant

    def store_event(self, event: EventLogEntry) -> None:
        with self._in_one_transaction():
            super().store_event(event)

    def store_event_batch(self, events: Sequence[EventLogEntry]) -> None:
        with self._in_one_transaction():
            super().store_event_batch(events)

    @contextlib.contextmanager
    def _in_one_transaction(self) -> Iterator[None]:
        """Have whatever this thread stores in a database within the context committed at once."""
        if getattr(self._thread, "opened", None) is not None:
            yield
            return
        with contextlib.ExitStack() as stack:
            self._thread.stack, self._thread.opened = stack, {}
            try:
                yield
            finally:
                self._thread.opened = None

    @contextlib.contextmanager
    def _connect(self, shard: str) -> Iterator[db.Connection]:
        opened = getattr(self._thread, "opened", None)
        if opened is None:
            with self._connect_once(shard) as connection:
                yield connection
            return
        if shard not in opened:
            opened[shard] = self._thread.stack.enter_context(self._connect_once(shard))
        yield opened[shard]

    @contextlib.contextmanager
    def _connect_once(self, shard: str) -> Iterator[db.Connection]:
        address = self.conn_string_for_shard(shard)
        with self._db_lock:
            if shard not in self._initialized_dbs:
                self._make(shard, address)
                self._initialized_dbs.add(shard)
            with connected(address) as connection:
                yield connection

    def _make(self, shard: str, address: str) -> None:
        path = Path(self.path_for_shard(shard))
        if not path.exists():
            # linked, so that of processes that begin at once one makes it, and whole
            with tempfile.TemporaryDirectory(prefix=".", dir=path.parent) as folder:
                draft = Path(folder) / path.name
                shutil.copyfile(self._empty_run(), draft)
                with contextlib.suppress(FileExistsError):
                    path.hardlink_to(draft)
        elif not is_made(address):
            self._initdb(_engine_of(address))

    def _empty_run(self) -> Path:
        path = Path(self._base_dir) / EMPTY_RUN
        if not path.exists():
            with tempfile.TemporaryDirectory(prefix=".", dir=path.parent) as folder:
                draft = Path(folder) / "run.db"
                engine = db.create_engine(f"sqlite:///{draft}")
                self._initdb(engine)
                engine.dispose()
                draft.replace(path)
        return path

    def has_secondary_index(self, name: str) -> bool:
        return _remembered(self._built, name, super().has_secondary_index)


def _remembered(built: set[str], name: str, ask: Any) -> bool:
    """Whether an index is built, which it stays."""
    if name not in built and ask(name):
        built.add(name)
    return name in built


class HomeStorage(DagsterSqliteStorage):
    """All that Dagster stores of a home."""

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        super(DagsterSqliteStorage, self).__init__()  # type: ignore[no-untyped-call]  # Dagster gives it no types
        self.base_dir = base_dir
        self._inst_data = inst_data
        self._run_storage = HomeRuns.from_local(f"{base_dir}/history/")
        self._event_log_storage = HomeEvents(f"{base_dir}/history/runs/")
        self._schedule_storage = HomeSchedules.from_local(f"{base_dir}/schedules")

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]
    ) -> HomeStorage:
        return cls(inst_data=inst_data, **config_value)
