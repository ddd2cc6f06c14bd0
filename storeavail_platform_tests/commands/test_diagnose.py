"""`storeavail check` tells everything that is wrong in one go, in place of the first thing."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from storeavail_platform.commands.cli import main
from storeavail_testing.processes import free_port

COUNTRY = (
    "{timezone: America/Sao_Paulo, postgres: {dsn: 'env:%s_DSN'}, online_index: {url: 'env:%s_URL',"
    " index: stores}}"
)


def check(folder: Path, warehouse: str, catalog: str = "") -> list[str]:
    """The lines that a check of two countries whose secrets are not set prints; it fails."""
    config = folder / "platform.yaml"
    countries = "".join(f"  {code}: {COUNTRY % (code, code)}\n" for code in ("BR", "AR"))
    config.write_text(f"warehouse: {warehouse}\n{catalog}countries:\n{countries}")
    result = CliRunner().invoke(main, ["check", "--config", str(config)], env={"COLUMNS": "300"})
    assert result.exit_code == 1
    return [line for line in result.output.splitlines() if line.startswith(("BR", "AR", "  "))]


def levels(lines: list[str]) -> list[str]:
    """The country, or the finding's level, of each line."""
    return [line.split()[0] for line in lines]


def test_secrets_that_are_not_set_are_findings(tmp_path: Path) -> None:
    """Each country's are named with their variable; the warehouse and the catalog are still
    tried, and the next country is. That nothing witnesses the clock is no error.
    """
    lines = check(tmp_path, str(tmp_path / "warehouse"))
    found_each = ["error", "error", "ok", "ok", "ok", "warning"]
    assert levels(lines) == ["BR", *found_each, "AR", *found_each]
    for code, found in (("BR", lines[1:7]), ("AR", lines[8:14])):
        assert f"secret env:{code}_URL: the environment variable is not set" in found[0]
        assert f"secret env:{code}_DSN: the environment variable is not set" in found[1]
        assert "clock: nothing witnesses this machine's clock" in found[5]


@pytest.mark.usefixtures("s3")
def test_a_bucket_and_a_metastore_that_are_not_there_are_findings(tmp_path: Path) -> None:
    """Both are named."""
    metastore = f"thrift://127.0.0.1:{free_port()}"
    lines = check(
        tmp_path,
        "s3://nobody-made-this/warehouse",
        f"catalog: {{type: hive, uri: '{metastore}'}}\n",
    )
    assert levels(lines)[:5] == ["BR", "error", "error", "error", "error"]
    assert "s3://nobody-made-this" in lines[3]
    assert "bucket does not exist" in lines[3]
    assert metastore in lines[4]
