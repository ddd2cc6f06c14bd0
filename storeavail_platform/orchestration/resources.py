"""The resources of runs: the platform's parts (`runtime`), and the step launcher of the
clusters.
"""

from __future__ import annotations

import hashlib
from typing import Any

import dagster as dg
from pydantic import Field

from storeavail_platform.config import Platform
from storeavail_platform.domain.clock import Clock, utc_now
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
        return _RUNTIMES[self.fingerprint]


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
