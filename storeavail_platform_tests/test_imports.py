"""What a start does not import: each of these takes long, and most installations do not need it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SLOW = (
    "hive_metastore",
    "thrift",
    "pyiceberg.catalog.hive",
    "pyspark",
    "boto3",
    "botocore",
    "vl_convert",
)
CONFIG = """
warehouse: ./warehouse
catalog: {type: sql}
countries:
  BR:
    timezone: America/Sao_Paulo
    postgres: {dsn: env:BR_POSTGRES_DSN}
    online_index: {url: env:BR_ES_URL, index: stores_br}
"""
PRINT_IMPORTED = f"""
import sys
print("imported:", *[name for name in {SLOW!r} if name in sys.modules])
"""
STATUS = """
import sys
from storeavail_platform.commands.cli import main
main(["status"], standalone_mode=False)
"""


@pytest.mark.parametrize(
    "program", ["import storeavail_platform.definitions\n", STATUS], ids=["definitions", "status"]
)
def test_a_local_platform_imports_nothing_of_clusters(program: str, tmp_path: Path) -> None:
    """With SQLite and a folder neither the code location nor `status` imports what others need."""
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
    assert done.stdout.splitlines()[-1] == "imported:"
