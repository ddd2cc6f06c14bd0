"""The machine's clock is wrong: nothing is observed by it, no gap is recorded, and what it did
before anybody knew is put right. The witness is a real PostgreSQL.
"""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from storeavail_platform.config import load_platform
from storeavail_platform.domain.clock import offset_text
from storeavail_platform.domain.errors import ClockWrong, NotObserved, SourceUnavailable
from storeavail_platform.domain.windows import Window
from storeavail_platform.pipeline.observe import INDEX, POSTGRES, Observing
from storeavail_platform.pipeline.runtime import Runtime, build_runtime
from storeavail_platform.pipeline.window import WindowRun, run_window
from storeavail_platform.pipeline.witnesses import Witnesses
from storeavail_platform.reading.status import recorded_gaps
from storeavail_platform_tests.end_to_end.world import World
from storeavail_testing.clock import SetClock
from storeavail_testing.postgres import PostgresServer

HOUR = timedelta(hours=1)
GRACE = timedelta(minutes=2)
NOWHERE = "postgresql://nobody@127.0.0.1:1/nothing"
STORE_ROWS = """
INSERT INTO stores SELECT i, 'Store ' || i, NULL, 'City', 'Brand', NULL, true FROM generate_series(1, 4) i;
INSERT INTO store_weekly_hours SELECT i, d, '00:00', '24:00' FROM generate_series(1, 4) i, generate_series(1, 7) d;
"""
DOCUMENTS = [{"store_id": str(i), "online": i != 2} for i in range(1, 5)]


@dataclass
class Machine:
    """A machine with a clock, and a country whose live index is a file: its reading has no witness
    of its own.
    """

    world: World
    clock: SetClock = field(default_factory=SetClock)

    @property
    def runtime(self) -> Runtime:
        return build_runtime(load_platform(str(self.world.config)), clock=self.clock)

    @property
    def window(self) -> Window:
        """The one that it is by the clock, right or wrong."""
        return Window.containing(self.clock())

    def run(self, window: Window, **how: Any) -> None:
        runtime = self.runtime
        tables = frozenset(table.name for table in runtime.tables)
        run = WindowRun("BR", window, f"run-{self.clock():%H%M%S%f}", tables)
        list(run_window(runtime, run, observing=Observing(GRACE, **how)))

    def landed(self, window: Window, source: str = INDEX) -> Any:
        return self.runtime.landing.find("BR", window, source)

    def is_observed(self, window: Window) -> bool | None:
        marker = self.runtime.markers.read("BR", window)
        return None if marker is None else marker.observed_at is not None


@pytest.fixture
def machine(
    tmp_path: Path, postgres_server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> Machine:
    """It is the middle of a window of yesterday, for PostgreSQL too."""
    world = World(tmp_path, postgres_server)
    (tmp_path / "live.ndjson").write_text("\n".join(map(json.dumps, DOCUMENTS)))
    world.add_country("BR", "America/Sao_Paulo", "{path: ./live.ndjson}", rows=STORE_ROWS)
    for name, value in world.environment.items():
        monkeypatch.setenv(name, value)
    made = Machine(world)
    made.clock.set(Window.containing(datetime.now(UTC)).next(-96).middle())
    return made


@pytest.mark.parametrize("wrong", [HOUR, -HOUR], ids=["fast", "slow"])
def test_nothing_is_observed_by_a_wrong_clock(machine: Machine, wrong: timedelta) -> None:
    """What the clock takes for the window in progress is refused in words, with the way out, and
    leaves nothing behind. When the clock is set right, the window that it is is observed.
    """
    machine.clock.wrong = wrong
    false = machine.window
    with pytest.raises(ClockWrong) as raised:
        machine.run(false)
    said = str(raised.value)
    assert (
        f"is 1 h 00 min 00 s {'ahead of' if wrong > timedelta() else 'behind'} PostgreSQL's" in said
    )
    assert f"Window {false} of BR was not observed, and no gap was recorded" in said
    assert "`storeavail run --country BR`" in said
    assert machine.runtime.landing.windows("BR") == []
    machine.clock.wrong = timedelta()
    machine.run(machine.window)
    assert machine.is_observed(machine.window)


def test_a_clock_a_little_off_is_let_pass(machine: Machine) -> None:
    """Up to two minutes: the reading is still of the window, or refused as late."""
    machine.clock.wrong = timedelta(seconds=110)
    machine.run(machine.window)
    assert machine.is_observed(machine.window)


def test_no_gap_is_recorded_by_a_wrong_clock(machine: Machine) -> None:
    """A window that has not begun is over by a clock that is fast; it is observed in its time."""
    machine.clock.wrong = HOUR
    future = machine.window.next(-2)
    with pytest.raises(ClockWrong):
        machine.run(future, record_gap=True)
    assert machine.runtime.landing.windows("BR") == []
    machine.clock.wrong = timedelta()
    machine.clock.set(future.middle())
    machine.run(future)
    assert machine.is_observed(future)


def recorded_too_early(machine: Machine) -> Window:
    """A window in its middle that is recorded as a gap, by a clock that nothing witnessed."""
    window = machine.window
    machine.clock.offset += HOUR
    machine.run(window, record_gap=True)
    machine.clock.offset -= HOUR
    assert machine.is_observed(window) is False
    return window


def test_a_gap_that_can_still_be_read_is_observed_after_all(machine: Machine) -> None:
    """The gap goes, both sources are read, every row is an observed one, and no window counts as
    lost.
    """
    window = recorded_too_early(machine)
    stores = machine.landed(window, POSTGRES)
    machine.run(window)
    assert machine.is_observed(window)
    assert machine.landed(window, POSTGRES).attempt != stores.attempt
    rows = machine.world.query("SELECT status, COUNT(*) AS n FROM store_availability GROUP BY ALL")
    assert {row["status"]: row["n"] for row in rows} == {"available": 3, "missing": 1}
    assert recorded_gaps(machine.runtime, "BR", machine.clock()) == []


def test_a_gap_stays_while_nothing_says_that_it_can_be_read(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A clock that is slow would read today's index for a gap of the past: without PostgreSQL's
    word, against it, or when the window is over, the gap stays as it is.
    """
    window = recorded_too_early(machine)
    before = machine.landed(window)
    machine.clock.offset += HOUR
    machine.clock.wrong = -HOUR
    with pytest.raises(ClockWrong, match="behind PostgreSQL's"):
        machine.run(window)
    with monkeypatch.context() as patch:
        patch.setenv("BR_DSN", NOWHERE)
        with pytest.raises(SourceUnavailable):
            machine.run(window)
    machine.clock.wrong = timedelta()
    machine.run(window)
    assert machine.landed(window) == before
    assert machine.is_observed(window) is False


def test_a_reading_that_a_wrong_clock_has_dated_is_withdrawn(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With PostgreSQL down nothing witnesses the clock, and the index is kept as in any outage.
    When PostgreSQL answers, and by its time that reading is of the future, it goes.
    """
    machine.clock.wrong = HOUR
    false = machine.window
    with monkeypatch.context() as patch:
        patch.setenv("BR_DSN", NOWHERE)
        with pytest.raises(SourceUnavailable):
            machine.run(false)
    assert machine.landed(false) is not None
    with pytest.raises(ClockWrong):
        machine.run(false)
    assert machine.runtime.landing.windows("BR") == []


def test_a_good_reading_outlives_a_clock_that_goes_wrong(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the right clock landed stays when the clock is found wrong, and completes when it is
    right again.
    """
    window = machine.window
    with monkeypatch.context() as patch:
        patch.setenv("BR_DSN", NOWHERE)
        with pytest.raises(SourceUnavailable):
            machine.run(window)
    machine.clock.wrong = HOUR
    with pytest.raises(ClockWrong):
        machine.run(window)
    machine.clock.wrong = timedelta()
    with pytest.raises(NotObserved, match="half observed"):
        list(run_window(machine.runtime, WindowRun("BR", window, "run", frozenset({"stores"}))))
    machine.run(window)
    assert machine.is_observed(window)


def test_a_recording_says_itself_when_it_was_made(machine: Machine) -> None:
    """A recorded index is read for any window at any time, whatever the clock says."""
    window = machine.window.next(-8)
    index = machine.world.record("BR", window, DOCUMENTS)
    machine.world.add_country("BR", "America/Sao_Paulo", index, rows=STORE_ROWS)
    machine.clock.wrong = HOUR
    machine.run(window)
    assert machine.is_observed(window)


MINUTE = timedelta(minutes=1)


@pytest.mark.parametrize(
    ("index", "postgres", "said"),
    [
        (None, HOUR, "ahead of PostgreSQL's. Window"),
        (HOUR + MINUTE, HOUR, "agrees with PostgreSQL. Window"),
        (-MINUTE, HOUR, "agrees with this machine: it may be PostgreSQL's server"),
        (-HOUR, HOUR, "no two of them agree"),
        (-HOUR, None, "behind the Date of the online index's answers; PostgreSQL does not answer"),
    ],
)
def test_which_clocks_agree_is_said(
    index: timedelta | None, postgres: timedelta | None, said: str
) -> None:
    """PostgreSQL is the first witness; what the index's answers say is said beside it, and counts
    where PostgreSQL does not answer.
    """

    def ask() -> timedelta | None:
        if postgres is None:
            raise SourceUnavailable("down")
        return postgres

    window = Window.parse("2026-11-23T1300")
    witnesses = Witnesses("BR", window, window.middle, logging.getLogger())

    def hear() -> None:
        witnesses.hear_index(index, ask)
        witnesses.hear_postgres(postgres)

    with pytest.raises(ClockWrong) as raised:
        hear()
    assert said in str(raised.value)


def test_an_index_whose_date_alone_is_off_is_read(caplog: pytest.LogCaptureFixture) -> None:
    """The clock of a proxy before it may be wrong: PostgreSQL's word is enough, and it is said."""
    window = Window.parse("2026-11-23T1300")
    witnesses = Witnesses("BR", window, window.middle, logging.getLogger())
    witnesses.hear_index(HOUR, lambda: MINUTE)
    witnesses.hear_postgres(MINUTE)
    assert "PostgreSQL agrees with this machine" in caplog.text


@pytest.mark.parametrize(
    ("offset", "text"),
    [
        (timedelta(seconds=0.4), "within 1 s of"),
        (timedelta(minutes=4, seconds=10), "4 min 10 s ahead of"),
        (-HOUR * 25, "25 h 00 min 00 s behind"),
        (timedelta(seconds=-30), "30 s behind"),
    ],
)
def test_an_offset_for_people(offset: timedelta, text: str) -> None:
    """Hours, minutes and seconds, and in which direction."""
    assert offset_text(offset) == text
