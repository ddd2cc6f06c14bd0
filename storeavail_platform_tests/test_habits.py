"""How tests are made, read from their syntax trees: nothing of the product is replaced behind its
back, nothing private is reached for, and no clock of this machine is waited for or judged.

What a test needs to go otherwise is handed in, as a storage, a catalog, a clock; or it is done to a
real server; or a real process is killed.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = ("storeavail_platform_tests", "storeavail_testing")
OURS = ("storeavail_platform", "storeavail_deploy", "storeavail_testing")
REPLACING = frozenset({"setattr", "__setattr__", "__dict__", "mock"})
CLOCKS = frozenset({"sleep", "monotonic", "perf_counter", "process_time", "thread_time"})
EXCEPTIONS = {
    ("storeavail_platform_tests/deploy/aws.py", "setattr"): (
        "botocore's descriptions of AWS are read once, not for each session"
    ),
    ("storeavail_platform_tests/commands/test_query.py", "setattr"): (
        "a file system without links cannot be made here"
    ),
    ("storeavail_platform_tests/reading/test_query.py", "setattr"): (
        "Python remembers its folder for temporary files; the test looks into one of its own"
    ),
    ("storeavail_platform_tests/sources/test_files.py", "setattr"): (
        "limits of many megabytes are tried at a size that a test can make"
    ),
    ("storeavail_platform_tests/sources/test_index_source.py", "setattr"): (
        "limits of many megabytes are tried at a size that a test can make"
    ),
    ("storeavail_platform_tests/orchestration/emr/test_submitting.py", "setattr"): (
        "the stand-in for AWS has no faults of its own: it loses an answer, or throttles"
    ),
    ("storeavail_platform_tests/deploy/enforced.py", "mock"): (
        "the stand-in for AWS lets everybody do everything: a door is put before it"
    ),
    ("storeavail_platform_tests/deploy/test_jenkins.py", "_protected_args"): (
        "click parses a group's command line in two steps, and has no public name for the second"
    ),
    ("storeavail_platform_tests/engines/test_spark.py", "_jvm"): (
        "the tests' one JVM remembers what it was started with, and Spark has no other way to it"
    ),
    ("storeavail_testing/emr.py", "_get_param"): "moto's own way to read a request",
    ("storeavail_platform_tests/orchestration/emr/test_submitting.py", "_get_param"): (
        "moto's own way to read a request"
    ),
    ("storeavail_platform_tests/sources/test_confirmation.py", "monotonic"): (
        "a budget of time is what the API's client promises"
    ),
    ("storeavail_platform_tests/sources/test_confirmation.py", "process_time"): (
        "what a client costs is the same on a busy machine"
    ),
    ("storeavail_testing/tls.py", "sleep"): "asyncio's turn of zero seconds, for tasks to end",
    ("storeavail_testing/waiting.py", "sleep"): "between two looks at what is waited for",
    ("storeavail_testing/waiting.py", "monotonic"): "waiting has an end",
}
"""What stands in a file all the same, and why."""


def refused(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Line and name of everything that a test must not do."""
    ours = {
        (alias.asname or alias.name).partition(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom | ast.Import)
        for alias in node.names
        if (getattr(node, "module", None) or alias.name).startswith(OURS)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            yield from _of_import(node)
        elif isinstance(node, ast.Attribute):
            yield from _of_attribute(node, ours)
        elif isinstance(node, ast.Name) and node.id in REPLACING:
            yield node.lineno, node.id


def _of_import(node: ast.ImportFrom) -> Iterator[tuple[int, str]]:
    module = node.module or ""
    for alias in node.names:
        name = alias.name
        if name == "mock" or module == "unittest.mock":
            yield node.lineno, "mock"
        if name in CLOCKS or (_is_private(name) and module.startswith(OURS)):
            yield node.lineno, name


def _of_attribute(node: ast.Attribute, ours: set[str]) -> Iterator[tuple[int, str]]:
    root: ast.expr = node.value
    while isinstance(root, ast.Attribute):
        root = root.value
    owner = root.id if isinstance(root, ast.Name) else ""
    if node.attr in REPLACING | CLOCKS or (_is_private(node.attr) and owner not in ("self", "cls")):
        yield node.lineno, node.attr
    elif isinstance(node.ctx, ast.Store) and owner in ours:
        yield node.lineno, f"{ast.unparse(node)} ="


def _is_private(name: str) -> bool:
    return name.startswith("_") and not name.endswith("__") and name != "_"


def found(folder: str) -> list[tuple[str, int, str]]:
    return [
        (str(path.relative_to(ROOT)), line, name)
        for path in sorted((ROOT / folder).rglob("*.py"))
        for line, name in refused(ast.parse(path.read_text(encoding="utf-8")))
    ]


@pytest.mark.parametrize("folder", FOLDERS)
def test_tests_replace_nothing_and_wait_for_no_clock(folder: str) -> None:
    """No attribute of anything is set from outside, none whose name begins with `_` is used, and
    nothing sleeps or takes times.
    """
    assert [
        f"{file}:{line}: {name}"
        for file, line, name in found(folder)
        if (file, name) not in EXCEPTIONS
    ] == []


def test_every_exception_is_still_needed() -> None:
    """One that is gone would let another one in."""
    there = {(file, name) for folder in FOLDERS for file, _, name in found(folder)}
    assert set(EXCEPTIONS) - there == set()


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("monkeypatch.setattr(thing, 'name', 1)", "setattr"),
        ("setattr(thing, 'name', 1)", "setattr"),
        ("object.__setattr__(thing, 'name', 1)", "__setattr__"),
        ("thing.__dict__['name'] = 1", "__dict__"),
        ("from unittest import mock", "mock"),
        ("from unittest.mock import patch", "mock"),
        ("import unittest.mock\nunittest.mock.patch('thing')", "mock"),
        ("from storeavail_platform.upkeep.backup import _held", "_held"),
        ("thing._hidden()", "_hidden"),
        ("thing.warehouse._hidden = 1", "_hidden"),
        ("from storeavail_platform.warehouse import hive\nhive.LIMIT = 0", "hive.LIMIT ="),
        ("import storeavail_platform\nstoreavail_platform.a.B = 0", "storeavail_platform.a.B ="),
        ("time.sleep(1)", "sleep"),
        ("from time import perf_counter", "perf_counter"),
        ("assert time.monotonic() - began < 2", "monotonic"),
    ],
)
def test_the_habit_is_seen(source: str, name: str) -> None:
    """Whichever way it is written."""
    assert [found for _, found in refused(ast.parse(source))] == [name]


def test_what_is_a_tests_own_is_free() -> None:
    """Its own objects and their hidden parts, and settings of the environment."""
    source = (
        "self._hidden = 1\nproxy.fault = None\nmonkeypatch.setenv('A', '1')\n"
        "monkeypatch.setitem(sys.modules, 'name', module)\nfor _ in range(2): pass\n"
    )
    assert list(refused(ast.parse(source))) == []
