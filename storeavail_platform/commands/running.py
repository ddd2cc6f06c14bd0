"""The command that runs windows, `run`: one, several, or a range of the past.

How far a range has come is kept by `pipeline/recompute.py`; what each country's process does is
`orchestration/execute.py`.
"""

from __future__ import annotations

import contextlib
import functools
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import click
from rich.text import Text

from storeavail_platform.commands.options import (
    ERROR,
    OUT,
    WindowType,
    chosen,
    config_option,
    country_option,
    current_time,
)
from storeavail_platform.config import Platform, dagster_home, demo_config_path, load_platform
from storeavail_platform.domain.tables import TABLES
from storeavail_platform.domain.text import moment
from storeavail_platform.domain.windows import Window

if TYPE_CHECKING:
    from storeavail_platform.orchestration.launch import Outcome, Work
    from storeavail_platform.pipeline.recompute import Progress, Recompute
    from storeavail_platform.pipeline.runtime import Runtime


@contextlib.contextmanager
def sources_running(platform: Platform) -> Iterator[None]:
    """Start the demo's PostgreSQL for the demo's own configuration, and record its index up to
    now; any other has its own servers.
    """
    if platform.origin != str(demo_config_path()):
        yield
        return
    from storeavail_platform.demo import demo_running

    with demo_running(demo_config_path().parent, current_time()):
        yield


@dataclass(frozen=True)
class Range:
    """The windows from `first` to `last`, both included.

    Attributes:
        is_anew: from the beginning, also where it was stopped before.
    """

    first: Window
    last: Window
    is_anew: bool


def windows_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--window`, `--from`, `--to` and `--anew`; the command gets them as `asked`: the windows,
    in order and each once, or a Range.

    Raises, when it is called:
        UsageError: they contradict each other, or the range has not begun.
    """

    @click.option(
        "--window",
        "windows",
        type=WindowType(),
        multiple=True,
        metavar="KEY",
        help=(
            "UTC start of the window, like 2026-11-23T1015; may be repeated."
            "  [default: the one in progress]"
        ),
    )
    @click.option(
        "--from",
        "first",
        type=WindowType(),
        metavar="KEY",
        help="First window of a range to run again.  [default: none]",
    )
    @click.option(
        "--to",
        "last",
        type=WindowType(),
        metavar="KEY",
        help="Last window of the range.  [default: none]",
    )
    @click.option(
        "--anew", is_flag=True, help="Begin a range that was stopped again, instead of going on."
    )
    @functools.wraps(command)
    def with_windows(
        *args: Any,
        windows: tuple[Window, ...],
        first: Window | None,
        last: Window | None,
        anew: bool,
        **options: Any,
    ) -> Any:
        return command(*args, asked=asked_for(windows, first, last, is_anew=anew), **options)

    return with_windows


def asked_for(
    windows: Sequence[Window], first: Window | None, last: Window | None, *, is_anew: bool
) -> Sequence[Window] | Range:
    newest = Window.containing(current_time())
    if first is None and last is None:
        if is_anew:
            raise click.UsageError("--anew is for a range: add --from and --to")
        return sorted(set(windows)) or [newest]
    if first is None or last is None:
        raise click.UsageError("a range has both ends: --from KEY --to KEY")
    if windows:
        raise click.UsageError("either --window, which may be repeated, or --from and --to")
    if last < first:
        raise click.UsageError(f"--to {last} is before --from {first}")
    if last > newest:
        raise click.UsageError(f"--to {last} has not begun: the window in progress is {newest}")
    return Range(first, last, is_anew)


@click.command(
    epilog=(
        "Example:  storeavail run --country BR --from 2026-11-23T1300 --to 2026-11-23T1545 --reread"
    )
)
@config_option
@country_option
@windows_options
@click.option(
    "--reread",
    is_flag=True,
    help="Read stores and hours of landed windows again, as PostgreSQL has them now.",
)
@click.option(
    "--select",
    multiple=True,
    metavar="TABLE",
    type=click.Choice(["observation", *(table.name for table in TABLES)]),
    help="Only this table; may be repeated.  [default: the observation and every table]",
)
def run(
    config_path: str | None,
    countries: tuple[str, ...],
    asked: Sequence[Window] | Range,
    reread: bool,
    select: tuple[str, ...],
) -> None:
    """Run windows: observe, compute, check and commit them, each country in a process of its own.

    A window that is landed is computed again from what was read then, or with --reread from the
    stores and hours as they are now; the index is never read again. A range that was stopped goes
    on where it stopped. Exit code 1 if a country failed; the others complete.
    """
    from storeavail_platform.orchestration.launch import Work
    from storeavail_platform.pipeline.runtime import build_runtime
    from storeavail_platform.warehouse.layout import layout_of

    if reread and select and "observation" not in select:
        raise click.UsageError("--reread is of the observation: add --select observation")
    platform = load_platform(config_path)
    runtime = build_runtime(platform)
    # before a process and a run a country begin
    layout_of(runtime.storage)
    codes = chosen(platform, countries)
    with sources_running(platform):
        is_whole = (
            run_range(runtime, codes, asked, select=select, reread=reread)
            if isinstance(asked, Range)
            else Running(runtime).run([Work(code, asked, select, reread) for code in codes])
        )
    if not is_whole:
        sys.exit(1)


@dataclass
class Running:
    """Runs windows, and says of each how it went.

    Attributes:
        progress: where it is noted how far ranges have come; None: it is not.
        ranges: the range of each country, as it was when this began.
        total: windows of all ranges.
        done: of these, those that are done.
    """

    runtime: Runtime
    progress: Progress | None = None
    ranges: dict[str, Recompute] = field(default_factory=dict)
    total: int = 0
    done: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, state: Recompute, *, total: int, done: int) -> None:
        """A country's range, of whose windows so many are done."""
        self.ranges[state.country] = state
        self.total += total
        self.done += done

    def run(self, work: Sequence[Work]) -> bool:
        """Run them; a range that is done is forgotten.

        Returns:
            Whether all went well.
        """
        from storeavail_platform.orchestration.launch import launch

        outcomes = launch(self.runtime.platform, work, self.tell)
        failed = {each.country for each in outcomes if not is_done(each, self.ranges)}
        for country in self.ranges.keys() - failed:
            if self.progress is not None:
                self.progress.end(country)
        return not failed

    def tell(self, outcome: Outcome) -> None:
        """Print how a window's run ended; countries come from a thread each."""
        with self.lock:
            self._tell(outcome)

    def _tell(self, outcome: Outcome) -> None:
        from storeavail_platform.commands.report import outcome_line

        is_well = is_done(outcome, self.ranges)
        line = outcome_line(self.runtime, outcome, is_gap_well=is_well)
        state = self.ranges.get(outcome.country)
        if state is not None:
            line = Text.assemble(self._noted(state, outcome, is_well=is_well), line)
        (OUT if is_well else ERROR).print(line)

    def _noted(self, state: Recompute, outcome: Outcome, *, is_well: bool) -> str:
        if is_well and self.progress is not None:
            following = Window.parse(outcome.window).next().key
            self.ranges[outcome.country] = replace(state, next=following)
            self.progress.write(self.ranges[outcome.country])
        if outcome.window > state.last:
            return "after it  "
        self.done += is_well
        return f"{self.done} of {self.total}  "


def is_done(outcome: Outcome, ranges: dict[str, Recompute]) -> bool:
    """Whether a window is as it should be: in a range a gap stays one."""
    return outcome.reason is None or (outcome.is_gap and outcome.country in ranges)


def run_range(
    runtime: Runtime, countries: Sequence[str], asked: Range, *, select: Sequence[str], reread: bool
) -> bool:
    """Compute a range of windows again, and say which cannot be.

    Returns:
        Whether all of it is done.
    """
    from storeavail_platform.orchestration.launch import Work
    from storeavail_platform.pipeline.recompute import Progress, Recompute, plan, settings_of
    from storeavail_platform.storage.local import LocalStorage

    progress = Progress(LocalStorage(dagster_home(runtime.platform)))
    running, now = Running(runtime, progress), current_time()
    work: list[Work] = []
    is_whole = True
    for code in countries:
        planned = plan(runtime, code, asked.first, asked.last, now)
        for window, why in planned.left_out:
            ERROR.print(Text(f"{code} {window}  left out: {why}"))
            is_whole = False
        if not planned.windows:
            continue
        settings, first = settings_of(runtime.country(code)), asked.first.key
        wanted = Recompute(
            code, first, asked.last.key, tuple(select), reread, settings, now, next=first
        )
        state = progress.begin(wanted, anew=asked.is_anew)
        if state.next != first:
            OUT.print(going_on(state))
        left = [window for window in planned.windows if window.key >= state.next]
        running.add(state, total=len(planned.windows), done=len(planned.windows) - len(left))
        end = max(planned.windows[-1], Window.parse(state.next).next(-1))
        work.append(Work(code, left, select, reread, last=end))
    try:
        is_whole &= running.run(work)
    # Ctrl-C and SIGTERM
    except (KeyboardInterrupt, SystemExit):
        ERROR.print(
            Text(
                f"stopped: {running.done} of {running.total} windows are done. The same"
                " command goes on; dates and pages follow with the next window of a country"
            )
        )
        return False
    return is_whole


def going_on(state: Recompute) -> str:
    return (
        f"{state.country} {state.next}  goes on: the windows before it were done by the command of"
        f" {moment(state.begun_at)} (--anew begins at {state.first} again)"
    )
