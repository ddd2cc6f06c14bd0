"""Names that a reader has to look up are not used again."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = (
    "storeavail_platform",
    "storeavail_platform_tests",
    "storeavail_testing",
    "deploy",
    "benchmarks",
    "scripts",
    "zeppelin",
)
UNCLEAR = frozenset({
    "given", "told", "ahead", "inert", "laid_over", "words", "patiently", "rest", "unite", "spread", "looked",
})  # fmt: skip
STORED = {("storeavail_platform/alerting/notify.py", "told")}
"""Keys of files that every release reads."""
ONE_MEANING = {
    # a row of store_availability, and its age in `retention.facts`
    frozenset({"fact", "facts"}): ("config/policies.py", "pipeline/"),
    # a component of a path or an address
    frozenset({"part", "parts"}): ("storage/", "warehouse/", "pipeline/", "upkeep/", "sources/", "emr/code_zip.py", "deploy/storeavail_deploy/settings.py"),
}  # fmt: skip
"""Where a name with one meaning is used: anywhere else it would have a second one."""


def named(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """What a module names: functions, classes, parameters and variables, with their lines."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name, node.lineno
        elif isinstance(node, ast.arg):
            yield node.arg, node.lineno
        elif isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.id if isinstance(node, ast.Name) else node.attr, node.lineno


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_name_says_what_it_is(folder: str) -> None:
    """No function, class, parameter or variable has a name that could mean anything."""
    found = [
        f"{path.relative_to(ROOT)}:{line}: {name}"
        for path in sorted((ROOT / folder).rglob("*.py"))
        for name, line in named(ast.parse(path.read_text(encoding="utf-8")))
        if name.strip("_").lower() in UNCLEAR and (str(path.relative_to(ROOT)), name) not in STORED
    ]
    assert found == []


@pytest.mark.parametrize("folder", ["storeavail_platform", "deploy"])
def test_a_name_has_one_meaning(folder: str) -> None:
    """A word that means one thing of the platform names nothing else anywhere."""
    found = [
        f"{path.relative_to(ROOT)}:{line}: {name}"
        for path in sorted((ROOT / folder).rglob("*.py"))
        for name, line in named(ast.parse(path.read_text(encoding="utf-8")))
        for names, places in ONE_MEANING.items()
        if name.strip("_").lower() in names
        and not any(place in str(path.relative_to(ROOT)) for place in places)
    ]
    assert found == []


def test_the_names_are_found() -> None:
    """Whatever makes a name is seen: a definition, a parameter, an assignment, an attribute, a loop."""
    source = (
        "def f(told):\n  rest = 1\n  self.words = 2\n  for given in (): pass\nclass Looked: pass\n"
    )
    names = {name.lower() for name, _ in named(ast.parse(source))}
    assert UNCLEAR & names == {"told", "rest", "words", "given", "looked"}
