"""The tree of processes: code server, run starter, daemon, webserver. Started one after another,
kept running (`child.py`), ended together; a configuration that changes is taken up.

Nothing here imports Dagster, so that what watches is small. Each child stands behind a guard
(`guard.py`), so that none outlives this process.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import orjson
import yaml

from storeavail_platform.config import (
    CONFIG_VARIABLE,
    DAGSTER_HOME_VARIABLE,
    Platform,
    dagster_home,
    load_platform,
)
from storeavail_platform.domain.clock import utc_now
from storeavail_platform.domain.errors import ConfigError, HomeDamaged, StoreAvailError
from storeavail_platform.orchestration.processes import EVENT_BATCHES
from storeavail_platform.orchestration.up.child import Child, Program, Tell
from storeavail_platform.orchestration.up.guard import guarded
from storeavail_platform.orchestration.up.holder import Hold, held
from storeavail_platform.orchestration.up.listening import HOST, port_of
from storeavail_platform.orchestration.up.starting import STARTER_SOCKET
from storeavail_platform.pipeline.runtime import open_storage

LOCATION = "storeavail"
FOLDER = "up"
"""Of Dagster's home: logs, the workspace, what runs (`CHILDREN_FILE`)."""
CHILDREN_FILE = "children.json"
CODE_SERVER, DAEMON, WEBSERVER = "code server", "daemon", "webserver"
STARTER = "run starter"
LOOK_SECONDS = 10.0
ANSWER_SECONDS = 0.2
LONGEST_SOCKET_PATH = 100
"""Bytes. The systems' own limits are 104 and 108."""


def run_tree(platform: Platform, listener: socket.socket, tell: Tell) -> None:
    """Run everything for a configuration until SIGTERM or SIGINT.

    Args:
        listener: where the one address listens.
        tell: prints a line for people.

    Raises:
        WarehouseHeld: another one does it.
        HomeDamaged: Dagster's home cannot be used.
    """
    storage = open_storage(platform)
    with held(storage, utc_now) as hold, told_to_end() as ending:
        env = environment(platform)
        prepare_home(env)
        folder = dagster_home(platform) / FOLDER
        folder.mkdir(parents=True, exist_ok=True)
        with socket_path(folder) as address:
            workspace = write_workspace(folder, address)
            programs = programs_of(listener, address, workspace)
            children = [Child(program, env, folder, tell) for program in programs]
            try:
                start(children, address, ending)
                if not ending.is_set():
                    tell(f"http://{HOST}:{port_of(listener)}/  Dagster's pages")
                    tell(f"http://{HOST}:{port_of(listener)}/dashboard/  availability")
                keep(platform, hold, children, Surroundings(folder, address, env, ending, tell))
            finally:
                for child in children:
                    child.end()
                for child in children:
                    if child.ident is not None:
                        child.join()
                (folder / CHILDREN_FILE).unlink(missing_ok=True)


@dataclass(frozen=True)
class Surroundings:
    """What a running tree has: its folder, the code server's socket, its processes' environment,
    the event that ends it, and where it tells.
    """

    folder: Path
    address: str
    env: Mapping[str, str]
    ending: threading.Event
    tell: Tell


@contextlib.contextmanager
def told_to_end() -> Iterator[threading.Event]:
    """An event that SIGTERM and SIGINT set within the context."""
    ending = threading.Event()
    before = {
        number: signal.signal(number, lambda number, frame: ending.set())
        for number in (signal.SIGTERM, signal.SIGINT)
    }
    try:
        yield ending
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def start(children: Sequence[Child], address: str, ending: threading.Event) -> None:
    """Start them; the code server first, which the others read from as they begin."""
    first, *others = children
    first.start()
    while not ending.is_set() and not does_answer(address):
        ending.wait(ANSWER_SECONDS)
    if not ending.is_set():
        for child in others:
            child.start()


def keep(platform: Platform, hold: Hold, children: Sequence[Child], around: Surroundings) -> None:
    """Look after the tree until it is to end: hold the warehouse, say what runs, take up another
    configuration.

    Raises:
        WarehouseHeld: another one has taken it, because this one was not seen for long.
    """
    configuration = Configuration(platform)
    while not around.ending.is_set():
        with storage_may_be_away(around.tell):
            hold.renew()
        note_children(around.folder, children)
        if configuration.has_changed(around.tell):
            reload(around)
        around.ending.wait(LOOK_SECONDS)


@contextlib.contextmanager
def storage_may_be_away(tell: Tell) -> Iterator[None]:
    """Have what may pass told, and gone on."""
    try:
        yield
    except StoreAvailError as error:
        if not error.may_pass:
            raise
        tell(str(error))


class Configuration:
    """The configuration's file, looked at again and again."""

    def __init__(self, platform: Platform) -> None:
        self.origin = platform.origin
        self.taken_up = platform.dump()
        self.mistake = ""

    def has_changed(self, tell: Tell) -> bool:
        """Whether it says something else than what is taken up. With a mistake in it, which is
        told once, it does not.
        """
        try:
            found = load_platform(self.origin).dump()
        except ConfigError as error:
            if str(error) != self.mistake:
                tell(f"goes on with the configuration of before: {error}")
            self.mistake = str(error)
            return False
        self.mistake = ""
        is_new = found != self.taken_up
        self.taken_up = found
        return is_new


def reload(around: Surroundings) -> None:
    """Have the code server load anew, as "Reload" in the UI does; runs of before go on."""
    command = [sys.executable, "-m", "storeavail_platform.orchestration.up.reload", around.address]
    with guarded(command, env=around.env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as done:
        assert done.stdout is not None
        said = done.stdout.read().decode(errors="replace").strip()
    around.tell(
        "the configuration has changed: taken up"
        if done.returncode == 0
        else f"the configuration has changed, and is not taken up: {said[-500:]}"
    )


def environment(platform: Platform) -> dict[str, str]:
    """What every process of the tree has."""
    return {
        **os.environ,
        CONFIG_VARIABLE: platform.origin,
        DAGSTER_HOME_VARIABLE: str(dagster_home(platform)),
        **EVENT_BATCHES,
        "PYTHONUNBUFFERED": "1",
    }


def prepare_home(env: Mapping[str, str]) -> None:
    """Make Dagster's home, or what is missing of it.

    Raises:
        HomeDamaged: it cannot be made or used.
    """
    command = [sys.executable, "-m", "storeavail_platform.orchestration.home"]
    with guarded(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as done:
        assert done.stdout is not None
        said = done.stdout.read().decode(errors="replace").strip()
    if done.returncode:
        raise HomeDamaged(said.removeprefix("error: "))


def programs_of(listener: socket.socket, address: str, workspace: Path) -> list[Program]:
    """The children, in the order in which they start. "Reload" starts the code of a `code-server`
    anew; one that the daemon starts itself would be started every minute.
    """
    python = (sys.executable, "-m")
    code = ("dagster", "code-server", "start", "--socket", address)
    runs = str(Path(address).with_name(STARTER_SOCKET))
    webserver = ("storeavail_platform.orchestration.up.web", str(listener.fileno()), str(workspace))
    return [
        Program(CODE_SERVER, (*python, *code, "-m", "storeavail_platform.definitions")),
        Program(STARTER, (*python, "storeavail_platform.orchestration.up.starter", runs)),
        Program(DAEMON, (*python, "storeavail_platform.orchestration.up.daemon", str(workspace))),
        Program(WEBSERVER, (*python, *webserver), (listener.fileno(),)),
    ]


def write_workspace(folder: Path, address: str) -> Path:
    """The file that names the code server to daemon and webserver."""
    path = folder / "workspace.yaml"
    server = {"grpc_server": {"socket": address, "location_name": LOCATION}}
    path.write_text(yaml.safe_dump({"load_from": [server]}), encoding="utf-8")
    return path


@contextlib.contextmanager
def socket_path(folder: Path) -> Iterator[str]:
    """Where the code server's socket lies: in a folder of this user alone, whose path is short,
    because the systems allow only about 100 bytes.
    """
    path = folder / "code.sock"
    if len(os.fsencode(path)) < LONGEST_SOCKET_PATH:
        folder.chmod(0o700)
        path.unlink(missing_ok=True)
        yield str(path)
        return
    short = tempfile.mkdtemp(prefix="storeavail-")
    try:
        yield str(Path(short) / path.name)
    finally:
        shutil.rmtree(short, ignore_errors=True)


def does_answer(address: str) -> bool:
    """Whether the code server listens: it has loaded the definitions then."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as client:
        client.connect(address)
        return True
    return False


def note_children(folder: Path, children: Sequence[Child]) -> None:
    """Write down which processes run, for whoever is asked for the tree's health."""
    path = folder / CHILDREN_FILE
    draft = path.with_suffix(".draft")
    draft.write_bytes(orjson.dumps({child.program.name: child.running() for child in children}))
    draft.replace(path)
