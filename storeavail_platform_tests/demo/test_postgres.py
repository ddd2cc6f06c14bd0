"""Starting, sharing and stopping the demo's PostgreSQL, also after kills."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import psycopg2
import pytest

from storeavail_platform.demo.postgres import (
    SUPERUSER,
    data_folder,
    dsn,
    postgres_running,
    socket_folder,
)
from storeavail_platform.domain.errors import ConfigError
from storeavail_testing.waiting import wait_for

pytestmark = pytest.mark.postgres

USE_UNTIL_KILLED = """
import sys
from pathlib import Path
from storeavail_platform.demo.postgres import postgres_running
with postgres_running(Path(sys.argv[1])):
    print("running", flush=True)
    sys.stdin.read()
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A demo's folder with an empty server in it, stopped."""
    home = tmp_path_factory.mktemp("postgres home")
    with postgres_running(home, create=True):
        assert answers(home)
    return home


def answers(home: Path) -> bool:
    with (
        contextlib.suppress(psycopg2.OperationalError),
        contextlib.closing(psycopg2.connect(dsn(home, SUPERUSER))),
    ):
        return True
    return False


def postmaster(home: Path) -> int:
    return int((data_folder(home) / "postmaster.pid").read_text().split()[0])


def test_last_user_stops_it(home: Path) -> None:
    """A short command beside a long one neither starts a second server nor takes the first one
    away.
    """
    with postgres_running(home):
        first = postmaster(home)
        with postgres_running(home):
            assert postmaster(home) == first
        assert answers(home)
    assert not answers(home)


def test_user_in_another_process_keeps_it_running(home: Path) -> None:
    """Whoever started the server may leave first."""
    with subprocess.Popen(
        [sys.executable, "-c", USE_UNTIL_KILLED, str(home)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as other:
        assert other.stdout is not None
        with postgres_running(home):
            assert other.stdout.readline() == b"running\n"
        assert answers(home)
        other.communicate()
    assert not answers(home)


def test_killed_user_leaves_nothing_behind(home: Path) -> None:
    """After `kill -9` of a command its server is stopped; the next command starts it again."""
    with subprocess.Popen(
        [sys.executable, "-c", USE_UNTIL_KILLED, str(home)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"running\n"
        other.kill()
    wait_for("the server's end", lambda: not answers(home))
    with postgres_running(home):
        assert answers(home)
    assert not answers(home)


def test_killed_server_starts_again(home: Path) -> None:
    """After `kill -9` of PostgreSQL itself, as when the machine lost power, the next command
    recovers it.
    """
    with postgres_running(home):
        os.kill(postmaster(home), signal.SIGKILL)
    with postgres_running(home):
        assert answers(home)
    assert not answers(home)


def test_reused_process_id_does_not_block_the_start(home: Path) -> None:
    """In a container that is started again another program, of the same user, has the dead
    server's process id.
    """
    data = data_folder(home)
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE, user=data.stat().st_uid) as other:
        (data / "postmaster.pid").write_text(
            f"{other.pid}\n{data}\n1700000000\n5432\n{socket_folder(home)}\n\n  0  0\nready\n"
        )
        with postgres_running(home):
            assert answers(home)
            assert postmaster(home) != other.pid
        other.communicate()
    assert other.returncode == 0, "the other program was left alone"


def test_long_path_gets_a_short_socket(home: Path, tmp_path: Path) -> None:
    """A socket's path has about 100 bytes: a server deeper down is reached by a string that
    stays.
    """
    deep = tmp_path / ("d" * 60) / ("e" * 60)
    deep.mkdir(parents=True)
    assert len(str(socket_folder(deep))) < 60
    with postgres_running(deep, create=True):
        before = dsn(deep, SUPERUSER)
        assert answers(deep)
    with postgres_running(deep):
        assert dsn(deep, SUPERUSER) == before
    shutil.rmtree(socket_folder(deep))


def test_without_data_it_says_what_to_do(tmp_path: Path) -> None:
    """A command that needs the demo's server before there is a demo names the command that
    makes it.
    """
    with pytest.raises(ConfigError, match="storeavail demo"), postgres_running(tmp_path):
        pass
