"""What people import from the package itself."""

from __future__ import annotations

import subprocess
import sys

import pytest

import storeavail_platform

ASK_FOR_ANALYST = """
import storeavail_platform
from storeavail_platform import analyst
assert analyst.__name__ == "storeavail_platform.reading.analyst", analyst
import storeavail_platform as again
assert again.analyst is analyst
"""


def test_the_package_gives_analyst_when_asked() -> None:
    """Notebooks write `from storeavail_platform import analyst`."""
    subprocess.run([sys.executable, "-c", ASK_FOR_ANALYST], check=True)


def test_what_is_public_is_there_and_a_wrong_name_is_told() -> None:
    """Every name of `__all__` can be imported; another one is Python's usual error."""
    for name in storeavail_platform.__all__:
        assert getattr(storeavail_platform, name) is not None
    with pytest.raises(AttributeError, match="'storeavail_platform' has no attribute 'analysts'"):
        _ = storeavail_platform.analysts  # type: ignore[attr-defined]  # the point
