"""The declarations of tables that separate assets compute (`build.py` lists them): no SQL, the rows come from Python or PySpark.

A table belongs here where it is too heavy for the fused step, or cannot be written as one SELECT.
"""

from __future__ import annotations

from storeavail_platform.domain.tables.table import Table

SEPARATE_TABLES: tuple[Table, ...] = ()
