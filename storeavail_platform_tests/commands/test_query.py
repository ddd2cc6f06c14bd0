"""`storeavail query`: formats, files that are whole or not there, files that are joined, limits, and
terminals of any width and encoding.
"""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
import termios
from pathlib import Path

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result

from storeavail_platform.commands.cli import main
from storeavail_platform.commands.output import Output
from storeavail_platform.domain.errors import OutputRefused
from storeavail_testing.pages import CONFIG, fill, make_stores, runtime_in

IDS = "SELECT * FROM (VALUES ('007', 1), ('7', 2)) AS t(store_id, minutes)"
NARROW = 30


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A configuration whose BR has a day of rows."""
    folder = tmp_path_factory.mktemp("query")
    fill(runtime_in(folder), "BR", make_stores(10, 1, {}), days=1)
    path = folder / "storeavail.yaml"
    path.write_text(CONFIG)
    return path


def run(config: Path, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["query", "--config", str(config), *arguments])


def test_every_format_goes_to_a_file(config: Path, tmp_path: Path) -> None:
    """By the ending, or as `--format` says; an id keeps its leading zeros in each."""
    for ending in ("csv", "json", "parquet", "xlsx"):
        result = run(config, "--output", str(tmp_path / f"ids.{ending}"), IDS)
        assert (result.exit_code, result.stdout) == (0, "")
        assert "2 rows written to" in result.stderr
    assert (tmp_path / "ids.csv").read_text() == "store_id,minutes\n007,1\n7,2\n"
    rows = [{"store_id": "007", "minutes": 1}, {"store_id": "7", "minutes": 2}]
    assert json.loads((tmp_path / "ids.json").read_text()) == rows
    assert pq.read_table(tmp_path / "ids.parquet").to_pylist() == rows
    sheet = openpyxl.load_workbook(tmp_path / "ids.xlsx").active
    assert sheet is not None
    assert list(sheet.values) == [("store_id", "minutes"), ("007", 1), ("7", 2)]
    assert run(config, "--output", str(tmp_path / "ids.txt"), IDS).exit_code == 0
    assert (tmp_path / "ids.txt").read_text().startswith("┏")
    assert run(config, "--format", "csv", "--output", str(tmp_path / "ids.dat"), IDS).exit_code == 0
    assert (tmp_path / "ids.dat").read_text() == (tmp_path / "ids.csv").read_text()


def test_nothing_is_overwritten_unless_it_is_said(config: Path, tmp_path: Path) -> None:
    """The file that is there stays, also where it is a link."""
    path = tmp_path / "ids.csv"
    path.write_text("mine")
    refused = run(config, "--output", str(path), IDS)
    assert refused.exit_code == 1
    assert "exists already: name another file, or add --overwrite" in refused.stderr
    assert path.read_text() == "mine"
    link = tmp_path / "link.csv"
    link.symlink_to(path)
    assert run(config, "--output", str(link), IDS).exit_code == 1
    assert run(config, "--output", str(link), "--overwrite", IDS).exit_code == 0
    assert link.is_symlink()
    assert path.read_text().startswith("store_id")


@pytest.mark.parametrize("has_links", [True, False])
def test_a_file_that_comes_meanwhile_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_links: bool
) -> None:
    """Another program's file of that name, made while the query ran; on a file system without
    links too.
    """

    def refuse(self: Path, target: Path) -> None:
        raise PermissionError(self, target)

    if not has_links:
        monkeypatch.setattr(Path, "hardlink_to", refuse)
    output = Output("csv", tmp_path / "ids.csv", may_replace=False)
    output.check()
    (tmp_path / "ids.csv").write_text("theirs")
    with pytest.raises(OutputRefused, match="exists already"):
        output.give(pa.table({"a": [1]}))
    assert [path.read_text() for path in tmp_path.iterdir()] == ["theirs"]
    (tmp_path / "ids.csv").unlink()
    output.give(pa.table({"a": [1]}))
    assert [path.read_text() for path in tmp_path.iterdir()] == ["a\n1\n"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--output", "{}/x.csv", "SELECT nothing"), "nothing"),
        # fails while the file is being written
        (("--output", "{}/x.xlsx", "SELECT repeat('x', 40000) AS long"), "a cell of XLSX holds"),
        (("--output", "{}/x.csv", "--max-rows", "5", "FROM range(6)"), "more than 5 rows"),
        (("--output", "{}/no/x.csv", "SELECT 1"), "no is no folder: make it first"),
        (("--output", "{}", "SELECT 1"), "is not an ordinary file"),
        (("--output", "/dev/null", "SELECT 1"), "is not an ordinary file"),
    ],
)
def test_a_failure_leaves_nothing(
    config: Path, tmp_path: Path, arguments: tuple[str, ...], said: str
) -> None:
    """No half file, and none of the file's own making beside it."""
    result = run(config, *(argument.format(tmp_path) for argument in arguments))
    assert (result.exit_code, list(tmp_path.iterdir())) == (1, [])
    assert said in result.stderr


@pytest.mark.parametrize("form", ["parquet", "xlsx"])
def test_bytes_are_not_printed(config: Path, form: str) -> None:
    """The command line is wrong: exit code 2."""
    result = run(config, "--format", form, IDS)
    assert result.exit_code == 2
    assert "say where by --output FILE" in result.stderr


def test_files_are_joined(config: Path, tmp_path: Path) -> None:
    """`--table` may be repeated; a name that is taken is told."""
    (tmp_path / "a.csv").write_text("code;owner\n007;Ana\n")
    (tmp_path / "b.csv").write_text("code\tphone\n007\t+55 11\n")
    tables = ("--table", f"a={tmp_path}/a.csv", "--table", f"b={tmp_path}/b.csv")
    result = run(config, *tables, "--format", "csv", "SELECT * FROM a JOIN b USING (code)")
    assert result.stdout == "code,owner,phone\n007,Ana,'+55 11\n"
    taken = run(config, "--table", f"stores={tmp_path}/a.csv", "SELECT 1")
    assert (taken.exit_code, "stores is the platform's own table" in taken.stderr) == (1, True)


@pytest.mark.parametrize(
    ("option", "value", "sql", "said"),
    [
        (
            "--timeout",
            "1s",
            "SELECT COUNT(*) FROM range(10000000000) a, range(1000000) b",
            "of 1 s",
        ),
        ("--max-rows", "2", "FROM range(3)", "more than 2 rows"),
        ("--memory", "100MB", "SELECT repeat('x', 1000) FROM range(200000)", "of 100 MB"),
    ],
)
def test_limits(config: Path, option: str, value: str, sql: str, said: str) -> None:
    """Each by its option, in words."""
    result = run(config, option, value, sql)
    assert result.exit_code == 1
    assert said in result.stderr


def on_a_terminal(config: Path, encoding: str, width: int, *arguments: str) -> str:
    """What the command writes to a terminal of that width, by a process of its own."""
    outside, inside = pty.openpty()
    termios.tcsetwinsize(inside, (24, width))
    settings = termios.tcgetattr(inside)
    settings[1] &= ~termios.OPOST
    termios.tcsetattr(inside, termios.TCSANOW, settings)
    environment = {
        key: value for key, value in os.environ.items() if key not in ("COLUMNS", "LINES")
    }
    command = [sys.executable, "-m", "storeavail_platform.commands.cli", "query", "--config"]
    process = subprocess.Popen(
        [*command, str(config), *arguments],
        stdout=inside,
        stderr=subprocess.PIPE,
        env={**environment, "PYTHONIOENCODING": encoding, "TERM": "xterm"},
    )
    os.close(inside)
    written = b""
    while True:
        try:
            part = os.read(outside, 65536)
        except OSError:
            # Linux's word for a terminal that nobody writes to any more
            break
        if not part:
            break
        written += part
    os.close(outside)
    _, complaint = process.communicate()
    assert process.returncode == 0, complaint.decode()
    return written.decode(encoding)


def test_a_terminal_that_is_not_utf_8(config: Path) -> None:
    """What it has is shown, what it has not is a question mark; nothing fails."""
    sql = "SELECT 'São Paulo 東京' AS city"
    shown = on_a_terminal(config, "latin-1", 100, sql)
    assert "| São Paulo ?? |" in shown
    assert "São Paulo ??" in on_a_terminal(config, "latin-1", 100, "--format", "csv", sql)
    assert "│ São Paulo 東京 │" in on_a_terminal(config, "utf-8", 100, sql)


def test_a_narrow_terminal(config: Path) -> None:
    """A table that is wider becomes a line a value; one that fits is drawn."""
    sql = "SELECT repeat('x', 20) AS first_column, repeat('y', 20) AS other"
    assert on_a_terminal(config, "utf-8", NARROW, sql) == (
        f"-- row 1\nfirst_column  {'x' * 20}\nother         {'y' * 20}\n"
    )
    assert on_a_terminal(config, "utf-8", NARROW, "SELECT 1 AS a").startswith("┏")


def test_a_pipe_gets_utf_8_whole(config: Path) -> None:
    """Whatever the locale says, and however narrow the terminal is."""
    command = [sys.executable, "-m", "storeavail_platform.commands.cli", "query", "--config"]
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "COLUMNS": "10"}
    done = subprocess.run(
        [*command, str(config), "SELECT 'São Paulo' AS city, repeat('x', 200) AS long"],
        capture_output=True,
        env=environment,
        check=True,
    )
    assert f"│ São Paulo │ {'x' * 200} │" in done.stdout.decode()
