"""No traceback for what an operator can meet: through every night of `troubles.py`, whatever is
typed then ends in words.
"""

from __future__ import annotations

import contextlib
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from storeavail_platform_tests.end_to_end.nights import NEXT, WINDOWS, Night, made
from storeavail_platform_tests.end_to_end.troubles import FACTS, TROUBLES, Trouble
from storeavail_testing.postgres import PostgresServer
from storeavail_testing.processes import service_folder

COMMANDS = {
    "status": ("status",),
    "check": ("check",),
    "query": ("query", f"SELECT COUNT(name) AS stores FROM {FACTS}"),
    "recover": ("recover", "--dry-run"),
    "dashboard": ("dashboard",),
    "maintain": ("maintain",),
    "migrate": ("migrate", "--dry-run"),
    "trust": ("trust", "BR", "--from", WINDOWS[-1].key, "--reason", "it was so"),
    "silence": ("silence", "BR", "--reason", "looked after"),
}
TRACES = ("Traceback (most recent call last)", 'File "/', "Error: <")


@pytest.fixture(scope="module")
def company(postgres_server: PostgresServer) -> Iterator[Night]:
    """A company in a folder that every user can reach."""
    with service_folder("nights") as folder:
        (folder / "company").mkdir()
        yield made(folder / "company", postgres_server)


@pytest.fixture
def trouble(company: Night, monkeypatch: pytest.MonkeyPatch) -> Iterator[Trouble]:
    """The company as it was before anything happened to it."""
    company.restore()
    world = company.world
    for name, value in (*world.environment.items(), ("STOREAVAIL_CONFIG", str(world.config))):
        monkeypatch.setenv(name, value)
    kept = world.folder.with_name("kept")
    shutil.copytree(world.folder / "index", kept / "index")
    shutil.copy2(world.config, kept)
    try:
        with contextlib.ExitStack() as ending:
            yield Trouble(company, monkeypatch, ending)
    finally:
        shutil.rmtree(world.folder / "index", ignore_errors=True)
        shutil.copytree(kept / "index", world.folder / "index")
        shutil.copy2(kept / world.config.name, world.config)
        shutil.rmtree(kept)


@pytest.mark.parametrize("name", TROUBLES)
def test_no_night_ends_in_a_traceback(
    trouble: Trouble, name: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """Whatever is typed in it: an exit code of 0 or 1, and lines for people; what matters is said in
    the words that docs/operations.md has, and the alert of a run names the true cause.
    """
    kind = TROUBLES[name]
    kind.make(trouble)
    for command in kind.commands:
        code, said = trouble.run(NEXT) if command == "run" else trouble.command(*COMMANDS[command])
        beside = capfd.readouterr()
        printed = said + beside.out + beside.err
        assert code in (0, 1), (command, said)
        assert not [trace for trace in TRACES if trace in printed], (command, printed)
        if command in kind.said:
            expected, excerpt = kind.said[command]
            assert excerpt in " ".join(said.split()), (command, said)
            assert code == expected, (command, said)
    assert trouble.cause == kind.cause


@pytest.mark.parametrize(
    ("arguments", "code", "excerpt"),
    [
        (("query", "SELEC 1"), 1, "syntax error"),
        (("query", "SELECT 1/0 AS a, CAST('x' AS INT) AS b"), 1, "Could not convert string 'x'"),
        (("query", "SELECT * FROM nothing"), 1, "Tables: "),
        (("query", "SELECT 1", "--output", "/nonexistent/a.csv"), 1, "/nonexistent is no folder"),
        (("query", "SELECT 1", "--table", "x=/nonexistent.csv"), 1, "/nonexistent.csv"),
        (("run", "--window", "now"), 2, "write the UTC start like 2026-11-23T1015"),
        (("run", "--country", "XX"), 1, "there is no country 'XX'"),
        (("check", "--country", "XX"), 1, "there is no country 'XX'"),
        (("silence", "BR", "--for", "9d", "--reason", "x"), 1, "at most 7d"),
        (("silence", "XX", "--reason", "x"), 1, "there is no country 'XX'"),
        (("remove-country", "BR", "--yes"), 1, "BR"),
        (("backup", "/dev/null"), 1, "/dev/null"),
        (("backup", "{warehouse}/copy"), 1, "is inside of the warehouse"),
    ],
)
def test_what_is_typed_wrong_is_explained(
    trouble: Trouble, arguments: tuple[str, ...], code: int, excerpt: str
) -> None:
    """With the word that was wrong, and what to write."""
    typed = [argument.format(warehouse=trouble.warehouse) for argument in arguments]
    found, said = trouble.command(*typed)
    assert excerpt in said
    assert found == code, said


def test_a_port_that_is_taken(trouble: Trouble) -> None:
    """The pages cannot be served there: the option is named."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, said = trouble.command("serve", "--port", str(port))
    assert (code, f"port {port} cannot be used" in said, "--port" in said) == (1, True, True)


def test_a_backup_is_told_what_it_could_not_do(trouble: Trouble, tmp_path: Path) -> None:
    """Onto a copy whose label is half JSON, and of a home that is damaged."""
    copy = tmp_path / "copy"
    for file in trouble.home.rglob("*.db"):
        file.write_bytes(b"SQLite format 3\0" + b"x" * 5000)
    code, said = trouble.command("backup", str(copy))
    assert (code, ".db of Dagster's home was not copied" in said) == (1, True), said
    (copy / "backup.json").write_bytes(b'{"ware')
    code, said = trouble.command("backup", str(copy))
    assert (code, "backup.json" in said) == (1, True), said
