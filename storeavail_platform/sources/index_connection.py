"""Connecting to the server with an index: which product it is, in a version that can be read, and
with whose rights.
"""

from __future__ import annotations

import contextlib
import re
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from storeavail_platform.config import Aws, ElasticsearchServer
from storeavail_platform.domain.errors import SourceRejected
from storeavail_platform.domain.masking import remember_login
from storeavail_platform.sources.elasticsearch import ElasticsearchClient
from storeavail_platform.sources.index_client import IndexClient, in_path
from storeavail_platform.sources.index_errors import (
    NOT_A_SERVER,
    RequestFailed,
    address,
    masked,
    translated,
)

OLDEST = {"Elasticsearch": (8, 0), "OpenSearch": (2, 4)}
"""The first versions that are read: OpenSearch has points in time from 2.4 on."""
READ = {"Elasticsearch": "8 and 9", "OpenSearch": "2 (from 2.4) and 3"}
SERVICE = "es"
"""What Amazon OpenSearch domains are called in a signature."""
AWS_HOST = re.compile(r"\.([a-z]{2}(?:-[a-z]+)+-\d)\.es\.amazonaws\.com")


@contextlib.contextmanager
def connected(
    config: ElasticsearchServer,
    aws: Aws | None,
    request_timeout: timedelta,
    product: str | None = None,
) -> Iterator[IndexClient]:
    """A client that never looks for other nodes; its errors are the platform's.

    Args:
        product: what the server is, where that is known; else it is asked.

    Raises:
        SourceUnavailable, SourceRejected: what the server answers, or its silence.
    """
    url = url_of(config, aws)
    client: IndexClient | None = None
    try:
        try:
            client = _client(config, aws, url, request_timeout.total_seconds(), product)
        except ValueError as error:
            raise SourceRejected(
                f"online_index.url is not an address of a server ({masked(str(error), url)});"
                " write https://host:9200"
            ) from None
        with contextlib.closing(client):
            yield client
    except RequestFailed as error:
        name = "the server" if client is None else client.product
        raise translated(error, name, config, url, request_timeout) from None


def url_of(config: ElasticsearchServer, aws: Aws | None) -> str:
    """The server's address.

    Raises:
        SourceRejected: it is cut elsewhere than its writer meant: a part of its password would be
            taken for a host, and shown.
    """
    url = config.url.resolve(aws)
    scheme, is_url, address = url.partition("://")
    authority = re.split(r"[/?#\\]", address, maxsplit=1)[0]
    place = authority.rpartition("@")[2]
    if (
        is_url == ""
        or scheme.lower() not in ("http", "https")
        or "@" in address.removeprefix(authority)
        or not re.fullmatch(r"(\[[0-9A-Fa-f:.]+\]|[\w.-]+)(:\d{1,5})?", place, re.ASCII)
    ):
        raise SourceRejected(
            "online_index.url is not an address of a server; write https://host:9200, and"
            " characters of a password in it as their codes (@ %40, / %2F, ? %3F, # %23, % %25,"
            " : %3A)"
        )
    return url


def _client(
    config: ElasticsearchServer, aws: Aws | None, url: str, timeout: float, product: str | None
) -> IndexClient:
    options: dict[str, Any] = {
        "headers": _login(config, aws),
        "ca_certificate": _certificate(config),
        "timeout": timeout,
    }
    if config.auth == "aws":
        return _opensearch(url, {**options, "sign": _signer(aws or Aws(), url)})
    if product == "OpenSearch":
        return _opensearch(url, options)
    client = ElasticsearchClient(url, **options)
    if product is None:
        with _closed_on_error(client):
            product = _product(client, config, url)
    if product == "Elasticsearch":
        return client
    client.close()
    return _opensearch(url, options)


def _opensearch(url: str, options: Mapping[str, Any]) -> IndexClient:
    # most indices are on Elasticsearch, and the client takes long to import
    from storeavail_platform.sources.opensearch import OpenSearchClient

    return OpenSearchClient(url, **options)


@contextlib.contextmanager
def _closed_on_error(client: IndexClient) -> Iterator[None]:
    with contextlib.ExitStack() as stack:
        stack.callback(client.close)
        yield
        stack.pop_all()


def _product(client: ElasticsearchClient, config: ElasticsearchServer, url: str) -> str:
    """What the server is.

    Raises:
        SourceRejected: it is neither product, or a version that cannot be read.
        RequestFailed: it does not answer, or does not know the credentials.
    """
    status, headers, body = client.ask("/")
    version = body.get("version") if isinstance(body, dict) else None
    if isinstance(version, dict) and "number" in version:
        is_opensearch = version.get("distribution") == "opensearch"
        product = "OpenSearch" if is_opensearch else "Elasticsearch"
        refuse_version(product, str(version["number"]), url)
        return product
    # who may read an index need not have the right to ask for the version
    for path in ("", f"/{in_path(config.index)}/_field_caps?fields=_id"):
        if path:
            status, headers, body = client.ask(path)
        if headers.get("x-elastic-product") == "Elasticsearch":
            return "Elasticsearch"
        if status == 401 or status >= 500:
            raise RequestFailed(f"it answers {status}", status=status, body=body)
    if isinstance(body, dict) and ("indices" in body or "error" in body):
        return "OpenSearch"
    raise SourceRejected(f"{address(url)}: {NOT_A_SERVER}")


def refuse_version(product: str, number: str, url: str) -> None:
    """Refuse a version that is too old.

    Raises:
        SourceRejected: names it, and those that are read.
    """
    found = re.match(r"(\d+)\.(\d+)", number)
    # a domain may say that it is Elasticsearch 7.10 for the sake of old clients
    if product == "OpenSearch" and number.startswith("7."):
        return
    if found is None or (int(found[1]), int(found[2])) < OLDEST[product]:
        raise SourceRejected(
            f"{product} {address(url)} is version {number}: {READ[product]} can be read; upgrade"
            " it, or set online_index.url to a server that is"
        )


def _login(config: ElasticsearchServer, aws: Aws | None) -> dict[str, str]:
    if config.api_key is not None:
        return {"authorization": f"ApiKey {config.api_key.resolve(aws)}"}
    if config.username is not None and config.password is not None:
        user, password = config.username.resolve(aws), config.password.resolve(aws)
        remember_login(user, password)
        login = f"{user}:{password}".encode()
        return {"authorization": f"Basic {b64encode(login).decode()}"}
    return {}


def _certificate(config: ElasticsearchServer) -> str | None:
    if config.ca_certificate is not None and not Path(config.ca_certificate).is_file():
        raise SourceRejected(
            f"there is no file {config.ca_certificate}; correct online_index.ca_certificate"
        )
    return config.ca_certificate


def _signer(aws: Aws, url: str) -> Callable[..., dict[str, str]]:
    """What signs requests with the country's session, in the region of the domain.

    Raises:
        SourceRejected: there are no credentials, or no region is known.
    """
    from opensearchpy import Urllib3AWSV4SignerAuth

    from storeavail_platform.aws.sessions import session

    opened = session(aws)
    credentials = opened.get_credentials()
    in_host = AWS_HOST.search(urlsplit(url).hostname or "")
    region = in_host[1] if in_host else opened.region_name
    if credentials is None or region is None:
        lacking = "credentials" if credentials is None else "region"
        raise SourceRejected(
            f"online_index.auth: aws, and no AWS {lacking} were found; set the country's aws"
            " (profile, region, assume_role), or what boto3 reads"
        )
    signer: Callable[..., dict[str, str]] = Urllib3AWSV4SignerAuth(credentials, region, SERVICE)
    return signer
