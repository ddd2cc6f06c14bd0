"""Every test is marked with the services that it starts, so that `-m` leaves them out where
they cannot run.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from storeavail_platform_tests.conftest import SERVICES

TESTS = Path(__file__).parents[1]


class Collection:
    """A plugin that keeps what is left when everything has been collected."""

    left: tuple[pytest.Item, ...] = ()

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self.left = tuple(session.items)


def collected(expression: str, *paths: str) -> list[str]:
    """The tests that a marker expression leaves, without running them."""
    found = Collection()
    options = ("--collect-only", "-q", "-q", "-p", "no:cacheprovider", "-p", "no:xdist")
    code = pytest.main(
        [*options, "-m", expression, *(str(TESTS / path) for path in paths)], plugins=[found]
    )
    assert code in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED)
    return [f"{item.path.name}::{item.name}" for item in found.left]


def test_what_uses_spark_is_left_out_by_its_marker() -> None:
    """Whole modules that open it, and of the tests that run on each engine those on Spark;
    nothing else.
    """
    left = collected("not spark", "engines", "domain/tables/test_run_table.py")
    assert {name.partition("::")[0] for name in left} == {"test_duckdb.py", "test_run_table.py"}
    assert [name.partition("[")[2] for name in left if "test_run_table.py" in name] == ["duckdb]"]


def test_a_service_behind_another_one_is_marked_too() -> None:
    """A Hive Metastore starts a PostgreSQL: what uses it is left out where there is none."""
    left = collected("not postgres", "warehouse")
    assert left
    assert not [name for name in left if "test_hive.py" in name]


def test_a_parameter_that_asks_for_a_service_as_it_runs_is_marked() -> None:
    """Of the tests that run on each catalog those on SQLite are left, and of a metastore's
    PostgreSQL nothing is started.
    """
    modules = (
        "warehouse/test_each_catalog.py",
        "warehouse/test_recovery.py",
        "upkeep/test_removal.py",
    )
    for service in ("metastore", "postgres"):
        left = collected(f"not {service}", *modules)
        assert {name.partition("::")[0] for name in left} == {
            module.partition("/")[2] for module in modules
        }
        assert not [name for name in left if "[hive" in name]


@pytest.mark.long
def test_a_module_stays_with_one_process() -> None:
    """Where tests run in several: what a module or its servers cost is paid once."""
    modules = ("domain/test_availability.py", "domain/test_hours.py")
    options = ("-n", "2", "--dist", "loadgroup", "-v", "-p", "no:cacheprovider")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, *modules],
        cwd=TESTS,
        capture_output=True,
        text=True,
        check=True,
    )
    ran = re.findall(r"^\[(gw\d)\] .*/(test_\w+\.py)::", done.stdout, re.MULTILINE)
    assert len(ran) > len(set(ran)) == len(modules)


def test_an_expression_does_not_bring_long_tests_back() -> None:
    """They are run where they are asked for by name."""
    assert [name for name in collected("long", "faults") if "test_storm.py" in name]
    assert not [name for name in collected("not spark", "faults/test_storm.py") if "hours" in name]


def test_every_marker_is_registered(pytestconfig: pytest.Config) -> None:
    """With what it stands for, which `pytest --markers` tells."""
    assert set(SERVICES.values()) <= {
        line.partition(":")[0] for line in pytestconfig.getini("markers")
    }
