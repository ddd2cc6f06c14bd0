"""What a run's process is left: the secrets of its country, and its name on the run."""

import multiprocessing
import os
from pathlib import Path

import dagster as dg

from storeavail_platform.config import load_platform
from storeavail_platform.orchestration.processes import RunProcess
from storeavail_platform.orchestration.resources import PlatformRuntime
from storeavail_platform.orchestration.runs import COUNTRY_TAG
from storeavail_platform.pipeline.runtime import build_runtime
from storeavail_platform_tests.alerting.alert_world import AlertWorld

SECRETS = {"BR_DSN": "of Brazil", "CL_DSN": "of Chile"}


@dg.op(required_resource_keys={"runtime"}, out=dg.Out(dict))
def look(context: dg.OpExecutionContext) -> dict[str, list[str]]:
    """The secrets that a step finds, and the run's tags."""
    found = context.instance.get_run_by_id(context.run_id)
    assert found is not None
    process = RunProcess.of(found.tags)
    is_own = process is not None and process.pid == os.getpid() and not process.is_gone
    return {"secrets": sorted(SECRETS.keys() & os.environ.keys()), "own": [str(is_own)]}


def seen(config: str) -> dict[str, list[str]]:
    """What a run of Brazil sees in this process, which is a code server's child or is not."""
    os.environ.update(SECRETS)
    resource = PlatformRuntime.of(build_runtime(load_platform(config)))

    @dg.job(resource_defs={"runtime": resource})
    def job() -> None:
        look()

    with dg.instance_for_test() as instance:
        result = job.execute_in_process(instance=instance, tags={COUNTRY_TAG: "BR"})
        found: dict[str, list[str]] = result.output_for_node("look")
    return found


def test_a_run_of_a_code_server_has_the_secrets_of_its_country_only(tmp_path: Path) -> None:
    """The server has those of all its countries, and begins a process for each run; the run's tag
    names that process.
    """
    config = str(AlertWorld(tmp_path).config)
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.apply(seen, (config,)) == {"secrets": ["BR_DSN"], "own": ["True"]}


def test_a_process_of_several_runs_forgets_nothing(tmp_path: Path) -> None:
    """The next run may be another country's."""
    before = dict(os.environ)
    try:
        found = seen(str(AlertWorld(tmp_path).config))
    finally:
        os.environ.clear()
        os.environ.update(before)
    assert found == {"secrets": ["BR_DSN", "CL_DSN"], "own": ["True"]}
