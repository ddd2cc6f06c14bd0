"""CSV fields: no spreadsheet, wherever it cuts the file, finds a formula; and the pages' script
writes what the command writes.
"""

from __future__ import annotations

import csv
import io
import json
import re
from importlib.resources import files

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from storeavail_platform.reading.formats import csv_cells
from storeavail_platform.reading.formats.csv_cells import guarded, quoted
from storeavail_testing.browser import browser_running

SEPARATORS = ",;\t"
CASES = {
    "plain": "plain",
    "Rua A - 2": "Rua A - 2",
    "a@b.example": "a@b.example",
    "a,b": '"a,b"',
    "a;b": '"a;b"',
    "a\tb": '"a\tb"',
    'say "a"': '"say ""a"""',
    "a\nb": '"a\nb"',
    "=1+1": "'=1+1",
    "-": "'-",
    "-5": "-5",
    "-5.25": "-5.25",
    "-5\n": '"\'-5\n"',
    "-5+1": "'-5+1",
    "+1": "'+1",
    " =1": "' =1",
    "＝1": "'＝1",
    "\ufeff=1": "'\ufeff=1",
    "\t=1": "\"'\t'=1\"",
    "\rx": '"\'\rx"',
    "x,=1+1": '"x,=1+1"',
    "x;=1+1;y": '"x;\'=1+1;y"',
    "x\t@SUM(A1)": '"x\t\'@SUM(A1)"',
    "x\r\n-2": "\"x\r'\n'-2\"",
    'x;"=1;y': '"x;\'""=1;y"',
    "é;\u00a0+1": '"é;\'\u00a0+1"',
    "2*cmd|'/C calc'!A0": "\"2*cmd|'/C calc'!A0\"",
}
"""Text and its field in a file."""
FORMULA = re.compile(r"[\s\x00-\x20\"]*(?!-[0-9.]+(?:,|\Z))[=+\-@]")
"""Not a negative number, alone or (where the file is cut at semicolons) with the next field."""
NASTY = st.text(st.sampled_from(list("=+-@,;\t\r\n\"' x1(")), max_size=12)


@pytest.mark.parametrize(("text", "field"), CASES.items(), ids=repr)
def test_fields(text: str, field: str) -> None:
    """Quoted for comma, semicolon and tab alike; an apostrophe before each sign that could begin a
    cell.
    """
    assert quoted(guarded(text)) == field


@example(rows=[("", "", ";"), ("-1", "", "")])
@settings(max_examples=500, deadline=None)
@given(rows=st.lists(st.tuples(NASTY, NASTY, NASTY), min_size=1, max_size=4))
def test_no_cell_is_a_formula_wherever_the_file_is_cut(rows: list[tuple[str, str, str]]) -> None:
    """The file is cut at commas; a spreadsheet of another country cuts it at semicolons or tabs,
    where its quotes may stand in the middle of a cell.
    """
    text = "".join(",".join(quoted(guarded(cell)) for cell in row) + "\n" for row in rows)
    for separator in SEPARATORS:
        for line in csv.reader(io.StringIO(text, newline=""), delimiter=separator):
            assert not [cell for cell in line if FORMULA.match(cell)], (separator, text)
    read = list(csv.reader(io.StringIO(text, newline="")))
    assert read == [[guarded(cell) for cell in row] for row in rows], "and by commas it is whole"


@pytest.mark.browser
def test_the_pages_write_the_same() -> None:
    """The script of the pages gives the field that Python gives, for every case."""
    script = (files("storeavail_platform.dashboard") / "static" / "text.js").read_text()
    texts = [*CASES, *(f"{one}{other}" for one in CASES for other in CASES)]
    with browser_running() as browser:
        fields = browser.new_page().evaluate(
            f"(texts) => {{ const CSV_RULE = {json.dumps(csv_cells.RULE)};\n{script}\n"
            "return [texts.map(csvCell), csvCell(-1.5)]; }",
            texts,
        )
    assert fields == [[quoted(guarded(text)) for text in texts], "-1.5"]
