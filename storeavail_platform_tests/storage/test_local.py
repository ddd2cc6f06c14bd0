"""Files below one root: exactly one creator, never half a file."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

from storeavail_platform.storage.local import LocalStorage


def test_exactly_one_of_many_creators_wins(tmp_path: Path) -> None:
    """`create` is True for one writer only, and the file holds that writer's bytes."""
    storage = LocalStorage(tmp_path)
    with ThreadPoolExecutor(16) as pool:
        won = list(
            pool.map(
                lambda number: storage.create("a/manifest.json", b"%d" % number * 10_000), range(16)
            )
        )
    assert won.count(True) == 1
    assert storage.read("a/manifest.json") == b"%d" % won.index(True) * 10_000


def test_a_created_file_is_never_replaced_by_create(tmp_path: Path) -> None:
    """A second `create` changes nothing."""
    storage = LocalStorage(tmp_path)
    assert storage.create("manifest.json", b"first")
    assert not storage.create("manifest.json", b"second")
    assert storage.read("manifest.json") == b"first"


def test_readers_see_whole_files_while_they_are_replaced(tmp_path: Path) -> None:
    """`replace` is seen either before or after, never half."""
    storage = LocalStorage(tmp_path)
    versions = {bytes([byte]) * 200_000 for byte in b"abcd"}
    storage.replace("pointer", b"a" * 200_000)

    def write_all() -> None:
        for version in sorted(versions) * 20:
            storage.replace("pointer", version)

    with ThreadPoolExecutor(2) as pool:
        writing = pool.submit(write_all)
        seen = {storage.read("pointer") for _ in range(300)}
        writing.result()
    assert seen <= versions


def test_names_are_sorted_and_leave_out_scratch_files(tmp_path: Path) -> None:
    """`names` lists what was made, in order, after a given name, without the hidden files of
    writers that died.
    """
    storage = LocalStorage(tmp_path)
    for name in ("c.json", "a.json", "b.json"):
        storage.replace(f"windows/{name}", b"{}")
    (tmp_path / "windows" / ".d.json.0123").write_bytes(b"half")
    assert storage.names("windows") == ["a.json", "b.json", "c.json"]
    assert storage.names("windows", after="a.json") == ["b.json", "c.json"]
    assert storage.names("nothing") == []


def test_empty_folders_are_deleted_when_they_have_rested(tmp_path: Path) -> None:
    """Whatever holds a file stays, and so does a folder that a writer may just have made, and
    the one that is asked for.
    """
    storage = LocalStorage(tmp_path)
    storage.replace("data/kept/file", b"x")
    (tmp_path / "data/left/run").mkdir(parents=True)
    now = datetime.now(UTC)
    storage.delete_empty_folders("data", until=now - timedelta(hours=1))
    assert (tmp_path / "data/left/run").exists()
    storage.delete_empty_folders("data", until=now + timedelta(hours=1))
    assert storage.names("data") == ["kept"]
    storage.delete("data/kept/file")
    storage.delete_empty_folders("data", until=datetime.now(UTC) + timedelta(hours=1))
    assert (tmp_path / "data").exists()
    storage.delete_empty_folders("nothing", until=now)
