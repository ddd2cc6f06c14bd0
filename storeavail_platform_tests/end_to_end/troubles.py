"""What an operator can meet in a night: how it comes about, by real means, and the words that are
said of it. What is held of each is in `test_words_of_nights.py`.
"""

from __future__ import annotations

import contextlib
import json
import os
import pwd
import shutil
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from dagster import DagsterInstance, DagsterRun, DagsterRunStatus
from dagster._core.definitions.reconstruct import ReconstructableJob

from storeavail_platform.alerting.failed_runs import cause_of
from storeavail_platform.config import load_platform
from storeavail_platform.domain.alert_kinds import Cause
from storeavail_platform.domain.errors import StoreAvailError
from storeavail_platform.orchestration.build import restored_window_job
from storeavail_platform.orchestration.execute import execute
from storeavail_platform.orchestration.jobs import window_tags
from storeavail_platform.orchestration.launch import Work
from storeavail_platform.orchestration.processes import RunProcess
from storeavail_platform.orchestration.runs import failure_of
from storeavail_platform.pipeline.runtime import build_runtime
from storeavail_platform.warehouse.layout import layout_of
from storeavail_platform_tests.end_to_end.nights import NEXT, STORE_ROWS, WINDOWS, Night
from storeavail_testing.disk import fill, small_disk
from storeavail_testing.http_server import QuietHandler, http_server
from storeavail_testing.processes import SERVICE_USER

FACTS = "store_availability"
NOBODY_THERE = "127.0.0.1:1"
CLUSTER = {"cluster_name": "c", "cluster_uuid": "u", "tagline": "You Know, for Search"}
Said = tuple[int, str]
"""An exit code, and what was printed."""


@dataclass
class Trouble:
    """A company in trouble.

    Attributes:
        ending: what puts right what is not of the warehouse's folder.
        cause: the likely cause that the alert of the last run that failed names.
    """

    night: Night
    monkeypatch: pytest.MonkeyPatch
    ending: contextlib.ExitStack
    is_nobody: bool = False
    cause: Cause | None = None

    @property
    def warehouse(self) -> Path:
        return self.night.warehouse

    @property
    def home(self) -> Path:
        return self.warehouse / "dagster"

    @property
    def config(self) -> Path:
        return self.night.world.config

    def configure(self, *changes: tuple[str, str]) -> None:
        """Change the text of the configuration."""
        text = self.config.read_text()
        for old, new in changes:
            assert old in text, old
            text = text.replace(old, new)
        self.config.write_text(text)

    def index(self, setting: str) -> None:
        self.configure(("{path: ./index/BR}", setting))

    def database(self, sql: str) -> None:
        """Have the country read a database of its own, in which SQL was run."""
        server = self.night.world.postgres
        dsn = server.create("trouble")
        server.execute("trouble", f"{STORE_ROWS}{sql}")
        self.monkeypatch.setenv("BR_DSN", dsn)

    def metadata(self) -> Path:
        """The newest metadata file of the facts."""
        pointer = self.night.runtime().warehouse.pointer("BR", FACTS)
        assert pointer is not None
        return Path(pointer.metadata_location.removeprefix("file://"))

    def command(self, *arguments: str) -> Said:
        """Run `storeavail` in this process."""
        with as_nobody() if self.is_nobody else contextlib.nullcontext():
            return self.night.command(*arguments)

    def run(self, *windows: Any) -> Said:
        """What `storeavail run` does with a window, in this process instead of one of its own."""
        # a process of its own would not know the job of the night before
        for known in (
            restored_window_job,
            ReconstructableJob.get_definition,
            ReconstructableJob.get_repository_definition,
        ):
            known.cache_clear()
        with as_nobody() if self.is_nobody else contextlib.nullcontext():
            try:
                platform = load_platform(str(self.config))
                layout_of(build_runtime(platform).storage)
                outcomes = list(execute(platform, Work("BR", list(windows))))
            except StoreAvailError as error:
                return 1, f"error: {error}"
        for outcome in outcomes:
            if outcome.run_id is not None and outcome.reason is not None:
                self.cause = self._cause_of(outcome.run_id)
        reasons = [outcome.reason for outcome in outcomes if outcome.reason is not None]
        return min(1, len(reasons)), "\n".join(reasons)

    def _cause_of(self, run_id: str) -> Cause:
        with DagsterInstance.from_config(str(self.home)) as instance:
            failure = failure_of(instance, run_id)
        return cause_of(failure.error, failure.message)


@contextlib.contextmanager
def as_nobody() -> Iterator[None]:
    """Have this process only the rights of a user to whom nothing belongs."""
    os.seteuid(pwd.getpwnam(SERVICE_USER).pw_uid)
    try:
        yield
    finally:
        os.seteuid(0)


@dataclass(frozen=True)
class Kind:
    """A kind of trouble.

    Attributes:
        make: brings it about.
        commands: what is typed then.
        said: exit code and words, by command; of those that are not named only that they are no
            traceback.
        cause: that the alert of a failed run names; None: no run begins, or it completes.
    """

    make: Callable[[Trouble], None]
    commands: Sequence[str]
    said: Mapping[str, Said] = field(default_factory=dict)
    cause: Cause | None = None


def catalog_gone(trouble: Trouble) -> None:
    (trouble.warehouse / "catalog.db").unlink()


def catalog_overwritten(trouble: Trouble) -> None:
    (trouble.warehouse / "catalog.db").write_bytes(b"x" * 5000)


def catalog_cut(trouble: Trouble) -> None:
    catalog = trouble.warehouse / "catalog.db"
    catalog.write_bytes(catalog.read_bytes()[:5000])


def half_metadata(trouble: Trouble) -> None:
    file = trouble.metadata()
    file.write_bytes(file.read_bytes()[:500])


def half_pointer(trouble: Trouble) -> None:
    (trouble.night.table(FACTS) / "current.json").write_bytes(b'{"metadata_loc')


def half_manifests(trouble: Trouble) -> None:
    for file in (trouble.night.table(FACTS) / "metadata").glob("*.avro"):
        file.write_bytes(file.read_bytes()[:100])


def data_gone(trouble: Trouble) -> None:
    next((trouble.night.table(FACTS) / "data" / WINDOWS[1].key).rglob("*.parquet")).unlink()


def data_cut(trouble: Trouble) -> None:
    file = next((trouble.night.table(FACTS) / "data" / WINDOWS[1].key).rglob("*.parquet"))
    file.write_bytes(file.read_bytes()[:200])


def table_gone(trouble: Trouble) -> None:
    shutil.rmtree(trouble.night.table(FACTS))


def half_marker(trouble: Trouble) -> None:
    (trouble.warehouse / "windows" / "BR" / f"{WINDOWS[-1]}.json").write_bytes(b'{"country": "BR')


def half_silence(trouble: Trouble) -> None:
    folder = trouble.warehouse / "silences"
    folder.mkdir()
    (folder / "BR.json").write_bytes(b'{"until": "2026')


def half_trust(trouble: Trouble) -> None:
    folder = trouble.warehouse / "trust"
    folder.mkdir(exist_ok=True)
    (folder / "BR.json").write_bytes(b"{")


def half_losses(trouble: Trouble) -> None:
    folder = trouble.warehouse / "losses"
    folder.mkdir(exist_ok=True)
    (folder / "BR.json").write_bytes(b"{")


def half_layout(trouble: Trouble) -> None:
    (trouble.warehouse / "warehouse.json").write_bytes(b'{"lay')


def later_layout(trouble: Trouble) -> None:
    (trouble.warehouse / "warehouse.json").write_bytes(b'{"layout": 99}')


def earlier_layout(trouble: Trouble) -> None:
    (trouble.warehouse / "warehouse.json").write_bytes(b'{"layout": 1}')


def half_manifest_of_landing(trouble: Trouble) -> None:
    landed = trouble.warehouse / "landing" / "BR" / WINDOWS[-1].key
    for manifest in landed.rglob("manifest.json"):
        manifest.write_bytes(b"{")


def warehouse_gone(trouble: Trouble) -> None:
    shutil.rmtree(trouble.warehouse)


def warehouse_a_file(trouble: Trouble) -> None:
    shutil.rmtree(trouble.warehouse)
    trouble.warehouse.write_bytes(b"")
    trouble.ending.callback(lambda: trouble.warehouse.unlink(missing_ok=True))


def disk_full(trouble: Trouble) -> None:
    _on_a_small_disk(trouble)
    fill(trouble.warehouse / "filler")


def temporary_files_full(trouble: Trouble) -> None:
    folder = trouble.night.world.folder / "temporary"
    if not trouble.ending.enter_context(small_disk(folder, "1m")):
        pytest.skip("a small disk is made by mounting one, which needs root")
    fill(folder / "filler")
    trouble.monkeypatch.setenv("TMPDIR", str(folder))


def read_only_disk(trouble: Trouble) -> None:
    _on_a_small_disk(trouble)
    command = ["mount", "-o", "remount,ro", str(trouble.warehouse)]
    subprocess.run(command, check=True)


def _on_a_small_disk(trouble: Trouble) -> None:
    shutil.rmtree(trouble.warehouse)
    if not trouble.ending.enter_context(small_disk(trouble.warehouse, "60m")):
        pytest.skip("a small disk is made by mounting one, which needs root")
    shutil.copytree(trouble.night.pristine, trouble.warehouse, dirs_exist_ok=True)


def not_ones_own(trouble: Trouble) -> None:
    if os.geteuid() != 0:
        pytest.skip("another user's rights are those of root alone")
    trouble.is_nobody = True


def not_readable(trouble: Trouble) -> None:
    not_ones_own(trouble)
    trouble.warehouse.chmod(0o700)


def postgres_down(trouble: Trouble) -> None:
    trouble.monkeypatch.setenv("BR_DSN", f"postgresql://app:x@{NOBODY_THERE}/stores")


def postgres_password(trouble: Trouble) -> None:
    dsn = trouble.night.world.environment["BR_DSN"]
    trouble.monkeypatch.setenv("BR_DSN", dsn.replace("correct horse", "wrong horse"))


def postgres_no_database(trouble: Trouble) -> None:
    trouble.monkeypatch.setenv("BR_DSN", trouble.night.world.postgres.dsn("never_made"))


def postgres_starting(trouble: Trouble) -> None:
    """What a server says that recovers from a crash."""
    listener = trouble.ending.enter_context(socket.create_server(("127.0.0.1", 0)))
    fields = b"SFATAL\0VFATAL\0C57P03\0Mthe database system is in recovery mode\0\0"
    answer = b"E" + (len(fields) + 4).to_bytes(4, "big") + fields

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                with connection:
                    length = int.from_bytes(connection.recv(4), "big")
                    if length == 8:  # asks for TLS first
                        connection.recv(4)
                        connection.sendall(b"N")
                        length = int.from_bytes(connection.recv(4), "big")
                    connection.recv(length)
                    connection.sendall(answer)

    thread = threading.Thread(target=serve)
    thread.start()
    trouble.ending.callback(thread.join)
    trouble.ending.callback(lambda: listener.shutdown(socket.SHUT_RDWR))
    port = listener.getsockname()[1]
    trouble.monkeypatch.setenv("BR_DSN", f"postgresql://app:x@127.0.0.1:{port}/stores")


def postgres_no_table(trouble: Trouble) -> None:
    trouble.database("DROP TABLE store_special_hours;")


def postgres_no_column(trouble: Trouble) -> None:
    trouble.database("ALTER TABLE stores DROP COLUMN timezone;")


def postgres_empty(trouble: Trouble) -> None:
    trouble.database("DELETE FROM stores;")


def dsn_nonsense(trouble: Trouble) -> None:
    trouble.monkeypatch.setenv("BR_DSN", "this is no dsn")


def index_down(trouble: Trouble) -> None:
    trouble.index(f"{{url: 'http://{NOBODY_THERE}', index: stores}}")


def index_gone(trouble: Trouble) -> None:
    shutil.rmtree(trouble.night.world.folder / "index" / "BR")


def index_record_damaged(trouble: Trouble) -> None:
    record = trouble.night.world.folder / "index" / "BR" / f"{NEXT}.ndjson"
    record.write_text('{"store_id": "1", "onl\n')


def index_missing(trouble: Trouble) -> None:
    _answered(trouble, 404, "index_not_found_exception", "no such index [stores]")


def index_closed(trouble: Trouble) -> None:
    _answered(trouble, 400, "index_closed_exception", "closed")


def index_forbidden(trouble: Trouble) -> None:
    _answered(trouble, 401, "security_exception", "missing authentication credentials")


def index_too_old(trouble: Trouble) -> None:
    _answered(trouble, 404, "none", "none", version="6.8.23")


def index_another_server(trouble: Trouble) -> None:
    _answered(trouble, 200, "", "", version=None)


def _answered(
    trouble: Trouble, status: int, kind: str, reason: str, *, version: str | None = "8.17.0"
) -> None:
    """A server that says of itself what it is, and to anything else the same."""

    class Handler(QuietHandler):
        def do_GET(self) -> None:
            is_root = self.path == "/" and version is not None
            error = {"type": kind, "reason": reason}
            body: Any = {"error": {**error, "root_cause": [error]}, "status": status}
            if is_root:
                body = {**CLUSTER, "version": {"number": version}}
            if version is None:
                body = "hello"
            data = json.dumps(body).encode()
            self.send_response(200 if is_root else status)
            self.send_header("x-elastic-product", "Elasticsearch")
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("content-length", 0)))
            self.do_GET()

        do_DELETE = do_POST

    server = trouble.ending.enter_context(http_server(Handler))
    trouble.index(f"{{url: 'http://127.0.0.1:{server.server_port}', index: stores}}")


def home_gone(trouble: Trouble) -> None:
    shutil.rmtree(trouble.home)


def home_damaged(trouble: Trouble) -> None:
    for file in trouble.home.rglob("*.db"):
        file.write_bytes(b"x" * 5000)


def home_settings_damaged(trouble: Trouble) -> None:
    (trouble.home / "dagster.yaml").write_text("run_launcher: [")


def home_not_utf8(trouble: Trouble) -> None:
    (trouble.home / "dagster.yaml").write_bytes(b"\xff\xfe\x00")


def dead_run(trouble: Trouble) -> None:
    """A run that was killed in the middle, with what it leaves in Dagster and the warehouse."""
    gone = RunProcess(socket.gethostname(), "the-boot-before", 1, "1")
    with DagsterInstance.from_config(str(trouble.home)) as instance:
        tags = {**window_tags("BR", NEXT), **gone.tags}
        instance.add_run(DagsterRun(job_name="window", tags=tags, status=DagsterRunStatus.STARTED))
    folder = trouble.night.table(FACTS) / "data" / NEXT.key / "dead" / "0"
    folder.mkdir(parents=True)
    (folder / "part-0.parquet").write_bytes(b"PAR1")
    landed = trouble.warehouse / "landing" / "BR" / NEXT.key / "online_index" / "dead"
    landed.mkdir(parents=True)
    (landed / "part-0.parquet").write_bytes(b"PAR1")


def metastore_down(trouble: Trouble) -> None:
    text = f"catalog: {{type: hive, uri: 'thrift://{NOBODY_THERE}'}}\ncommit_patience: 1s\n"
    trouble.config.write_text(text + trouble.config.read_text())


def config_gone(trouble: Trouble) -> None:
    trouble.config.unlink()


def config_a_folder(trouble: Trouble) -> None:
    trouble.config.unlink()
    trouble.config.mkdir()
    trouble.ending.callback(trouble.config.rmdir)


def config_broken(trouble: Trouble) -> None:
    trouble.config.write_text("warehouse: ./warehouse\ncountries: {BR: {timezone: [\n")


def config_wrong(trouble: Trouble) -> None:
    trouble.configure(("America/Sao_Paulo", "America/Nowhere"), ("partitions_start", "partition"))


def config_not_text(trouble: Trouble) -> None:
    trouble.config.write_bytes(b"\xff\xfe\x00\x01")


def secret_missing(trouble: Trouble) -> None:
    trouble.monkeypatch.delenv("BR_DSN")


def secret_file_missing(trouble: Trouble) -> None:
    trouble.configure(("env:BR_DSN", "file:/nonexistent/dsn"))


def query_file_missing(trouble: Trouble) -> None:
    trouble.configure(("dsn: env:BR_DSN", "dsn: env:BR_DSN, hours_query: ./hours.sql"))


def query_file_broken(trouble: Trouble) -> None:
    _hours_query(trouble, "SELEC store_id FROM store_weekly_hours")


def query_file_of_two(trouble: Trouble) -> None:
    _hours_query(trouble, "SELECT 1; DROP TABLE stores")


def query_file_without_columns(trouble: Trouble) -> None:
    _hours_query(trouble, "SELECT store_id FROM store_weekly_hours")


def _hours_query(trouble: Trouble, sql: str) -> None:
    path = trouble.night.world.folder / "hours.sql"
    path.write_text(sql)
    trouble.ending.callback(path.unlink)
    query_file_missing(trouble)


def country_removed(trouble: Trouble) -> None:
    trouble.configure(("  BR:", "  CL:"))


OF_TABLES = ("status", "check", "query", "recover", "dashboard", "maintain", "run")
OF_FILES = (*OF_TABLES, "migrate", "trust", "silence")
OF_SOURCES = ("check", "run")
OF_SETTINGS = ("status", "run")
OF_HOME = ("status", "check", "run")
LOST = "does not have it, and its pointer names a state of it"
RECOVERS = "`storeavail recover"
DAMAGED = "catalog.db is damaged (file is not a database). Nothing is lost: pointers lie beside"
NOT_WHOLE = "is missing or damaged"
AGAIN = f"window {WINDOWS[1]}: run again from the landing"
NO_JSON = "cannot be understood (as a whole: Invalid JSON"
FULL = "No space left on device: the disk of"
READ_ONLY = "Read-only file system; check this user's rights below"
DENIED = "Permission denied; check this user's rights below"
MOVED = "the warehouse has layout 99, and this release reads and writes layout 2"
NOT_USED = "cannot be used ("
DOWN = "Connection refused; check host and port in the DSN, and that the server runs"
PASSWORD_WRONG = (
    "password authentication failed for user of the connection string; correct user and password"
)
NO_CATALOG = f"the catalog at thrift://{NOBODY_THERE} does not answer"
KINDS: Sequence[Kind] = (
    Kind(
        catalog_gone,
        OF_TABLES,
        {
            "status": (0, LOST),
            "check": (1, LOST),
            "query": (0, "27"),
            "recover": (1, "the catalog lacks it; it is registered as its pointer names it"),
            "maintain": (1, RECOVERS),
            "run": (1, LOST),
        },
        cause=Cause.CATALOG_LOST,
    ),
    Kind(
        catalog_overwritten,
        OF_TABLES,
        {
            "status": (0, DAMAGED),
            "check": (1, DAMAGED),
            "query": (0, "27"),
            "recover": (1, DAMAGED),
            "maintain": (1, DAMAGED),
            "run": (1, DAMAGED),
        },
        cause=Cause.CATALOG_LOST,
    ),
    Kind(
        catalog_cut,
        ("check", "run"),
        {"run": (1, "database disk image is malformed")},
        cause=Cause.CATALOG_LOST,
    ),
    Kind(
        half_metadata,
        OF_TABLES,
        {
            "status": (0, NOT_WHOLE),
            "check": (1, NOT_WHOLE),
            "query": (1, NOT_WHOLE),
            "recover": (1, "its pointer's state is damaged; it goes back to its last whole state"),
            "dashboard": (1, RECOVERS),
            "maintain": (1, NOT_WHOLE),
            "run": (1, NOT_WHOLE),
        },
        cause=Cause.TABLE_DAMAGED,
    ),
    Kind(
        half_pointer,
        OF_TABLES,
        {
            "status": (0, NO_JSON),
            "check": (1, NO_JSON),
            "query": (1, NO_JSON),
            "recover": (1, "its pointer is damaged; it goes back to its last whole state"),
            "run": (1, NO_JSON),
        },
        cause=Cause.TABLE_DAMAGED,
    ),
    Kind(
        half_manifests,
        OF_TABLES,
        {
            "check": (1, "a list of its data files is missing or damaged"),
            "query": (1, RECOVERS),
            "dashboard": (1, RECOVERS),
            "maintain": (1, RECOVERS),
            "run": (1, RECOVERS),
        },
        cause=Cause.TABLE_DAMAGED,
    ),
    Kind(
        data_gone,
        OF_TABLES,
        {
            "check": (1, f"is missing; it has the rows of window {WINDOWS[1]}"),
            "query": (1, RECOVERS),
            "recover": (1, AGAIN),
            # what was made of the file is kept for the page
            "dashboard": (0, "index.html"),
            "run": (0, ""),
        },
    ),
    Kind(
        data_cut,
        ("check", "query", "recover", "dashboard"),
        {
            "check": (1, "has 200 bytes instead of"),
            "query": (1, "has 200 bytes instead of"),
            "recover": (1, AGAIN),
        },
    ),
    Kind(
        table_gone,
        OF_TABLES,
        {
            "check": (1, "are not in it, and these windows were complete"),
            "recover": (1, "no whole state of it is left; it is made anew"),
            "run": (1, RECOVERS),
        },
        cause=Cause.CATALOG_LOST,
    ),
    Kind(
        half_marker,
        OF_FILES,
        {
            "status": (0, NO_JSON),
            "check": (1, NO_JSON),
            "recover": (1, f"window {WINDOWS[-1]}: run again from the landing"),
            "dashboard": (0, "index.html"),
            "run": (0, ""),
        },
    ),
    Kind(
        half_silence,
        ("status", "silence", "run"),
        {"status": (0, NO_JSON), "silence": (0, "silenced until"), "run": (0, "")},
    ),
    Kind(
        half_trust,
        ("status", "dashboard", "trust", "run"),
        {"status": (0, NO_JSON), "dashboard": (1, NO_JSON), "trust": (1, NO_JSON)},
        cause=Cause.STATE_DAMAGED,
    ),
    Kind(half_losses, ("status", "check", "recover", "maintain"), {"status": (0, NO_JSON)}),
    Kind(half_layout, OF_FILES, dict.fromkeys(OF_FILES, (1, NO_JSON))),
    Kind(later_layout, OF_FILES, dict.fromkeys(OF_FILES, (1, MOVED))),
    Kind(
        earlier_layout,
        ("status", "check", "recover", "maintain", "run"),
        {"check": (1, "`storeavail migrate` brings it over"), "run": (1, "`storeavail migrate`")},
        cause=Cause.CONFIGURATION_WRONG,
    ),
    Kind(half_manifest_of_landing, ("status", "check", "recover", "maintain")),
    Kind(warehouse_gone, ("status", "check", "query", "recover", "dashboard", "maintain")),
    Kind(
        warehouse_a_file, OF_FILES, dict.fromkeys(OF_FILES, (1, "Not a directory; check the path"))
    ),
    Kind(
        disk_full,
        OF_FILES,
        {
            "status": (0, "66.7 %"),
            "check": (1, "0 MB left; a window needs 8 MB: make room, `df -h`"),
            "query": (0, "27"),
            "dashboard": (1, FULL),
            "maintain": (1, FULL),
            "trust": (1, FULL),
            "silence": (1, FULL),
            "run": (1, "with 0 MB left is full"),
        },
    ),
    Kind(temporary_files_full, ("status", "check", "query", "run")),
    Kind(
        read_only_disk,
        OF_FILES,
        {
            "check": (1, READ_ONLY),
            "query": (0, "27"),
            "dashboard": (1, READ_ONLY),
            "maintain": (1, READ_ONLY),
            "trust": (1, READ_ONLY),
            "silence": (1, READ_ONLY),
            "run": (1, NOT_USED),
        },
    ),
    Kind(
        not_ones_own,
        OF_FILES,
        {
            "check": (1, DENIED),
            "query": (0, "27"),
            "dashboard": (1, DENIED),
            "maintain": (1, DENIED),
            "trust": (1, DENIED),
            "silence": (1, DENIED),
            "run": (1, NOT_USED),
        },
    ),
    Kind(
        not_readable,
        OF_FILES,
        {command: (1, DENIED) for command in OF_FILES if command not in ("recover", "run")},
    ),
    Kind(
        postgres_down,
        OF_SOURCES,
        {"check": (1, DOWN), "run": (1, DOWN)},
        cause=Cause.SOURCE_UNREACHABLE,
    ),
    Kind(
        postgres_password,
        OF_SOURCES,
        dict.fromkeys(OF_SOURCES, (1, PASSWORD_WRONG)),
        cause=Cause.SOURCE_REFUSED,
    ),
    Kind(
        postgres_no_database,
        OF_SOURCES,
        dict.fromkeys(OF_SOURCES, (1, "does not exist; correct the database or user name")),
        cause=Cause.SOURCE_REFUSED,
    ),
    Kind(
        postgres_starting,
        OF_SOURCES,
        dict.fromkeys(OF_SOURCES, (1, "the database system is in recovery mode")),
        cause=Cause.SOURCE_UNREACHABLE,
    ),
    Kind(
        postgres_no_table,
        OF_SOURCES,
        dict.fromkeys(OF_SOURCES, (1, "does not exist; create or grant the table")),
        cause=Cause.SOURCE_REFUSED,
    ),
    Kind(
        postgres_no_column,
        OF_SOURCES,
        dict.fromkeys(OF_SOURCES, (1, 'column "timezone" does not exist; add the column')),
        cause=Cause.SOURCE_REFUSED,
    ),
    Kind(
        postgres_empty,
        OF_SOURCES,
        {"check": (1, "gives 0 rows: no store exists"), "run": (1, "gave 0 stores")},
        cause=Cause.NOTHING_USABLE,
    ),
    Kind(
        dsn_nonsense,
        OF_SOURCES,
        dict.fromkeys(OF_SOURCES, (1, "the secret is not a PostgreSQL")),
        cause=Cause.CONFIGURATION_WRONG,
    ),
    Kind(index_down, ("check",), {"check": (1, "no connection; check host and port")}),
    Kind(
        index_gone,
        OF_SOURCES,
        {"check": (1, "there is no file"), "run": (1, "a live index")},
        cause=Cause.OBSERVATION_TOO_LATE,
    ),
    Kind(
        index_record_damaged,
        OF_SOURCES,
        {"run": (1, "line 1: is not JSON")},
        cause=Cause.SOURCE_REFUSED,
    ),
    Kind(index_missing, ("check",), {"check": (1, "there is no index 'stores'")}),
    Kind(index_closed, ("check",), {"check": (1, "index 'stores' is closed")}),
    Kind(index_forbidden, ("check",), {"check": (1, "it does not know these credentials")}),
    Kind(index_too_old, ("check",), {"check": (1, "is version 6.8.23: 8 and 9 can be read")}),
    Kind(
        index_another_server,
        ("check",),
        {"check": (1, "what answers there is neither Elasticsearch nor OpenSearch")},
    ),
    Kind(home_gone, OF_HOME, {"status": (0, "66.7 %"), "check": (0, "ok"), "run": (0, "")}),
    Kind(home_damaged, OF_HOME, {"check": (0, "ok"), "run": (1, NOT_USED)}),
    Kind(home_settings_damaged, OF_HOME, {"run": (1, NOT_USED)}),
    Kind(home_not_utf8, OF_HOME, {"run": (1, NOT_USED)}),
    Kind(dead_run, (*OF_HOME, "maintain"), {"run": (0, "")}),
    Kind(
        metastore_down,
        OF_TABLES,
        {
            "status": (0, "66.7 %"),
            "check": (1, NO_CATALOG),
            "query": (0, "27"),
            "recover": (1, NO_CATALOG),
            "maintain": (1, NO_CATALOG),
            "run": (1, NO_CATALOG),
        },
        cause=Cause.CATALOG_UNREACHABLE,
    ),
    Kind(
        config_gone, OF_SETTINGS, dict.fromkeys(OF_SETTINGS, (1, "there is no configuration file"))
    ),
    Kind(config_a_folder, OF_SETTINGS, dict.fromkeys(OF_SETTINGS, (1, "Is a directory"))),
    Kind(config_broken, OF_SETTINGS, dict.fromkeys(OF_SETTINGS, (1, "platform.yaml"))),
    Kind(config_wrong, OF_SETTINGS, dict.fromkeys(OF_SETTINGS, (1, "2 mistakes"))),
    Kind(config_not_text, OF_SETTINGS, dict.fromkeys(OF_SETTINGS, (1, "is not UTF-8 text"))),
    Kind(
        secret_missing,
        OF_SOURCES,
        dict.fromkeys(OF_SOURCES, (1, "BR_DSN")),
        cause=Cause.CONFIGURATION_WRONG,
    ),
    Kind(
        secret_file_missing,
        OF_SOURCES,
        dict.fromkeys(OF_SOURCES, (1, "cannot read the file")),
        cause=Cause.CONFIGURATION_WRONG,
    ),
    Kind(query_file_missing, OF_SETTINGS, dict.fromkeys(OF_SETTINGS, (1, "hours.sql"))),
    Kind(
        query_file_broken,
        OF_SOURCES,
        dict.fromkeys(OF_SOURCES, (1, "SELEC")),
        cause=Cause.SOURCE_REFUSED,
    ),
    Kind(query_file_of_two, OF_SOURCES, cause=Cause.SOURCE_REFUSED),
    Kind(query_file_without_columns, OF_SOURCES, cause=Cause.SOURCE_REFUSED),
    Kind(
        country_removed,
        ("status", "check", "query"),
        {"status": (0, "is not in"), "check": (0, "is not in"), "query": (0, "27")},
    ),
)
TROUBLES = {kind.make.__name__: kind for kind in KINDS}
