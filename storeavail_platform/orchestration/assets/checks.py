"""Asset checks made from the declared tables: their specs, and the results of what the computation judged."""

from __future__ import annotations

from collections.abc import Sequence

import dagster as dg

from storeavail_platform.domain.tables.table import Table
from storeavail_platform.pipeline.compute import SCHEMA_AND_KEY, CheckOutcome


def check_specs(tables: Sequence[Table]) -> list[dg.AssetCheckSpec]:
    """`schema_and_key` for every table, and its declared checks."""
    specs = []
    for table in tables:
        specs.append(
            dg.AssetCheckSpec(
                SCHEMA_AND_KEY,
                asset=table.name,
                description="Columns and types are the declared ones; keys are set and unique among rows without a problem. "
                "A failure keeps the table from being committed.",
            )
        )
        specs += [dg.AssetCheckSpec(check.name, asset=table.name, description=check.description) for check in table.checks]
    return specs


def check_result(outcome: CheckOutcome) -> dg.AssetCheckResult:
    """The Dagster result of a check: an error where it blocked the commit, a warning where the rows are published all the same."""
    return dg.AssetCheckResult(
        passed=outcome.passed,
        asset_key=outcome.table,
        check_name=outcome.name,
        severity=dg.AssetCheckSeverity.ERROR if outcome.blocking else dg.AssetCheckSeverity.WARN,
        metadata={
            name: value if isinstance(value, int | float | str | list) else str(value)
            for name, value in outcome.figures.items()
            if value is not None
        },
    )
