"""`storeavail check`: tries everything that a country's windows need, and says what is wrong in
the user's words. Changes nothing.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from functools import partial
from urllib.parse import urlsplit

from pyiceberg.table import StaticTable

from storeavail_platform.config import is_loopback_host
from storeavail_platform.domain.errors import CatalogUnavailable, StoreAvailError, TableDamaged
from storeavail_platform.domain.finding import CLOCK, Finding
from storeavail_platform.domain.windows import Window
from storeavail_platform.pipeline.room import disks, need_of
from storeavail_platform.pipeline.runtime import Runtime
from storeavail_platform.pipeline.trial import Trial, trial
from storeavail_platform.reading.status import catalog_behind, left_text, rows_lost
from storeavail_platform.reading.values import value_findings
from storeavail_platform.sources.confirmation import CONFIRMATION_API, ConfirmationSource
from storeavail_platform.storage.local import Storage
from storeavail_platform.storage.room import Disk, size_text
from storeavail_platform.upkeep.marking import unmarked_rows
from storeavail_platform.warehouse.damage import damaged_files, is_whole

NO_WITNESS = Finding(
    "warning",
    CLOCK,
    "nothing witnesses this machine's clock: PostgreSQL did not answer, and the online index's"
    " answers have no Date; a clock that is wrong would not be noticed",
)
WINDOWS_A_DAY = 96
ASKED_STORES = 3
"""How many stores an API is asked about on trial."""


def check_country(runtime: Runtime, country: str, now: datetime) -> list[Finding]:
    """Findings on a country's online index, PostgreSQL, what their values say, this machine's
    clock as they see it, warehouse, catalog and tables, and with `execution: emr` its cluster.
    """
    sources = check_sources(runtime, country)
    return [
        *sources,
        check_warehouse(runtime, country),
        check_catalog(runtime, country),
        *check_tables(runtime, country, now),
        *check_room(runtime, country, now),
        *(check_cluster(runtime, country) if runtime.platform.execution == "emr" else ()),
        *([] if any(finding.what == CLOCK for finding in sources) else [NO_WITNESS]),
    ]


def check_sources(runtime: Runtime, country: str) -> list[Finding]:
    """What a country's index and PostgreSQL say, and what their values do."""
    try:
        with trial(runtime, country) as tried:
            return [
                *tried.findings,
                *value_findings(tried, runtime.country(country)),
                *check_confirmation(runtime, country, tried),
            ]
    except (StoreAvailError, OSError) as error:
        return [Finding("error", "sources", f"could not be tried: {error}")]


def check_confirmation(runtime: Runtime, country: str, tried: Trial) -> list[Finding]:
    """What the API for a second opinion says of three active stores."""
    settings = runtime.country(country)
    if settings.confirm is None:
        return []
    rows = tried.session.rows(
        "SELECT store_id, COALESCE(source_id, store_id) AS source_id FROM stores"
        f" WHERE problem IS NULL AND is_active ORDER BY store_id LIMIT {ASKED_STORES}"
    )
    if not rows:
        return [Finding("warning", CONFIRMATION_API, "not tried: there is no active store")]
    stores = [(row["store_id"], row["source_id"]) for row in rows]
    until = runtime.clock() + settings.confirm.budget
    return ConfirmationSource(
        settings.confirm, settings.aws, stores, until, clock=runtime.clock
    ).check()


def check_warehouse(runtime: Runtime, country: str) -> Finding:
    """Whether files can be made below the country's landing."""
    return check_writable(
        f"warehouse {runtime.platform.warehouse}", runtime.storage, f"landing/{country}"
    )


def check_writable(what: str, storage: Storage, folder: str) -> Finding:
    """Whether files can be made and removed in a folder."""
    probe = f"{folder}/.check-{uuid.uuid4().hex}".lstrip("/")
    try:
        storage.replace(f"{probe}/probe", b"")
        storage.delete_tree(probe)
    except StoreAvailError as error:
        return Finding("error", what, f"cannot be written: {error}")
    return Finding("ok", what, "can be written")


def check_room(runtime: Runtime, country: str, now: datetime) -> list[Finding]:
    """Whether the disks of this machine have room for a day of the country's windows."""
    try:
        need = need_of(runtime, country, Window.containing(now))
        found = disks(runtime.platform)
    except (StoreAvailError, OSError):
        # that the landing cannot be read is a finding of its own
        return []
    return [room_found(disk, need) for disk in found]


def room_found(disk: Disk, need: int) -> Finding:
    """A verdict on a disk's room against what a window needs, in bytes."""
    said = f"{size_text(disk.free)} left; a window needs {size_text(need)}"
    if disk.free < need:
        return Finding("error", str(disk), f"{said}: make room, `df -h`")
    if disk.free < need * WINDOWS_A_DAY:
        return Finding("warning", str(disk), f"{said}, a day {WINDOWS_A_DAY} times as much")
    return Finding("ok", str(disk), said)


def check_catalog(runtime: Runtime, country: str) -> Finding:
    """Whether the catalog answers, and whether what it is told leaves this machine."""
    namespace = runtime.country(country).namespace
    what = f"catalog ({runtime.platform.catalog.type})"
    try:
        known = runtime.warehouse.has_namespace(country)
    except StoreAvailError as error:
        return Finding("error", what, str(error))
    state = f"{namespace} is there" if known else f"{namespace} is made by the first window"
    config = runtime.platform.catalog
    if config.type == "hive" and not all(
        is_loopback_host(urlsplit(uri).hostname) for uri in config.uri.split(",")
    ):
        return Finding(
            "warning",
            what,
            f"answers; {state}. The connection is not encrypted: keep its port in a private"
            " network",
        )
    return Finding("ok", what, f"answers; {state}")


def check_tables(runtime: Runtime, country: str, now: datetime) -> list[Finding]:
    """Whether the catalog has what pointers name, the tables the rows that markers within
    `retention.history` name, and all files.
    """
    looks = (
        partial(rows_lost, runtime, country, now),
        partial(files_damaged, runtime, country),
        partial(unmarked_rows, runtime, country, now),
        partial(catalog_behind, runtime, country),
    )
    problems = list(dict.fromkeys(problem for look in looks for problem in _problems(look)))
    if not problems and not runtime.storage.names(f"tables/{runtime.country(country).namespace}"):
        return []
    if problems:
        return [Finding("error", "tables", problem) for problem in problems]
    return [Finding("ok", "tables", "hold what pointers and markers name")]


def _problems(look: Callable[[], Iterable[str]]) -> list[str]:
    """What is found, or what was in the way of it: that hides nothing that others find."""
    try:
        return list(look())
    except CatalogUnavailable:
        # a finding of its own
        return []
    except StoreAvailError as error:
        return [str(error)]


def check_left(runtime: Runtime) -> list[tuple[str, Finding]]:
    """The countries that are not in the configuration any more and whose tables are still here,
    each with what can be done.
    """
    try:
        left = runtime.warehouse.left_countries()
    except (StoreAvailError, OSError):
        # that the warehouse cannot be reached is a finding of each country
        return []
    return [(code, Finding("warning", "country", left_text(runtime, code))) for code in left]


def files_damaged(runtime: Runtime, country: str) -> Iterator[str]:
    """Files of tables that are missing or damaged, in words.

    A table that its pointer does not open is told by others.
    """
    for table in runtime.all_tables:
        try:
            found = runtime.warehouse.load(country, table.name)
        except TableDamaged as error:
            yield str(error)
            continue
        if found is not None:
            for what in _damage(runtime, found, runtime.warehouse.location(country, table.name)):
                yield (
                    f"table {table.name} of {country}: {what}. `storeavail recover --country"
                    f" {country}` brings back what can be"
                )


def _damage(runtime: Runtime, table: StaticTable, folder: str) -> list[str]:
    with runtime.warehouse.errors():
        if not is_whole(table):
            return ["a list of its data files is missing or damaged"]
        return [str(file) for file in damaged_files(runtime.storage, table, folder)]


def check_cluster(runtime: Runtime, country: str) -> list[Finding]:
    """Whether the country's cluster takes steps, the code that they run is there, and what
    travels to and from them can be written.
    """
    # boto3 takes long to import
    from storeavail_platform.aws.objects import read_object
    from storeavail_platform.orchestration.emr.clusters import emr_client, find_cluster
    from storeavail_platform.orchestration.emr.code_zip import own_sha256
    from storeavail_platform.orchestration.emr.command import code_of
    from storeavail_platform.storage.s3 import S3Storage

    config = runtime.country(country)
    findings: list[Finding] = []
    try:
        cluster = find_cluster(emr_client(config.aws), config)
        findings.append(Finding("ok", "cluster", f"{cluster.id} takes steps"))
    except StoreAvailError as error:
        findings.append(Finding("error", "cluster", str(error)))
    if config.emr is not None:
        code = code_of(config.emr)
        what = f"code {code}"
        try:
            is_own = hashlib.sha256(read_object(code, config.aws)).hexdigest() == own_sha256()
            findings.append(Finding("ok", what, "is there") if is_own else _other_code(what))
        except PermissionError as error:
            findings.append(
                Finding(
                    "warning",
                    what,
                    f"cannot be seen with these rights; the cluster reads it with its own: {error}",
                )
            )
        except (OSError, StoreAvailError) as error:
            findings.append(
                Finding("error", what, f"{error}; `storeavail-deploy app publish` puts it there")
            )
        findings.append(
            check_writable(
                f"staging {config.emr.staging}", S3Storage(config.emr.staging, config.aws), ""
            )
        )
    return findings


def _other_code(what: str) -> Finding:
    return Finding(
        "warning",
        what,
        "is not the code that runs here: a step that is launched from here refuses to load it."
        " `storeavail-deploy app publish` puts this commit there",
    )
