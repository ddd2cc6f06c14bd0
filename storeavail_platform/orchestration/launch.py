"""Running windows from the command line: one process a country, the same job and Dagster instance
as schedules and the UI. Countries that have the same secrets are forked from one process, which
imports once for all.

What each country's process does is `execute.py`. Nothing here imports Dagster, so that a command
answers quickly.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from threading import Event

import orjson
from pydantic import TypeAdapter, ValidationError

from storeavail_platform.config import CONFIG_VARIABLE, Platform, dagster_home
from storeavail_platform.domain.windows import Window
from storeavail_platform.orchestration.processes import EVENT_BATCHES
from storeavail_platform.orchestration.up.guard import guarded

COUNTRIES_AT_ONCE = max(4, 2 * (os.cpu_count() or 1))
EXECUTE_MODULE = "storeavail_platform.orchestration.execute"


@dataclass(frozen=True)
class Work:
    """What a country's process does.

    Attributes:
        windows: run in this order.
        select: tables to compute; empty for the observation and every table.
        reread: read stores and hours of landed windows again, as PostgreSQL has them now.
        last: of a range of the past its last window, else None. The first window of a range that
            fails ends it, other runs of the country go before each, and those windows follow whose
            judgement rests on the range.
    """

    country: str
    windows: Sequence[Window]
    select: Sequence[str] = ()
    reread: bool = False
    last: Window | None = None

    @property
    def is_range(self) -> bool:
        return self.last is not None

    def encode(self) -> str:
        keys = {"windows": [window.key for window in self.windows]}
        last = None if self.last is None else self.last.key
        return orjson.dumps({**asdict(self), **keys, "last": last}).decode()

    @classmethod
    def decode(cls, text: str) -> Work:
        fields = orjson.loads(text)
        windows = [Window.parse(key) for key in fields.pop("windows")]
        last = fields.pop("last", None)
        return cls(windows=windows, last=last and Window.parse(last), **fields)


@dataclass(frozen=True)
class Outcome:
    """How one window's run ended.

    Attributes:
        seconds: the run's own time.
        reason: why it failed; None where it completed.
        is_gap: it failed because nothing was observed, and that is recorded.
        begun: when the run began, seconds since 1970; 0.0 where none did.
    """

    country: str
    window: str
    run_id: str | None
    seconds: float
    reason: str | None = None
    is_gap: bool = False
    begun: float = 0.0


@dataclass(frozen=True)
class Ended:
    """How the process of a country ended, where it is one of several forked from one.

    Attributes:
        exit_code: of the process, or 128 + the signal's number.
    """

    country: str
    exit_code: int


Tell = Callable[[Outcome], None]
MESSAGE: TypeAdapter[Outcome | Ended] = TypeAdapter(Outcome | Ended)
"""A line of a country's process."""


@dataclass(frozen=True)
class Launched:
    """The processes that were started, to end them with the command."""

    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)
    is_ending: Event = field(default_factory=Event)

    def end(self) -> None:
        self.is_ending.set()
        for process in self.processes:
            process.terminate()

    def add(self, process: subprocess.Popen[bytes]) -> None:
        self.processes.append(process)
        # begun while the command was being ended
        if self.is_ending.is_set():
            process.terminate()


def launch(
    platform: Platform, work: Sequence[Work], on_outcome: Tell = lambda outcome: None
) -> list[Outcome]:
    """Run windows, each country's in order in a process of its own, which has the secrets of its
    country only; a country's failure leaves the others running.

    Args:
        on_outcome: told each outcome as it comes, from several threads.

    The processes end with this one, also where it is killed.
    """
    launched = Launched()
    with ThreadPoolExecutor(max_workers=COUNTRIES_AT_ONCE, thread_name_prefix="country") as pool:
        jobs = [
            pool.submit(_run_countries, platform, group, launched, on_outcome)
            for group in groups(platform, work)
        ]
        try:
            return [outcome for job in jobs for outcome in job.result()]
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            launched.end()
            raise


def groups(platform: Platform, work: Sequence[Work]) -> list[list[Work]]:
    """Work by what its processes must not know: what a process has, those that it forks have."""
    found: dict[frozenset[str], list[Work]] = defaultdict(list)
    for each in work:
        found[frozenset(platform.foreign_variables(each.country) & os.environ.keys())].append(each)
    return list(found.values())


def _run_countries(
    platform: Platform, group: Sequence[Work], launched: Launched, on_outcome: Tell
) -> list[Outcome]:
    outcomes: list[Outcome] = []
    ended: dict[str, int] = {}
    foreign = platform.foreign_variables(group[0].country)
    environment = {
        **{name: value for name, value in os.environ.items() if name not in foreign},
        CONFIG_VARIABLE: platform.origin,
        "DAGSTER_HOME": str(dagster_home(platform)),
        **EVENT_BATCHES,
    }
    if launched.is_ending.is_set():
        return outcomes
    command = [sys.executable, "-m", EXECUTE_MODULE, *(work.encode() for work in group)]
    with guarded(command, env=environment, stdout=subprocess.PIPE) as process:
        launched.add(process)
        assert process.stdout is not None
        for line in process.stdout:
            try:
                message = MESSAGE.validate_json(line)
            except ValidationError:
                # whatever a library prints there
                sys.stderr.write(line.decode(errors="replace"))
                continue
            if isinstance(message, Ended):
                ended[message.country] = message.exit_code
                continue
            outcomes.append(message)
            on_outcome(message)
    if launched.is_ending.is_set():
        return outcomes
    for work in group:
        exit_code = ended.get(work.country, process.returncode)
        own = [outcome for outcome in outcomes if outcome.country == work.country]
        for window in _undone(work, own, exit_code):
            why = (
                f"the country's process ended with exit code {exit_code} before the window was"
                " done; run it again"
            )
            outcome = Outcome(work.country, window.key, None, 0.0, why)
            outcomes.append(outcome)
            on_outcome(outcome)
    return outcomes


def _undone(work: Work, outcomes: Sequence[Outcome], exit_code: int) -> Sequence[Window]:
    """The windows that a process has left; of a range the first of them."""
    left = work.windows[len(outcomes) :]
    if work.last is None:
        return left
    if exit_code == 0:
        return []
    done = [Window.parse(outcome.window) for outcome in outcomes]
    return left[:1] or [max([work.last, *done]).next()]
