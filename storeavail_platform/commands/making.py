"""Commands that make something to begin with: `init`, `new-table`, `demo`."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path

import click
from rich.text import Text

from storeavail_platform.commands.options import ERROR, OUT, current_time, print_findings
from storeavail_platform.commands.up import UI_PORT


@click.command(
    epilog="Example:  storeavail init --country BR --timezone America/Sao_Paulo --postgres"
    " env:BR_POSTGRES_DSN --index-url env:BR_ES_URL --index stores_br"
)
@click.option(
    "--country", "code", metavar="CODE", help="The country's code, such as BR.  [default: asked]"
)
@click.option(
    "--timezone", metavar="ZONE", help="IANA zone of stores without one.  [default: asked]"
)
@click.option(
    "--postgres",
    metavar="SECRET",
    help="The connection string: env:NAME, file:PATH or aws:NAME.  [default: asked]",
)
@click.option(
    "--index-url",
    "url",
    metavar="SECRET",
    help="Address of the server with the index.  [default: asked]",
)
@click.option("--index", metavar="NAME", help="Index, alias or pattern.  [default: asked]")
@click.option(
    "--index-path",
    "path",
    metavar="PATH",
    help="Instead of a server: a file or folder.  [default: none]",
)
@click.option("--api-key", metavar="SECRET", help="API key of the server.  [default: none]")
@click.option(
    "--username", metavar="NAME", help="Instead of an API key, with --password.  [default: none]"
)
@click.option("--password", metavar="SECRET", help="The user's password.  [default: none]")
@click.option(
    "--ca-certificate",
    metavar="FILE",
    help="Authority of the server's certificate.  [default: none]",
)
@click.option(
    "--into",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(),
    metavar="FOLDER",
    help="Where the files are written.  [default: .]",
)
def init(code: str | None, timezone: str | None, into: Path, **options: str | None) -> None:
    """Look at a company's PostgreSQL and index, and write the configuration for them.

    Asks for what is not said by options; without a terminal that is an error. Where the tables are
    not the default ones, two query files are written too, with what was guessed and why. Runs
    `storeavail check` on it, and says the next command. Nothing is overwritten, secrets are written
    as references only.
    """
    from storeavail_platform.commands.diagnose import check_country
    from storeavail_platform.commands.init.asking import ask
    from storeavail_platform.commands.init.writing import (
        CONFIGURATION,
        look_and_guess,
        refuse_clear,
        refuse_existing,
        write,
    )
    from storeavail_platform.config import load_platform
    from storeavail_platform.pipeline.runtime import build_runtime

    refuse_existing(into)
    answers = ask({"country": code, "timezone": timezone, **options})
    refuse_clear(answers)
    made = look_and_guess(answers, into, current_time().date())
    write(made, into)
    for line in made.lines:
        OUT.print(Text(line), soft_wrap=True)
    for name in made.files:
        OUT.print(Text(f"{into / name} is written"), soft_wrap=True)
    config = into / CONFIGURATION
    runtime = build_runtime(load_platform(str(config)))
    if print_findings(answers.code, check_country(runtime, answers.code, current_time())):
        OUT.print(
            Text(f"Correct what is wrong, then:  storeavail check --config {config}"),
            soft_wrap=True,
        )
        sys.exit(1)
    OUT.print(Text(f"Next:  storeavail up --config {config}"), soft_wrap=True)


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
