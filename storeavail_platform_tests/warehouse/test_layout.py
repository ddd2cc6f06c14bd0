"""The warehouse's layout: made once, held before anything else is read or written, another one
refused in words.
"""

from __future__ import annotations

import logging
import pickle
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner

from storeavail_platform.alerting.failed_runs import cause_of
from storeavail_platform.commands.cli import main
from storeavail_platform.config import load_text
from storeavail_platform.domain.alert_kinds import Cause
from storeavail_platform.domain.errors import LayoutRefused, StorageUnavailable, WarehouseError
from storeavail_platform.pipeline.runtime import build_runtime, open_storage
from storeavail_platform.storage.local import LocalStorage, Storage
from storeavail_platform.storage.s3 import S3Storage
from storeavail_platform.warehouse.layout import LAYOUT_FILE, WarehouseStorage
from storeavail_platform_tests.storage.test_s3 import FaultyNetwork
from storeavail_platform_tests.warehouse.test_catalog import TABLE, WINDOW, written
from storeavail_testing.s3 import S3Server
from storeavail_testing.storage import WatchedStorage, at, refuse

WRITTEN = b'{"layout":2}'
OF_BEFORE = b'{"layout":1}'
OF_LATER = b'{"layout": 3}'
CONFIG = """
warehouse: ./warehouse
countries:
  BR: {timezone: UTC, postgres: {dsn: "postgresql://localhost/br"}, online_index: {path: ./x.ndjson}}
"""


@pytest.fixture
def storage(tmp_path: Path) -> LocalStorage:
    return LocalStorage(tmp_path / "warehouse")


class Counting(LocalStorage):
    """Notes what is read and created, by path."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.calls: list[str] = []

    def read(self, relative: str) -> bytes | None:
        self.calls.append(f"read {relative}")
        return super().read(relative)

    def create(self, relative: str, data: bytes) -> bool:
        self.calls.append(f"create {relative}")
        return super().create(relative, data)


def write(storage: Storage) -> None:
    with storage.open_output("landing/x") as stream:
        stream.write(b"x")


USES: dict[str, Callable[[Storage], object]] = {
    "read": lambda storage: storage.read("x"),
    "size": lambda storage: storage.size("x"),
    "names": lambda storage: storage.names("windows/BR"),
    "create": lambda storage: storage.create("x", b"x"),
    "replace": lambda storage: storage.replace("x", b"x"),
    "open_output": write,
    "delete": lambda storage: storage.delete("x"),
    "delete_tree": lambda storage: storage.delete_tree("windows"),
    "delete_empty_folders": lambda storage: storage.delete_empty_folders(
        "windows", until=datetime.now(UTC)
    ),
}
WRITERS = ("create", "replace", "open_output")


@pytest.mark.parametrize("use", USES)
def test_what_first_writes_makes_the_file(storage: LocalStorage, use: str) -> None:
    """A reader makes nothing."""
    USES[use](WarehouseStorage(storage))
    assert storage.read(LAYOUT_FILE) == (WRITTEN if use in WRITERS else None)


def test_a_process_looks_once(tmp_path: Path) -> None:
    """However much is read and written; what is handed to executors does not look again."""
    storage = Counting(tmp_path)
    checked = WarehouseStorage(storage)
    for use in (*USES.values(), *USES.values()):
        use(checked)
    handed_over: WarehouseStorage = pickle.loads(pickle.dumps(checked))
    USES["replace"](handed_over)
    for each in (storage, handed_over.storage):
        assert isinstance(each, Counting)
        looks = Counter(call for call in each.calls if LAYOUT_FILE in call)
        assert looks == {f"read {LAYOUT_FILE}": 1, f"create {LAYOUT_FILE}": 1}


def test_the_file_is_never_written_over(storage: LocalStorage) -> None:
    """Another process that made it meanwhile has made it; its further keys are no obstacle."""
    first, second = WarehouseStorage(storage), WarehouseStorage(storage)
    assert first.read("x") is second.read("x") is None
    storage.replace(LAYOUT_FILE, b'{"layout": 2, "of_later": 5}')
    first.replace("x", b"1")
    second.replace("x", b"2")
    WarehouseStorage(storage).replace("x", b"3")
    assert storage.read(LAYOUT_FILE) == b'{"layout": 2, "of_later": 5}'


@pytest.mark.parametrize("use", USES)
def test_another_layout_is_refused_before_anything_is_done(storage: LocalStorage, use: str) -> None:
    """Each time, naming the place, both layouts and what to do; nothing is changed."""
    storage.replace(LAYOUT_FILE, OF_LATER)
    storage.replace("windows/BR/x", b"")
    checked = WarehouseStorage(storage)
    for _ in range(2):
        with pytest.raises(
            LayoutRefused,
            match=r"warehouse\.json: the warehouse has layout 3, and this release reads and writes "
            r"layout 2; a later release has brought it over",
        ):
            USES[use](checked)
    found = sorted(path.name for path in storage.root.rglob("*") if path.is_file())
    assert found == [LAYOUT_FILE, "x"]


def test_an_earlier_layout_is_read_and_observed_into_and_not_committed_to(tmp_path: Path) -> None:
    """What commits is refused with the command that helps, and the file stays."""
    runtime = build_runtime(load_text(CONFIG, base=tmp_path, origin="test.yaml"))
    files = written(runtime.warehouse, WINDOW, [1], "a")
    runtime.warehouse.commit("BR", TABLE, WINDOW, files, "a")
    place = tmp_path / "warehouse" / LAYOUT_FILE
    place.write_bytes(OF_BEFORE)
    runtime = build_runtime(runtime.platform)
    runtime.landing.record("BR", WINDOW, "online_index", {}, read_at=WINDOW.start)
    assert runtime.warehouse.load("BR", TABLE.name) is not None
    with pytest.raises(LayoutRefused, match=r"has layout 1, .* layout 2; `storeavail migrate`"):
        runtime.warehouse.commit("BR", TABLE, WINDOW, files, "b")
    assert place.read_bytes() == OF_BEFORE


@pytest.mark.parametrize("data", [b"{", b"{}", b'{"layout": 0}', b'{"layout": "new"}'])
def test_a_damaged_file_is_a_clear_error(storage: LocalStorage, data: bytes) -> None:
    """Nothing is guessed, and nothing is written."""
    storage.replace(LAYOUT_FILE, data)
    with pytest.raises(WarehouseError, match=r"warehouse\.json, cannot be understood .*restore it"):
        WarehouseStorage(storage).replace("x", b"")
    assert storage.read(LAYOUT_FILE) == data
    assert storage.read("x") is None


@pytest.mark.parametrize(
    ("method", "said", "right"),
    [
        ("GET", "cannot be read, so its layout is taken for 2", "s3:GetObject"),
        ("PUT", "cannot be made", "s3:PutObject"),
    ],
)
def test_roles_that_may_not_use_it_go_on_with_a_warning(
    s3: S3Server,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    method: str,
    said: str,
    right: str,
) -> None:
    """Roles made by a release of before do not name the file: their windows go on, and the log
    says what is missing.
    """
    bucket = s3.create_bucket()
    network = FaultyNetwork(s3.port, method)
    monkeypatch.setenv("AWS_ENDPOINT_URL", network.endpoint)
    plain = S3Storage(f"{bucket}/warehouse")
    checked = WarehouseStorage(plain)
    network.faults.append((403, "AccessDenied"))
    with caplog.at_level(logging.WARNING):
        checked.replace("x", b"1")
    assert f"warehouse.json {said}" in caplog.text
    assert right in caplog.text
    assert (plain.read("x"), plain.read(LAYOUT_FILE)) == (b"1", None)
    network.server.shutdown()
    network.server.server_close()


def test_a_storage_that_does_not_answer_is_no_layout(storage: LocalStorage) -> None:
    """It may pass, so the layout is looked for again at the next use, and taken for nothing
    meanwhile.
    """
    storage.replace(LAYOUT_FILE, OF_LATER)
    silent = refuse(StorageUnavailable("S3 does not answer"))
    checked = WarehouseStorage(
        WatchedStorage(storage.root, at("before", ("read",), LAYOUT_FILE, silent))
    )
    with pytest.raises(StorageUnavailable):
        checked.replace("x", b"")
    with pytest.raises(LayoutRefused):
        checked.replace("x", b"")


def test_landing_tables_and_markers_are_refused(tmp_path: Path) -> None:
    """Everything that is opened by a configuration goes through it; the run's failure has a
    cause that people can look up.
    """
    runtime = build_runtime(load_text(CONFIG, base=tmp_path, origin="test.yaml"))
    files = written(runtime.warehouse, WINDOW, [1], "a")
    runtime.storage.replace(LAYOUT_FILE, OF_LATER)
    runtime = build_runtime(runtime.platform)
    for use in (
        lambda: runtime.warehouse.commit("BR", TABLE, WINDOW, files, "a"),
        lambda: runtime.warehouse.load("BR", TABLE.name),
        lambda: runtime.landing.record("BR", WINDOW, "online_index", {}, read_at=WINDOW.start),
        lambda: runtime.markers.read("BR", WINDOW),
    ):
        with pytest.raises(LayoutRefused) as refused:
            use()
        assert not refused.value.may_pass
    assert cause_of("LayoutRefused", str(refused.value)) is Cause.CONFIGURATION_WRONG


COMMANDS = (
    ["run"],
    ["query", "SELECT 1 FROM stores"],
    ["status"],
    ["maintain"],
    ["dashboard"],
    ["silence", "BR", "--reason", "why"],
    ["migrate"],
    ["migrate", "--dry-run"],
    ["check"],
    ["serve", "--port", "0"],
)


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_refuses_another_layout(tmp_path: Path, command: list[str]) -> None:
    """In words, with exit code 1, and without a file or a Dagster home being made."""
    config = tmp_path / "platform.yaml"
    config.write_text(CONFIG, encoding="utf-8")
    open_storage(load_text(CONFIG, base=tmp_path, origin="test.yaml")).replace("x", b"")
    place = tmp_path / "warehouse" / LAYOUT_FILE
    assert place.read_bytes() == WRITTEN
    place.write_bytes(OF_LATER)
    before = sorted(tmp_path.rglob("*"))
    result = CliRunner().invoke(main, [*command, "--config", str(config)])
    assert result.exit_code == 1
    assert "the warehouse has layout 3" in result.output
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("options", [[], ["--dry-run"]])
@pytest.mark.parametrize("is_there", [True, False])
def test_there_is_nothing_to_migrate(tmp_path: Path, options: list[str], is_there: bool) -> None:
    """A warehouse of this layout, or one of before without the file, is left as it is."""
    config = tmp_path / "platform.yaml"
    config.write_text(CONFIG, encoding="utf-8")
    if is_there:
        open_storage(load_text(CONFIG, base=tmp_path, origin="test.yaml")).replace("x", b"")
    before = sorted(tmp_path.rglob("*"))
    result = CliRunner().invoke(main, ["migrate", *options, "--config", str(config)])
    assert result.exit_code == 0
    assert "has layout 2, as this release has: nothing to do" in result.output
    assert sorted(tmp_path.rglob("*")) == before
