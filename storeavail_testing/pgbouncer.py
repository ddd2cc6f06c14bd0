"""A real PgBouncer (Debian's package) before a PostgreSQL, in transaction mode."""

from __future__ import annotations

import shutil
from pathlib import Path

from storeavail_testing.postgres import PASSWORD, PostgresServer
from storeavail_testing.processes import Server, free_port, give_away, is_listening

SETTINGS = """\
[databases]
* = host=127.0.0.1 port={server} user=postgres password='{password}'
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = plain
auth_file = {folder}/users
pool_mode = {mode}
default_pool_size = {pool_size}
query_wait_timeout = {wait_seconds}
"""


class PgBouncer:
    """A pooler with one user, `postgres`, for every database of a server.

    Args:
        pool_size: server connections that it has for a database.
        wait_seconds: how long a client waits for one of them.
    """

    def __init__(
        self,
        folder: Path,
        server: PostgresServer,
        *,
        pool_size: int,
        mode: str = "transaction",
        wait_seconds: int = 120,
    ) -> None:
        self.port = free_port()
        self.behind = server
        (folder / "users").write_text(f'"postgres" "{PASSWORD}"\n')
        settings = folder / "pgbouncer.ini"
        settings.write_text(
            SETTINGS.format(
                server=server.port,
                password=PASSWORD,
                port=self.port,
                folder=folder,
                mode=mode,
                pool_size=pool_size,
                wait_seconds=wait_seconds,
            )
        )
        give_away(folder)
        program = shutil.which("pgbouncer") or "/usr/sbin/pgbouncer"
        self.server = Server([program, settings], log=folder / "pgbouncer.log", env={}, cwd=folder)

    def start(self) -> None:
        self.server.start(lambda: is_listening(self.port))

    def kill(self) -> None:
        self.server.kill()

    def dsn(self, database: str) -> str:
        return self.behind.dsn(database).replace(f"port={self.behind.port}", f"port={self.port}")
