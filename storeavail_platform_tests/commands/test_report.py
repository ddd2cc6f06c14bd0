"""What the demo prints of a period is what SQL over the facts says of it."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from storeavail_platform.commands.report import percent, print_countries
from storeavail_platform.pipeline.runtime import Runtime
from storeavail_platform.reading.query import query
from storeavail_testing.pages import LAST, fill, make_stores, runtime_in

SINCE = LAST.next(-95)


@pytest.fixture(scope="module")
def runtime(tmp_path_factory: pytest.TempPathFactory) -> Runtime:
    """BR with two days of rows; CL and AR without any."""
    made = runtime_in(tmp_path_factory.mktemp("report"))
    fill(made, "BR", make_stores(60, 1, {}), days=2)
    return made


def printed(runtime: Runtime, country: str) -> dict[str, list[str]]:
    """What is printed of a country, by the name of the row."""
    console = Console(file=io.StringIO(), width=200, no_color=True)
    print_countries(console, runtime, SINCE, LAST)
    assert isinstance(console.file, io.StringIO)
    found: dict[str, list[str]] = {}
    title = ""
    for line in console.file.getvalue().splitlines():
        cells = [cell.strip() for cell in line.split("│")]
        title = line[:2] if line[:2].isalpha() else title
        if title == country and len(cells) == 4:
            found.setdefault(cells[1] or next(reversed(found)), []).append(cells[2])
    return found


def test_figures_are_those_of_the_facts(runtime: Runtime) -> None:
    """By the facts of stores, not by the summary that is printed; some minutes are unknown."""
    facts = f"store_availability WHERE window_start BETWEEN '{SINCE.start}' AND '{LAST.start}'"
    share = "SUM(available_minutes) / SUM(expected_minutes - unknown_minutes)"
    total = query(
        runtime,
        f"SELECT {share} AS share, 1 - SUM(unknown_minutes) / SUM(expected_minutes) AS coverage, "
        f"SUM(missing_minutes) / 60 AS missing, SUM(rogue_minutes) / 60 AS rogue FROM {facts}",
    ).to_pylist()[0]
    shown = printed(runtime, "BR")
    assert shown["availability"] == [percent(total["share"], digits=2)]
    assert shown["coverage"] == [percent(total["coverage"], digits=2)]
    assert 0 < total["coverage"] < 1
    assert shown["missing store hours"] == [f"{total['missing']:,.0f}"]
    assert shown["rogue store hours"] == [f"{total['rogue']:,.0f}"]
    assert shown["windows"] == ["95"]
    for column, title in (("city", "worst cities"), ("brand", "worst brands")):
        worst = query(
            runtime,
            f"SELECT {column} AS name, {share} AS share, SUM(missing_minutes) / 60 AS hours "
            f"FROM {facts} AND {column} IS NOT NULL GROUP BY ALL HAVING hours > 0 "
            "ORDER BY hours DESC, name LIMIT 3",
        ).to_pylist()
        assert shown[title] == [
            f"{row['name']}  {percent(row['share'])}, {row['hours']:,.0f} h missing"
            for row in worst
        ]


def test_a_country_without_rows_has_dashes(runtime: Runtime) -> None:
    """No division by nothing, no worst of nothing."""
    shown = printed(runtime, "CL")
    for name in ("availability", "coverage", "worst cities", "worst brands", "worst stores"):
        assert shown[name] == ["-"]
    assert shown["windows"] == ["0"]
