"""One client of a partition: asks the API about its stores, many at once, within a time.

A connection pool with keep-alive and TLS, made here, used for all of the partition's stores and
closed here. Whatever the API does, each store has an answer in the end: that there was none is one.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import quote, urlsplit

import certifi
import httpx
import orjson

from storeavail_platform.config import PLACE, Aws, Confirm
from storeavail_platform.domain.clock import Clock
from storeavail_platform.domain.errors import ConfigError, SourceUnavailable
from storeavail_platform.domain.hosts import leads_inside
from storeavail_platform.domain.masking import masked
from storeavail_platform.sources.confirmation_pace import Pace, jitter
from storeavail_platform.sources.index_shapes import flag_reader, value_at
from storeavail_platform.sources.limits import shortened

LONGEST_ANSWER = 2**20
"""Bytes of one answer."""
NOT_FOUND = (404, 410)
TOO_MANY = 429
SERVER_ERROR = 500
OVER = "the budget of time was over"
GIVEN_UP = "not asked: the API did not answer about others"

# they write the address of each request
for _name in ("httpx", "httpcore"):
    logging.getLogger(_name).setLevel(logging.WARNING)


@dataclass(frozen=True)
class Answer:
    """What came of asking about a store; a row of `raw_confirmation`."""

    store_id: str
    asked_at: datetime | None = None
    answered: bool = False
    is_online: bool | None = None
    status_code: int | None = None
    latency: float | None = None
    problem: str | None = None


@dataclass(frozen=True)
class Part:
    """What one partition may do.

    Attributes:
        stores: id, and id as PostgreSQL has it, of each store.
        concurrency: requests at once.
        rate: requests a second.
        seconds: for all of it.
    """

    stores: Sequence[tuple[str, str]]
    concurrency: int
    rate: float
    seconds: float


@dataclass
class Asked:
    """A partition's answers, in the order of its stores, and how many requests they took."""

    answers: list[Answer]
    requests: int


class _NoAnswer(Exception):
    """A request without a usable answer.

    Attributes:
        may_pass: whether asking again may help.
    """

    def __init__(self, problem: str, status: int | None = None, *, may_pass: bool = False) -> None:
        super().__init__(problem)
        self.status = status
        self.may_pass = may_pass


def ask(config: Confirm, aws: Aws | None, part: Part, clock: Clock) -> Asked:
    """Ask about a partition's stores.

    Raises:
        ConfigError: a header's secret cannot be read, or the host is one that nothing is sent to.
        SourceUnavailable: the host's name cannot be resolved.
    """
    client = _client(config, aws, part.concurrency)
    return asyncio.run(_Asking(config, part, clock).all_of(client))


def address(config: Confirm, store_id: str) -> str | None:
    """The address that is asked about a store; None: its id cannot be a segment of a path, because
    whoever reads the address takes it for a way through the tree.
    """
    before, after = config.url.split(PLACE)
    segment = f"{before.rpartition('/')[2]}{store_id}{after.partition('/')[0].partition('?')[0]}"
    if segment in (".", ".."):
        return None
    return f"{before}{quote(store_id, safe='')}{after}"


def _client(config: Confirm, aws: Aws | None, concurrency: int) -> httpx.AsyncClient:
    host = urlsplit(config.url).hostname or ""
    try:
        if leads_inside(host):
            raise ConfigError(
                f"confirm.url: {host} is a link-local or metadata address; nothing is sent to such"
                " ones"
            )
    except OSError:
        raise SourceUnavailable(
            f"confirm.url: {host} cannot be resolved; correct it, or the network's DNS"
        ) from None
    try:
        verify = ssl.create_default_context(cafile=config.ca_certificate or certifi.where())
    except OSError as error:
        raise ConfigError(
            f"confirm.ca_certificate: {config.ca_certificate} cannot be read as PEM"
            f" ({error.strerror or error})"
        ) from None
    headers = {name: secret.resolve(aws) for name, secret in config.headers.items()}
    if wrong := [name for name, value in headers.items() if not value.isascii()]:
        raise ConfigError(f"confirm.headers.{wrong[0]}: has characters that no header can have")
    return httpx.AsyncClient(
        headers={"accept": "application/json", "user-agent": "storeavail", **headers},
        verify=verify,
        timeout=config.timeout.total_seconds(),
        limits=httpx.Limits(max_connections=concurrency, max_keepalive_connections=concurrency),
        follow_redirects=False,
        # no proxy and no login that the environment knows of
        trust_env=False,
    )


class _Asking:
    """One partition being asked about."""

    def __init__(self, config: Confirm, part: Part, clock: Clock) -> None:
        self.config, self.part, self.clock = config, part, clock
        self.flag = flag_reader(config.online)
        self.answers: dict[str, Answer] = {}
        self.requests = 0

    async def all_of(self, client: httpx.AsyncClient) -> Asked:
        time = asyncio.get_running_loop().time
        self.until = time() + self.part.seconds
        self.pace = Pace(self.part.rate, time)
        stores = iter(self.part.stores)
        async with client:
            try:
                async with asyncio.timeout(self.part.seconds), asyncio.TaskGroup() as group:
                    for _ in range(min(self.part.concurrency, len(self.part.stores))):
                        group.create_task(self._work(client, stores))
            except TimeoutError:
                pass
        problem = GIVEN_UP if self.pace.is_given_up else OVER
        found = [
            self.answers.get(store_id) or Answer(store_id, problem=problem)
            for store_id, _ in self.part.stores
        ]
        return Asked(found, self.requests)

    async def _work(self, client: httpx.AsyncClient, stores: Iterator[tuple[str, str]]) -> None:
        for store_id, source_id in stores:
            url = address(self.config, source_id)
            if url is None:
                problem = "its id cannot be a segment of an address"
                self.answers[store_id] = Answer(store_id, problem=problem)
            else:
                await self._store(client, store_id, url)

    async def _store(self, client: httpx.AsyncClient, store_id: str, url: str) -> None:
        for attempt in range(self.config.attempts):
            if attempt:
                await asyncio.sleep(jitter(attempt))
            if not await self.pace.turn():
                return
            started = asyncio.get_running_loop().time()
            asked = Answer(store_id, asked_at=self.clock(), problem=OVER)
            # stands where the time is over before the answer is there
            self.answers[store_id] = asked
            self.requests += 1
            try:
                async with asyncio.timeout(self.config.timeout.total_seconds()):
                    status, is_online = await self._request(client, url)
            except TimeoutError:
                error = _NoAnswer("timed out", may_pass=True)
            except _NoAnswer as failed:
                error = failed
            except Exception as failed:  # noqa: BLE001 (whatever the client's library raises must not fail the window)
                error = _NoAnswer(f"{type(failed).__name__}: {failed}", may_pass=True)
            else:
                self.pace.heard(is_usable=True)
                latency = asyncio.get_running_loop().time() - started
                self.answers[store_id] = replace(
                    asked,
                    answered=True,
                    is_online=is_online,
                    status_code=status,
                    latency=latency,
                    problem=None,
                )
                return
            self.pace.heard(is_usable=error.status in NOT_FOUND)
            self.answers[store_id] = replace(
                asked,
                status_code=error.status,
                latency=asyncio.get_running_loop().time() - started,
                problem=masked(shortened(str(error))),
            )
            if not error.may_pass:
                return

    async def _request(self, client: httpx.AsyncClient, url: str) -> tuple[int, bool]:
        """Status, and whether the store is online.

        Raises:
            _NoAnswer, httpx.RequestError: it does not say.
        """
        async with client.stream("GET", url) as response:
            status = response.status_code
            if status in NOT_FOUND and self.config.not_found == "offline":
                return status, False
            if not response.is_success:
                self._wait_as_asked(response.headers)
                may_pass = status == TOO_MANY or status >= SERVER_ERROR
                raise _NoAnswer(f"it answers {status}", status, may_pass=may_pass)
            body = b""
            async for piece in response.aiter_bytes():
                body += piece
                if len(body) > LONGEST_ANSWER:
                    raise _NoAnswer(f"its answer is longer than {LONGEST_ANSWER:,} bytes", status)
        try:
            document = orjson.loads(body)
        except orjson.JSONDecodeError:
            raise _NoAnswer("its answer is not JSON", status) from None
        field = self.config.online.field
        found = self.flag(value_at(document, field))
        if found not in ("true", "false"):
            said = "nothing" if found is None else repr(found)
            raise _NoAnswer(f"its answer has {said} at {field}, which says neither", status)
        return status, found == "true"

    def _wait_as_asked(self, headers: Mapping[str, Any]) -> None:
        """Make no request before the time that `Retry-After` says, in seconds or as a date; none
        at all where that is after the budget.
        """
        text = headers.get("retry-after")
        if text is None:
            return
        if text.isdigit():
            seconds = float(text)
        else:
            try:
                moment = parsedate_to_datetime(text)
            except ValueError:
                return
            now = self.clock()
            seconds = (moment.replace(tzinfo=moment.tzinfo or UTC) - now).total_seconds()
        now_on = asyncio.get_running_loop().time()
        if now_on + seconds > self.until:
            self.pace.is_given_up = True
        elif seconds > 0:
            self.pace.pause(seconds)
