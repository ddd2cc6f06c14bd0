"""`storeavail up`: everything for a configuration in the foreground, until it is told to end."""

from __future__ import annotations

import contextlib
import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import click
from rich.text import Text

from storeavail_platform.commands.options import OUT, config_option
from storeavail_platform.commands.running import sources_running
from storeavail_platform.config import Platform, demo_config_path, load_platform

UI_PORT = 3000


@click.command(epilog="Example:  storeavail up --config my.yaml --port 3000")
@config_option
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=UI_PORT,
    show_default=True,
    help="Port on this machine; 0 takes a free one.",
)
@click.option(
    "--print-unit",
    is_flag=True,
    help="Print a systemd unit that runs it from the start of the machine, and do nothing else.",
)
def up(config_path: str | None, port: int, print_unit: bool) -> None:
    """Run everything for a configuration until Ctrl-C: schedules, alerts, Dagster's pages, the
    dashboard.

    Processes that end are started again; a country that is added to the configuration is taken up.
    """
    from storeavail_platform.orchestration.up.listening import listen
    from storeavail_platform.orchestration.up.unit import unit

    platform = load_platform(config_path)
    if print_unit:
        click.echo(unit(platform, Path(sys.executable).with_name("storeavail"), port), nl=False)
        return
    with listen(port) as listener:
        run_everything(platform, listener)


def run_everything(platform: Platform, listener: socket.socket) -> None:
    """Run the tree until it is told to end, with the demo's sources where it is the demo's."""
    from storeavail_platform.orchestration.up.supervisor import run_tree

    with sources_running(platform), index_going_on(platform):
        run_tree(platform, listener, lambda text: OUT.print(Text(text), soft_wrap=True))


@contextlib.contextmanager
def index_going_on(platform: Platform) -> Iterator[None]:
    """Record the index of each window in progress, as time goes on, for the demo's own
    configuration.
    """
    if platform.origin != str(demo_config_path()):
        yield
        return
    from storeavail_platform.demo import record_live

    stop = threading.Event()
    recorder = threading.Thread(
        target=record_live, args=(demo_config_path().parent, stop), name="record-live", daemon=True
    )
    recorder.start()
    try:
        yield
    finally:
        stop.set()
        recorder.join()
