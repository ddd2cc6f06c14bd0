"""The systemd unit that `storeavail up --print-unit` prints."""

from __future__ import annotations

import configparser
from pathlib import Path

from storeavail_platform.config import load_platform
from storeavail_platform.orchestration.up.unit import unit

CONFIG = """
warehouse: ./warehouse
countries:
  BR: {timezone: America/Sao_Paulo, postgres: {dsn: env:BR_DSN}, online_index: {path: ./br.ndjson}}
"""


def test_the_unit_runs_the_same_command(tmp_path: Path) -> None:
    """With this configuration, by its absolute path, quoted as systemd reads it; it names the
    secrets that the command needs, and holds none.
    """
    folder = tmp_path / "our stores"
    folder.mkdir()
    (folder / "storeavail.yaml").write_text(CONFIG)
    text = unit(load_platform(str(folder / "storeavail.yaml")), Path("/opt/bin/storeavail"), 3100)
    assert "readable by root alone: BR_DSN\n" in text
    found = configparser.ConfigParser(interpolation=None)
    found.optionxform = str  # type: ignore[assignment,method-assign]
    found.read_string(text)
    service = found["Service"]
    assert service["ExecStart"] == (
        f'/opt/bin/storeavail up --config "{folder}/storeavail.yaml" --port 3100'
    )
    assert service["WorkingDirectory"] == str(folder)
    assert service["EnvironmentFile"] == "/etc/storeavail.env"
