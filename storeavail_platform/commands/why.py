"""The command `why`: from a fact back to hours, document and rule."""

from __future__ import annotations

import click
from rich.text import Text

from storeavail_platform.commands.options import (
    OUT,
    WindowType,
    chosen,
    config_option,
    country_option,
    current_time,
)
from storeavail_platform.config import load_platform
from storeavail_platform.domain.errors import NotObserved
from storeavail_platform.domain.windows import Window


@click.command(epilog="Example:  storeavail why 4711 --country BR --window 2026-11-23T1815")
@click.argument("store")
@config_option
@country_option
@click.option(
    "--window",
    type=WindowType(),
    metavar="KEY",
    help="Window key such as 2026-11-23T1015.  [default: each country's newest complete one]",
)
def why(
    store: str, config_path: str | None, countries: tuple[str, ...], window: Window | None
) -> None:
    """Say why a store has its status in a window: rule, hours, document and the row of PostgreSQL.

    STORE is its id, as the tables have it.
    """
    from storeavail_platform.pipeline.runtime import build_runtime
    from storeavail_platform.reading import why as reasons
    from storeavail_platform.reading.status import last_observed

    platform = load_platform(config_path)
    runtime, is_found = build_runtime(platform), False
    for code in chosen(platform, countries):
        asked = window
        if asked is None and (newest := last_observed(runtime, code, current_time())) is not None:
            asked = Window.parse(newest.window)
        if asked is None or (found := reasons.why(runtime, code, store.strip(), asked)) is None:
            continue
        is_found = True
        state = found.status if found.reason is None else f"{found.status} ({found.reason})"
        OUT.print(Text.assemble((f"{code} {store.strip()}: {state}", "bold")))
        for heading, text in found.lines:
            OUT.print(Text(f"  {heading:<9} {text}"))
    if not is_found:
        raise NotObserved(
            f'no window that was asked for has a store {store.strip()}: `storeavail query "SELECT'
            " DISTINCT window_start FROM store_availability WHERE store_id = '...'\"` says which"
        )
