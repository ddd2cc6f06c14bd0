"""Companies whose indices are recorded, so that windows of the past can be run: N countries of M
stores, the stores in one PostgreSQL.
"""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from storeavail_platform.domain.windows import Window
from storeavail_testing.postgres import PostgresServer

STORES_SQL = """
INSERT INTO stores SELECT i, 'Store ' || i, 'Street ' || i, 'City ' || i % 40, 'Brand ' || i % 60,
  'America/Sao_Paulo', true FROM generate_series(1, {stores}) i;
INSERT INTO store_weekly_hours SELECT i, d, make_time(8 + i % 4, 0, 0), make_time(20 + i % 4, 0, 0)
  FROM generate_series(1, {stores}) i, generate_series(1, 7) d WHERE i % 50 > 0;
"""
CONFIG = """
warehouse: ./warehouse
partitions_start: 2026-01-01
countries:
"""
COUNTRY = """\
  {code}: {{timezone: America/Sao_Paulo, postgres: {{dsn: "{dsn}"}}, online_index: {{path: {index}}}}}
"""


def record(path: Path, moment: datetime, stores: int) -> None:
    """An index as it was: one store in ten is offline, in each file others."""
    chance = random.Random(path.name)
    at = moment.isoformat()
    lines = (
        json.dumps({"store_id": str(i), "online": chance.random() > 0.1, "updated_at": at})
        for i in range(1, stores + 1)
    )
    path.write_text("\n".join(lines) + "\n")


def company(
    folder: Path,
    server: PostgresServer,
    codes: Sequence[str],
    windows: Sequence[Window],
    stores: int,
) -> Path:
    """A recorded index of windows, in an empty folder; gives the configuration."""
    (folder / "index").mkdir()
    for window in windows:
        record(folder / "index" / f"{window.key}.ndjson", window.middle(), stores)
    return _configuration(folder, server, codes, "./index", stores)


def live_company(folder: Path, server: PostgresServer, codes: Sequence[str], stores: int) -> Path:
    """An index that is read as it is, a file, in an empty folder; gives the configuration."""
    record(folder / "index.ndjson", datetime.now(UTC), stores)
    return _configuration(folder, server, codes, "./index.ndjson", stores)


def _configuration(
    folder: Path, server: PostgresServer, codes: Sequence[str], index: str, stores: int
) -> Path:
    dsn = server.create("recorded")
    server.execute("recorded", STORES_SQL.format(stores=stores))
    config = folder / "platform.yaml"
    countries = (COUNTRY.format(code=code, dsn=dsn, index=index) for code in codes)
    config.write_text(CONFIG + "".join(countries))
    return config
