"""`storeavail check`: tries everything that a country's windows need, and says what is wrong in the user's words. Changes nothing."""

from __future__ import annotations

import uuid
from urllib.parse import urlsplit

from storeavail_platform.config import is_loopback_host
from storeavail_platform.errors import StoreAvailError
from storeavail_platform.runtime import Runtime
from storeavail_platform.sources.finding import Finding


def check_country(runtime: Runtime, country: str) -> list[Finding]:
    """Findings on a country's online index, PostgreSQL, warehouse and catalog, in this order."""
    return [
        *runtime.index_source(country).check(),
        *runtime.stores_source(country).check(),
        check_warehouse(runtime, country),
        check_catalog(runtime, country),
    ]


def check_warehouse(runtime: Runtime, country: str) -> Finding:
    """Whether files can be made below the country's landing."""
    what = f"warehouse {runtime.platform.warehouse}"
    probe = f"landing/{country}/.check-{uuid.uuid4().hex}"
    try:
        runtime.storage.replace(f"{probe}/probe", b"")
        runtime.storage.delete_tree(probe)
    except OSError as error:
        return Finding("error", what, f"cannot be written: {error.strerror or error}; check the path and this user's rights")
    return Finding("ok", what, "can be written")


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
    if config.type == "hive" and not all(is_loopback_host(urlsplit(uri).hostname) for uri in config.uri.split(",")):
        return Finding(
            "warning",
            what,
            f"answers; {state}. The connection is not encrypted: keep its port in a private network",
        )
    return Finding("ok", what, f"answers; {state}")
