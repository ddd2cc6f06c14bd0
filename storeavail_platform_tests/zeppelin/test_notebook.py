"""The guided marimo notebook, run without a browser over tables that real runs made."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest

from storeavail_platform import analyst
from storeavail_platform.config import CONFIG_VARIABLE
from storeavail_platform_tests.materialised import COUNTRY, Materialised

NOTEBOOK = Path(__file__).parents[2] / "zeppelin" / "guided.py"


def test_the_guided_notebook_runs(
    materialised: Materialised, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every cell runs; the figures of its cells are those of `storeavail query`."""
    for name, value in {
        **materialised.world.environment,
        CONFIG_VARIABLE: str(materialised.world.config),
    }.items():
        monkeypatch.setenv(name, value)
    analyst.connect()
    spec = importlib.util.spec_from_file_location("guided", NOTEBOOK)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    _, found = module.app.run()
    shown: dict[str, Any] = found["availability"].to_dict("records")[0]
    (wanted,) = materialised.world.query(
        "SELECT SUM(available_minutes) / SUM(expected_minutes - unknown_minutes) AS availability"
        f" FROM availability_summary WHERE country = '{COUNTRY}' AND window_start = (SELECT"
        " MAX(window_start) FROM availability_summary)"
    )
    assert shown["country"] == COUNTRY
    assert shown["availability"] == pytest.approx(wanted["availability"])
    assert {"store_availability", "daily_store_availability"} <= set(found["known_tables"]["name"])
    (fact,) = found["fact"].to_dict("records")
    assert fact["status"] == "missing"
    assert list(found["schedule"]["store_id"]) == [fact["store_id"]]
    assert list(found["worst_stores"]["missing_minutes"]) == sorted(
        found["worst_stores"]["missing_minutes"], reverse=True
    )
