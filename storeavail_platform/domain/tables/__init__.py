"""The window tables: declarations, SQL, and what SQL is portable.

`TABLES` lists them, inputs before what reads them.
"""

from storeavail_platform.domain.tables.declarations import TABLES

__all__ = ["TABLES"]
