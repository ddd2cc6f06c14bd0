"""How much of a source is taken in one piece, and texts of servers cut to what helps."""

from __future__ import annotations

LONGEST_ANSWER = 64 * 2**20
"""Bytes of one answer of a server; a page that is longer is asked for in smaller ones."""
LONGEST_LINE = 32 * 2**20
"""Bytes of one line of a file, and of lines that are taken together."""
LARGEST_CHUNK = 512 * 2**20
"""Bytes, uncompressed, of one column in one row group of a Parquet file."""
LONGEST_REASON = 300
"""Characters of what a server says of an error."""


def megabytes(size: int) -> str:
    return f"{size / 2**20:,.0f} MB"


def shortened(text: str) -> str:
    """What a server says, in one line of at most `LONGEST_REASON` characters."""
    line = " ".join(text.split())
    return line if len(line) <= LONGEST_REASON else f"{line[:LONGEST_REASON]}..."
