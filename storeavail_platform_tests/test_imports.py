"""What a start does not import: each of these takes long, and most installations do not need it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

OF_CLUSTERS = {
    "hive_metastore",
    "thrift",
    "pyiceberg.catalog.hive",
    "pyspark",
    "boto3",
    "botocore",
    "vl_convert",
}
OF_EVERY_RUN = {"dagster", "duckdb", "pyarrow", "psycopg2"}
CONFIG = """
warehouse: ./warehouse
catalog: {type: sql}
countries:
  BR:
    timezone: America/Sao_Paulo
    postgres: {dsn: env:BR_POSTGRES_DSN}
    online_index: {url: env:BR_ES_URL, index: stores_br}
"""
PRINT_IMPORTED = """
import sys
print("imported:", *sys.modules)
"""
STATUS = """
import sys
from storeavail_platform.commands.cli import main
main(["status"], standalone_mode=False)
"""


@pytest.mark.parametrize(
    ("program", "slow"),
    [
        (
            "import storeavail_platform\n",
            OF_CLUSTERS | OF_EVERY_RUN | {"pydantic", "storeavail_platform.reading"},
        ),
        ("import storeavail_platform.config\n", OF_CLUSTERS | OF_EVERY_RUN),
        ("import storeavail_platform.definitions\n", OF_CLUSTERS),
        (STATUS, OF_CLUSTERS),
    ],
    ids=["package", "config", "definitions", "status"],
)
def test_nothing_is_imported_that_is_not_needed(
    program: str, slow: set[str], tmp_path: Path
) -> None:
    """With SQLite and a folder neither the code location nor `status` imports what clusters need;
    the package and its configuration import nothing that a run needs.
    """
    config = tmp_path / "storeavail.yaml"
    config.write_text(CONFIG)
    done = subprocess.run(
        [sys.executable, "-c", program + PRINT_IMPORTED],
        env={"STOREAVAIL_CONFIG": str(config), "HOME": str(tmp_path)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert slow & set(done.stdout.splitlines()[-1].split()) == set()
