"""Files on S3: exactly one creator, never half a file, and errors that say whether to try again."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from storeavail_platform.config import Aws
from storeavail_platform.domain.errors import SourceUnavailable, StorageUnavailable, WarehouseError
from storeavail_platform.storage.s3 import S3Storage, s3_endpoint
from storeavail_testing.s3 import S3Server

LOST = "the answer is lost"
"""A fault: the request is done, and its answer never arrives."""


class FaultyNetwork:
    """A proxy before S3 that does what `faults` says, one for each request of `method`, and else
    passes everything on.

    A fault is `LOST`, or the status and error code of an answer that is given in S3's place.
    """

    def __init__(self, port: int, method: str = "PUT") -> None:
        self.faults: list[str | tuple[int, str]] = []
        faults = self.faults

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_any(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                fault = faults.pop(0) if faults and self.command == method else None
                if isinstance(fault, tuple):
                    status, code = fault
                    self.answer(
                        status,
                        {"Content-Type": "application/xml"},
                        f"<Error><Code>{code}</Code></Error>".encode(),
                    )
                    return
                server = HTTPConnection("127.0.0.1", port)
                server.request(self.command, self.path, body, dict(self.headers))
                answer = server.getresponse()
                content = answer.read()
                if fault == LOST:
                    self.close_connection = True
                    return
                self.answer(answer.status, dict(answer.headers), content)

            do_GET = do_PUT = do_HEAD = do_POST = do_DELETE = handle_any

            def answer(self, status: int, headers: dict[str, str], content: bytes) -> None:
                self.send_response(status)
                length = (
                    headers.get("Content-Length", str(len(content)))
                    if self.command == "HEAD"
                    else str(len(content))
                )
                for name, value in {**headers, "Content-Length": length}.items():
                    if name not in {"Server", "Date", "Connection", "Transfer-Encoding"}:
                        self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, format: str, *arguments: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.endpoint = f"http://127.0.0.1:{self.server.server_port}"
        Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def network(s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultyNetwork]:
    """A network that fails on request, between the test and S3."""
    network = FaultyNetwork(s3.port)
    monkeypatch.setenv("AWS_ENDPOINT_URL", network.endpoint)
    yield network
    network.server.shutdown()
    network.server.server_close()


@pytest.fixture
def storage(s3: S3Server) -> S3Storage:
    return S3Storage(f"{s3.create_bucket()}/warehouse")


def keys(storage: S3Storage) -> list[str]:
    return [
        item["Key"]
        for item in storage.client.list_objects_v2(Bucket=storage.bucket).get("Contents", ())
    ]


def test_a_creator_whose_answer_was_lost_has_won(
    network: FaultyNetwork, storage: S3Storage
) -> None:
    """boto3 repeats the put and is refused because of its own object: that is a success, or the
    winner would remove its own files.
    """
    network.faults.append(LOST)
    assert storage.create("manifest.json", b"mine")
    assert network.faults == []
    network.faults.append(LOST)
    assert not storage.create("manifest.json", b"mine")


def test_a_conflict_of_creators_is_tried_again(network: FaultyNetwork, storage: S3Storage) -> None:
    """409 means that another conditional put is under way, not who won."""
    network.faults += [(409, "ConditionalRequestConflict")] * 2
    assert storage.create("manifest.json", b"mine")
    assert storage.read("manifest.json") == b"mine"


def test_a_throttled_call_is_tried_again(network: FaultyNetwork, storage: S3Storage) -> None:
    """S3 asks busy callers to slow down; that is no failure yet."""
    network.faults.append((503, "SlowDown"))
    storage.replace("pointer", b"1")
    assert storage.read("pointer") == b"1"


def test_what_may_pass_is_told_from_what_stays(
    network: FaultyNetwork, storage: S3Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Throttling and a dead network may pass; a refusal does not, and names the place and what
    is needed.
    """
    storage = S3Storage(storage.url, call_attempts=1)
    network.faults += [(503, "SlowDown"), (403, "AccessDenied")]
    with pytest.raises(StorageUnavailable, match=rf"{storage.url}/pointer.*SlowDown") as throttled:
        storage.replace("pointer", b"1")
    assert throttled.value.may_pass
    with pytest.raises(
        WarehouseError, match=rf"{storage.url}/pointer.*AccessDenied.*s3:PutObject"
    ) as refused:
        storage.replace("pointer", b"1")
    assert not refused.value.may_pass
    with pytest.raises(
        WarehouseError, match=r"s3://no-such-bucket/x/pointer.*NoSuchBucket.*create the bucket"
    ):
        S3Storage("s3://no-such-bucket/x").read("pointer")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    with pytest.raises(StorageUnavailable, match="does not answer"):
        S3Storage(storage.url, call_attempts=1).read("pointer")


def test_the_markers_that_hadoop_makes_are_no_names(storage: S3Storage) -> None:
    """An empty object stands for a folder."""
    for name in ("", "a/", "a/1"):
        storage.replace(f"windows/{name}", b"")
    assert storage.names("windows") == ["a"]
    assert storage.names("windows/a") == ["1"]


def test_a_page_is_told_to_be_one(storage: S3Storage) -> None:
    """A browser that opens it from the bucket shows it instead of saving a file."""
    for name, kind in (("index.html", "text/html"), ("alive.js", "javascript"), ("x", "octet")):
        storage.replace(name, b"")
        found = storage.client.head_object(
            Bucket=storage.bucket, Key=storage.path(name)[len(f"s3://{storage.bucket}/") :]
        )
        assert kind in found["ContentType"]


def test_an_output_appears_whole_when_it_ends(storage: S3Storage) -> None:
    """Large files go in parts; until the end nobody sees anything."""
    data = bytes(range(256)) * 4096 * 10
    with storage.open_output("data/part-0") as stream:
        stream.write(data)
        stream.flush()
        assert keys(storage) == []
    assert storage.read("data/part-0") == data


def test_an_output_that_fails_leaves_nothing(storage: S3Storage) -> None:
    """An error while a Parquet file is written leaves neither an object nor the parts of one."""

    def write_half() -> None:
        rows = pa.table({"n": list(range(1000))})
        with (
            storage.open_output("data/part-0.parquet") as stream,
            pq.ParquetWriter(stream, rows.schema) as writer,
        ):
            writer.write_table(rows)
            raise SourceUnavailable("the connection broke")

    with pytest.raises(SourceUnavailable):
        write_half()
    assert keys(storage) == []
    assert "Uploads" not in storage.client.list_multipart_uploads(Bucket=storage.bucket)


def test_pyarrow_reaches_the_same_files(storage: S3Storage) -> None:
    """The file system reads what was written, by the address without its scheme; also after a
    trip through pickle.
    """
    storage.replace("data/x", b"123")
    assert storage.path("data", "x") == storage.uri("data/x") == f"{storage.url}/data/x"
    for each in (storage, pickle.loads(pickle.dumps(storage))):
        with each.filesystem.open_input_file(each.path("data/x").removeprefix("s3://")) as stream:
            assert stream.read() == b"123"


def test_a_country_s_role_signs_for_pyarrow_and_pyiceberg_too(storage: S3Storage) -> None:
    """Where a role is to be assumed, its temporary credentials are handed over; otherwise each
    client finds its own.
    """
    assert not {"s3.access-key-id", "s3.session-token"} & storage.file_io.keys()
    country = S3Storage(
        storage.url, Aws(assume_role="arn:aws:iam::123456789012:role/storeavail-br")
    )
    assert country.file_io["s3.access-key-id"].startswith("ASIA")
    assert country.file_io["s3.session-token"]
    assert country.file_io["s3.endpoint"] == storage.file_io["s3.endpoint"]


def test_aws_itself_needs_no_endpoint(s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a stand-in pyarrow chooses the address by itself; one that was configured is
    handed over.
    """
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    for region in ("us-east-1", "sa-east-1", "cn-north-1"):
        assert s3_endpoint(S3Storage("s3://bucket", Aws(region=region)).client) is None
    private = "https://bucket.vpce-1a2b3c4d-5e6f.s3.us-east-1.vpce.amazonaws.com"
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", private)
    assert s3_endpoint(S3Storage("s3://bucket", Aws(region="us-east-1")).client) == private


def test_a_bucket_may_be_in_another_region(s3: S3Server, storage: S3Storage) -> None:
    """pyarrow gets the bucket's region, whichever the caller's is."""
    assert S3Storage(storage.url, Aws(region="us-east-1")).file_io["s3.region"] == "sa-east-1"
