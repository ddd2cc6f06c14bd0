"""Where a command's result goes: a file that is whole or not there, or a terminal as it is."""

from __future__ import annotations

import contextlib
import functools
import io
import os
import shutil
import sys
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import click

from storeavail_platform.domain.errors import OutputRefused

if TYPE_CHECKING:
    import pyarrow as pa

FORMAT_NAMES = ("table", "csv", "json", "parquet", "xlsx")
"""As `reading.formats.FORMATS`, which takes a while to import."""
UTF_8 = "utf-8"


@dataclass(frozen=True)
class Output:
    """How and where a result is given; without a path it is printed."""

    form: str
    path: Path | None
    may_replace: bool

    def check(self) -> None:
        """Look at the place before a query takes its time.

        Raises:
            click.UsageError: bytes are not for printing.
            OutputRefused: there is something already, or no folder.
        """
        from storeavail_platform.reading.formats import BINARY

        if self.path is not None:
            _require_place(self.path, self.may_replace)
        elif self.form in BINARY:
            raise click.UsageError(f"--format {self.form} is not text: say where by --output FILE")

    def give(self, result: pa.Table) -> None:
        """Print the result, or write it.

        Raises:
            OutputRefused: the file cannot be made, or came to be meanwhile.
            QueryStopped: the format does not hold that much.
        """
        from storeavail_platform.reading.formats import FORMATS

        if self.path is None:
            _print(result, self.form)
            return
        with _written(self.path, self.may_replace) as stream:
            FORMATS[self.form](result, stream)
        click.echo(f"{result.num_rows:,} rows written to {self.path}", err=True)


def output_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--format`, `--output` and `--overwrite`; the command gets them as `output`."""

    @click.option(
        "--format",
        "form",
        type=click.Choice(FORMAT_NAMES),
        help="How to give the rows.  [default: by the ending of the output's FILE, else table]",
    )
    @click.option(
        "--output",
        "path",
        metavar="FILE",
        type=click.Path(path_type=Path),
        help="Write there, whole or not at all.  [default: printed]",
    )
    @click.option("--overwrite", is_flag=True, help="Let the output's FILE be replaced.")
    @functools.wraps(command)
    def with_output(
        *args: Any, form: str | None, path: Path | None, overwrite: bool, **options: Any
    ) -> Any:
        output = Output(form or _form_of(path), path, overwrite)
        return command(*args, output=output, **options)

    return with_output


def _form_of(path: Path | None) -> str:
    ending = path.suffix.lower().removeprefix(".") if path is not None else ""
    return ending if ending in FORMAT_NAMES else "table"


def _print(result: pa.Table, form: str) -> None:
    """To a terminal in its own width and characters, to anything else whole and in UTF-8."""
    from storeavail_platform.reading.formats import FORMATS
    from storeavail_platform.reading.formats.text import as_table

    stream = io.BytesIO()
    encoding = UTF_8
    if not sys.stdout.isatty():
        FORMATS[form](result, stream)
    else:
        encoding = sys.stdout.encoding or UTF_8
        if form == "table":
            width = shutil.get_terminal_size().columns
            stream.write(as_table(result, width=width, encoding=encoding).encode())
        else:
            FORMATS[form](result, stream)
    # what a terminal cannot show is a question mark there
    click.echo(stream.getvalue().decode().encode(encoding, errors="replace"), nl=False)


def _require_place(path: Path, may_replace: bool) -> None:
    if path.exists() and not path.is_file():
        raise OutputRefused(f"{path} is not an ordinary file: leave --output out, and redirect")
    if path.exists() and not may_replace:
        raise _taken(path)
    if not path.parent.is_dir():
        raise OutputRefused(f"{path.parent} is no folder: make it first")


@contextlib.contextmanager
def _written(path: Path, may_replace: bool) -> Iterator[IO[bytes]]:
    """A stream whose bytes are the file when the block ends without an error, and nothing
    otherwise.
    """
    target = path.resolve()
    scratch = target.with_name(f".{target.name[:200]}.{uuid.uuid4().hex[:8]}.part")
    try:
        try:
            with scratch.open("xb") as stream:
                yield stream
                stream.flush()
                os.fsync(stream.fileno())
            _put(scratch, target, may_replace)
        finally:
            scratch.unlink(missing_ok=True)
    except OSError as error:
        raise OutputRefused(f"{path} cannot be written: {error}") from error


def _put(scratch: Path, target: Path, may_replace: bool) -> None:
    """Give a file its name, which another program may have taken meanwhile."""
    if not may_replace:
        try:
            target.hardlink_to(scratch)
        except FileExistsError:
            raise _taken(target) from None
        except OSError:
            # a file system without links: a look at the name is all that there is
            _require_place(target, may_replace)
        else:
            return
    scratch.replace(target)


def _taken(path: Path) -> OutputRefused:
    return OutputRefused(f"{path} exists already: name another file, or add --overwrite")
