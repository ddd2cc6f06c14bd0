"""`storeavail recover`: says what is needed, and does it. `upkeep/recovery.py` finds it out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial

from storeavail_platform.config import Platform
from storeavail_platform.domain.errors import StoreAvailError
from storeavail_platform.orchestration.launch import Outcome, Work, launch
from storeavail_platform.pipeline.runtime import build_runtime
from storeavail_platform.upkeep.recovery import Plan, plan, put_right, roll_up_again
from storeavail_platform.warehouse.losses import Losses
from storeavail_platform.warehouse.recovery import catalog_damage, put_catalog_aside


@dataclass(frozen=True)
class Recovery:
    """Recovers countries of a configuration, each by itself: what fails for one holds up no other.

    Attributes:
        now: UTC.
        tell: prints a line.
        on_outcome: prints how a window ended that was run again.
        accepts: whether what is lost for good is accepted, asked with a country's code once all is
            done; None: it is not asked.
    """

    platform: Platform
    now: datetime
    tell: Callable[[str], None]
    on_outcome: Callable[[Outcome], None]
    accepts: Callable[[str], bool] | None = None

    def recover(self, countries: Sequence[str], *, dry_run: bool) -> bool:
        """Say what is needed, and do it unless it is a dry run. Whether all is whole then.

        Raises:
            CatalogUnavailable: the catalog does not answer; nothing was done.
        """
        damage = catalog_damage(build_runtime(self.platform).warehouse)
        if damage is not None:
            self.tell(f"catalog: {damage}")
        plans = self._plans(countries, is_catalog_damaged=damage is not None)
        needed = [found for found in plans if not found.is_empty]
        for found in plans:
            self._tell(found, "nothing to do")
        if dry_run:
            return damage is None and len(plans) == len(countries) and not needed
        if damage is not None:
            aside = put_catalog_aside(build_runtime(self.platform).warehouse, self.now)
            self.tell(f"catalog: put aside as {aside}")
        for found in needed:
            self._do(found, partial(put_right, now=self.now))
        launch(
            self.platform,
            [Work(found.country, found.again) for found in needed if found.again],
            self.on_outcome,
        )
        for found in needed:
            self._do(found, roll_up_again)
        after = self._accepted(needed)
        return (
            len(plans) == len(countries)
            and len(after) == len(needed)
            and all(found.is_empty for found in after)
        )

    def _accepted(self, done: Sequence[Plan]) -> list[Plan]:
        """What countries still need after these plans, less the losses that are accepted."""
        dates = {found.country: found.gone_dates for found in done}
        after = []
        for found in self._plans(list(dates), is_catalog_damaged=False):
            # their files are out of the tables: no later plan finds them
            found = replace(found, gone_dates=dates[found.country])
            self._tell(found, "whole again", still="still: ")
            after.append(self._accept(found) if found.gone or found.gone_dates else found)
        return after

    def _accept(self, found: Plan) -> Plan:
        country = found.country
        for line in found.losses():
            self.tell(f"{country}: lost: {line}")
        if self.accepts is None:
            if found.gone:
                self.tell(
                    f"{country}: `storeavail recover --country {country} --accept-loss` accepts"
                    " what no backup has, so that it is not told again"
                )
            return found
        if not self.accepts(country):
            return found
        Losses(build_runtime(self.platform).storage).record(country, found.gone, self.now)
        self.tell(f"{country}: accepted; `storeavail status` counts it")
        return replace(found, gone={}, gone_dates={})

    def _plans(self, countries: Sequence[str], *, is_catalog_damaged: bool) -> list[Plan]:
        plans, runtime = [], build_runtime(self.platform)
        for code in countries:
            try:
                plans.append(plan(runtime, code, self.now, is_catalog_damaged=is_catalog_damaged))
            except StoreAvailError as error:
                self.tell(f"{code}: cannot be recovered: {error}")
        return plans

    def _do(self, found: Plan, work: Callable[..., None]) -> None:
        # a runtime of its own: the catalog that was put aside must not be kept open
        try:
            work(build_runtime(self.platform), found)
        except StoreAvailError as error:
            self.tell(f"{found.country}: {error}")

    def _tell(self, found: Plan, nothing: str, *, still: str = "") -> None:
        for line in [nothing] if found.is_empty else [f"{still}{line}" for line in found.lines()]:
            self.tell(f"{found.country}: {line}")
