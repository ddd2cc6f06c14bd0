"""Addresses of files: `s3://bucket/key`, `file:///path`, a path. No I/O."""

from __future__ import annotations

S3 = "s3://"
FILE = "file://"


def split_s3(address: str) -> tuple[str, str]:
    """The bucket and the key of `s3://bucket/key`; the key may be empty.

    Raises:
        ValueError: another kind of address, or one without a bucket.
    """
    bucket, _, key = address.removeprefix(S3).partition("/")
    if not address.startswith(S3) or not bucket:
        raise ValueError(f"{address!r} is not of the form s3://bucket/key")
    return bucket, key


def plain(address: str) -> str:
    """An address as its own file system takes it: without a scheme."""
    return address.removeprefix(FILE).removeprefix(S3)


def engine_path(address: str) -> str:
    """An address as engines take it: a path, or `s3://bucket/key`."""
    return address.removeprefix(FILE)
