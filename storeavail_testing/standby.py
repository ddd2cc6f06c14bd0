"""A hot standby of a real PostgreSQL, which ends queries at once where they conflict with recovery."""

from __future__ import annotations

import subprocess
from pathlib import Path

from storeavail_testing.postgres import PASSWORD, PostgresServer
from storeavail_testing.processes import Server, free_port, give_away, unprivileged
from storeavail_testing.waiting import wait_for


class Standby(PostgresServer):
    """Follows a running primary, with its programs, in a folder of its own."""

    def __init__(self, folder: Path, primary: PostgresServer) -> None:
        self.folder = folder
        self.primary = primary
        self.port = free_port()
        self.data = folder / "data"
        give_away(folder)
        programs = Path(primary.server.command[0]).parent
        command: list[str | Path] = [programs / "pg_basebackup", "-D", self.data, "-R"]
        command += ["-c", "fast", "-d", primary.dsn("replication")]
        subprocess.run(
            [str(part) for part in command],
            check=True,
            cwd=folder,
            env={"PGPASSWORD": PASSWORD},
            **unprivileged(),
        )
        command = [programs / "postgres", "-D", self.data, "-p", str(self.port)]
        command += ["-h", "127.0.0.1", "-k", folder, "-F", "-c", "max_standby_streaming_delay=0"]
        self.server = Server(command, log=folder / "server.log", env={}, cwd=folder)

    def catch_up(self) -> None:
        """Wait until everything that the primary has written is here."""
        written = self._value(self.primary, "SELECT pg_current_wal_lsn()")
        sql = f"SELECT pg_last_wal_replay_lsn() >= '{written}'::pg_lsn"
        wait_for("the standby", lambda: self._value(self, sql))

    @staticmethod
    def _value(server: PostgresServer, sql: str) -> object:
        with server.connect("postgres") as connection, connection.cursor() as cursor:
            cursor.execute(sql)
            return cursor.fetchone()[0]
