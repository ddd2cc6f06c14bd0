"""What a process does before it forks one for each run: it imports what a run needs, and has the
collector of cyclic garbage leave that alone, so that children share it as long as nobody writes to
it.

Nothing that threads or connections hang on is opened here: a child would have them broken.
"""

from __future__ import annotations

import gc
import importlib

OF_FIRST_RUN = (
    "dagster._core.executor.in_process",
    "dagster._core.workspace.autodiscovery",
    "pyiceberg.catalog.sql",
    "pyiceberg.io.pyarrow",
    "storeavail_platform.sources.files",
    "storeavail_platform.sources.index_source",
    "storeavail_platform.sources.postgres",
    "upath.implementations.local",
)
"""Imported only when they are used, which every run with a catalog in SQLite does."""


def ready_to_fork() -> None:
    """Import what children would; whatever else they share is there before."""
    for name in OF_FIRST_RUN:
        importlib.import_module(name)
    gc.collect()
    gc.freeze()
