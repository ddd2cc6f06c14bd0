"""Where raw readings come from: PostgreSQL, an index, files. No Dagster, no SQL engine."""

from __future__ import annotations

from storeavail_platform.config import Country, FileIndex
from storeavail_platform.domain.clock import Clock, utc_now
from storeavail_platform.domain.source import Source


def open_index(settings: Country, clock: Clock = utc_now) -> Source:
    """The country's online index, as configured."""
    config = settings.online_index
    if isinstance(config, FileIndex):
        from storeavail_platform.sources.files import FileSource

        return FileSource(config, clock=clock)
    from storeavail_platform.sources.index_source import IndexSource

    return IndexSource(config, settings.aws, clock=clock)


def open_stores(settings: Country, clock: Clock = utc_now) -> Source:
    """The country's PostgreSQL, as configured."""
    from storeavail_platform.sources.postgres import PostgresSource

    return PostgresSource(settings.postgres, settings.timezone, settings.aws, clock=clock)
