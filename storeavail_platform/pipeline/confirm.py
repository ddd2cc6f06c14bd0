"""The second opinion on a window: the stores that are about to be missing are asked about, once,
and the answers are landed as a reading of their own, which counts for good.

It is asked for when the tables before `store_availability` are there, long after the observation is
landed, and only until the window's deadline: what an API says later is not of this window. Nothing
that the API does, and nothing that keeps it from being asked, fails the window.
"""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa
import pyarrow.compute as pc

from storeavail_platform.domain.errors import StoreAvailError
from storeavail_platform.domain.log import Log
from storeavail_platform.domain.source import RAW_CONFIRMATION
from storeavail_platform.domain.tables.declarations import STORE_AVAILABILITY
from storeavail_platform.pipeline.observe import Landed
from storeavail_platform.pipeline.runtime import Runtime
from storeavail_platform.sources.confirmation import RELATION, ConfirmationSource, Store
from storeavail_platform.warehouse.engine import Session
from storeavail_platform.warehouse.readings import Reading

CONFIRMATION = ConfirmationSource.name


def add_confirmation(session: Session, runtime: Runtime, found: Landed, log: Log) -> None:
    """Make the window's `raw_confirmation` known to the session, asking the API where that was not
    done yet; where it is not to be asked the relation stays without rows.

    Args:
        session: knows what `store_availability` is computed from.

    Raises:
        LandingDamaged: answers were landed, and a file of them is missing or changed.
        TableError: who is to be asked about cannot be computed.
    """
    landing = runtime.landing
    reading = landing.find(found.country, found.window, CONFIRMATION)
    if reading is not None:
        landing.verify(reading)
    else:
        reading = _asked(session, runtime, found, log)
    if reading is not None:
        paths = landing.paths({CONFIRMATION: reading}, RELATION)
        session.add_files(RELATION, RAW_CONFIRMATION, paths)


def candidates(session: Session) -> list[Store]:
    """The stores that are missing as long as nobody is asked, each with its id as PostgreSQL has
    it: by the table's own SQL.
    """
    rows = session.table(
        "SELECT f.store_id, COALESCE(s.source_id, f.store_id) AS source_id"
        f" FROM ({STORE_AVAILABILITY.sql}) f JOIN stores s ON s.store_id = f.store_id"
        " WHERE f.status = 'missing'"
    )
    ids = (rows.column(name).to_pylist() for name in ("store_id", "source_id"))
    return list(zip(*ids, strict=True))


def _asked(session: Session, runtime: Runtime, found: Landed, log: Log) -> Reading | None:
    country, window = found.country, found.window
    settings = runtime.country(country)
    if settings.confirm is None or not found.observation.is_observed:
        return None
    now, deadline = runtime.clock(), window.deadline(runtime.platform.observation_grace)
    if now >= deadline:
        log.info("%s %s is over: no API is asked about its stores", country, window)
        return None
    stores = candidates(session)
    if not stores:
        return None
    until = min(deadline, now + settings.confirm.budget)
    source = ConfirmationSource(settings.confirm, settings.aws, stores, until, clock=runtime.clock)
    try:
        with source.open(window) as snapshot:
            reading = runtime.landing.land(
                country,
                window,
                source,
                snapshot,
                tally=count_answers,
                land_splits=runtime.confirm_splits(),
                log=log,
            )
    except (StoreAvailError, OSError) as error:
        log.warning("%s %s goes without a second opinion: %s", country, window, error)
        return None
    counts = reading.details
    log.info(
        "the API of %s was asked about %s missing stores: %s answered, %s of them online",
        *(country, counts.get("asked", 0), counts.get("answered", 0), counts.get("online", 0)),
    )
    return reading


def count_answers(batch: pa.RecordBatch) -> Mapping[str, int]:
    """How many stores of a batch of `raw_confirmation` were asked about, answered about, and said
    to be online.
    """
    return {
        "asked": batch.num_rows - batch.column("asked_at").null_count,
        "answered": pc.sum(batch.column("answered")).as_py() or 0,
        "online": pc.sum(batch.column("is_online")).as_py() or 0,
    }
