"""Elasticsearch's errors in the words of the person who has to act, told apart by whether they may
pass. Never with the URL, which may hold a password.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from elastic_transport import ConnectionError as EsConnectionError
from elastic_transport import ConnectionTimeout, TlsError, TransportError
from elasticsearch import (
    ApiError,
    AuthenticationException,
    AuthorizationException,
    NotFoundError,
    UnsupportedProductError,
)

from storeavail_platform.config import ElasticsearchServer, is_loopback_host
from storeavail_platform.domain.errors import SourceError, SourceRejected, SourceUnavailable

PASSING_STATUS = {408, 429, 500, 502, 503, 504}
NOT_ELASTICSEARCH = (
    "what answers there is not Elasticsearch; correct host, port and path in online_index.url"
)
TLS_ADVICE = (
    (
        "CERTIFICATE_VERIFY_FAILED",
        (
            "its certificate is not trusted; set online_index.ca_certificate, or correct the"
            " certificate"
        ),
    ),
    (
        "WRONG_VERSION_NUMBER",
        "it does not speak TLS; write http:// in online_index.url, or correct its port",
    ),
)


def address(url: str) -> str:
    """Where a URL points, without its credentials."""
    parts = urlsplit(url)
    return f"{parts.hostname}:{parts.port or (443 if parts.scheme == 'https' else 80)}"


def is_exposed(url: str) -> bool:
    """Whether the connection leaves this machine unencrypted."""
    parts = urlsplit(url)
    return parts.scheme != "https" and not is_loopback_host(parts.hostname)


def refuse_partial(answer: Any, index: str) -> None:
    """Refuse an answer that lacks documents.

    Raises:
        SourceUnavailable: it timed out, or shards failed; with the first shard's reason.
    """
    failed = answer["_shards"]["failed"]
    if not answer["timed_out"] and not failed:
        return
    what = "timed out"
    if failed:
        reasons = [
            failure["reason"].get("reason") for failure in answer["_shards"].get("failures", [])
        ]
        what = (
            f"{failed} of {answer['_shards']['total']} shards failed:"
            f" {next(filter(None, reasons), 'no reason given')}"
        )
    raise SourceUnavailable(f"index {index!r} gave half an answer ({what}); nothing of it was kept")


def translated(
    error: ApiError | TransportError,
    config: ElasticsearchServer,
    url: str,
    request_timeout: timedelta,
) -> SourceError:
    """The platform's error for one of the client's."""
    where, index = f"Elasticsearch {address(url)}", f"index {config.index!r}"
    if isinstance(error, ApiError):
        return _refusal(error, where, index, url)
    said = str(error.message)
    if isinstance(error, TlsError):
        advice = next((advice for said_of_tls, advice in TLS_ADVICE if said_of_tls in said), None)
        return SourceRejected(
            f"{where}:"
            f" {advice or f'no secure connection ({masked(said, url)}); check both certificates'}"
        )
    if isinstance(error, ConnectionTimeout):
        return SourceUnavailable(
            f"{where}: no answer within {request_timeout.total_seconds():g} s; "
            "check the server, the route to it, and online_index.request_timeout"
        )
    if isinstance(error, EsConnectionError):
        scheme = " (and that it wants http://)" if urlsplit(url).scheme == "http" else ""
        return SourceUnavailable(
            f"{where}: no connection; check host and port in online_index.url{scheme}, and that the"
            " server runs"
        )
    return SourceUnavailable(f"{where}: {masked(said, url)}")


def _refusal(error: ApiError, where: str, index: str, url: str) -> SourceError:
    if isinstance(error, AuthenticationException):
        return SourceRejected(
            f"{where}: it does not know these credentials; correct online_index.api_key, or"
            " username and password"
        )
    if isinstance(error, AuthorizationException):
        return SourceRejected(
            f"{where}: these credentials may not read {index}; grant them read and"
            " view_index_metadata"
        )
    if isinstance(error, UnsupportedProductError):
        return SourceRejected(f"{where}: {NOT_ELASTICSEARCH}")
    kind, reason = _kind(error), masked(_reason(error), url)
    if kind == "index_not_found_exception":
        return SourceRejected(
            f"{where}: there is no {index}; correct online_index.index, or create it"
        )
    if kind == "index_closed_exception":
        return SourceRejected(f"{where}: {index} is closed; open it, or correct online_index.index")
    if isinstance(error, NotFoundError):
        if kind is None:
            return SourceRejected(f"{where}: {NOT_ELASTICSEARCH}")
        return SourceUnavailable(
            f"{where}: the point in time of {index} is gone ({reason}): a node restarted, or the"
            " reading took too long"
        )
    if error.status_code in PASSING_STATUS:
        return SourceUnavailable(
            f"{where}: {index} cannot be read now ({error.status_code}, {reason})"
        )
    return SourceRejected(
        f"{where}: it refuses to read {index} ({error.status_code}, {reason}); check"
        " online_index.query and its fields"
    )


def _details(error: ApiError) -> dict[str, Any]:
    details = error.body.get("error") if isinstance(error.body, dict) else None
    return details if isinstance(details, dict) else {}


def _kind(error: ApiError) -> str | None:
    kind = _details(error).get("type")
    return str(kind) if kind else None


def _reason(error: ApiError) -> str:
    causes = [cause.get("reason") for cause in _details(error).get("root_cause", [])]
    return str(next(filter(None, causes), None) or _kind(error) or error.message)


def masked(text: str, url: str) -> str:
    """A message without the URL."""
    return text.replace(url, "the URL")
