"""The assets of local dates: rolled up in the window's own run, done again by hand, and never
the end of a window.
"""

from __future__ import annotations

import logging
from pathlib import Path

import dagster as dg

from storeavail_platform.domain.tables.daily import DAILY_TABLES
from storeavail_platform.domain.windows import partition_key
from storeavail_platform.orchestration.assets.daily import windows_of_date
from storeavail_platform.orchestration.jobs import WINDOW_JOB
from storeavail_platform.orchestration.partitions import COUNTRY as COUNTRY_DIMENSION
from storeavail_platform.orchestration.partitions import (
    LOCAL_DATE,
    date_partitions,
    window_partitions,
)
from storeavail_platform_tests.materialised import COUNTRY, WINDOW, Materialised

DATE = "2026-11-23"
NAMES = {table.name for table in DAILY_TABLES}


def date_key(day: str) -> dg.MultiPartitionKey:
    return dg.MultiPartitionKey({COUNTRY_DIMENSION: COUNTRY, LOCAL_DATE: day})


def by_hand(materialised: Materialised, day: str, *names: str) -> dg.ExecuteInProcessResult:
    """Materialise daily assets of a date as the UI does."""
    job = materialised.definitions.resolve_implicit_global_asset_job_def()
    return job.execute_in_process(
        partition_key=date_key(day),
        instance=materialised.instance,
        asset_selection=[dg.AssetKey(name) for name in names],
        raise_on_error=False,
    )


def daily_events(result: dg.ExecuteInProcessResult) -> dict[str, dg.AssetMaterialization]:
    """The materialisations of daily assets in a run, by asset."""
    events = (
        event.step_materialization_data.materialization
        for event in result.get_asset_materialization_events()
    )
    return {
        event.asset_key.to_user_string(): event
        for event in events
        if event.asset_key.to_user_string() in NAMES
    }


def test_a_windows_run_rolls_up_its_date(materialised: Materialised) -> None:
    """The run of a complete window materialises the assets of its local date; their rows are
    those that the fact gives. Usual rates need a date before it.
    """
    events = daily_events(materialised.completed)
    assert set(events) == NAMES - {"usual_rates"}
    assert {event.partition for event in events.values()} == {f"{COUNTRY}|{DATE}"}
    assert events["daily_store_availability"].metadata["dagster/row_count"].value == 7
    assert events["store_outages"].metadata["dagster/row_count"].value == 1
    assert events["store_outages"].metadata["is_provisional"].value is True
    (day,) = materialised.world.query(
        "SELECT CAST(SUM(expected_minutes) AS INT) AS expected, CAST(SUM(missing_minutes) AS INT)"
        " AS missing, MAX(window_count) AS windows, BOOL_AND(run_id ="
        f" '{materialised.completed.run_id}') AS is_its FROM daily_store_availability WHERE"
        f" local_date = '{DATE}'"
    )
    assert day == {"expected": 90, "missing": 15, "windows": 1, "is_its": True}


def test_a_window_that_failed_rolls_up_nothing(materialised: Materialised) -> None:
    """Without a marker the date stays as it was."""
    assert not materialised.failed.success
    assert daily_events(materialised.failed) == {}


def test_a_date_is_done_again_by_hand(materialised: Materialised) -> None:
    """One or all assets of a date, with their checks; what is not selected is not committed."""
    outages = by_hand(materialised, DATE, "store_outages")
    assert outages.success
    assert set(daily_events(outages)) == {"store_outages"}
    both = by_hand(materialised, DATE, *NAMES)
    assert set(daily_events(both)) == NAMES
    checks = {
        (found.asset_key.to_user_string(), found.check_name): found.passed
        for found in both.get_asset_check_evaluations()
    }
    assert checks == {
        ("usual_rates", "schema_and_key"): True,
        ("incidents", "schema_and_key"): True,
        ("store_outages", "schema_and_key"): True,
        ("store_outages", "complete"): True,
        ("daily_store_availability", "schema_and_key"): True,
        ("daily_store_availability", "complete"): True,
    }


def test_a_date_without_windows_is_refused(materialised: Materialised) -> None:
    """A run by hand of such a date fails and says why, instead of showing an empty date as done."""
    result = by_hand(materialised, "2026-11-20", *NAMES)
    (failure,) = [event for event in result.all_events if event.is_step_failure]
    assert failure.step_failure_data.user_failure_data is not None
    assert "BR has no window on 2026-11-20" in str(
        failure.step_failure_data.user_failure_data.description
    )


def test_a_failing_roll_up_fails_no_window(materialised: Materialised) -> None:
    """The run of the window succeeds, its log says what is wrong, and the note stays for the
    next window.
    """
    runtime = materialised.runtime
    data, kept = (
        Path(runtime.storage.path("tables/storeavail_br/store_outages/data")),
        materialised.world.folder / "kept",
    )
    data.rename(kept)
    data.write_text("a file where the folder should be")
    try:
        result = materialised.definitions.resolve_job_def(WINDOW_JOB).execute_in_process(
            partition_key=partition_key(COUNTRY, WINDOW),
            instance=materialised.instance,
            raise_on_error=False,
        )
    finally:
        data.unlink()
        kept.rename(data)
    assert result.success
    assert set(daily_events(result)) == {"incidents"}
    logged = [
        entry.user_message
        for entry in materialised.instance.all_logs(result.run_id)
        if entry.level == logging.ERROR
    ]
    assert any(
        "its dates are rolled up with the next window of BR" in message for message in logged
    )
    assert runtime.storage.names(f"roll_up/{COUNTRY}") == [WINDOW.key]


def test_a_date_reads_the_windows_that_can_be_of_it(materialised: Materialised) -> None:
    """The date's own of UTC and the ones beside it, of its country."""
    mapped = windows_of_date().get_upstream_mapped_partitions_result_for_partitions(
        date_partitions(materialised.platform).subset_with_partition_keys([date_key("2026-11-10")]),
        date_partitions(materialised.platform),
        window_partitions(materialised.platform),
    )
    keys = sorted(mapped.partitions_subset.get_partition_keys())
    assert len(keys) == 3 * 96
    assert (keys[0], keys[-1]) == ("BR|2026-11-09T0000", "BR|2026-11-11T2345")
