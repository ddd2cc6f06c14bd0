"""`storeavail migrate`: says what it brings over, and does it country by country.

How a table is brought over is `upkeep/migration.py`.
"""

from __future__ import annotations

from rich.text import Text

from storeavail_platform.commands.options import ERROR, OUT
from storeavail_platform.config import Platform
from storeavail_platform.domain.errors import StoreAvailError
from storeavail_platform.pipeline.runtime import build_runtime
from storeavail_platform.upkeep.migration import migrate_country, tables_to_bring_over
from storeavail_platform.warehouse.layout import LAYOUT, layout_of, raise_layout


def migrate_all(platform: Platform, *, dry_run: bool) -> bool:
    """Bring every country's tables over. Whether all have this release's layout then.

    Raises:
        LayoutRefused: a later release has written the warehouse.
    """
    runtime = build_runtime(platform)
    found = layout_of(runtime.storage)
    needed = {code: tables_to_bring_over(runtime, code) for code in platform.countries}
    if found in (None, LAYOUT) and not any(needed.values()):
        place = f"{platform.warehouse} has layout {LAYOUT}, as this release has"
        OUT.print(Text(f"{place}: nothing to do"))
        return True
    for code, tables in needed.items():
        names = ", ".join(table.name for table in tables) or "nothing of its tables"
        OUT.print(Text(f"{code}: to be brought over: {names}"), soft_wrap=True)
    if dry_run:
        return True
    if found != LAYOUT:
        # those of before refuse it from here on: nobody else commits to what is copied
        raise_layout(runtime.storage)
    failed = False
    for code in needed:
        try:
            for done in migrate_country(runtime, code):
                OUT.print(Text(f"{code}: {done}"))
        except StoreAvailError as error:
            failed = True
            ERROR.print(Text(f"{code}: {error}"), soft_wrap=True)
    if not failed:
        OUT.print(Text(f"{platform.warehouse} has layout {LAYOUT}"))
    return not failed
