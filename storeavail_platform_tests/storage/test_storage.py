"""What every storage promises, in a folder and on S3: exactly one creator, names in order, nothing
deleted but what was asked for.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from storeavail_platform.storage.local import LocalStorage, Storage
from storeavail_platform.storage.s3 import S3Storage
from storeavail_testing.s3 import S3Server


@pytest.fixture(params=["folder", "s3"])
def storage(request: pytest.FixtureRequest, tmp_path: Path, s3: S3Server) -> Storage:
    if request.param == "folder":
        return LocalStorage(tmp_path)
    return S3Storage(f"{s3.create_bucket()}/warehouse")


@pytest.fixture(autouse=True)
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """S3 gives what it lists in pages: here of two keys."""
    monkeypatch.setenv("MOTO_S3_DEFAULT_MAX_KEYS", "2")


def test_exactly_one_of_many_creators_wins(storage: Storage) -> None:
    """`create` is True for one writer only, and the file holds that writer's bytes."""
    with ThreadPoolExecutor(16) as pool:
        won = list(
            pool.map(
                lambda number: storage.create("a/manifest.json", b"%d" % number * 10_000), range(16)
            )
        )
    assert won.count(True) == 1
    assert storage.read("a/manifest.json") == b"%d" % won.index(True) * 10_000


def test_a_created_file_is_never_replaced_by_create(storage: Storage) -> None:
    """A second `create` changes nothing; `replace` does."""
    assert storage.create("manifest.json", b"first")
    assert not storage.create("manifest.json", b"second")
    assert storage.read("manifest.json") == b"first"
    storage.replace("manifest.json", b"third")
    assert storage.read("manifest.json") == b"third"


def test_names_are_what_lies_directly_below(storage: Storage) -> None:
    """Files and folders in order, after a given name, over all pages, without hidden files."""
    for name in ("c.json", "a/1", "a/2", "a.json", "b.json", ".d.json.0123", "a-b/1"):
        storage.replace(f"windows/{name}", b"{}")
    storage.replace("windows-elsewhere/z", b"{}")
    assert storage.names("windows") == ["a", "a-b", "a.json", "b.json", "c.json"]
    assert storage.names("windows", after="a") == ["a-b", "a.json", "b.json", "c.json"]
    assert storage.names("windows", after="a.json") == ["b.json", "c.json"]
    assert storage.names("nothing") == []


def test_a_tree_is_deleted_whole_and_alone(storage: Storage) -> None:
    """Every page of a folder goes, and nothing whose name only begins alike."""
    for name in ("a/1", "a/2", "a/b/3", "ab/1", "a.json"):
        storage.replace(name, b"x")
    storage.delete_tree("a")
    assert [storage.read(name) for name in ("a/1", "a/2", "a/b/3", "ab/1", "a.json")] == [
        None,
        None,
        None,
        b"x",
        b"x",
    ]
    storage.delete_tree("nothing")


def test_what_is_not_there_is_none(storage: Storage) -> None:
    """A missing file has neither bytes nor a size, and can be deleted."""
    assert storage.read("nothing") is None
    assert storage.size("nothing") is None
    storage.delete("nothing")
    storage.replace("something", b"123")
    assert storage.size("something") == 3
