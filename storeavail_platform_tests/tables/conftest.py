"""Engines for the tests of tables."""

from __future__ import annotations

from pathlib import Path

import pytest

from storeavail_platform.engines.duckdb import DuckDBEngine
from storeavail_platform.engines.engine import Engine
from storeavail_platform.warehouse.storage import LocalStorage


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    """DuckDB over a folder of the test's own."""
    return DuckDBEngine(LocalStorage(tmp_path))
