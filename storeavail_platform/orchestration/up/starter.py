"""Starts runs within a second: `python -m storeavail_platform.orchestration.up.starter SOCKET`.

A code server gives each run a new Python, which imports for seconds what this one has imported
once: it forks a child a run. The window job is built here too; a child builds it anew where the
configuration has changed since. Nothing that threads or connections hang on is opened here: the
child has Dagster's instance, this one has none.

A line in the socket names a run, a line back its process (`starting.py`).
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import socket
import sys
from pathlib import Path
from typing import Any

import dagster as dg
from dagster._core.origin import JobPythonOrigin
from dagster._grpc.impl import core_execute_run
from dagster._utils.hosted_user_process import recon_job_from_origin
from dagster._utils.interrupts import capture_interrupts, setup_interrupt_handlers

from storeavail_platform.alerting.channels import print_alerts
from storeavail_platform.config import DAGSTER_HOME_VARIABLE
from storeavail_platform.domain.library_warnings import ignore_library_warnings
from storeavail_platform.orchestration.build import load_window_job
from storeavail_platform.orchestration.forking import ready_to_fork
from storeavail_platform.orchestration.home_storage import open_home
from storeavail_platform.orchestration.jobs import WINDOW_JOB

WAITING = 64


def execute(run_id: str) -> None:
    """A run, in a process of its own."""
    setup_interrupt_handlers()
    with (
        capture_interrupts(),
        open_home(Path(os.environ[DAGSTER_HOME_VARIABLE])) as own,
    ):
        run = own.get_run_by_id(run_id)
        if run is None or run.is_finished or run.job_code_origin is None:
            return
        own.report_engine_event(f"Started process for run (pid: {os.getpid()}).", run)
        for _ in core_execute_run(
            job_of(run, run.job_code_origin), run, own, inject_env_vars=False
        ):
            pass


def job_of(run: dg.DagsterRun, origin: JobPythonOrigin) -> Any:
    """The job that a run executes."""
    if run.job_name == WINDOW_JOB:
        return dg.reconstructable(load_window_job)
    return recon_job_from_origin(origin)


def main(address: str) -> None:
    """Start runs until this process ends."""
    # whoever starts this may ignore it: Dagster gives SIGTERM what SIGINT has, which a shell's
    # background commands ignore
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    ignore_library_warnings()
    print_alerts()
    load_window_job()
    ready_to_fork()
    forking = multiprocessing.get_context("fork")
    path = Path(address)
    path.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(address)
        listener.listen(WAITING)
        while True:
            client, _ = listener.accept()
            with client, client.makefile("rb") as asked:
                run_id = asked.readline().decode().strip()
                if run_id:
                    process = forking.Process(target=execute, args=(run_id,), name=run_id)
                    process.start()
                    client.sendall(f"{process.pid}\n".encode())
            # takes leave of those that have ended
            multiprocessing.active_children()


if __name__ == "__main__":
    main(sys.argv[1])
