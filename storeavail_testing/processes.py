"""Servers as child processes: free ports, waiting until one answers, killing all of it.

Downloads go into a cache folder.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from storeavail_testing.waiting import wait_for

REPOSITORY = Path(__file__).parents[1]
CACHE = Path(os.environ.get("STOREAVAIL_TEST_CACHE") or REPOSITORY / ".cache")
SERVICE_USER = "nobody"
"""Who runs the servers that refuse to run as root."""
START_SECONDS = 120.0


def free_port() -> int:
    """A TCP port of the loopback interface that nobody uses at the moment."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def is_listening(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


def unprivileged() -> dict[str, Any]:
    """Arguments of Popen that make a child run as another user where this is root."""
    if os.geteuid() != 0:
        return {}
    user = pwd.getpwnam(SERVICE_USER)
    return {"user": user.pw_uid, "group": user.pw_gid}


def give_away(folder: Path) -> None:
    """Make a folder belong to the user that the servers run as, and let that user reach it."""
    if os.geteuid() != 0:
        return
    user = pwd.getpwnam(SERVICE_USER)
    for path in (folder, *folder.rglob("*")):
        os.chown(path, user.pw_uid, user.pw_gid, follow_symlinks=False)
    for parent in folder.parents:
        if not parent.stat().st_mode & 0o001:
            parent.chmod(parent.stat().st_mode | 0o011)


def maven(artifact: str, name: str) -> Path:
    """A file from Maven Central in the cache folder.

    Args:
        artifact: group:artifact:version:packaging[:classifier].
        name: the file's name, as Maven writes it.
    """
    target = CACHE / "maven" / name
    CACHE.mkdir(parents=True, exist_ok=True)
    # two test processes at once would download twice into the same local repository
    with (CACHE / "maven.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not target.exists():
            scratch = CACHE / f"maven-{os.getpid()}"
            command = [
                "mvn",
                "-q",
                "-B",
                "dependency:copy",
                f"-Dartifact={artifact}",
                f"-DoutputDirectory={scratch}",
            ]
            subprocess.run(command, check=True, cwd=CACHE, stdout=subprocess.DEVNULL)
            target.parent.mkdir(parents=True, exist_ok=True)
            (scratch / name).replace(target)
            shutil.rmtree(scratch)
    return target


@contextlib.contextmanager
def service_folder(name: str) -> Iterator[Path]:
    """A folder of a server's own, gone when the context ends.

    Not below pytest's: pytest closes that to other users again and again.
    """
    with tempfile.TemporaryDirectory(
        prefix=f"storeavail-{name}-", ignore_cleanup_errors=True
    ) as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


class Server:
    """A child process and everything it starts, in a session of its own."""

    def __init__(
        self,
        command: Sequence[str | Path],
        *,
        log: Path,
        env: Mapping[str, str],
        cwd: Path,
        as_root: bool = False,
    ) -> None:
        self.command = [str(word) for word in command]
        self.log = log
        self.env = {**os.environ, **env}
        self.cwd = cwd
        self.identity = {} if as_root else unprivileged()
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, answers: Callable[[], bool]) -> None:
        """Start the process and wait until it answers.

        Raises:
            RuntimeError: it ended, or did not answer in time; with the end of its log.
        """
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command,
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                env=self.env,
                cwd=self.cwd,
                start_new_session=True,
                **self.identity,
            )
        process = self.process

        def is_up() -> bool:
            if process.poll() is not None:
                raise ChildProcessError(f"it ended with {process.returncode}")
            return answers()

        try:
            wait_for(f"an answer of {self.command[0]}", is_up, START_SECONDS)
        except (ChildProcessError, TimeoutError) as error:
            self.kill()
            tail = self.log.read_text(errors="replace")[-3000:]
            raise RuntimeError(
                f"{self.command[0]} did not start: {error}; its log {self.log} ends:\n{tail}"
            ) from error

    def kill(self) -> None:
        """SIGKILL to the whole session, and wait until it is gone."""
        if self.process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.process = None
