"""The confirmation probe against a real HTTP server: what it sends, and that every fault of the API
is an answer about its stores, within the budget.
"""

from __future__ import annotations

import os
import pickle
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from storeavail_platform.config import Confirm
from storeavail_platform.config.values import Loading
from storeavail_platform.domain.clock import utc_now
from storeavail_platform.domain.source import Counted
from storeavail_platform.domain.windows import Window
from storeavail_platform.sources.confirmation import ConfirmationSource, Store
from storeavail_platform.sources.confirmation_pace import FAILURES, TRIALS
from storeavail_testing.availability_api import (
    HANGS,
    OFFLINE,
    ONLINE,
    RESETS,
    AvailabilityApi,
    Reply,
    availability_api,
    says,
)
from storeavail_testing.processes import free_port
from storeavail_testing.tls import certificate

WINDOW = Window(datetime(2026, 11, 23, 10, 15, tzinfo=UTC))
MINUTE = timedelta(minutes=1)


@pytest.fixture
def api() -> Iterator[AvailabilityApi]:
    with availability_api() as running:
        yield running


def confirm(api: AvailabilityApi | str, **settings: Any) -> Confirm:
    """Settings for an API, by default without partitions and second tries."""
    url = api if isinstance(api, str) else api.url
    whole = {"url": url, "partitions": 1, "attempts": 1} | settings
    return Confirm.model_validate(whole, context=Loading())


def on_this_machine(seconds: float) -> float:
    """How long that may take while others use the cores too."""
    return seconds * max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))


def same(*ids: str) -> list[Store]:
    return [(each, each) for each in ids]


def asked(
    config: Confirm, stores: list[Store], counts: Counter[str] | None = None
) -> dict[str, dict[str, Any]]:
    """The rows by store, all partitions one after another."""
    source = ConfirmationSource(config, None, stores, utc_now() + MINUTE)
    rows: dict[str, dict[str, Any]] = {}
    counts = Counter() if counts is None else counts
    with source.open(WINDOW) as snapshot:
        for split in snapshot.splits:
            reading = Counted(pickle.loads(pickle.dumps(source)).read(split))
            rows |= {row["store_id"]: row for batch in reading for row in batch.to_pylist()}
            for name, count in reading.counts.items():
                counts[name] += count
    return rows


def all_at_once(config: Confirm, stores: list[Store]) -> dict[str, dict[str, Any]]:
    """The rows by store, partitions side by side, as a window reads them."""
    source = ConfirmationSource(config, None, stores, utc_now() + MINUTE)
    with source.open(WINDOW) as snapshot, ThreadPoolExecutor() as pool:
        found = pool.map(lambda split: list(source.read(split)), snapshot.splits)
        return {
            row["store_id"]: row
            for batches in found
            for batch in batches
            for row in batch.to_pylist()
        }


def verdicts(rows: Mapping[str, dict[str, Any]]) -> dict[str, bool | None]:
    """What was answered by store; None: nothing."""
    assert all(row["answered"] is (row["is_online"] is not None) for row in rows.values())
    return {store: row["is_online"] for store, row in rows.items()}


def test_an_id_is_one_segment_of_the_path(api: AvailabilityApi) -> None:
    """Whatever an id holds, it stays one segment, and it is the source's own; an id that every
    reader of an address takes for a way through the tree is not sent.
    """
    ids = ["42", "a/b", "../admin", "a?b#c", "100%", "%2F", "são é", "x;y", "A B", ".", ".."]
    rows = asked(confirm(api), [(f"id {each}", each) for each in ids])
    sent = {f"/stores/{quote(each, safe='')}/availability" for each in ids[:-2]}
    assert set(api.asked) == sent
    assert len(api.asked) == len(sent)
    assert all(path.count("/") == 3 for path in api.asked)
    assert {store for store, row in rows.items() if not row["answered"]} == {"id .", "id .."}
    assert rows["id .."]["asked_at"] is None


def test_the_answer_is_read_by_path_and_words(
    api: AvailabilityApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By `online` as of an index: dots lead into objects, values mean what the lists say; secrets
    go into headers. Anything else is no answer, and says why.
    """
    monkeypatch.setenv("API_TOKEN", "Bearer s3cret-token")
    place = "/stores/{}/availability"
    for store, document in {
        "open": {"data": {"state": "OPEN"}},
        "closed": {"data": {"state": "closed"}},
        "busy": {"data": {"state": "BUSY"}},
        "none": {"data": {}},
        "list": [1, 2],
    }.items():
        api.replies[place.format(store)] = [says(document)]
    api.replies[place.format("html")] = [Reply(body=b"<html>")]
    api.replies[place.format("long")] = [Reply(body=b'"' + b"x" * 2**21 + b'"')]
    api.replies[place.format("gone")] = [Reply(404)]
    api.replies[place.format("moved")] = [Reply(302, headers=(("location", "/elsewhere"),))]
    api.replies[place.format("refused")] = [Reply(401)]
    stores = same(*(path.split("/")[2] for path in api.replies))
    settings: dict[str, Any] = {
        "online": {"field": "data.state", "online": ["open"], "offline": ["closed"]},
        "headers": {"Authorization": "env:API_TOKEN"},
        "attempts": 3,
    }
    rows = asked(confirm(api, **settings), stores)
    assert api.sent["authorization"] == "Bearer s3cret-token"
    assert len(api.asked) == len(stores), "nothing of this passes by asking again"
    assert {store: said for store, said in verdicts(rows).items() if said is not None} == {
        "open": True,
        "closed": False,
    }
    assert rows["open"]["status_code"] == 200
    assert 0 < rows["open"]["latency"] < 5
    assert rows["open"]["problem"] is None
    assert {store: rows[store]["problem"] for store in ("busy", "none", "html", "moved")} == {
        "busy": "its answer has 'BUSY' at data.state, which says neither",
        "none": "its answer has nothing at data.state, which says neither",
        "html": "its answer is not JSON",
        "moved": "it answers 302",
    }
    assert "longer than" in rows["long"]["problem"]
    assert (rows["refused"]["status_code"], rows["refused"]["answered"]) == (401, False)
    known = asked(confirm(api, **settings, not_found="offline"), same("gone"))
    assert (known["gone"]["is_online"], known["gone"]["status_code"]) == (False, 404)


def test_faults_that_pass_are_tried_again(api: AvailabilityApi) -> None:
    """Answers of 429 and 500 and more, resets and silence, up to `attempts`; `Retry-After` is
    waited for, in seconds or as a date.
    """
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=1), usegmt=True)
    place = "/stores/{}/availability"
    api.replies = {
        place.format("busy"): [Reply(429, headers=(("retry-after", "1"),)), ONLINE],
        place.format("dated"): [Reply(503, headers=(("retry-after", soon),)), ONLINE],
        place.format("error"): [Reply(500), Reply(502), ONLINE],
        place.format("reset"): [RESETS, ONLINE],
        place.format("hangs"): [HANGS, ONLINE],
        place.format("slow"): [Reply(is_slow=True), ONLINE],
        place.format("never"): [Reply(500)],
    }
    stores = [path.split("/")[2] for path in api.replies]
    started = time.monotonic()
    rows = asked(confirm(api, attempts=3, timeout="1s"), same(*stores))
    assert verdicts(rows) == {**dict.fromkeys(stores, True), "never": None}
    assert api.times[place.format("never")] == 3
    assert rows["never"]["status_code"] == 500
    assert time.monotonic() - started > 1, "nobody is asked before the time that the API names"


def test_a_longer_wait_than_the_budget_ends_the_asking(api: AvailabilityApi) -> None:
    """Nobody waits for a `Retry-After` that lies behind the budget."""
    api.otherwise = Reply(429, headers=(("retry-after", "600"),))
    started = time.monotonic()
    rows = asked(confirm(api, attempts=3, concurrency=1), same("1", "2", "3"))
    assert time.monotonic() - started < on_this_machine(5)
    assert len(api.asked) == 1
    assert verdicts(rows) == dict.fromkeys(("1", "2", "3"))


@pytest.mark.parametrize("fault", [HANGS, RESETS, Reply(500)])
def test_a_dead_api_costs_the_budget_at_most(api: AvailabilityApi, fault: Reply) -> None:
    """Whatever it dies of; and nobody is asked once it did not answer about many (the circuit
    breaker), so that it costs less requests than stores.
    """
    api.otherwise = fault
    stores = same(*map(str, range(500)))
    started = time.monotonic()
    rows = asked(confirm(api, budget="3s", timeout="1s", concurrency=20, attempts=3), stores)
    assert time.monotonic() - started < on_this_machine(4)
    assert verdicts(rows) == dict.fromkeys(map(str, range(500)))
    assert len(api.asked) < FAILURES + 20 + TRIALS


def test_a_circuit_closes_again(api: AvailabilityApi) -> None:
    """An API that is back is asked again: what is not answered about is what was asked meanwhile."""
    stores = [str(number) for number in range(60)]
    source = ConfirmationSource(
        confirm(api, concurrency=5), None, same(*stores), utc_now() + MINUTE
    )
    with source.open(WINDOW) as snapshot:
        order = [store for store, _ in snapshot.splits[0].arguments["stores"]]
    for store in order[: FAILURES + 1]:
        api.replies[f"/stores/{store}/availability"] = [RESETS]
    rows = asked(source.config, same(*stores))
    unanswered = {store for store, said in verdicts(rows).items() if said is None}
    assert unanswered == set(order[: FAILURES + 1])


def test_nobody_there_is_no_answer(tmp_path: Path) -> None:
    """A refused connection, a name that is nobody's, an address of the inside, a certificate that
    nobody vouches for, a secret that is not set: no error is raised.
    """
    place = "/stores/{store_id}/availability"
    for config, problem in (
        (confirm(f"http://127.0.0.1:{free_port()}{place}"), "ConnectError"),
        (confirm(f"https://nowhere.invalid{place}"), "cannot be resolved"),
        (confirm(f"http://169.254.169.254{place}"), "link-local or metadata address"),
        (confirm(f"http://[::ffff:a9fe:a9fe]{place}"), "link-local or metadata address"),
        (confirm(f"https://localhost{place}", headers={"x": "env:NO_SUCH_NAME"}), "NO_SUCH_NAME"),
    ):
        (row,) = asked(config, same("1")).values()
        assert not row["answered"]
        assert problem in row["problem"]
    public, private = certificate(tmp_path, "localhost")
    with availability_api((public, private)) as api:
        (row,) = asked(confirm(api), same("1")).values()
        assert "CERTIFICATE_VERIFY_FAILED" in row["problem"]
        assert verdicts(asked(confirm(api, ca_certificate=str(public)), same("1"))) == {"1": False}


def test_a_partition_has_one_client_within_its_share(api: AvailabilityApi) -> None:
    """One client each, whose connections are used again; concurrency and rate are shared out, so
    that all partitions together stay within them.
    """
    ids = [str(number) for number in range(60)]
    counts: Counter[str] = Counter()
    started = time.monotonic()
    rows = asked(confirm(api, partitions=3, concurrency=8, rate=120), same(*ids), counts)
    assert verdicts(rows) == dict.fromkeys(ids, False)
    assert counts == {"confirmation_clients": 3, "confirmation_requests": 60}
    assert sorted(api.asked) == sorted(set(api.asked)), "each store once"
    assert api.connections <= 8
    # here one partition after another, each at a third of the rate
    assert api.most_at_once <= 3
    assert time.monotonic() - started > 60 / 40 * 0.8


def ask_500(api: AvailabilityApi) -> None:
    """Of an API that answers in 200 ms, 50 at once."""
    ids = [str(number) for number in range(500)]
    api.otherwise = Reply(after=0.2)
    rows = all_at_once(confirm(api, timeout="60s", partitions=4), same(*ids))
    assert verdicts(rows) == dict.fromkeys(ids, False)
    assert len(api.asked) == 500
    assert api.most_at_once <= 50


def test_500_stores_cost_little(api: AvailabilityApi) -> None:
    """In CPU seconds, those of the server in this process included: however busy the machine is,
    what takes longer is only the waiting for the API.
    """
    started = time.process_time()
    ask_500(api)
    assert time.process_time() - started < 5


@pytest.mark.long
def test_500_stores_are_asked_about_within_5_seconds(api: AvailabilityApi) -> None:
    """Where the machine has nothing else to do."""
    started = time.monotonic()
    ask_500(api)
    assert time.monotonic() - started < 5


def test_who_is_not_reached_in_time_says_nothing_of_who_is(api: AvailabilityApi) -> None:
    """Stores are asked about in an order that has nothing to do with their ids, so that those
    reached stand for the others; what cannot be asked within the budget is left out.
    """
    source = ConfirmationSource(
        confirm(api, rate=10, budget="2s"), None, same(*map(str, range(100))), utc_now() + MINUTE
    )
    with source.open(WINDOW) as snapshot, source.open(WINDOW) as again:
        chosen = [int(store) for store, _ in snapshot.splits[0].arguments["stores"]]
        assert again.splits == snapshot.splits
    assert len(chosen) == 20
    assert chosen != sorted(chosen)
    assert max(chosen) > 50 > min(chosen)


def test_check_says_what_the_api_says(api: AvailabilityApi) -> None:
    """In one line, and that a connection beyond this machine is not encrypted."""
    api.replies["/stores/2/availability"] = [ONLINE]
    api.replies["/stores/3/availability"] = [Reply(403)]
    source = ConfirmationSource(confirm(api), None, same("1", "2", "3"), utc_now() + MINUTE)
    (finding,) = source.check()
    assert finding.level == "warning"
    assert finding.message.startswith("answers about 2 of 3 stores within 0.")
    assert finding.message.endswith("1 online; it answers 403")
    assert OFFLINE.status == 200
