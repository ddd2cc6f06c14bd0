"""The `storeavail` command: arguments in, the platform's functions called, results printed. No
rules live here.

Exit codes: 0 all went well; 1 something failed, and the reason is printed; 2 the command line
itself is wrong.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import TypeVar

import click
import orjson
from rich.console import Console
from rich.text import Text

from storeavail_platform.config import Platform, demo_config_path, load_platform, parse_duration
from storeavail_platform.domain.clock import Clock, utc_now
from storeavail_platform.domain.errors import StoreAvailError
from storeavail_platform.domain.finding import Finding
from storeavail_platform.domain.library_warnings import ignore_library_warnings
from storeavail_platform.domain.tables import TABLES
from storeavail_platform.domain.windows import Window

Command = TypeVar("Command", bound=Callable[..., object])
NARROWEST = 110
"""Columns assumed of an output that is not a terminal, and of a narrow one."""
OUT = Console(highlight=False, soft_wrap=True, width=max(Console().width, NARROWEST))
ERROR = Console(stderr=True, highlight=False, soft_wrap=True)


class Commands(click.Group):
    """Prints the platform's errors as messages and exits with 1."""

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except StoreAvailError as error:
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


def current_time() -> datetime:
    """The time (UTC): of the clock that a program gives to the command as its object, else this
    machine's.
    """
    clock: Clock | None = click.get_current_context().find_root().obj
    return (clock or utc_now)()


def config_option(command: Command) -> Command:
    return click.option(
        "--config",
        "config_path",
        metavar="FILE",
        help="Configuration file or s3:// address.  [default: $STOREAVAIL_CONFIG, else the demo's]",
    )(command)


def country_option(command: Command) -> Command:
    return click.option(
        "--country",
        "countries",
        multiple=True,
        metavar="CODE",
        help="Only this country; may be repeated.  [default: all]",
    )(command)


class WindowType(click.ParamType[Window]):
    """A window key such as 2026-11-23T1015."""

    name = "window"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> Window:
        if isinstance(value, Window):
            return value
        try:
            return Window.parse(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


def chosen(platform: Platform, countries: tuple[str, ...]) -> list[str]:
    """The countries asked for, or all that are served here; an unknown one is an error."""
    return [platform.country(code).code for code in dict.fromkeys(countries)] or list(
        platform.served
    )


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


@main.command(
    epilog=(
        "Example:  storeavail run --country BR --window 2026-11-23T1015 --select store_availability"
    )
)
@config_option
@country_option
@click.option(
    "--window",
    type=WindowType(),
    metavar="KEY",
    help="UTC start of the window, like 2026-11-23T1015.  [default: the one in progress]",
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
    window: Window | None,
    select: tuple[str, ...],
) -> None:
    """Run one window: observe, compute, check and commit it, each country in a process of its own.

    A window that is landed is computed again from what was read then. Exit code 1 if a country
    failed; the others complete.
    """
    from storeavail_platform.commands.report import outcome_line
    from storeavail_platform.orchestration.launch import Outcome, launch
    from storeavail_platform.pipeline.runtime import build_runtime
    from storeavail_platform.warehouse.layout import require_layout

    platform = load_platform(config_path)
    runtime = build_runtime(platform)
    # before a process and a run a country begin
    require_layout(runtime.storage)
    window = window or Window.containing(current_time())

    def tell(outcome: Outcome) -> None:
        (OUT if outcome.reason is None else ERROR).print(outcome_line(runtime, outcome))

    with sources_running(platform):
        outcomes = launch(
            platform,
            {code: [window] for code in chosen(platform, countries)},
            select=select,
            on_outcome=tell,
        )
    if any(outcome.reason is not None for outcome in outcomes):
        sys.exit(1)


@main.command(
    epilog="""Example:  storeavail query "SELECT status, COUNT(*) FROM store_availability WHERE country = 'BR' GROUP BY status" """  # noqa: E501
)
@config_option
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "csv", "json"]),
    default="table",
    show_default=True,
    help="How to print the rows.",
)
@click.argument("sql")
def query(config_path: str | None, form: str, sql: str) -> None:
    """Run one SELECT (DuckDB's SQL) over every table; all countries are in one table, told apart by
    `country`.

    Works with the catalog down. An unknown table's error lists the tables that there are.
    """
    from storeavail_platform.pipeline.runtime import build_runtime
    from storeavail_platform.reading.query import FORMATS
    from storeavail_platform.reading.query import query as execute

    click.echo(FORMATS[form](execute(build_runtime(load_platform(config_path)), sql)), nl=False)


@main.command(epilog="Example:  storeavail status --format json")
@config_option
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "json"]),
    default="table",
    show_default=True,
    help="How to print it.",
)
def status(config_path: str | None, form: str) -> None:
    """Show where each country stands: last complete window, its figures, what waits, what is
    missing.
    """
    from storeavail_platform.commands.report import print_status
    from storeavail_platform.pipeline.runtime import build_runtime
    from storeavail_platform.reading.status import all_statuses

    runtime = build_runtime(load_platform(config_path))
    statuses = all_statuses(runtime, current_time())
    if form == "json":
        click.echo(orjson.dumps(statuses, option=orjson.OPT_INDENT_2).decode())
    else:
        print_status(OUT, statuses)


@main.command(epilog="Example:  storeavail check --country BR")
@config_option
@country_option
def check(config_path: str | None, countries: tuple[str, ...]) -> None:
    """Try every connection and query of a country, and say what is wrong and what to change.

    Changes nothing.
    """
    from storeavail_platform.commands.diagnose import check_country, check_left
    from storeavail_platform.pipeline.runtime import build_runtime

    platform = load_platform(config_path)
    runtime = build_runtime(platform)
    colours = {"ok": "green", "warning": "yellow", "error": "bold red"}
    failed = False

    def tell(code: str, findings: Iterable[Finding]) -> None:
        nonlocal failed
        OUT.print(Text(code, "bold"))
        for finding in findings:
            failed |= finding.level == "error"
            OUT.print(
                Text.assemble(
                    (f"  {finding.level:<8}", colours[finding.level]),
                    f"{finding.what}: {finding.message}",
                )
            )

    with sources_running(platform):
        for code in chosen(platform, countries):
            tell(code, check_country(runtime, code, current_time()))
    for code, finding in check_left(runtime) if not countries else ():
        tell(code, [finding])
    if failed:
        sys.exit(1)


class DurationType(click.ParamType[timedelta]):
    """A duration as the configuration writes it, such as 30m or 2h."""

    name = "duration"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> timedelta:
        try:
            return parse_duration(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


@main.command(
    epilog='Example:  storeavail silence BR --for 2h --reason "the index is being rebuilt"'
)
@config_option
@click.option(
    "--for",
    "duration",
    type=DurationType(),
    metavar="DURATION",
    help="How long, at most 7d.  [default: 1h]",
    default="1h",
)
@click.option(
    "--reason",
    metavar="TEXT",
    default="",
    help="Why; needed unless the silence is ended.  [default: none]",
)
@click.option("--end", is_flag=True, help="End the silence that holds.")
@click.argument("country", metavar="CODE")
def silence(
    config_path: str | None, country: str, duration: timedelta, reason: str, end: bool
) -> None:
    """Hold back a country's alerts for a while, with a reason.

    It ends early when all of its alerts are over.
    """
    from storeavail_platform.domain.text import moment
    from storeavail_platform.pipeline.runtime import open_storage
    from storeavail_platform.reading.silences import Silences

    platform = load_platform(config_path)
    code, now = platform.country(country).code, current_time()
    silences = Silences(open_storage(platform))
    if not end:
        OUT.print(Text(f"{code}: silenced {silences.begin(code, now, duration, reason)}"))
    elif ended := silences.end(code, now):
        OUT.print(
            Text(f"{code}: ended the silence {ended}; it was made at {moment(ended.made_at)}")
        )
    else:
        OUT.print(Text(f"{code}: is not silenced"))


@main.command(epilog="Example:  storeavail alert-test --country BR")
@config_option
@country_option
def alert_test(config_path: str | None, countries: tuple[str, ...]) -> None:
    """Send a test message through every channel of every country, and say which of them took it."""
    from storeavail_platform.alerting.channels import open_channels, send_all
    from storeavail_platform.alerting.messages import trial_message

    platform = load_platform(config_path)
    failed = False
    for code in chosen(platform, countries):
        settings = platform.country(code)
        channels = open_channels(settings.alerts, settings.aws)
        OUT.print(Text(code, "bold"))
        for name, error in send_all(
            [(channel, trial_message(code)) for channel in channels]
        ).items():
            failed |= error is not None
            OUT.print(
                Text(f"  ok      {name}", "green")
                if error is None
                else Text(f"  failed  {name}: {error}", "bold red")
            )
    if failed:
        sys.exit(1)


@main.command(epilog="Example:  storeavail maintain --country BR")
@config_option
@country_option
def maintain(config_path: str | None, countries: tuple[str, ...]) -> None:
    """Keep the tables fast and small: compaction, expiry, orphans, old readings, union views.

    A schedule does it every night.
    """
    from storeavail_platform.pipeline.runtime import build_runtime
    from storeavail_platform.upkeep import maintain as maintain_country

    platform = load_platform(config_path)
    runtime, now, failed = build_runtime(platform), current_time(), False
    for code in chosen(platform, countries):
        idle = True
        for done in maintain_country(runtime, code, now):
            idle = False
            failed |= done.is_error
            (ERROR if done.is_error else OUT).print(Text(f"{code}: {done}"), soft_wrap=True)
        if idle:
            OUT.print(Text(f"{code}: nothing to do"))
    if failed:
        sys.exit(1)


@main.command(epilog="Example:  storeavail migrate --dry-run")
@config_option
@click.option("--dry-run", is_flag=True, help="Say what would be done, and change nothing.")
def migrate(config_path: str | None, dry_run: bool) -> None:
    """Bring the warehouse to the layout that this release reads and writes. One of a later release
    is refused.

    Within a layout any release reads and writes what any other has written: there is nothing to do.
    """
    from storeavail_platform.pipeline.runtime import open_any_layout
    from storeavail_platform.warehouse.layout import LAYOUT, require_layout

    platform = load_platform(config_path)
    # no release has written another layout yet: trying it and doing it are the same
    require_layout(open_any_layout(platform))
    OUT.print(Text(f"{platform.warehouse} has layout {LAYOUT}, as this release has: nothing to do"))


@main.command(epilog="Example:  storeavail recover --country BR --dry-run")
@config_option
@country_option
@click.option("--dry-run", is_flag=True, help="Say what is needed, and do nothing.")
def recover(config_path: str | None, countries: tuple[str, ...], dry_run: bool) -> None:
    """Put catalog and tables right: register tables from their pointers, run windows whose rows are
    lost again from the landing.

    Says what it does first. Exit code 1 unless all is whole then. Safe to kill, and to run again.
    """
    from storeavail_platform.commands.recover import Recovery
    from storeavail_platform.commands.report import outcome_line
    from storeavail_platform.orchestration.launch import Outcome
    from storeavail_platform.pipeline.runtime import build_runtime

    platform = load_platform(config_path)
    runtime = build_runtime(platform)

    def tell(outcome: Outcome) -> None:
        (OUT if outcome.reason is None else ERROR).print(outcome_line(runtime, outcome))

    recovery = Recovery(
        platform, current_time(), lambda line: OUT.print(Text(line), soft_wrap=True), tell
    )
    if not recovery.recover(chosen(platform, countries), dry_run=dry_run):
        sys.exit(1)


@main.command(epilog="Example:  storeavail backup /mnt/backup/storeavail")
@config_option
@country_option
@click.argument("folder", metavar="FOLDER", type=click.Path(file_okay=False, path_type=Path))
def backup(config_path: str | None, countries: tuple[str, ...], folder: Path) -> None:
    """Copy the warehouse and Dagster's home to a folder while they are in use; what is there
    already is not copied again.

    A restore is that folder copied back to the warehouse's own path, then `storeavail recover`.
    """
    from storeavail_platform.commands.backup import back_up_countries

    platform = load_platform(config_path)

    def tell(line: str) -> None:
        ERROR.print(Text(line), soft_wrap=True)

    done = back_up_countries(
        platform, chosen(platform, countries) if countries else [], folder.absolute(), tell
    )
    for problem in done.problems:
        tell(problem)
    OUT.print(Text(f"{folder}: {done}"), soft_wrap=True)
    if done.problems:
        sys.exit(1)


@main.command("remove-country", epilog="Example:  storeavail remove-country CL")
@config_option
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.argument("code", metavar="CODE")
def remove_country(config_path: str | None, yes: bool, code: str) -> None:
    """Remove all that is left of a country that is not in the configuration any more: tables,
    readings, markers, pages, alerts.
    """
    from storeavail_platform.pipeline.runtime import build_runtime
    from storeavail_platform.upkeep.removal import left_of
    from storeavail_platform.upkeep.removal import remove_country as remove

    runtime = build_runtime(load_platform(config_path))
    left = left_of(runtime, code, current_time())
    OUT.print(Text(str(left)), soft_wrap=True)
    if not yes:
        click.confirm(
            f"Remove all of it from {runtime.platform.warehouse}? It cannot be undone", abort=True
        )
    remove(runtime, left)
    OUT.print(Text(f"{code}: removed"))


@main.command(epilog="Example:  storeavail dashboard --country BR")
@config_option
@country_option
def dashboard(config_path: str | None, countries: tuple[str, ...]) -> None:
    """Write the pages from the committed tables, and print where they lie.

    Windows write them in their own runs.
    """
    from storeavail_platform.dashboard import write_country_page, write_overview
    from storeavail_platform.pipeline.runtime import build_runtime

    platform = load_platform(config_path)
    runtime, now, failed = build_runtime(platform), current_time(), False
    for code in chosen(platform, countries):
        try:
            page = write_country_page(runtime, code, now)
        except StoreAvailError as error:
            failed = True
            ERROR.print(Text(f"{code}: {error}"))
        else:
            OUT.print(
                Text(f"{code}: {page.path} ({page.bytes / 1e6:.1f} MB, {page.seconds:.1f} s)"),
                soft_wrap=True,
            )
    OUT.print(Text(write_overview(runtime, now).path), soft_wrap=True)
    if failed:
        sys.exit(1)


@main.command(epilog="Example:  storeavail serve --port 8080")
@config_option
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8321,
    show_default=True,
    help="Port on this machine; 0 takes a free one.",
)
def serve(config_path: str | None, port: int) -> None:
    """Show the dashboard's pages over HTTP to this machine alone, until Ctrl-C."""
    from storeavail_platform.commands.serve import pages_server
    from storeavail_platform.pipeline.runtime import open_storage
    from storeavail_platform.warehouse.layout import require_layout

    storage = open_storage(load_platform(config_path))
    # here, and not as an error of each page
    require_layout(storage)
    try:
        server = pages_server(storage, port)
    except OSError as error:
        raise click.ClickException(
            f"port {port} cannot be used ({error.strerror}): name another by --port"
        ) from error
    OUT.print(f"http://127.0.0.1:{server.server_address[1]}/")
    with server, contextlib.suppress(KeyboardInterrupt):
        server.serve_forever()


@main.command(
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


@main.command(epilog="Example:  storeavail demo --hours 2")
@click.option(
    "--hours",
    type=click.IntRange(1, 48),
    default=3,
    show_default=True,
    help="Hours of windows to simulate up to now.",
)
@click.option(
    "--ui", is_flag=True, help="Then open the Dagster UI with live schedules, until Ctrl-C."
)
def demo(hours: int, ui: bool) -> None:
    """Everything on this machine with simulated countries: a real PostgreSQL, a recorded index,
    real windows.

    Windows that are complete are not run again.
    """
    from storeavail_platform.commands.demo import run_demo

    if not run_demo(OUT, ERROR, hours=hours, ui=ui):
        sys.exit(1)


if __name__ == "__main__":
    main()
