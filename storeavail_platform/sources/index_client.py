"""What a reading asks of a server with the index, whichever product it is: how each one is asked is
`elasticsearch.py` and `opensearch.py`.

A partial answer would read as stores going offline, so a time-out, a failed shard, or fewer
documents than the server counts is an error, and nothing of the reading counts.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, ClassVar
from urllib.parse import quote

from storeavail_platform.domain.errors import SourceRejected, SourceUnavailable
from storeavail_platform.domain.source import BATCH_ROWS
from storeavail_platform.sources.index_errors import TOO_LONG, RequestFailed, refuse_partial
from storeavail_platform.sources.index_pages import Page, json_of
from storeavail_platform.sources.limits import LONGEST_ANSWER, megabytes

KEEP_ALIVE = "2m"
"""How long the point in time lives on between two pages."""
WITH_CLOSED = {"expand_wildcards": "open,closed"}
"""A closed index under a pattern is found, so that it is refused: else its stores would be
missing."""
SHARDS, RESULT_WINDOW, VALUE_FIELDS = (
    "index.number_of_shards",
    "index.max_result_window",
    "index.max_docvalue_fields_search",
)


@dataclass(frozen=True)
class IndexSettings:
    """What bounds the reading of an index, or of several.

    Attributes:
        indices: how many there are.
        shards: of the one that has most.
        result_window: documents of a page, at most.
        value_fields: fields that one request may read by doc values.
    """

    indices: int
    shards: int
    result_window: int
    value_fields: int


@dataclass(frozen=True)
class PointInTime:
    """A state of the index, and how it is read: plain data, which travels.

    Attributes:
        id: the server's.
        index: as configured, for messages.
        slices: into how many parts the server cuts it.
        sort: the order of each part; no two documents of a part are equal in it.
        page: documents of a page, at most.
    """

    id: str
    index: str
    slices: int
    sort: Sequence[str]
    page: int


class IndexClient(ABC):
    """A connection to a server."""

    product: ClassVar[str]
    answered_at: datetime | None = None
    """When the last answer was made, as its `Date` says (UTC): the server's clock, or that of what
    lies before it; None where it has none."""

    @property
    @abstractmethod
    def received(self) -> int:
        """Bytes of all answers."""

    @abstractmethod
    def answer(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        timeout: float | None = None,
    ) -> Any:
        """What the server answers: JSON; bytes where they start as a page's do (`PAGE`).

        Args:
            timeout: seconds, without trying again; by default the configured one.

        Raises:
            RequestFailed: no answer, or an error.
        """

    def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        timeout: float | None = None,
    ) -> Any:
        """An answer's JSON; as `answer`."""
        return json_of(self.answer(method, path, params=params, body=body, timeout=timeout))

    @abstractmethod
    def close(self) -> None:
        """Close the connection."""

    @abstractmethod
    def open_state(self, index: str) -> str:
        """The id of a point in time over every shard; one that is down is an error."""

    @abstractmethod
    def close_state(self, point: PointInTime, timeout: float | None = None) -> None:
        """Let a point in time go."""

    @abstractmethod
    def cut(self, slices: int, settings: IndexSettings) -> tuple[int, Sequence[str]]:
        """Into how many parts a point in time is cut where `slices` are wanted, and each one's
        order.
        """

    def settings(self, index: str) -> IndexSettings:
        """What bounds the reading. An index that is not there is an error, also by a pattern."""
        names = f"{SHARDS},{RESULT_WINDOW},{VALUE_FIELDS}"
        found = self.request(
            "GET",
            f"/{in_path(index)}/_settings/{names}",
            params={"flat_settings": "true", "allow_no_indices": "false", **WITH_CLOSED},
        )
        each = [settings["settings"] for settings in found.values()]
        return IndexSettings(
            indices=len(each),
            shards=max(int(settings.get(SHARDS, 1)) for settings in each),
            result_window=min(int(settings.get(RESULT_WINDOW, BATCH_ROWS)) for settings in each),
            value_fields=min(int(settings.get(VALUE_FIELDS, 100)) for settings in each),
        )

    def point_in_time(self, index: str, slices: int, settings: IndexSettings) -> PointInTime:
        """Fix the index's state."""
        state = self.open_state(index)
        cut, sort = self.cut(slices, settings)
        return PointInTime(state, index, cut, tuple(sort), min(BATCH_ROWS, settings.result_window))

    def field_types(self, index: str, fields: Sequence[str]) -> dict[str, dict[str, bool]]:
        """The types of those fields that the index has, and whether each has doc values.

        Raises:
            SourceUnavailable: it has no fields at all yet.
        """
        found = self._field_caps(index, ",".join(fields))
        if not found and all(name.startswith("_") for name in self._field_caps(index, "*")):
            raise SourceUnavailable(
                f"index {index!r} has no fields yet: nothing was indexed since it was made; check"
                " the indexer, and online_index.index"
            )
        return {
            name: {kind: bool(of["aggregatable"]) for kind, of in found[name].items()}
            for name in fields
            if name in found
        }

    def _field_caps(self, index: str, fields: str) -> dict[str, Any]:
        path = f"/{in_path(index)}/_field_caps"
        return dict(self.request("GET", path, params={"fields": fields})["fields"])

    def count(self, point: PointInTime, query: Mapping[str, Any]) -> int:
        """How many documents of a point in time match."""
        body = {**_within(point.id), "query": query, "size": 0, "track_total_hits": True}
        answer = self.request("POST", "/_search", body=body)
        refuse_partial(answer, point.index)
        return int(answer["hits"]["total"]["value"])

    def pages(
        self,
        point: PointInTime,
        number: int,
        wanted: Mapping[str, Any],
        timeout: Callable[[], float | None] = lambda: None,
    ) -> Iterator[Page]:
        """The hits of a part, a page at a time, each document once.

        Args:
            wanted: the query, and what each hit holds, as the server's search takes it.
            timeout: of each request, in seconds; None for the configured one.

        Raises:
            SourceUnavailable: a partial answer, or fewer documents than the server counts.
            SourceRejected: one document alone is longer than an answer may be.
        """
        size, read, total = point.page, 0, None
        body = {**_within(point.id), **wanted, "sort": list(point.sort)}
        if point.slices > 1:
            body["slice"] = {"id": number, "max": point.slices}
        while total is None or read < total:
            # one count is enough: the state does not move
            body |= {"size": size, "track_total_hits": total is None}
            try:
                answer = self.answer("POST", "/_search", body=body, timeout=timeout())
            except RequestFailed as error:
                if error.kind != TOO_LONG:
                    raise
                size = _smaller(size, point.index)
                continue
            page = Page(answer)
            refuse_partial(page.around, point.index)
            if total is None:
                total = int(page.around["hits"]["total"]["value"])
            if page.is_empty and read < total:
                raise SourceUnavailable(
                    f"index {point.index!r} gave {read:,} of {total:,} documents; nothing of it was"
                    " kept"
                )
            if not page.is_empty:
                body |= {
                    **_within(page.around.get("pit_id", point.id)),
                    "search_after": page.last_order,
                }
                yield page
                read += len(page)


def date_of(headers: Mapping[str, str]) -> datetime | None:
    """An answer's `Date` (UTC); None where it has none that can be read, or was kept in a cache."""
    if "age" in headers:
        return None
    try:
        date = parsedate_to_datetime(headers.get("date", ""))
    except ValueError:
        return None
    return date.replace(tzinfo=UTC) if date.tzinfo is None else date.astimezone(UTC)


def _within(state: str) -> dict[str, Any]:
    return {"pit": {"id": state, "keep_alive": KEEP_ALIVE}}


def _smaller(size: int, index: str) -> int:
    if size == 1:
        raise SourceRejected(
            f"index {index!r}: one document alone is an answer of more than"
            f" {megabytes(LONGEST_ANSWER)}; set online_index.query so that it is left out, or make"
            " it smaller"
        )
    return max(1, size // 8)


def in_path(index: str) -> str:
    """An index, a list or a pattern as part of a path."""
    return quote(index, safe=",*")
