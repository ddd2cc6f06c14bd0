"""The `storeavail` command: arguments in, the platform's functions called, results printed. No
rules live here.

Exit codes: 0 all went well; 1 something failed, and the reason is printed; 2 the command line
itself is wrong.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import importlib
import signal
import sys
import threading
from collections.abc import Iterator, Mapping
from typing import Any, NoReturn, cast

import click

COMMANDS = {
    "init": ("making", "Look at both sources of a company, and write the configuration for them."),
    "up": ("up", "Run everything for a configuration: schedules, alerts, pages."),
    "run": ("running", "Run windows: observe, compute, check and commit them."),
    "query": ("query", "Run one SELECT (DuckDB's SQL) over every table of all countries."),
    "status": ("windows", "Show where each country stands."),
    "brief": ("brief", "Tell of a country's yesterday: what was down, what to do first."),
    "why": ("why", "Say why a store has its status: from the fact back to hours and document."),
    "check": ("windows", "Try every connection and query, and say what to change."),
    "trust": ("trust", "Say that suspect windows are right: the change was real."),
    "distrust": ("trust", "Say that windows are wrong, though they do not look so."),
    "silence": ("alerts", "Hold back a country's alerts for a while, with a reason."),
    "ack": ("alerts", "Say that you look after an incident: nobody is reminded of it any more."),
    "alert-test": ("alerts", "Send a test message through every channel."),
    "maintain": ("care", "Keep the tables fast and small: compaction, expiry, orphans, views."),
    "migrate": ("care", "Bring the warehouse to the layout of this release."),
    "recover": ("care", "Put catalog and tables right, and run lost windows again."),
    "backup": ("care", "Copy the warehouse and Dagster's home while they are in use."),
    "remove-country": ("care", "Remove all that is left of a country that was taken out."),
    "dashboard": ("pages", "Write the pages, and print where they lie."),
    "serve": ("pages", "Show the dashboard's pages over HTTP to this machine alone."),
    "new-table": ("making", "Add a window table: a declaration, a SQL file and a test."),
    "demo": ("making", "Everything on this machine with simulated countries."),
}
"""Each command's module, and what the list of commands says of it. The modules import much: only
that of the command that is called is imported, and none for the list.
"""
TERMINATED = 128 + signal.SIGTERM


class Imported(Mapping[str, click.Command]):
    """The commands, each imported when it is asked for."""

    def __getitem__(self, name: str) -> click.Command:
        module, _ = COMMANDS[name]
        with nothing_collected():
            found = importlib.import_module(f"storeavail_platform.commands.{module}")
        return cast(click.Command, getattr(found, name.replace("-", "_")))

    def __iter__(self) -> Iterator[str]:
        return iter(COMMANDS)

    def __len__(self) -> int:
        return len(COMMANDS)


class Commands(click.Group):
    """Prints the platform's errors as messages and exits with 1."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.commands = cast(Any, Imported())

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, COMMANDS[name][1]) for name in self.list_commands(ctx)])

    def invoke(self, ctx: click.Context) -> object:
        from storeavail_platform.domain.errors import StoreAvailError
        from storeavail_platform.storage.room import disk_full, is_disk_full

        try:
            with ended_by_sigterm():
                return super().invoke(ctx)
        except StoreAvailError as error:
            _fail(ctx, error)
        except Exception as error:
            if not is_disk_full(error):
                raise
            _fail(ctx, disk_full("a disk that this command writes to"))


@contextlib.contextmanager
def nothing_collected() -> Iterator[None]:
    """Have modules imported without a look for garbage among them: they stay."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


@atexit.register
def nothing_freed() -> None:
    """Have the process end without a look for garbage, which takes as long as a third of the
    imports; DuckDB complains of objects that are left over then.
    """
    if "duckdb" not in sys.modules:
        gc.freeze()


@contextlib.contextmanager
def ended_by_sigterm() -> Iterator[None]:
    """Have SIGTERM end the command as Ctrl-C does, so that it ends what it has started."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def end(number: int, frame: object) -> NoReturn:
        raise SystemExit(TERMINATED)

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _fail(ctx: click.Context, error: Exception) -> NoReturn:
    from rich.text import Text

    from storeavail_platform.commands.options import ERROR

    ERROR.print(Text.assemble(("error: ", "bold red"), str(error)))
    ctx.exit(1)


@click.group(
    cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110}
)
@click.version_option(package_name="storeavail-platform")
def main() -> None:
    """Online availability of every store against its opening hours, every 15 minutes, per
    country.
    """
    from storeavail_platform.domain.library_warnings import ignore_library_warnings

    ignore_library_warnings()


if __name__ == "__main__":
    main()
