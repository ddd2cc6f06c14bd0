"""The code zip: what is in it, that its bytes depend on the code alone, and that it is enough
to run a window.
"""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import storeavail_platform
from storeavail_platform.config import CONFIG_VARIABLE
from storeavail_platform.orchestration.emr.code_zip import build_code_zip
from storeavail_platform_tests.end_to_end.world import World
from storeavail_testing.company import DOCUMENTS, STORE_ROWS, WINDOW
from storeavail_testing.postgres import PostgresServer

FROM_ZIP = """
import sys
import storeavail_platform.definitions
from storeavail_platform.commands.cli import main

assert storeavail_platform.__file__.startswith(sys.argv[1]), storeavail_platform.__file__
keys = storeavail_platform.definitions.defs.resolve_asset_graph().get_all_asset_keys()
assert "store_availability" in {key.to_user_string() for key in keys}
sys.argv = ["storeavail", *sys.argv[2:]]
main()
"""


def test_the_package_only_sql_and_settings_included(code_zip: Path) -> None:
    """Nothing from beside the package, nothing compiled or hidden; the SQL files and
    `dagster.yaml` are there.
    """
    with zipfile.ZipFile(code_zip) as archive:
        names = archive.namelist()
    assert all(name.startswith("storeavail_platform/") for name in names)
    assert not [
        name for name in names if "__pycache__" in name or "/." in name or name.endswith(".pyc")
    ]
    assert {
        "storeavail_platform/domain/tables/sql/store_availability.sql",
        "storeavail_platform/orchestration/dagster.yaml",
    } <= set(names)


def test_the_same_code_gives_the_same_bytes(code_zip: Path, tmp_path: Path) -> None:
    """Neither when and where it is built nor the files' times, order and modes are in it: a
    copy elsewhere gives the same zip.
    """
    package = Path(storeavail_platform.__file__).parent
    copy = tmp_path / "copy" / package.name
    for source in sorted(package.rglob("*"), reverse=True):
        if source.is_file():
            target = copy / source.relative_to(package)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(source.read_bytes())
            os.utime(target, (0, 0))
            target.chmod(0o600)
    again = tmp_path / "again.zip"
    subprocess.run(
        [sys.executable, str(copy / "orchestration" / "emr" / "code_zip.py"), str(again)],
        check=True,
        cwd=tmp_path,
    )
    assert again.read_bytes() == code_zip.read_bytes()
    build_code_zip(again)
    assert again.read_bytes() == code_zip.read_bytes()


def test_a_window_from_the_zip_alone(
    code_zip: Path, tmp_path: Path, postgres_server: PostgresServer
) -> None:
    """In a clean process elsewhere, with nothing of the package on the path but the zip, the
    definitions load and a window is computed.
    """
    folder = tmp_path / "zip_world"
    folder.mkdir()
    world = World(folder, postgres_server)
    world.add_country(
        "BR", "America/Sao_Paulo", world.record("BR", WINDOW, DOCUMENTS), rows=STORE_ROWS
    )
    environment = {
        **world.environment,
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(code_zip),
        "HOME": str(tmp_path),
        CONFIG_VARIABLE: str(world.config),
    }
    result = subprocess.run(
        [sys.executable, "-c", FROM_ZIP, str(code_zip), "run", "--window", WINDOW.key],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    (row,) = world.query(
        "SELECT COUNT(*) AS stores FROM store_availability WHERE status = 'available'"
    )
    assert row == {"stores": 17}
