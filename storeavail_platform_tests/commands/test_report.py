"""What the demo prints of a period is what SQL over the facts says of it."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from storeavail_platform.commands.report import (
    outcome_line,
    percent,
    print_countries,
    print_status,
)
from storeavail_platform.orchestration.launch import Outcome
from storeavail_platform.pipeline.runtime import Runtime
from storeavail_platform.reading.query import query
from storeavail_platform.reading.status import country_status
from storeavail_platform.warehouse.markers import Figures, Marker
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


@pytest.mark.parametrize(
    ("counts", "line", "cell"),
    [
        ((3, 0, 1200), "1,203 rows with problems (3 stores, 1,200 documents)", "1,203"),
        ((0, 0, 0), None, "0"),
        ((None, None, None), None, "-"),
    ],
)
def test_rows_with_problems_are_counted(
    counts: tuple[int | None, ...], line: str | None, cell: str, tmp_path: Path
) -> None:
    """In the line of a run where there are any, and in a column of status; a marker of a release
    before does not say.
    """
    made = runtime_in(tmp_path)
    stores, hours, documents = counts
    figures = Figures(
        *(0, 0, 0, 0, 0, 0, 0),
        suspect=False,
        stores_with_problem=stores,
        hours_with_problem=hours,
        documents_with_problem=documents,
    )
    made.markers.write(Marker("BR", LAST.key, "run", LAST.middle(), LAST.middle(), figures, {}))
    shown = str(outcome_line(made, Outcome("BR", LAST.key, None, 1.0)))
    assert (line in shown) if line else ("problems" not in shown)
    console = Console(file=io.StringIO(), width=200, no_color=True)
    print_status(console, [country_status(made, "BR", LAST.middle())])
    assert isinstance(console.file, io.StringIO)
    rows = [text.split("│") for text in console.file.getvalue().splitlines()]
    (found,) = [cells for cells in rows if len(cells) > 7 and cells[1].strip() == "BR"]
    assert found[7].strip() == cell
