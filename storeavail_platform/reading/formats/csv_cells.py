"""The rule of CSV fields, for `storeavail query` and for the pages alike: their scripts get these
expressions (`dashboard/page.py`). Python's `re` and JavaScript read them the same way.

Spreadsheets cut a file at commas, semicolons or tabs as the country has it, and take a cell that
begins with a sign for a formula. So a field is quoted for each of the three, and text gets an
apostrophe before each sign that any of them would put at the start of a cell.
"""

from __future__ import annotations

import re

_SIGN = r'[\x00-\x20"\x7f\xa0\ufeff]*[=+\-@\uff1d\uff0b\uff0d\uff20]'
STARTS = rf"^(?:[\t\r]|(?!-[0-9]+(?:\.[0-9]+)?(?![\s\S])){_SIGN})"
"""Text that would be a formula as a cell. A negative number is none: ids may be such."""
INSIDE = rf"[;\t\r\n](?={_SIGN})"
"""What ends a cell before a sign. Not the comma: the file is cut there by its own rule, which
quotes it.
"""
QUOTED = r'[,;\t\r\n"|(]'
"""A field with one of these is quoted. A bracket or a bar, without which no formula reaches out,
could follow a negative number in the same cell where a file is cut at semicolons.
"""

RULE = {"starts": STARTS, "inside": INSIDE, "quoted": QUOTED}
"""For the pages' scripts."""


def guarded(text: str) -> str:
    """Text that no spreadsheet runs."""
    text = re.sub(INSIDE, r"\g<0>'", text)
    return f"'{text}" if re.search(STARTS, text) else text


def quoted(text: str) -> str:
    """A field of a line (RFC 4180)."""
    if not re.search(QUOTED, text):
        return text
    return '"' + text.replace('"', '""') + '"'
