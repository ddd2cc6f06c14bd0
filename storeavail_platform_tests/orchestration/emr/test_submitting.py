"""What the launcher does around a step that is submitted or cancelled, where EMR does not answer as it should."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from dagster import MultiPartitionKey

from storeavail_platform.config import Platform, load_text
from storeavail_platform.domain.errors import ClusterUnavailable, StepFailed
from storeavail_platform.domain.windows import Window
from storeavail_platform.orchestration.emr import step_launcher
from storeavail_platform.orchestration.emr.clusters import Cluster, ClusterStep, StepStatus
from storeavail_platform.orchestration.emr.staging import RemoteStep, Staging
from storeavail_platform.orchestration.emr.step_launcher import OBSERVATION, CountryStepLauncher, cancel, consequences
from storeavail_platform.storage.local import LocalStorage

CONFIG = """
countries:
  BR:
    timezone: America/Sao_Paulo
    postgres: {dsn: env:DSN}
    online_index: {path: index.ndjson}
    emr: {cluster: {id: j-1}, staging: s3://bucket/br/staging, code: s3://bucket/app/code.zip}
"""


@pytest.fixture
def platform(tmp_path: Path) -> Platform:
    return load_text(CONFIG, base=tmp_path, origin="test.yaml")


def context(step: str, window: Window, *, until_deadline: bool = False) -> Any:
    """What the launcher reads of a step."""
    return SimpleNamespace(
        step=SimpleNamespace(key=step),
        partition_key=MultiPartitionKey({"country": "BR", "window": window.key}),
        run_config={"ops": {OBSERVATION: {"config": {"until_deadline": until_deadline}}}},
        log=logging.getLogger("test"),
    )


@pytest.mark.parametrize(
    ("step", "until_deadline", "windows_ago", "tries"),
    [(OBSERVATION, True, 0, 3), (OBSERVATION, False, 0, 1), (OBSERVATION, True, 8, 1), ("availability_window", True, 0, 1)],
)
def test_a_scheduled_observation_waits_for_its_cluster(
    platform: Platform, monkeypatch: pytest.MonkeyPatch, step: str, until_deadline: bool, windows_ago: int, tries: int
) -> None:
    """Until the window's deadline, as it waits for its sources; anything else is tried again as a whole, or is over."""
    monkeypatch.setattr(step_launcher, "LONGEST_POLL_SECONDS", 0.0)
    launcher, asked = CountryStepLauncher(platform), []

    def submit(*_: Any) -> str:
        asked.append(datetime.now(UTC))
        if len(asked) < 3:
            raise ClusterUnavailable("throttled")
        return "submitted"

    monkeypatch.setattr(launcher, "submit", submit)
    of = context(
        step, Window.containing(datetime.now(UTC) + timedelta(minutes=1)).next(-windows_ago), until_deadline=until_deadline
    )
    if tries == 3:
        assert str(launcher.submitted_in_time(of, platform.country("BR"))) == "submitted"
    else:
        with pytest.raises(ClusterUnavailable):
            launcher.submitted_in_time(of, platform.country("BR"))
    assert len(asked) == tries


@pytest.mark.parametrize(
    ("step", "means"), [(OBSERVATION, "Nothing is landed: .* a gap"), ("availability_window", "The observation is landed")]
)
def test_what_a_lost_cluster_means_is_told(step: str, means: str) -> None:
    """An observation on a cluster is lost with it; a window that was landed is not."""
    with (
        pytest.raises(ClusterUnavailable, match=f"the cluster was lost. {means}"),
        consequences(context(step, Window.parse("2026-11-23T1300"))),
    ):
        raise ClusterUnavailable("the cluster was lost")


@pytest.mark.parametrize("was_taken", [True, False])
def test_a_submit_whose_answer_is_lost(
    platform: Platform, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, was_taken: bool
) -> None:
    """A step that EMR took all the same is followed, and no second one runs beside it; one that it did not take never begins."""
    storage = LocalStorage(tmp_path / "staging")
    cluster = Cluster(SimpleNamespace(), "BR", "j-1", None)  # type: ignore[arg-type]  # nothing is asked of it
    names: list[str] = []

    def add(self: Cluster, submitter: Any, name: str, *_: Any, **__: Any) -> ClusterStep:
        names.append(name)
        raise ClusterUnavailable("read timeout")

    monkeypatch.setattr(Cluster, "add", add)
    monkeypatch.setattr(step_launcher, "find_cluster", lambda *_: cluster)
    monkeypatch.setattr(step_launcher, "emr_client", lambda _: None)
    monkeypatch.setattr(step_launcher, "submit_client", lambda _: None)
    monkeypatch.setattr(step_launcher, "submitted", lambda _, name: cluster.step("s-1") if was_taken and name in names else None)
    monkeypatch.setattr(step_launcher, "S3Storage", lambda *_: storage)
    monkeypatch.setattr(storage, "url", str(storage.root), raising=False)
    monkeypatch.setattr(RemoteStep, "of", lambda *_: SimpleNamespace(encode=lambda: b"{}"))
    of = context("availability_window", Window.parse("2026-11-23T1300"))
    of.run_id, of.previous_attempt_count = "run", 0
    launcher = CountryStepLauncher(platform)
    if was_taken:
        step, _ = launcher.submit(of, platform.country("BR"))
        assert step.id == "s-1"
        assert storage.read("step.json") is not None
    else:
        with pytest.raises(ClusterUnavailable):
            launcher.submit(of, platform.country("BR"))
        assert storage.read("step.json") is None


def test_cancelling_is_asked_again_until_emr_takes_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A throttled call leaves no step computing and committing behind."""
    monkeypatch.setattr(step_launcher, "POLL_SECONDS", 0.0)
    asked: list[str] = []

    def ask() -> None:
        asked.append("cancel")
        if len(asked) < 3:
            raise StepFailed("Rate exceeded")

    step: Any = SimpleNamespace(cancel=ask, status=lambda: StepStatus("CANCELLED" if len(asked) == 3 else "RUNNING", ""))
    cancel(context("availability_window", Window.parse("2026-11-23T1300")), step, Staging(LocalStorage(tmp_path)))
    assert asked == ["cancel"] * 3
