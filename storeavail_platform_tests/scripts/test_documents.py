"""What `make docs` writes: generated sections between their markers, and how a setting is shown."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal

import pytest
from click.testing import CliRunner
from pydantic import Field

from scripts.documents import generated_pages, main, table_section
from scripts.settings import DocumentError, Setting, settings_below
from storeavail_platform.config.values import Duration, Settings, Text
from storeavail_platform.domain.tables.table import Column, Table

DOCS = Path(__file__).parents[2] / "docs"


class ByName(Settings):
    kind: Literal["name"] = "name"
    """`name`: by name."""
    name: Text | None = None
    """A name | an alias."""


class ByNumber(Settings):
    kind: Literal["number"]
    """`number`: by no."""
    number: Annotated[int, Field(ge=1, le=9)] = 3
    """A number that
    goes on."""


class Inheriting(ByNumber):
    share: Annotated[float, Field(gt=0, le=1)] = 0.5
    """A share."""
    wait: Annotated[Duration, Field(le=timedelta(minutes=15))] = timedelta(seconds=90)
    """A while."""
    is_loud: bool = True
    """Whether it is loud."""


class Whole(Settings):
    which: ByName | ByNumber = ByName()
    each: tuple[Inheriting, ...] = ()
    """All of them."""


class Undescribed(Settings):
    section: ByName = ByName()
    silent: Text


class Unnamed(Settings):
    raw: bytes
    """Bytes."""


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    """A folder with the two pages, as they are."""
    for name in ("tables.md", "configuration.md"):
        (tmp_path / name).write_text((DOCS / name).read_text(encoding="utf-8"), encoding="utf-8")
    return tmp_path


def change(page: Path, old: str, new: str) -> None:
    text = page.read_text(encoding="utf-8")
    assert old in text
    page.write_text(text.replace(old, new), encoding="utf-8")


def test_a_setting_is_shown_as_it_is_declared() -> None:
    """Type with bounds, default as YAML, docstring; one row for kinds that share a setting."""
    assert settings_below(Whole) == [
        Setting("which.kind", "`name` or `number`", "`name`", "`name`: by name. `number`: by no."),
        Setting("which.name", "text", "none", "A name | an alias."),
        Setting("which.number", "whole number, 1 to 9", "`3`", "A number that goes on."),
        Setting("each", "list", "`[]`", "All of them."),
        Setting("each.kind", "`number`", "required", "`number`: by no."),
        Setting("each.number", "whole number, 1 to 9", "`3`", "A number that goes on."),
        Setting("each.share", "number, over 0, up to 1", "`0.5`", "A share."),
        Setting("each.wait", "duration, up to 15m", "`90s`", "A while."),
        Setting("each.is_loud", "`true` or `false`", "`true`", "Whether it is loud."),
    ]


def test_a_setting_without_a_description_is_refused() -> None:
    """It is named with its path, and what to write."""
    with pytest.raises(DocumentError, match="silent has no description: write a docstring below"):
        settings_below(Undescribed)


def test_a_type_without_a_name_is_refused() -> None:
    """A new kind of value has to be given words once."""
    with pytest.raises(DocumentError, match=r"no name for .*bytes.*: add it to TYPE_NAMES"):
        settings_below(Unnamed)


def test_a_table_is_shown_as_it_is_declared() -> None:
    """Without a key there is one row, without checks no list; a bar in a text is no column."""
    columns = (Column("share", "double", "a | b"), Column("rows", "int", "Rows.", nullable=False))
    table = Table("t", "What it is.", columns, key=(), inputs=("stores", "baseline"), is_daily=True)
    assert table_section(table).splitlines() == [
        "### `t`",
        "",
        "What it is.",
        "",
        "From `stores`, `baseline`. One row a local date.",
        "",
        "| column | type | meaning |",
        "|---|---|---|",
        r"| `share` | double | a \| b |",
        "| `rows` | int, never NULL | Rows. |",
    ]


def test_generated_parts_are_written_again_and_the_rest_stays(docs: Path) -> None:
    """What was changed by hand between markers is as declared again; the rest is untouched."""
    tables, configuration = docs / "tables.md", docs / "configuration.md"
    change(configuration, "## The smallest one", "## By hand")
    wanted = {path: path.read_text(encoding="utf-8") for path in (tables, configuration)}
    change(tables, "| `opens_minute` | int |", "| `opens_minute` | text |")
    change(configuration, "| `engine` |", "| `motor` |")
    done = CliRunner().invoke(main, [str(docs)])
    assert done.exit_code == 0, done.output
    assert {path: path.read_text(encoding="utf-8") for path in wanted} == wanted


def test_a_setting_stands_in_the_nearest_part(docs: Path) -> None:
    """A section takes what lies below the paths that it names; the section around it has the rest."""
    page = docs / "configuration.md"
    change(page, "settings of countries.BR.postgres -->", "settings of countries.BR.emr.code -->")
    sections = generated_pages(docs)[page].split("<!-- end -->")
    (country,) = [section for section in sections if "settings of countries.BR -->" in section]
    (code,) = [
        section for section in sections if "settings of countries.BR.emr.code -->" in section
    ]
    (emr,) = [
        section for section in sections if "countries.BR.aws, countries.BR.emr -->" in section
    ]
    assert "`countries.BR.postgres.dsn`" in country
    assert "`countries.BR.emr.code`" in code
    assert "`countries.BR.emr.code`" not in emr
    assert "`countries.BR.emr.staging`" in emr


@pytest.mark.parametrize(
    ("page", "old", "new", "message"),
    [
        ("tables.md", "<!-- end -->", "", "each section needs both of its markers"),
        (
            "tables.md",
            "make docs: tables -->",
            "make docs: table -->",
            "has the sections .*, table, views; it needs .*, tables, views",
        ),
        (
            "configuration.md",
            "settings of deploy -->",
            "settings of deployment -->",
            "has the section settings of deployment, and there are no such",
        ),
        (
            "configuration.md",
            "make docs: settings -->",
            "make docs: settings of warehouse -->",
            "needs a section `settings`",
        ),
    ],
)
def test_a_wrong_marker_is_named(docs: Path, page: str, old: str, new: str, message: str) -> None:
    """What lies between wrong markers could be by hand: no page is written."""
    change(docs / page, old, new)
    change(docs / "tables.md", "| `opens_minute` | int |", "| `opens_minute` | text |")
    before = {path: path.read_text(encoding="utf-8") for path in docs.iterdir()}
    with pytest.raises(DocumentError, match=f"{page}: {message}"):
        generated_pages(docs)
    done = CliRunner().invoke(main, [str(docs)])
    assert done.exit_code == 1
    assert page in done.output
    assert {path: path.read_text(encoding="utf-8") for path in docs.iterdir()} == before
