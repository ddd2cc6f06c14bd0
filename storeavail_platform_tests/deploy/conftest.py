"""An AWS account for each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from storeavail_platform_tests.deploy.aws import Account, account


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[Account]:
    """An empty account of moto's, in this process; every request is recorded."""
    with account(monkeypatch) as made:
        yield made
