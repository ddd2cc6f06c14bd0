"""The index as a file: the same shapes as on a server, exact ids, Parquet of any type, limits."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from storeavail_platform.config import FileIndex
from storeavail_platform.domain.errors import SourceRejected
from storeavail_platform.domain.windows import Window
from storeavail_platform.sources import file_documents
from storeavail_platform.sources.file_documents import batches
from storeavail_platform.sources.files import FileSource

WINDOW = Window.parse("2026-11-23T1300")
UPDATED = datetime(2026, 11, 23, 13, 1, tzinfo=UTC)


def source(path: Path, **settings: Any) -> FileSource:
    return FileSource(FileIndex.model_validate({"path": str(path), **settings}))


def read(path: Path, **settings: Any) -> list[dict[str, Any]]:
    files = source(path, **settings)
    with files.open(WINDOW) as snapshot:
        return [row for batch in files.read(snapshot.splits[0]) for row in batch.to_pylist()]


def ids(path: Path, **settings: Any) -> list[str | None]:
    return [row["source_id"] for row in read(path, **settings)]


@pytest.fixture
def lines(tmp_path: Path) -> Path:
    return tmp_path / "index.ndjson"


def parquet(tmp_path: Path, **columns: pa.Array) -> Path:
    path = tmp_path / "index.parquet"
    pq.write_table(pa.table(columns), path)
    return path


def test_objects_and_dotted_names(lines: Path) -> None:
    """Dots lead into objects, or are part of a name; the lines of a dump hold the document."""
    documents = [
        {"store": {"id": "007", "on": "yes"}},
        {"store.id": "b", "store.on": "off"},
        {"_index": "i", "_id": "x", "_source": {"store": {"id": "c", "on": 1}}},
        {"store": {"id": {"deep": 1}}},
    ]
    lines.write_bytes(b"\xef\xbb\xbf" + b"\n".join(map(orjson.dumps, documents)) + b"\n\n")
    settings = {"store_id": "store.id", "online": "store.on"}
    rows = read(lines, **settings)
    assert [(row["source_id"], row["online"]) for row in rows[:3]] == [
        ("007", "true"),
        ("b", "false"),
        ("c", "true"),
    ]
    (finding,) = source(lines, **settings).check()
    assert finding.message.startswith(f"the file gives 4 documents ({lines.stat().st_size} bytes")


def test_the_id_of_the_document_itself(lines: Path) -> None:
    """`_id` stands beside the document in a dump, in it elsewhere."""
    lines.write_bytes(b'{"_id": "a", "_source": {"online": true}}\n{"_id": "b", "online": true}\n')
    assert ids(lines, store_id="_id") == ["a", "b"]
    assert [finding.level for finding in source(lines, store_id="_id").check()] == ["ok"]


def test_nested_entries(lines: Path) -> None:
    """A row an entry, lists in lists too; the document's own fields stand beside."""
    documents = [
        {"at": 1763902860, "brand": [{"s": [{"id": 1, "on": "on"}]}, {"s": {"id": 2, "on": "no"}}]},
        {"brand": []},
    ]
    lines.write_bytes(b"\n".join(map(orjson.dumps, documents)))
    settings = {"nested": "brand.s", "store_id": "brand.s.id", "online": "brand.s.on"}
    rows = read(lines, updated_at="at", **settings)
    assert [(row["source_id"], row["online"]) for row in rows] == [("1", "true"), ("2", "false")]
    assert {row["updated_at"] for row in rows} == {datetime.fromtimestamp(1763902860, UTC)}


def test_ids_are_exact(lines: Path) -> None:
    """Whole numbers of any size by their digits; a float beyond 2^53 is no whole number, and what
    was read is kept.
    """
    lines.write_text(
        '{"store_id": 18446744073709551617}\n{"store_id": -9223372036854775809}\n'
        '{"store_id": 9007199254740993}\n{"store_id": 9007199254740993.0}\n{"store_id": 7.0}\n'
        '{"store_id": 1.5}\n{"store_id": "0018446744073709551617"}\n'
    )
    found = ids(lines)
    assert found[:3] == ["18446744073709551617", "-9223372036854775809", "9007199254740993"]
    assert not str(found[3]).isdigit()
    assert found[4:] == ["7", "1.5", "0018446744073709551617"]


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (pa.timestamp("ns", tz="America/Sao_Paulo"), 1763902860_123456789),
        (pa.timestamp("us", tz="UTC"), 1763902860_123456),
        (pa.timestamp("s"), 1763902860),
        (pa.int64(), 1763902860),
        (pa.int64(), 1763902860_123),
        (pa.float64(), 1763902860.0),
        (pa.string(), "2025-11-23T10:01:00-03:00"),
        (pa.binary(), b"2025-11-23T13:01:00Z"),
        (pa.decimal128(20, 0), Decimal(1763902860)),
    ],
)
def test_parquet_of_any_type_of_time(tmp_path: Path, kind: pa.DataType, value: Any) -> None:
    """Each is the same moment to the second, without packages that the default install lacks."""
    times = pa.array([value], kind)
    path = parquet(tmp_path, store_id=pa.array(["1"]), online=pa.array([True]), updated_at=times)
    (row,) = read(path)
    assert row["updated_at"].replace(microsecond=0) == datetime(2025, 11, 23, 13, 1, tzinfo=UTC)
    ((document,),) = batches(path, ["updated_at"])
    assert type(document["updated_at"]) in (datetime, int, float, str)


@pytest.mark.parametrize("kind", [pa.date32(), pa.date64()])
def test_a_date_is_its_first_moment(tmp_path: Path, kind: pa.DataType) -> None:
    """A date without a time is midnight UTC."""
    times = pa.array([date(2026, 11, 23)], kind)
    path = parquet(tmp_path, store_id=pa.array([1]), online=pa.array([1]), updated_at=times)
    assert read(path)[0]["updated_at"] == datetime(2026, 11, 23, tzinfo=UTC)


def test_parquet_of_any_type_of_id(tmp_path: Path) -> None:
    """Whole numbers, decimals, text, bytes, dictionaries; objects, lists of them, dots in names."""
    for array, expected in (
        (pa.array([2**64 - 1], pa.uint64()), "18446744073709551615"),
        (pa.array([Decimal(2**70)], pa.decimal128(38, 0)), str(2**70)),
        (pa.array([b"007"], pa.binary()), "007"),
        (pa.array(["a"]).dictionary_encode(), "a"),
        (pa.array([3.0], pa.float64()), "3"),
    ):
        assert ids(parquet(tmp_path, store_id=array, online=pa.array([True]))) == [expected]
    stamp = pa.array([1763902860_000000001], pa.timestamp("ns"))
    entry = pa.StructArray.from_arrays([pa.array(["x"]), stamp], ["id", "at"])
    path = parquet(tmp_path, store=entry, other=pa.array([1]))
    assert ids(path, store_id="store.id", online="other", updated_at="store.at") == ["x"]
    path = parquet(tmp_path, s=pa.ListArray.from_arrays([0, 1], entry), online=pa.array([True]))
    assert ids(path, nested="s", store_id="s.id", updated_at="s.at") == ["x"]
    path = parquet(tmp_path, **{"store.id": pa.array(["y"]), "online": pa.array([True])})
    assert ids(path, store_id="store.id") == ["y"]


def test_a_float_column_of_32_bits_is_no_id(tmp_path: Path) -> None:
    """It takes store 16777217 for 16777216: refused, by `check` too."""
    path = parquet(tmp_path, store_id=pa.array([16777217.0], pa.float32()), online=pa.array([1]))
    with pytest.raises(SourceRejected, match="of type float, which takes several ids for one"):
        read(path)
    assert [finding.level for finding in source(path).check()] == ["error"]


def test_a_recording_of_one_moment_in_several_offsets(tmp_path: Path) -> None:
    """One moment is one, however it is written; two moments are refused."""
    path = tmp_path / f"{WINDOW.key}.ndjson"
    path.write_text(
        '{"store_id": 1, "observed_at": "2026-11-23T13:06:00Z"}\n'
        '{"store_id": 2, "observed_at": "2026-11-23T10:06:00-03:00"}\n'
    )
    with source(tmp_path).open(WINDOW) as snapshot:
        assert snapshot.read_at == datetime(2026, 11, 23, 13, 6, tzinfo=UTC)
    path.write_text('{"observed_at": "2026-11-23T13:06:00Z"}\n{"observed_at": null}\n')
    with (
        pytest.raises(SourceRejected, match="observed_at has to be one time"),
        source(tmp_path).open(WINDOW),
    ):
        pass


def test_limits(tmp_path: Path, lines: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A line, what is taken together, and a column of a row group have a longest length."""
    monkeypatch.setattr(file_documents, "LONGEST_LINE", 100)
    lines.write_text('{"store_id": 1}\n' * 20)
    assert [len(batch) for batch in batches(lines, ["store_id"])] == [7, 7, 6]
    lines.write_text('{"store_id": 1}\n{"store_id": "' + "x" * 200 + '"}\n')
    with pytest.raises(SourceRejected, match=r"index.ndjson, line 2: is longer than"):
        read(lines)
    monkeypatch.setattr(file_documents, "LARGEST_CHUNK", 1000)
    wide = pa.array(["y" * 2000])
    path = parquet(tmp_path, store_id=pa.array([1]), online=pa.array([1]), other=wide)
    assert ids(path) == ["1"]
    with pytest.raises(SourceRejected, match=r"column 'other' has more than .* in row group 0"):
        read(path, online="other")


def test_what_cannot_be_read_is_named(tmp_path: Path, lines: Path) -> None:
    """File and line, in words."""
    lines.write_text('{"store_id": 1}\n{"store_id": 12345678901234567890123,}\n')
    with pytest.raises(SourceRejected, match=r"index.ndjson, line 2: is not JSON"):
        read(lines)
    lines.write_text("[1]\n")
    with pytest.raises(SourceRejected, match=r"line 1: is not a JSON object"):
        read(lines)
    (tmp_path / "index.parquet").write_text("PAR1")
    with pytest.raises(SourceRejected, match="is not a readable Parquet file"):
        read(tmp_path / "index.parquet")
