"""docs/analysts.md: its Python is run as it stands, over tables that real runs made."""

from __future__ import annotations

import re
from typing import Any

import pytest

from storeavail_platform import analyst
from storeavail_platform.config import CONFIG_VARIABLE
from storeavail_platform_tests.materialised import Materialised
from storeavail_platform_tests.test_docs import page


def test_the_pages_python_runs(
    materialised: Materialised, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each block but that of raw databases; the last one prints the accesses of the first, and a
    sum is a column of numbers.
    """
    for name, value in {
        **materialised.world.environment,
        CONFIG_VARIABLE: str(materialised.world.config),
    }.items():
        monkeypatch.setenv(name, value)
    analyst.connect()
    blocks = re.findall(r"^```python\n(.*?)^```", page("analysts.md"), re.MULTILINE | re.DOTALL)
    first, raw, last = blocks
    assert "raw.postgres" in raw
    names: dict[str, Any] = {}
    for code in (first, last):
        exec(code, names)
    assert names["by_city"]["missing"].dtype == "int64"
    printed = capsys.readouterr().out
    assert " table None " in printed
    assert "SELECT COUNT(*) AS facts" in printed
