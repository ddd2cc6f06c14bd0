"""States that upkeep took out of a window table's history, and that can be told from a later one
all the same.

Each was followed by a commit that only added files, so it is the next kept state without the files
that came later. A file beside the table's metadata lists them; a property names it, so that table
and list change in one commit and go back together.

    metadata/forgotten-<uuid>.json    a list of {"sequence_number", "snapshot_id", "timestamp_ms"}
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import orjson
from pydantic import TypeAdapter

from storeavail_platform.domain.errors import TableDamaged
from storeavail_platform.storage.json_files import SELDOM, decode

if TYPE_CHECKING:
    from pyiceberg.io import FileIO
    from pyiceberg.table import Table as IcebergTable

FORGOTTEN = "storeavail.forgotten"
"""Table property: name of the file, in the table's metadata folder."""
LIST = "forgotten-"
"""How the file's name begins."""


@dataclass(frozen=True)
class Forgotten:
    """A state that is not among a table's snapshots any more; when it was committed in
    milliseconds since 1970, UTC.
    """

    sequence_number: int
    snapshot_id: int
    timestamp_ms: int


FILE = TypeAdapter(list[Forgotten], config=SELDOM)


def location_of(table: IcebergTable) -> str | None:
    """Address of the file that lists a table's forgotten states; None where there is none."""
    name = table.properties.get(FORGOTTEN)
    return None if name is None else f"{table.location()}/metadata/{name}"


def forgotten_states(table: IcebergTable) -> list[Forgotten]:
    """The forgotten states of a table, oldest first.

    Raises:
        TableDamaged: the file that lists them is missing or cannot be understood.
    """
    location = location_of(table)
    return [] if location is None else states_in(table.io, location)


def states_in(io: FileIO, location: str) -> list[Forgotten]:
    """The states that a list names.

    Raises:
        TableDamaged: it is missing or cannot be understood.
    """
    name = f"list of forgotten states {location}"
    advice = (
        "`storeavail recover` makes it again. The table is whole; until then moments between its"
        " kept states cannot be asked for, and its history is not thinned out"
    )
    try:
        with io.new_input(location).open() as stream:
            data = stream.read()
    except FileNotFoundError as error:
        raise TableDamaged(f"{name} is missing; {advice}") from error
    return decode(FILE, data, name, advice, error=TableDamaged)


def write_forgotten(table: IcebergTable, states: Iterable[Forgotten]) -> dict[str, str]:
    """Write the list of a table's forgotten states; gives the property that is to name it."""
    name = f"{LIST}{uuid.uuid4().hex}.json"
    data = orjson.dumps([asdict(state) for state in states])
    with table.io.new_output(f"{table.location()}/metadata/{name}").create() as stream:
        stream.write(data)
    return {FORGOTTEN: name}
