"""The resources of runs: the platform's parts (`runtime`), and the step launcher of the
clusters.
"""

from __future__ import annotations

import hashlib
import multiprocessing
import os
from typing import Any

import dagster as dg
from pydantic import Field

from storeavail_platform.config import Platform
from storeavail_platform.domain.clock import Clock, utc_now
from storeavail_platform.orchestration.processes import RunProcess
from storeavail_platform.orchestration.runs import country_of
from storeavail_platform.pipeline.runtime import Runtime

_RUNTIMES: dict[str, Runtime] = {}
"""The parts that this process has built its definitions for, by fingerprint."""


class PlatformRuntime(dg.ConfigurableResource[Runtime]):
    """Gives the platform's parts of the configuration that the definitions were built from.

    The configuration itself is no setting of it: the UI shows settings, and a launched step has to
    work with exactly what its launcher had.
    """

    origin: str = Field(description="Where the configuration was read from.")
    fingerprint: str = Field(description="Of the configuration's text and the parts.")

    @classmethod
    def of(cls, runtime: Runtime) -> PlatformRuntime:
        """The resource of a runtime that this process has built."""
        names = ",".join(table.name for table in runtime.tables)
        text = f"{runtime.platform.dump()}\n{names}\n{runtime.clock}\n{runtime.storage}"
        fingerprint = hashlib.sha256(text.encode()).hexdigest()[:16]
        _RUNTIMES[fingerprint] = runtime
        return cls(origin=runtime.platform.origin, fingerprint=fingerprint)

    def create_resource(self, context: dg.InitResourceContext) -> Runtime:
        runtime = _RUNTIMES[self.fingerprint]
        name_process(context)
        forget_foreign_secrets(runtime.platform, context)
        return runtime


def name_process(context: dg.InitResourceContext) -> None:
    """Have a run say by a tag which process it is, so that it is known when that is gone."""
    run, instance = context.run, context.instance
    # a cluster's step has an instance of its own, and is not the run
    if run is not None and instance is not None and not instance.is_ephemeral:
        own = RunProcess.own().tags
        if not own.items() <= run.tags.items():
            instance.add_run_tags(run.run_id, own)


def forget_foreign_secrets(platform: Platform, context: dg.InitResourceContext) -> None:
    """Leave a run's process the `env:` secrets of its country only.

    A run is a child of a code server that has the secrets of all countries that it serves. In a
    process that does more than one run nothing is forgotten.
    """
    country = country_of(context.run.tags) if context.run is not None else None
    if country is None or country not in platform.countries:
        return
    if multiprocessing.parent_process() is not None:
        for name in platform.foreign_variables(country):
            os.environ.pop(name, None)


def step_launcher(platform: Platform, clock: Clock = utc_now) -> dg.ResourceDefinition:
    """Runs steps on the countries' clusters; it connects nowhere before a step is launched.

    Dagster takes a launcher as it is and configures nothing of it.
    """

    def launcher(_: dg.InitResourceContext) -> Any:
        # dagster-aws takes long to import, and only a run needs it
        from storeavail_platform.orchestration.emr.step_launcher import CountryStepLauncher

        return CountryStepLauncher(platform, clock=clock)

    description = "Runs steps on the cluster of the partition's country."
    return dg.ResourceDefinition(launcher, description=description)
