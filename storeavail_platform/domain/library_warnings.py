"""Warnings of libraries about themselves, which nobody who runs the platform can act on.

Programs call this once, where they begin: the command, a country's process, the code location, a
cluster's step. Importing the platform changes no filter. The tests have the same list, and take
any other warning for an error.
"""

from __future__ import annotations

import warnings

MESSAGES = (
    # Dagster: parts that it may still change (its version is pinned), and itself calling old parts
    r".* is currently in (beta|preview), and may have breaking changes",
    r".* is superseded",
    r"InitResourceContext\.dagster_run is deprecated",
    # tags that Dagster itself sets on runs of two-dimensional partitions
    r"Non-compliant tag keys like \['dagster/partition/",
    # pyiceberg: a window that has no rows yet
    r"Delete operation did not match any records",
)
"""How each begins, as a regular expression."""


def ignore_library_warnings() -> None:
    """Keep these warnings from people who look at the output of a program."""
    for message in MESSAGES:
        warnings.filterwarnings("ignore", message=message)
