"""`Storage` on S3. boto3 does what has to be atomic, pyarrow and Spark read and write the rows; no
table is known here.

An object appears whole or not at all, so `replace` is a put. Only one of several writers can create
an object: S3 refuses the others.
What dies in the middle of a large upload leaves parts that nobody sees but that cost: give the
bucket a lifecycle rule that aborts incomplete multipart uploads.
"""

from __future__ import annotations

import contextlib
import functools
import mimetypes
import re
import tempfile
import uuid
from collections.abc import Callable, Iterator
from datetime import datetime
from functools import cached_property
from typing import IO, TYPE_CHECKING, Any

import pyarrow.fs as pafs
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_random_exponential

from storeavail_platform.aws.refusals import may_pass
from storeavail_platform.aws.sessions import CLIENT, session
from storeavail_platform.config import Aws
from storeavail_platform.domain.addresses import split_s3
from storeavail_platform.domain.errors import StorageRefused, StorageUnavailable, WarehouseError
from storeavail_platform.storage.local import Name

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

S3_CLIENT = CLIENT.merge(Config(read_timeout=15, max_pool_connections=64))
CALL_ATTEMPTS = 5
"""S3 slows its callers down while a prefix grows: standard mode waits longer each time."""
AWS_S3 = re.compile(r"https://s3(\.[a-z0-9-]+)?\.amazonaws\.com(\.cn)?")
BUCKET_REGION = "x-amz-bucket-region"
CONNECT_SECONDS = 5.0
REQUEST_SECONDS = 15.0
"""How long S3 may send nothing."""
READ_ATTEMPTS = 5
CREATE_ATTEMPTS = 6
"""S3 answers 409 while another conditional put of the same key is under way, and asks to try
again.
"""
SPOOL_BYTES = 64 * 2**20
"""A file that is being written is kept in memory up to this size, beyond it in a temporary file."""
WRITER = "writer"

FILE_IO_NAMES = {
    "endpoint_override": "s3.endpoint",
    "region": "s3.region",
    "access_key": "s3.access-key-id",
    "secret_key": "s3.secret-access-key",
    "session_token": "s3.session-token",
    "connect_timeout": "s3.connect-timeout",
    "request_timeout": "s3.request-timeout",
}
"""pyarrow's names of settings, and pyiceberg's."""


class S3Storage:
    """`Storage` below `s3://bucket/prefix`. Nothing is connected before the first use; many threads
    may use it; it can be pickled.

    Every method raises `StorageUnavailable` where S3 does not answer, and `WarehouseError` where it
    refuses.
    """

    def __init__(
        self, url: str, aws: Aws | None = None, *, call_attempts: int = CALL_ATTEMPTS
    ) -> None:
        """
        Args:
            aws: the profile, region and role to use; by default what AWS's clients find by
                themselves.
            call_attempts: how often a call is made before S3 is said not to answer.
        """
        self.url = url.rstrip("/")
        self.aws = aws or Aws()
        self.call_attempts = call_attempts
        self.bucket, self.prefix = split_s3(self.url)

    def __reduce__(self) -> tuple[Callable[..., S3Storage], tuple[str, Aws]]:
        opened = functools.partial(S3Storage, call_attempts=self.call_attempts)
        return opened, (self.url, self.aws)

    _session = cached_property(lambda self: session(self.aws))

    @cached_property
    def client(self) -> S3Client:
        with s3_errors(self.url):
            retries = Config(retries={"mode": "standard", "total_max_attempts": self.call_attempts})
            return self._session.client("s3", config=S3_CLIENT.merge(retries))

    @property
    def filesystem(self) -> pafs.FileSystem:
        """It takes `bucket/key`: addresses of `path` without their scheme."""
        return _filesystem(**self._settings)

    @property
    def file_io(self) -> dict[str, str]:
        return {FILE_IO_NAMES[name]: str(value) for name, value in self._settings.items()}

    def path(self, *parts: str) -> str:
        return "/".join((self.url, *parts))

    uri = path

    def relative(self, address: str) -> str | None:
        start = f"{self.url}/"
        return address.removeprefix(start) if address.startswith(start) else None

    def read_own(self, relative: str) -> bytes | None:
        # S3 has no links
        return self.read(relative)

    def read(self, relative: str) -> bytes | None:
        with self._errors(relative):
            try:
                return self.client.get_object(Bucket=self.bucket, Key=self._key(relative))[
                    "Body"
                ].read()
            except self.client.exceptions.NoSuchKey:
                return None

    def create(self, relative: str, data: bytes) -> bool:
        # boto3 repeats a put whose answer was lost, and is then refused because of its own object:
        # the writer's mark tells.
        writer = uuid.uuid4().hex
        key = self._key(relative)
        trying = Retrying(
            retry=retry_if_exception(lambda error: _status(error) == 409),
            stop=stop_after_attempt(CREATE_ATTEMPTS),
            wait=wait_random_exponential(multiplier=0.1, max=2),
            reraise=True,
        )
        with self._errors(relative):
            try:
                trying(
                    self.client.put_object,
                    Bucket=self.bucket,
                    Key=key,
                    Body=data,
                    IfNoneMatch="*",
                    Metadata={WRITER: writer},
                )
            except self.client.exceptions.ClientError as error:
                if _status(error) != 412:
                    raise
                return (
                    self.client.head_object(Bucket=self.bucket, Key=key)["Metadata"].get(WRITER)
                    == writer
                )
        return True

    def replace(self, relative: str, data: bytes) -> None:
        with self._errors(relative):
            self.client.put_object(
                Bucket=self.bucket,
                Key=self._key(relative),
                Body=data,
                # a browser shows a page only if it is told that it is one
                ContentType=mimetypes.guess_type(relative)[0] or "application/octet-stream",
            )

    @contextlib.contextmanager
    def open_output(self, relative: str) -> Iterator[IO[bytes]]:
        # Not pyarrow's stream: whichever way it is closed, and when it is collected too, what was
        # written so far becomes the object.
        with tempfile.SpooledTemporaryFile(max_size=SPOOL_BYTES) as stream:
            yield stream
            stream.seek(0)
            with self._errors(relative):
                self.client.upload_fileobj(stream, self.bucket, self._key(relative))

    def size(self, relative: str) -> int | None:
        with self._errors(relative):
            try:
                return self.client.head_object(Bucket=self.bucket, Key=self._key(relative))[
                    "ContentLength"
                ]
            except self.client.exceptions.ClientError as error:
                if _status(error) != 404:
                    raise
                return None

    def names(self, relative: str, *, after: str = "") -> list[Name]:
        folder = f"{self._key(relative)}/"
        files, folders = set(), set()
        for page in self._pages(relative, Delimiter="/", StartAfter=folder + after):
            files |= {item["Key"].removeprefix(folder) for item in page.get("Contents", ())}
            prefixes = {item["Prefix"] for item in page.get("CommonPrefixes", ())}
            folders |= {prefix.removeprefix(folder).removesuffix("/") for prefix in prefixes}
        return [
            Name(name, is_file=name in files, is_folder=name in folders)
            for name in sorted(files | folders)
            if name > after and not name.startswith(".")
        ]

    def delete(self, relative: str) -> None:
        with self._errors(relative):
            self.client.delete_object(Bucket=self.bucket, Key=self._key(relative))

    def delete_tree(self, relative: str) -> None:
        for page in self._pages(relative):
            # A page has at most 1000 keys, which is what one call can delete.
            if keys := [item["Key"] for item in page.get("Contents", ())]:
                self._delete(relative, keys)

    def delete_empty_folders(self, relative: str, *, until: datetime) -> None:
        """S3 has no folders."""

    def _pages(self, folder: str, **options: Any) -> Iterator[Any]:
        with self._errors(folder):
            paginator = self.client.get_paginator("list_objects_v2")
            yield from paginator.paginate(
                Bucket=self.bucket, Prefix=f"{self._key(folder)}/", **options
            )

    def _delete(self, folder: str, keys: list[str]) -> None:
        with self._errors(folder):
            objects: Any = {"Objects": [{"Key": key} for key in keys], "Quiet": True}
            for refused in self.client.delete_objects(Bucket=self.bucket, Delete=objects).get(
                "Errors", ()
            ):
                # S3 reports them in an answer that is a success as a whole; a single delete says it
                # as any other call does.
                self.client.delete_object(Bucket=self.bucket, Key=refused["Key"])

    @property
    def _settings(self) -> dict[str, str | float]:
        """How pyarrow reaches the bucket, in its own names."""
        place: dict[str, str | float] = {
            "connect_timeout": CONNECT_SECONDS,
            "request_timeout": REQUEST_SECONDS,
            **self._place,
        }
        # pyarrow finds and renews credentials by itself as boto3 does
        if self.aws.profile is None and self.aws.assume_role is None:
            return place
        with s3_errors(self.url):
            credentials = self._session.get_credentials()
            # renewed first if they expire within minutes
            signing = credentials and credentials.get_frozen_credentials()
        if signing is None:
            return place
        keys = {
            "access_key": signing.access_key,
            "secret_key": signing.secret_key,
            "session_token": signing.token,
        }
        return place | {name: value for name, value in keys.items() if value is not None}

    @cached_property
    def _place(self) -> dict[str, str]:
        with s3_errors(self.url):
            endpoint = s3_endpoint(self.client)
            return {"region": s3_region(self.client, self.bucket)} | (
                {"endpoint_override": endpoint} if endpoint else {}
            )

    def _key(self, relative: str) -> str:
        return "/".join(filter(None, (self.prefix, relative)))

    def _errors(self, relative: str) -> contextlib.AbstractContextManager[None]:
        return s3_errors(self.path(relative))


@functools.lru_cache(maxsize=8)
def _filesystem(**settings: str | float) -> pafs.FileSystem:
    """One for each set of credentials, which are renewed from time to time."""
    return pafs.S3FileSystem(
        retry_strategy=pafs.AwsStandardS3RetryStrategy(max_attempts=READ_ATTEMPTS), **settings
    )


def _status(error: BaseException) -> int | None:
    """The HTTP status of boto3's error, None for any other."""
    response = getattr(error, "response", None)
    return response["ResponseMetadata"]["HTTPStatusCode"] if response else None


def s3_endpoint(client: S3Client) -> str | None:
    """The address of S3 that boto3 was told to use (`AWS_ENDPOINT_URL`, a profile), or None for
    AWS's own.
    """
    return None if AWS_S3.fullmatch(client.meta.endpoint_url) else client.meta.endpoint_url


def s3_region(client: S3Client, bucket: str) -> str:
    """The region that a bucket is in, which S3 tells also to those who may not use it; boto3's
    own where it does not.
    """
    try:
        headers = client.head_bucket(Bucket=bucket)["ResponseMetadata"]["HTTPHeaders"]
    except ClientError as error:
        if may_pass(error):
            raise
        headers = error.response["ResponseMetadata"]["HTTPHeaders"]
    return headers.get(BUCKET_REGION, client.meta.region_name)


@contextlib.contextmanager
def s3_errors(place: str) -> Iterator[None]:
    """Raise what boto3 raises about `place` as errors of the warehouse.

    Raises:
        StorageUnavailable: S3 does not answer, or not now.
        StorageRefused: a right is missing.
        WarehouseError: it says no for another reason; the message tells the likely cause.
    """
    try:
        yield
    except (BotoCoreError, ClientError) as error:
        if may_pass(error):
            raise StorageUnavailable(
                f"{place}: S3 does not answer now: {error}; check the network, and AWS_ENDPOINT_URL"
                " if it is set"
            ) from error
        refusal = StorageRefused if _status(error) == 403 else WarehouseError
        raise refusal(f"{place}: {error}{_s3_cause(error)}") from error


def _s3_cause(error: ClientError | BotoCoreError) -> str:
    if not isinstance(error, ClientError):
        return ""
    if error.response["Error"]["Code"] == "NoSuchBucket":
        return "; create the bucket, or correct `warehouse`"
    if error.response["ResponseMetadata"]["HTTPStatusCode"] == 403:
        return (
            "; the role needs s3:GetObject, s3:PutObject, s3:DeleteObject and"
            " s3:AbortMultipartUpload below this prefix and s3:ListBucket on the bucket, without"
            " which files that are not there are denied too"
        )
    return ""
