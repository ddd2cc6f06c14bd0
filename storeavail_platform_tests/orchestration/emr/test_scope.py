"""What a launched step may speak for: its own window, the dates that it touches, its country's
page.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from dagster import AssetKey
from dagster._core.events import DagsterEventType

from storeavail_platform.orchestration.emr.scope import Scope

OWN = "BR|2026-11-23T1300"


def materialised(asset: str, partition: str | None) -> Any:
    return SimpleNamespace(
        event_type=DagsterEventType.ASSET_MATERIALIZATION,
        asset_key=AssetKey(asset),
        partition=partition,
    )


def checked(asset: str, partition: str | None) -> Any:
    evaluation = SimpleNamespace(asset_key=AssetKey(asset), partition=partition)
    return SimpleNamespace(
        event_type=DagsterEventType.ASSET_CHECK_EVALUATION, asset_check_evaluation_data=evaluation
    )


@pytest.mark.parametrize("event", [materialised, checked])
@pytest.mark.parametrize(
    ("asset", "partition", "may"),
    [
        ("store_availability", OWN, True),
        ("observation", OWN, True),
        ("store_availability", "BR|2026-11-23T1315", False),
        ("store_availability", "CL|2026-11-23T1300", False),
        ("somebody_elses", OWN, False),
        ("store_outages", "BR|2026-11-23", True),
        ("daily_store_availability", "BR|2026-11-24", True),
        ("store_outages", "BR|2026-11-16", True),
        ("store_outages", "BR|2026-10-01", False),
        ("store_outages", "BR|2027-01-01", False),
        ("store_outages", "CL|2026-11-23", False),
        ("store_outages", "BR|someday", False),
        ("stores", "BR|2026-11-23", False),
        ("availability_dashboard", "BR", True),
        ("availability_dashboard", "CL", False),
        ("availability_dashboard", OWN, False),
    ],
)
def test_a_step_speaks_for_its_window_alone(
    event: Any, asset: str, partition: str, may: bool
) -> None:
    """Materialisations and checks alike: of the job's assets, of its country, of dates that the
    window reaches.
    """
    assert Scope.of(OWN).holds(event(asset, partition)) is may


def test_what_names_no_partition_is_a_check_of_its_own() -> None:
    """A materialisation without one would stand for the asset as a whole."""
    assert Scope.of(OWN).holds(checked("store_availability", None))
    assert not Scope.of(OWN).holds(materialised("store_availability", None))
    assert not Scope.of(OWN).holds(materialised("store_outages", None))


def test_dates_that_waited_are_its_own_too() -> None:
    """A window whose roll-up failed weeks ago is made up for by the next one, wherever that
    runs.
    """
    assert Scope.of(OWN, noted=["2026-10-01T1200"]).holds(
        materialised("store_outages", "BR|2026-10-01")
    )


def test_a_step_of_a_date_speaks_for_that_date() -> None:
    """Run by hand, it has no window."""
    scope = Scope.of("BR|2026-11-23")
    assert scope.holds(checked("store_outages", "BR|2026-11-23"))
    assert not scope.holds(checked("store_outages", "BR|2026-11-22"))
