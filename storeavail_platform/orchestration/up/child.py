"""A program that is kept running: started again when it ends, after a pause that grows; what it
prints goes into a file that is rotated, and alerts to whoever watches.
"""

from __future__ import annotations

import contextlib
import logging
import logging.handlers
import re
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from storeavail_platform.alerting.channels import LOGGER
from storeavail_platform.orchestration.processes import RunProcess
from storeavail_platform.orchestration.up.guard import guarded

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0
SETTLED_SECONDS = 60.0
"""A child that ran for so long had begun well: its next pause is the first one again."""
LOG_BYTES, LOGS_KEPT = 10_000_000, 5
COLOURS = re.compile(rb"\x1b\[[0-9;]*m")
Tell = Callable[[str], None]


@dataclass(frozen=True)
class Program:
    """What a child runs; `pass_fds` are file descriptors that it gets."""

    name: str
    command: Sequence[str]
    pass_fds: Sequence[int] = ()


class Child(threading.Thread):
    """A program that is kept running until `end`."""

    def __init__(self, program: Program, env: Mapping[str, str], folder: Path, tell: Tell) -> None:
        super().__init__(name=program.name, daemon=True)
        self.program = program
        self.env = env
        self.folder = folder
        self.tell = tell
        self.ended = threading.Event()
        self.process: subprocess.Popen[bytes] | None = None

    def run(self) -> None:
        pause = FIRST_PAUSE
        with self._log() as log:
            while not self.ended.is_set():
                began = time.monotonic()
                code = self._run_once(log)
                if self.ended.is_set():
                    return
                if time.monotonic() - began >= SETTLED_SECONDS:
                    pause = FIRST_PAUSE
                self.tell(
                    f"{self.program.name} ended with exit code {code}, and is started again in"
                    f" {pause:.0f} s; its log: {self._log_path()}"
                )
                self.ended.wait(pause)
                pause = min(2 * pause, LONGEST_PAUSE)

    def end(self) -> None:
        """Have it end, with all that it started; `join` waits for that."""
        self.ended.set()
        if self.process is not None:
            self.process.terminate()

    def running(self) -> str | None:
        """Its process, as `RunProcess` writes it; None: there is none."""
        process = self.process
        if process is None or process.returncode is not None:
            return None
        return str(RunProcess.of_pid(process.pid))

    def _run_once(self, log: logging.Handler) -> int:
        with guarded(
            self.program.command,
            env=self.env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            pass_fds=self.program.pass_fds,
        ) as process:
            self.process = process
            if not self.ended.is_set():
                assert process.stdout is not None
                for line in process.stdout:
                    self._pass_on(line, log)
        return process.returncode

    def _pass_on(self, line: bytes, log: logging.Handler) -> None:
        text = COLOURS.sub(b"", line).decode(errors="replace").rstrip()
        log.emit(logging.makeLogRecord({"msg": text}))
        if LOGGER in text:
            self.tell(text)

    @contextlib.contextmanager
    def _log(self) -> Iterator[logging.Handler]:
        with contextlib.closing(
            logging.handlers.RotatingFileHandler(
                self._log_path(), maxBytes=LOG_BYTES, backupCount=LOGS_KEPT, encoding="utf-8"
            )
        ) as handler:
            yield handler

    def _log_path(self) -> Path:
        return self.folder / f"{self.program.name.replace(' ', '-')}.log"
