"""How the run launcher has a run started by the starter (`starter.py`), if there is one.

A line with the run's id goes to its socket, a line with the process' id comes back.
"""

from __future__ import annotations

import contextlib
import socket
from pathlib import Path

STARTER_SOCKET = "runs.sock"
"""Its name, beside the code server's socket."""
ANSWER_SECONDS = 20.0


def start_run(address: Path, run_id: str) -> int | None:
    """Have a run started; its process id. None: no starter answers there."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as client:
        client.settimeout(ANSWER_SECONDS)
        client.connect(str(address))
        client.sendall(f"{run_id}\n".encode())
        with client.makefile("rb") as answers:
            return int(answers.readline() or 0) or None
    return None
