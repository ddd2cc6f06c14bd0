"""A server's errors in the words of the person who has to act, told apart by whether they may pass.

Whatever client asked: `elasticsearch.py` and `opensearch.py` say what failed by `RequestFailed`.
Never with the URL, which may hold a password.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Literal
from urllib.parse import urlsplit

from storeavail_platform.config import ElasticsearchServer, is_loopback_host
from storeavail_platform.domain.errors import SourceError, SourceRejected, SourceUnavailable
from storeavail_platform.sources.limits import LONGEST_ANSWER, megabytes, shortened

Cause = Literal["tls", "timeout", "connection", "other"]

PASSING_STATUS = {408, 429, 500, 502, 503, 504}
TOO_LONG = "storeavail_answer_too_long"
"""Kind of the error that stands for an answer beyond the limit."""
NOT_A_SERVER = (
    "what answers there is neither Elasticsearch nor OpenSearch; correct host, port and path in"
    " online_index.url"
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


def cause_of(error: Exception, causes: Mapping[type[Any], Cause]) -> Cause:
    """Why nothing answered: the first that applies (a TLS error is one of the connection too)."""
    return next((cause for kind, cause in causes.items() if isinstance(error, kind)), "other")


class RequestFailed(Exception):
    """A request that was not answered, or by an error.

    Attributes:
        status: of the answer; None where there was none, and `cause` says why.
        body: of the answer, its JSON where it is any.
    """

    def __init__(
        self, text: str, *, status: int | None = None, body: Any = None, cause: Cause = "other"
    ) -> None:
        super().__init__(text)
        self.status = status
        self.body = body
        self.cause = cause

    @property
    def kind(self) -> str | None:
        """The type that the server gives its error."""
        kind = self._details().get("type")
        return str(kind) if kind else None

    @property
    def reason(self) -> str:
        """What helps of what the server says, in one line."""
        details = self._details()
        causes = [*details.get("root_cause", []), details.get("caused_by", {}), details]
        said = next(filter(None, (cause.get("reason") for cause in causes)), None)
        return shortened(str(said or self.kind or self))

    @property
    def indices(self) -> str:
        """The indices that the server names, in brackets; empty where it names none."""
        details = self._details()
        named = dict.fromkeys(
            str(cause["index"])
            for cause in (*details.get("root_cause", []), details)
            if cause.get("index")
        )
        return f" ({', '.join(named)})" if named else ""

    def _details(self) -> dict[str, Any]:
        details = self.body.get("error") if isinstance(self.body, dict) else None
        return details if isinstance(details, dict) else {}


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
            f" {shortened(next(filter(None, reasons), 'no reason given'))}"
        )
    raise SourceUnavailable(f"index {index!r} gave half an answer ({what}); nothing of it was kept")


def translated(
    error: RequestFailed,
    product: str,
    config: ElasticsearchServer,
    url: str,
    request_timeout: timedelta,
) -> SourceError:
    """The platform's error for a request that failed."""
    where, index = f"{product} {address(url)}", f"index {config.index!r}"
    if error.status is not None:
        return _refusal(error, where, index, url)
    said = masked(shortened(str(error)), url)
    if error.cause == "tls":
        advice = next((advice for said_of_tls, advice in TLS_ADVICE if said_of_tls in said), None)
        return SourceRejected(
            f"{where}: {advice or f'no secure connection ({said}); check both certificates'}"
        )
    if error.cause == "timeout":
        return SourceUnavailable(
            f"{where}: no answer within {request_timeout.total_seconds():g} s; "
            "check the server, the route to it, and online_index.request_timeout"
        )
    if error.cause == "connection":
        scheme = " (and that it wants http://)" if urlsplit(url).scheme == "http" else ""
        return SourceUnavailable(
            f"{where}: no connection; check host and port in online_index.url{scheme}, and that the"
            " server runs"
        )
    return SourceUnavailable(f"{where}: {said}")


def _refusal(error: RequestFailed, where: str, index: str, url: str) -> SourceError:
    reason = masked(error.reason, url)
    if (known := _refused_index(error, where, index, reason)) is not None:
        return known
    if error.status == 401:
        return SourceRejected(
            f"{where}: it does not know these credentials; correct online_index.api_key, or"
            " username and password, or the role of auth: aws"
        )
    if error.status == 403:
        return SourceRejected(
            f"{where}: these credentials may not read {index} ({reason}); grant them read and"
            " view_index_metadata (docs/sources.md says what OpenSearch calls them)"
        )
    if error.status == 404:
        if error.kind is None:
            return SourceRejected(f"{where}: {NOT_A_SERVER}")
        return SourceUnavailable(
            f"{where}: the point in time of {index} is gone ({reason}): a node restarted, or the"
            " reading took too long"
        )
    if error.status in PASSING_STATUS:
        return SourceUnavailable(f"{where}: {index} cannot be read now ({error.status}, {reason})")
    return SourceRejected(
        f"{where}: it refuses to read {index} ({error.status}, {reason}); check"
        " online_index.query and its fields"
    )


def _refused_index(error: RequestFailed, where: str, index: str, reason: str) -> SourceError | None:
    """The error of an index that cannot be read as a whole; None where that is not it."""
    kind = error.kind
    if kind == "index_not_found_exception":
        # an index that is made anew is away for a moment
        several = error.indices if {"*", ","} & {*index} else ""
        return SourceUnavailable(
            f"{where}: there is no {index}{several}; correct online_index.index, or create it"
        )
    if kind == "index_closed_exception":
        return SourceRejected(
            f"{where}: {index} is closed, or one of its indices is{error.indices}; open it, or"
            " correct online_index.index"
        )
    if kind == "cluster_block_exception" and "FORBIDDEN" in reason:
        return SourceRejected(
            f"{where}: {index} is blocked ({reason}); whoever set the block, such as"
            " index.blocks.read, has to take it away"
        )
    if kind == TOO_LONG:
        return SourceRejected(
            f"{where}: an answer about {index} is longer than {megabytes(LONGEST_ANSWER)}; set"
            " online_index.index to what this country reads"
        )
    return None


def masked(text: str, url: str) -> str:
    """A message without the URL."""
    return text.replace(url, "the URL")
