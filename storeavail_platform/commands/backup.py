"""`storeavail backup`: which countries are copied. How it is done is `upkeep/backup.py`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from storeavail_platform.config import Platform, dagster_home
from storeavail_platform.domain.errors import ConfigError, StorageUnavailable
from storeavail_platform.pipeline.runtime import build_runtime
from storeavail_platform.upkeep.backup import Copied, back_up


def back_up_countries(
    platform: Platform, chosen: Sequence[str], folder: Path, tell: Callable[[str], None]
) -> Copied:
    """Back up countries of a configuration.

    Args:
        chosen: codes; none for all that the warehouse has, also those not configured any more.
        tell: prints what is left out.

    Raises:
        ConfigError, BackupRunning, StorageUnavailable: see `back_up`.
    """
    runtime = build_runtime(platform)
    everybody = runtime.warehouse.countries()
    countries = chosen or everybody
    others = [code for code in everybody if code not in countries]
    try:
        home = _home(platform)
        if home is None:
            tell("Dagster's home is not here, or $DAGSTER_HOME does not name it: it is not copied")
        return back_up(
            runtime.storage,
            folder,
            home,
            countries=countries,
            others=others,
            clock=lambda: datetime.now(UTC),
        )
    except OSError as error:
        raise StorageUnavailable(
            f"the copy in {folder} was not completed: {error}. It is as whole as it was before; run"
            " it again"
        ) from error


def _home(platform: Platform) -> Path | None:
    try:
        home = dagster_home(platform)
    except ConfigError:
        return None
    return home if home.is_dir() else None
