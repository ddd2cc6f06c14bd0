"""The views of namespace `storeavail`: each table of all countries as one, and the views over them,
for analysts' SQL on the metastore.

Windows never touch them, so that no country waits for another's catalog entry. Without a metastore
`storeavail query` unites the countries.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

from storeavail_platform.domain.tables.table import Column, Table
from storeavail_platform.domain.tables.views import VIEWS, View
from storeavail_platform.pipeline.runtime import Runtime

# the metastore's types take long to import, and a catalog in SQLite does not need them
if TYPE_CHECKING:
    from hive_metastore.ttypes import Table as HiveTable
    from pyiceberg.catalog.hive import HiveCatalog

NAMESPACE = "storeavail"
HIVE_TYPES = {
    "text": "string",
    "bigint": "bigint",
    "int": "int",
    "double": "double",
    "boolean": "boolean",
    "date": "date",
    "timestamptz": "timestamp",
}


def update_views(runtime: Runtime) -> list[str]:
    """Make the views, or bring them up to date; gives the names of those that changed. Nothing to
    do without a Hive Metastore.

    Raises:
        CatalogUnavailable: the metastore does not answer.
    """
    if runtime.platform.catalog.type != "hive":
        return []
    from pyiceberg.catalog.hive import HiveCatalog

    changed = []
    there = set[str]()
    with runtime.warehouse.errors():
        catalog = runtime.warehouse.catalog
        assert isinstance(catalog, HiveCatalog), "the configured catalog is a metastore"
        catalog.create_namespace_if_not_exists(
            NAMESPACE, {"location": runtime.storage.uri("tables", NAMESPACE)}
        )
        for table in runtime.all_tables:
            text = view_text(table, _columns_by_namespace(runtime, catalog, table))
            if text is None:
                continue
            there.add(table.name)
            if _put(catalog, _view(runtime, table, text)):
                changed.append(table.name)
        for view in VIEWS:
            # their tables' names are those of the views that were just made
            if set(view.tables) <= there and _put(catalog, _view(runtime, view, view.sql())):
                changed.append(view.name)
    return changed


def view_text(table: Table, columns: Mapping[str, Mapping[str, str]]) -> str | None:
    """The view's SELECT over the countries that have the table; a column that one does not have yet
    is NULL there, and one of an earlier layout's type is cast.

    Args:
        columns: the columns that the table has with their types, by namespace.
    """

    def shown(column: Column, there: Mapping[str, str]) -> str:
        name, kind = f"`{column.name}`", HIVE_TYPES[column.type]
        found = there.get(column.name)
        if found == kind:
            return name
        return f"CAST({'NULL' if found is None else name} AS {kind}) AS {name}"

    selects = [
        f"SELECT {', '.join(shown(column, there) for column in table.all_columns)} FROM"
        f" `{namespace}`.`{table.name}`"
        for namespace, there in columns.items()
    ]
    return "\nUNION ALL\n".join(selects) or None


def _columns_by_namespace(
    runtime: Runtime, catalog: HiveCatalog, table: Table
) -> dict[str, dict[str, str]]:
    """As the metastore tells them: a country's role may not read the files of the others."""
    from hive_metastore.ttypes import NoSuchObjectException

    found = {}
    with catalog._client as client:
        for country in runtime.platform.countries.values():
            with contextlib.suppress(NoSuchObjectException):
                found[country.namespace] = {
                    column.name: column.type
                    for column in client.get_table(country.namespace, table.name).sd.cols
                }
    return found


def _view(runtime: Runtime, table: Table | View, text: str) -> HiveTable:
    """As Spark writes it: its columns by name, and the namespace that names in the text are
    relative to.
    """
    from hive_metastore.ttypes import FieldSchema, SerDeInfo, StorageDescriptor
    from hive_metastore.ttypes import Table as HiveTable

    columns = [
        FieldSchema(column.name, HIVE_TYPES[column.type], column.description)
        for column in table.all_columns
    ]
    return HiveTable(
        dbName=NAMESPACE,
        tableName=table.name,
        owner=NAMESPACE,
        createTime=int(time.time()),
        tableType="VIRTUAL_VIEW",
        viewOriginalText=text,
        viewExpandedText=text,
        sd=StorageDescriptor(
            cols=columns,
            serdeInfo=SerDeInfo(parameters={}),
            parameters={},
            bucketCols=[],
            sortCols=[],
        ),
        partitionKeys=[],
        parameters={
            "comment": table.description,
            "view.catalogAndNamespace.numParts": "2",
            "view.catalogAndNamespace.part.0": "spark_catalog",
            "view.catalogAndNamespace.part.1": NAMESPACE,
            "view.query.out.numCols": str(len(columns)),
            **{
                f"view.query.out.col.{number}": column.name for number, column in enumerate(columns)
            },
        },
    )


def _put(catalog: HiveCatalog, view: HiveTable) -> bool:
    """Make a view what it should be; whether anything changed."""
    from hive_metastore.ttypes import AlreadyExistsException, NoSuchObjectException

    with catalog._client as client:
        try:
            found = client.get_table(NAMESPACE, view.tableName)
        except NoSuchObjectException:
            try:
                client.create_table(view)
            except AlreadyExistsException:
                # another country's upkeep has just made it from the same tables
                return False
            return True
        if found.viewExpandedText == view.viewExpandedText and found.sd.cols == view.sd.cols:
            return False
        client.alter_table(NAMESPACE, view.tableName, view)
        return True
