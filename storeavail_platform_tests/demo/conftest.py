"""One prepared demo for the tests of this folder."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from storeavail_platform.demo import Demo, prepare

NOW = datetime(2026, 11, 23, 14, 3, 20, tzinfo=UTC)
"""In the third minute of a window: before it is due to be observed."""


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    """A demo of one hour at `NOW`, not to be changed."""
    return prepare(Path(tmp_path_factory.mktemp("demo")), NOW, hours=1)
