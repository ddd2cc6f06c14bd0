"""Files below one root: exactly one creator, never half a file."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

from storeavail_platform.storage.local import LocalStorage


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
