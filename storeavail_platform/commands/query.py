"""The command `query`: SQL over every table, printed or written to a file."""

from __future__ import annotations

import click

from storeavail_platform.commands.options import config_option, limits_options
from storeavail_platform.commands.output import Output, output_options
from storeavail_platform.config import load_platform
from storeavail_platform.reading.limits import Limits


@click.command(
    epilog=(
        'Example:  storeavail query "SELECT status, COUNT(*) FROM store_availability'
        " WHERE country = 'BR' GROUP BY status\""
    )
)
@config_option
@output_options
@click.option(
    "--table",
    "named",
    multiple=True,
    metavar="NAME=FILE",
    help="A CSV or Parquet file that SQL may name; may be repeated.  [default: none]",
)
@limits_options
@click.argument("sql")
def query(
    config_path: str | None, output: Output, named: tuple[str, ...], limits: Limits, sql: str
) -> None:
    """Run one SELECT (DuckDB's SQL) over every table; all countries are in one table, told apart by
    `country`.

    Works with the catalog down. An unknown table's error lists the tables that there are.
    """
    from storeavail_platform.pipeline.standing import build_standing
    from storeavail_platform.reading.named_files import named_files
    from storeavail_platform.reading.query import query as rows_of_query

    output.check()
    files = named_files(named)
    standing = build_standing(load_platform(config_path))
    output.give(rows_of_query(standing, sql, limits=limits, files=files))
