"""Processes of their own, so that memory and warm-up are a measurement's own."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from typing import Any

from storeavail_platform.domain.library_warnings import ignore_library_warnings


def apart(function: Callable[..., Any], *arguments: Any) -> Any:
    """The result of a function in a fresh process."""
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, spawn, initializer=ignore_library_warnings) as pool:
        return pool.submit(function, *arguments).result()
