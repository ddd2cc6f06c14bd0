"""The `storeavail` command: arguments in, the platform's functions called, results printed. No
rules live here.

Exit codes: 0 all went well; 1 something failed, and the reason is printed; 2 the command line
itself is wrong.
"""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from typing import NoReturn

import click
from rich.text import Text

from storeavail_platform.commands import (
    alerts,
    care,
    making,
    pages,
    query,
    running,
    trust,
    up,
    windows,
)
from storeavail_platform.commands.options import ERROR
from storeavail_platform.domain.errors import StoreAvailError
from storeavail_platform.domain.library_warnings import ignore_library_warnings
from storeavail_platform.storage.room import disk_full, is_disk_full

TERMINATED = 128 + signal.SIGTERM


class Commands(click.Group):
    """Prints the platform's errors as messages and exits with 1."""

    def invoke(self, ctx: click.Context) -> object:
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


def _fail(ctx: click.Context, error: StoreAvailError) -> NoReturn:
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
    ignore_library_warnings()


for command in (
    making.init,
    up.up,
    running.run,
    query.query,
    windows.status,
    windows.check,
    trust.trust,
    trust.distrust,
    alerts.silence,
    alerts.ack,
    alerts.alert_test,
    care.maintain,
    care.migrate,
    care.recover,
    care.backup,
    care.remove_country,
    pages.dashboard,
    pages.serve,
    making.new_table,
    making.demo,
):
    main.add_command(command)


if __name__ == "__main__":
    main()
