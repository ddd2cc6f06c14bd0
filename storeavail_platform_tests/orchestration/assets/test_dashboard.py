"""What a window's run says of the pages that it writes."""

from __future__ import annotations

from pathlib import Path

import pytest

from storeavail_platform.dashboard import PageWritten
from storeavail_platform.dashboard.publish import INDEX
from storeavail_platform.dashboard.summaries import FOLDER
from storeavail_platform.domain.errors import StorageUnavailable
from storeavail_platform.orchestration.assets.dashboard import write_pages
from storeavail_testing.pages import fill, make_stores, runtime_in


def test_a_page_is_told_though_the_page_of_all_countries_fails(tmp_path: Path) -> None:
    """What was written is told as written; the failure of the other page comes after it."""
    runtime = runtime_in(tmp_path)
    fill(runtime, "BR", make_stores(2, 1, {}), days=1, is_calm=True)
    in_the_way = Path(runtime.storage.path(f"{FOLDER}/{INDEX}"))
    in_the_way.mkdir(parents=True)
    events = write_pages(runtime)("BR")
    page = next(events)
    assert isinstance(page, PageWritten)
    assert Path(page.path).is_file()
    with pytest.raises(StorageUnavailable, match=INDEX):
        next(events)
