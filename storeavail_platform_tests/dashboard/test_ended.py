"""The page of a country that is not configured any more ends in words."""

from __future__ import annotations

from pathlib import Path

from storeavail_platform.dashboard import write_overview
from storeavail_platform.dashboard.summaries import FOLDER
from storeavail_testing.pages import NOW, runtime_in


def test_its_page_says_that_it_ended(tmp_path: Path) -> None:
    """The next overview replaces it once, by a page that runs no script, and what was kept for it
    goes, as do its brands' pages; pages of configured countries stay.
    """
    runtime = runtime_in(tmp_path)
    for code in ("BR", "XX"):
        runtime.storage.replace(f"tables/storeavail_{code.lower()}/stores/current.json", b"{}")
        for name in (
            "index.html",
            "summary.json",
            ".kept/recent_runs.parquet",
            "brands/a/index.html",
        ):
            runtime.storage.replace(f"{FOLDER}/{code}/{name}", b"{}")
    overview = write_overview(runtime, NOW)
    page = runtime.storage.read(f"{FOLDER}/XX/index.html")
    assert page is not None
    assert b"XX is not in the configuration any more: no window is added" in page
    assert b"<script" not in page
    assert runtime.storage.read(f"{FOLDER}/XX/summary.json") is None
    assert runtime.storage.read(f"{FOLDER}/XX/.kept/recent_runs.parquet") is None
    assert runtime.storage.read(f"{FOLDER}/XX/brands/a/index.html") is None
    assert runtime.storage.read(f"{FOLDER}/BR/index.html") == b"{}"
    assert "XX" not in Path(overview.path).read_text()
    runtime.storage.replace(f"{FOLDER}/XX/index.html", b"as it is")
    write_overview(runtime, NOW)
    assert runtime.storage.read(f"{FOLDER}/XX/index.html") == b"as it is"
