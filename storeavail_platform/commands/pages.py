"""Commands about the dashboard's pages: `dashboard`, `serve`."""

from __future__ import annotations

import contextlib
import sys

import click
from rich.text import Text

from storeavail_platform.commands.options import (
    ERROR,
    OUT,
    chosen,
    config_option,
    country_option,
    current_time,
)
from storeavail_platform.config import load_platform
from storeavail_platform.domain.errors import StoreAvailError


@click.command(epilog="Example:  storeavail dashboard --country BR")
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


@click.command(epilog="Example:  storeavail serve --port 8080")
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
    from storeavail_platform.warehouse.layout import layout_of

    storage = open_storage(load_platform(config_path))
    # here, and not as an error of each page
    layout_of(storage)
    try:
        server = pages_server(storage, port)
    except OSError as error:
        raise click.ClickException(
            f"port {port} cannot be used ({error.strerror}): name another by --port"
        ) from error
    OUT.print(f"http://127.0.0.1:{server.server_address[1]}/")
    with server, contextlib.suppress(KeyboardInterrupt):
        server.serve_forever()
