"""What pyiceberg, pyarrow and the catalogs' clients raise, as the platform's errors."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pydantic
from pyiceberg.exceptions import ValidationError

from storeavail_platform.domain.addresses import S3, plain
from storeavail_platform.domain.errors import (
    CatalogLost,
    CatalogUnavailable,
    StorageUnavailable,
    TableDamaged,
    WarehouseError,
)
from storeavail_platform.storage.room import disk_full, is_disk_full

CATALOG_DOWN = (ConnectionError, TimeoutError)
"""The catalog cannot be reached. A database that is locked says so by an OperationalError."""
UNREADABLE = (FileNotFoundError, ValidationError, ValueError, EOFError)
"""A metadata file, manifest or manifest list is missing, or is not what was written."""
EMPTIED = "no such table: iceberg_"
"""SQLite's word where the file was emptied while it was open."""


@contextlib.contextmanager
def catalog_errors(catalog: str, tables: str) -> Iterator[None]:
    """Raise what is about the catalog or the tables' files as errors of the warehouse.

    Args:
        catalog: the catalog's address.
        tables: the address below which the tables lie.
    """
    try:
        with _Room(tables):
            yield
    except _raised_by("sqlalchemy.exc", "DatabaseError") as error:
        cause = getattr(error, "orig", None)
        is_operational = isinstance(error, _raised_by("sqlalchemy.exc", "OperationalError"))
        if is_operational and EMPTIED not in str(cause):
            raise _down(catalog, error) from error
        raise CatalogLost(
            f"the catalog at {catalog} is damaged ({cause}). Nothing is lost: pointers lie"
            " beside the tables, and `storeavail recover` makes the catalog anew from them"
        ) from error
    except CATALOG_DOWN as error:
        raise _down(catalog, error) from error
    except _raised_by("thrift.Thrift", "TException") as error:
        raise WarehouseError(
            f"the metastore at {catalog} refused: {getattr(error, 'message', None) or error}"
        ) from error
    except FileNotFoundError as error:
        raise TableDamaged(
            f"a file of the tables at {tables} is missing: {error}. `storeavail check` names the"
            " table and the windows, `storeavail recover` brings back what can be; if all files"
            " are missing, is the folder mounted?"
        ) from error
    except PermissionError as error:
        raise WarehouseError(
            f"the tables at {tables}: {error}; see what the role or user may do there"
        ) from error
    except OSError as error:
        raise StorageUnavailable(f"the tables at {tables} cannot be reached: {error}") from error


class _Room:
    """Raises what says that there is no room left as that. A class: a generator's exit sets the
    traceback of what it lets through, which the metastore's errors, immutable, do not allow.
    """

    def __init__(self, tables: str) -> None:
        self.tables = tables

    def __enter__(self) -> None:
        """Nothing is to be held."""

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        if isinstance(error, _without_room()):
            folder = plain(self.tables)
            if is_disk_full(error, () if self.tables.startswith(S3) else [Path(folder)]):
                raise disk_full(f"the disk of {folder}") from error


def reason(error: Exception) -> str:
    """Why something cannot be read, in a line; pydantic's own words are several and an address."""
    # pyiceberg has an error of its own around it
    for cause in (error, *error.args):
        if isinstance(cause, pydantic.ValidationError):
            return str(cause.errors(include_url=False, include_input=False)[0]["msg"])
    return str(error).partition("\n")[0]


def _without_room() -> tuple[type[Exception], ...]:
    return (OSError, *_raised_by("sqlalchemy.exc", "DatabaseError"))


def _raised_by(module: str, name: str) -> tuple[type[Exception], ...]:
    """An error of a catalog's client, which takes long to import: it raises only where something
    has loaded it, and what reads by pointers does not.
    """
    loaded = sys.modules.get(module)
    return () if loaded is None else (getattr(loaded, name),)


def _down(catalog: str, error: Exception) -> CatalogUnavailable:
    # SQLAlchemy's own words are several lines and an address
    cause = getattr(error, "orig", None) or error
    return CatalogUnavailable(
        f"the catalog at {catalog} does not answer ({type(error).__name__}: {cause}). Nothing is"
        " lost: the observation is landed and the window is computed again when the catalog is"
        " back; check the metastore, its network, or who holds the SQLite file, and whether its"
        " folder is mounted"
    )
