"""The Spark engine: the same SQL on PySpark 3.5, on this machine or on a country's cluster.
Executors write the Parquet files.

Rows never pass through the driver: it sees schemas, the few rows of checks, and the footers of the
files that were written.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pyarrow.fs as pafs
import pyarrow.parquet as pq
from py4j.protocol import Py4JError
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from storeavail_platform.domain import addresses
from storeavail_platform.domain.errors import TableError
from storeavail_platform.domain.source import Split
from storeavail_platform.engines.spark_readers import on_executors
from storeavail_platform.engines.spark_settings import LOCAL_DEFAULTS, SETTINGS, sized
from storeavail_platform.storage.local import Storage
from storeavail_platform.warehouse.engine import WrittenFile
from storeavail_platform.warehouse.landed_files import LandedSplit

TYPES: list[tuple[T.DataType, pa.DataType]] = [
    (T.StringType(), pa.string()),
    (T.LongType(), pa.int64()),
    (T.IntegerType(), pa.int32()),
    (T.ShortType(), pa.int16()),
    (T.ByteType(), pa.int8()),
    (T.DoubleType(), pa.float64()),
    (T.FloatType(), pa.float32()),
    (T.BooleanType(), pa.bool_()),
    (T.DateType(), pa.date32()),
    (T.TimestampType(), pa.timestamp("us", tz="UTC")),
    (T.TimestampNTZType(), pa.timestamp("us")),
]


class SparkEngine:
    """Opens Spark sessions. What a country sets itself comes by `spark-submit`, and wins."""

    name = "spark"

    def __init__(self, storage: Storage, *, master: str | None = "local[*]") -> None:
        """
        Args:
            master: None where `spark-submit` has chosen it.
        """
        self.storage = storage
        self.master = master

    @contextlib.contextmanager
    def session(self, rows: int | None = None) -> Iterator[SparkEngineSession]:
        # views and settings of its own; the application lives on for the next window
        spark = self._application().newSession()
        _configure(spark)
        own = self._own_settings(spark)
        for name, value in ({} if rows is None else sized(rows)).items():
            if name not in own:
                spark.conf.set(name, value)
        yield SparkEngineSession(spark, self.storage)

    def land_splits(
        self, land: Callable[[Split], LandedSplit], splits: Sequence[Split]
    ) -> Sequence[LandedSplit]:
        with table_errors("reading a source"):
            return on_executors(self._application(), land, splits)

    def _own_settings(self, spark: SparkSession) -> Collection[str]:
        """Names of what a country has set itself: what was submitted with the application."""
        if self.master is not None:
            return ()
        return {name for name, _ in spark.sparkContext.getConf().getAll()}

    def _application(self) -> SparkSession:
        builder = SparkSession.builder.appName("storeavail")
        defaults: Mapping[str, str] = {}
        if self.master is not None:
            # executors' Python is this one, whatever the PATH says
            os.environ["PYSPARK_PYTHON"] = sys.executable
            builder = builder.master(self.master)
            defaults = LOCAL_DEFAULTS
        for name, value in {**defaults, **SETTINGS}.items():
            builder = builder.config(name, value)
        return builder.getOrCreate()

    def stop(self) -> None:
        spark = SparkSession.getActiveSession()
        if spark is not None:
            spark.stop()


class SparkEngineSession:
    """One window's relations as temporary views of a Spark session of their own."""

    def __init__(self, spark: SparkSession, storage: Storage) -> None:
        self.spark = spark
        self.storage = storage

    def add_files(self, name: str, schema: pa.Schema, paths: Sequence[str]) -> None:
        if paths:
            self.spark.read.schema(spark_schema(schema)).parquet(*paths).createOrReplaceTempView(
                name
            )
        else:
            self.add_table(name, schema.empty_table())

    def add_table(self, name: str, table: pa.Table) -> None:
        # literals, because createDataFrame would start Python workers for every query that reads
        # the relation
        fields = spark_schema(table.schema).fields
        nothing = [F.lit(None).cast(field.dataType).alias(field.name) for field in fields]
        frame = self.spark.range(0).select(nothing)
        for row in table.to_pylist():
            values = [
                F.lit(row[field.name]).cast(field.dataType).alias(field.name) for field in fields
            ]
            frame = frame.unionAll(self.spark.range(1).select(values))
        frame.createOrReplaceTempView(name)

    def create(self, name: str, sql: str) -> None:
        with table_errors(name):
            # a checkpoint and not a cache: it cuts the plan, which would grow with every table that
            # reads another
            self.spark.sql(sql).localCheckpoint().createOrReplaceTempView(name)

    def schema(self, name: str) -> pa.Schema:
        return pa.schema(
            [
                pa.field(field.name, arrow_type(field.dataType))
                for field in self.spark.table(name).schema.fields
            ]
        )

    def rows(self, sql: str) -> list[dict[str, Any]]:
        with table_errors(sql):
            return [
                {key: _aware(value) for key, value in row.asDict().items()}
                for row in self.spark.sql(sql).collect()
            ]

    def table(self, sql: str) -> pa.Table:
        with table_errors(sql):
            frame = self.spark.sql(sql)
            schema = pa.schema(
                [pa.field(field.name, arrow_type(field.dataType)) for field in frame.schema.fields]
            )
            return pa.Table.from_pylist(
                [
                    {key: _aware(value) for key, value in row.asDict().items()}
                    for row in frame.collect()
                ],
                schema=schema,
            )

    def write(
        self,
        name: str,
        schema: pa.Schema,
        constants: Mapping[str, Any],
        order_by: Iterable[str],
        directory: str,
    ) -> list[WrittenFile]:
        types = {field.name: field.dataType for field in spark_schema(schema).fields}
        columns = [
            (F.lit(constants[column]) if column in constants else F.col(column))
            .cast(types[column])
            .alias(column)
            for column in schema.names
        ]
        path = self.storage.path(directory)
        with table_errors(name):
            frame = self.spark.table(name).select(columns).hint("rebalance")
            frame = frame.sortWithinPartitions(
                *(F.col(column).asc_nulls_last() for column in order_by)
            )
            frame.write.mode("errorifexists").parquet(path)
        return self._written(path)

    def _written(self, path: str) -> list[WrittenFile]:
        """What the executors wrote, from the files' own footers."""
        filesystem = self.storage.filesystem
        scheme = addresses.S3 if path.startswith(addresses.S3) else ""
        found = filesystem.get_file_info(pafs.FileSelector(addresses.plain(path), recursive=True))
        files = [info for info in found if info.is_file and info.base_name.endswith(".parquet")]
        return [
            WrittenFile(
                scheme + info.path,
                pq.read_metadata(info.path, filesystem=filesystem).num_rows,
                info.size,
            )
            for info in sorted(files, key=lambda info: info.path)
        ]


def data_frame(rows: pa.Table) -> DataFrame:
    """Rows as a DataFrame of this process' Spark session, which is made where there is none."""
    spark = SparkSession.builder.getOrCreate()
    # Arrow's way to Spark; plain rows would take their timestamps for local ones
    spark.conf.set("spark.sql.execution.arrow.pyspark.enabled", "true")
    return spark.createDataFrame(
        rows.to_pandas(integer_object_nulls=True, date_as_object=True),
        schema=spark_schema(rows.schema),
    )


def _configure(spark: SparkSession) -> None:
    for name, value in SETTINGS.items():
        if not name.startswith("spark.hadoop."):
            spark.conf.set(name, value)


@contextlib.contextmanager
def table_errors(what: str) -> Iterator[None]:
    """Spark's errors as the platform's, naming what was computed."""
    try:
        yield
    except (PySparkException, Py4JError) as error:
        raise TableError(
            f"{what}: Spark could not compute it: {str(error).strip().splitlines()[0]}"
        ) from error


def spark_schema(schema: pa.Schema) -> T.StructType:
    kinds = {str(arrow): spark for spark, arrow in TYPES}
    return T.StructType([T.StructField(field.name, kinds[str(field.type)]) for field in schema])


def arrow_type(kind: T.DataType) -> pa.DataType:
    """The Arrow type of a Spark type; one that no declaration uses is shown by an Arrow type of
    that name.
    """
    for spark, arrow in TYPES:
        if kind == spark:
            return arrow
    if isinstance(kind, T.DecimalType):
        return pa.decimal128(kind.precision, kind.scale)
    raise TableError(
        f"Spark type {kind.simpleString()} has no counterpart in a table's declaration"
    )


def _aware(value: Any) -> Any:
    """Spark gives timestamps as naive local times of this process."""
    return value.astimezone(UTC) if isinstance(value, datetime) else value
