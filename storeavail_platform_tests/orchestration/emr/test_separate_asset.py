"""docs/adding-an-asset.md, "An asset of its own", followed into a copy of the package: its PySpark asset runs as a step of its own on the cluster."""

from __future__ import annotations

import re
import subprocess
import sys
from functools import cache
from pathlib import Path
from shutil import copytree, ignore_patterns

import pyarrow as pa
import pytest

import storeavail_platform
from storeavail_platform.domain.tables.declarations import AVAILABILITY_SUMMARY
from storeavail_platform.engines.duckdb import DuckDBEngine
from storeavail_platform.orchestration.execute import prepare_home
from storeavail_platform.pipeline.runtime import build_runtime
from storeavail_testing.company import DOCUMENTS, STORES, WINDOW, Company

PACKAGE = Path(storeavail_platform.__file__).parent
PAGE = (PACKAGE.parent / "docs" / "adding-an-asset.md").read_text(encoding="utf-8")
SECONDS = 200


@cache
def section() -> str:
    found = re.search(r"^## An asset of its own\n(.*?)^## ", PAGE, re.MULTILINE | re.DOTALL)
    assert found is not None
    return found[1]


def block(place: str) -> str:
    (found,) = re.findall(rf"^```python {re.escape(place)}\n(.*?)^```", section(), re.MULTILINE | re.DOTALL)
    return str(found)


def replace_once(path: Path, pattern: str, text: str) -> None:
    written, count = re.subn(pattern, lambda _: text, path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert count == 1, f"{path.name} has {count} places {pattern!r}"
    path.write_text(written, encoding="utf-8")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The package with what the page tells to write: two modules written, a list replaced, an import added."""
    package = copytree(PACKAGE, tmp_path / "checkout" / PACKAGE.name, ignore=ignore_patterns("__pycache__"))
    (package / "domain/tables/separate.py").write_text(block("storeavail_platform/domain/tables/separate.py"), encoding="utf-8")
    (package / "orchestration/assets/city_ranking.py").write_text(
        block("storeavail_platform/orchestration/assets/city_ranking.py"), encoding="utf-8"
    )
    imported, listed = block("storeavail_platform/orchestration/build.py").split("\n\n")
    replace_once(package / "orchestration/build.py", r"^SEPARATE_ASSETS: .* = \{\}\n", listed)
    replace_once(
        package / "orchestration/build.py",
        r"^from storeavail_platform\.orchestration\.assets\.daily import",
        f"{imported}\nfrom storeavail_platform.orchestration.assets.daily import",
    )
    return package.parent


def test_a_pyspark_asset_with_a_step_of_its_own(company: Company, checkout: Path) -> None:
    """The page's command runs it on the country's cluster, from the window's committed rows; rows, schema and descriptions are in the catalog."""
    cluster = company.add_country("BR", WINDOW, DOCUMENTS, STORES)
    python(company, checkout, "-m", "storeavail_platform.orchestration.emr.code_zip", str(checkout / "code.zip"))
    company.put(company.code, (checkout / "code.zip").read_bytes())
    prepare_home(company.platform())
    commit_summary(company, {"Recife": 30, "Olinda": 45, "Natal": 30})
    (command,) = re.findall(r"^dagster (asset materialize .*)$", section(), re.MULTILINE)
    python(company, checkout, "-m", "dagster", *command.replace('"', "").split())
    (step,) = company.emr.steps(cluster)
    assert step["Status"]["State"] == "COMPLETED"
    assert " city_ranking " in step["Name"]
    rows = company.query("SELECT country, window_start, city, missing_minutes, place FROM city_ranking ORDER BY place, city")
    assert [(row["city"], row["missing_minutes"], row["place"]) for row in rows] == [
        ("Olinda", 45, 1),
        ("Natal", 30, 2),
        ("Recife", 30, 2),
    ]
    assert {(row["country"], row["window_start"]) for row in rows} == {("BR", WINDOW.start)}
    table = build_runtime(company.platform()).warehouse.catalog.load_table(("storeavail_br", "city_ranking"))
    assert {field.name: field.doc for field in table.schema().fields}["missing_minutes"] == "Minutes missed."
    assert str(table.schema().find_field("place").field_type) == "int"


def commit_summary(company: Company, missed: dict[str, int]) -> None:
    """Rows of `availability_summary` for the window and, with other figures, for the next one."""
    runtime = build_runtime(company.platform())
    for window, factor in ((WINDOW, 1), (WINDOW.next(), 100)):
        rows = [{"city": city, "brand": "Brand", "missing_minutes": minutes * factor} for city, minutes in missed.items()]
        directory = runtime.warehouse.location("BR", AVAILABILITY_SUMMARY.name, "data", window.key, "given")
        constants = {"country": "BR", "window_start": window.start, "run_id": "given"}
        with DuckDBEngine(runtime.storage).session() as session:
            session.add_table("given", pa.Table.from_pylist(rows, schema=AVAILABILITY_SUMMARY.computed_schema()))
            files = session.write("given", AVAILABILITY_SUMMARY.stored_schema(), constants, ("city",), directory)
        runtime.warehouse.commit("BR", AVAILABILITY_SUMMARY, window, files, "given")


def python(company: Company, checkout: Path, *arguments: str) -> None:
    """Run Python where the copy is the package."""
    done = subprocess.run(
        [sys.executable, *arguments],
        env={**company.environment, "PYTHONPATH": str(checkout)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=SECONDS,
        cwd=company.folder,
    )
    assert done.returncode == 0, f"{arguments}: exit {done.returncode}\n{done.stdout}"
