"""Reading a source on Spark's executors: one task a split, with a client of its own that is made
there and closed there.

Tasks write the landed files themselves; the driver sees what each file is, never a row. What a task
answers is JSON.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from typing import Any

import orjson
import pyarrow as pa
from pyspark.sql import SparkSession

from storeavail_platform.domain import errors
from storeavail_platform.domain.source import Split
from storeavail_platform.warehouse.landed_files import LandedSplit
from storeavail_platform.warehouse.readings import LandedFile

ANSWER = pa.schema([pa.field("number", pa.int64()), pa.field("answer", pa.binary())])


def on_executors(
    spark: SparkSession, land: Callable[[Split], LandedSplit], splits: Sequence[Split]
) -> Sequence[LandedSplit]:
    """`LandSplits` over a Spark application's executors.

    Raises:
        StoreAvailError: what a task raised, as if it had been raised here.
    """

    def task(batches: Iterable[pa.RecordBatch]) -> Iterable[pa.RecordBatch]:
        for batch in batches:
            numbers = batch.column(0).to_pylist()
            yield pa.record_batch(
                [numbers, [_answer(land, splits[number]) for number in numbers]], schema=ANSWER
            )

    answers = (
        spark.range(0, len(splits), 1, len(splits))
        .mapInArrow(task, "number long, answer binary")
        .collect()
    )
    return [
        _landed(orjson.loads(row["answer"]))
        for row in sorted(answers, key=lambda row: row["number"])
    ]


def _answer(land: Callable[[Split], LandedSplit], split: Split) -> bytes:
    """What became of a split.

    The platform's own errors are answers: Spark would try the task again, and wrap them in a stack
    trace.
    """
    try:
        file, counts = land(split)
    except errors.StoreAvailError as error:
        return orjson.dumps({"error": type(error).__name__, "message": str(error)})
    return orjson.dumps({"file": asdict(file), "counts": counts})


def _landed(answer: dict[str, Any]) -> LandedSplit:
    if "error" in answer:
        raise getattr(errors, answer["error"])(answer["message"])
    return LandedFile(**answer["file"]), Counter(answer["counts"])
