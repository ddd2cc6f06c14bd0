"""Commands that make something to begin with: `new-table`, `demo`."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path

import click
from rich.text import Text

from storeavail_platform.commands.options import (
    ERROR,
    OUT,
)
from storeavail_platform.commands.up import UI_PORT


@click.command(
    "new-table", epilog="Example:  storeavail new-table city_hours --inputs store_availability"
)
@click.argument("name", metavar="NAME")
@click.option(
    "--inputs",
    required=True,
    metavar="TABLE,...",
    help="The tables that it reads, separated by commas.",
)
@click.option(
    "--into",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(),
    metavar="FOLDER",
    help="The checkout.  [default: .]",
)
def new_table(name: str, inputs: str, into: Path) -> None:
    """Add a window table: a declaration, a SQL file and a test that work as they are.

    docs/adding-an-asset.md says what to change then.
    """
    from storeavail_platform.commands.scaffold import new_table as scaffold

    made = scaffold(into, name, [table.strip() for table in inputs.split(",") if table.strip()])
    for path, text in made.files.items():
        (into / path).write_text(text, encoding="utf-8")
        OUT.print(Text(str(into / path)), soft_wrap=True)


@click.command(epilog="Example:  storeavail demo --hours 2")
@click.option(
    "--hours",
    type=click.IntRange(1, 48),
    default=3,
    show_default=True,
    help="Hours of windows to simulate up to now.",
)
@click.option("--ui", is_flag=True, help="Then do what `storeavail up` does, until Ctrl-C.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=UI_PORT,
    show_default=True,
    help="With --ui: port on this machine; 0 takes a free one.",
)
def demo(hours: int, ui: bool, port: int) -> None:
    """Everything on this machine with simulated countries: a real PostgreSQL, a recorded index,
    real windows.

    Windows that are complete are not run again.
    """
    from storeavail_platform.commands.demo import run_demo
    from storeavail_platform.orchestration.up.listening import listen

    # before minutes of work a port that is taken is told
    with listen(port) if ui else contextlib.nullcontext() as listener:
        if not run_demo(OUT, ERROR, hours=hours, listener=listener):
            sys.exit(1)
