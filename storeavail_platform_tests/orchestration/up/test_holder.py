"""One `storeavail up` a warehouse, whatever has happened to the one before."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from storeavail_platform.domain.clock import utc_now
from storeavail_platform.domain.errors import WarehouseHeld
from storeavail_platform.orchestration.processes import RunProcess
from storeavail_platform.orchestration.up.holder import (
    CONTENT,
    FRESH,
    HOLDER_FILE,
    Holder,
    held,
)
from storeavail_platform.storage.local import LocalStorage

OWN = RunProcess.own()
ELSEWHERE = replace(OWN, host="elsewhere", boot="other")


def left_by(storage: LocalStorage, process: RunProcess, seen_before: timedelta) -> None:
    holder = Holder(str(process), utc_now() - seen_before)
    storage.replace(HOLDER_FILE, CONTENT.dump_json(holder))


@pytest.mark.parametrize(
    ("process", "seen_before"),
    [
        pytest.param(replace(OWN, started="1"), timedelta(0), id="a process of before"),
        pytest.param(replace(OWN, boot="yesterday"), timedelta(0), id="before a reboot"),
        pytest.param(ELSEWHERE, FRESH, id="another machine, not seen for long"),
    ],
)
def test_what_the_dead_have_left_is_taken(
    tmp_path: Path, process: RunProcess, seen_before: timedelta
) -> None:
    """At once on this machine; the file is gone at the end."""
    storage = LocalStorage(tmp_path)
    left_by(storage, process, seen_before)
    with held(storage, utc_now) as hold:
        hold.renew()
        found = CONTENT.validate_json((tmp_path / HOLDER_FILE).read_bytes())
        assert found.process == str(OWN)
    assert not (tmp_path / HOLDER_FILE).exists()


@pytest.mark.parametrize(
    ("process", "seen_before"),
    [
        pytest.param(RunProcess.of_pid(1), timedelta(days=1), id="a living process"),
        pytest.param(ELSEWHERE, FRESH / 2, id="another machine"),
    ],
)
def test_the_living_are_left_alone(
    tmp_path: Path, process: RunProcess, seen_before: timedelta
) -> None:
    """The words name host and process; a hold that was lost is told when it is renewed, and the
    other's file stays.
    """
    storage = LocalStorage(tmp_path)
    left_by(storage, process, seen_before)
    named = rf"process {process.pid} on {process.host}"
    with pytest.raises(WarehouseHeld, match=named), held(storage, utc_now):
        raise AssertionError("it was let in")
    storage.delete(HOLDER_FILE)
    with held(storage, utc_now) as hold:
        left_by(storage, process, seen_before)
        with pytest.raises(WarehouseHeld, match=named):
            hold.renew()
    assert (tmp_path / HOLDER_FILE).exists()
