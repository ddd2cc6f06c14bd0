"""The demo's configuration file, with comments that make it a template for real countries."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from storeavail_platform.demo.api import COUNTRY as API_COUNTRY
from storeavail_platform.demo.countries import COUNTRIES

HEAD = """\
# Written by `storeavail demo`. Copy it for your own countries: docs/configuration.md explains every
# setting. Paths are relative to this file. `storeavail check --config FILE` tries everything that a
# configuration says.

warehouse: ./warehouse  # landing, tables and Dagster's home; or s3://bucket/prefix
catalog: {{type: sql}}  # a SQLite file beside the tables; or {{type: hive, uri: thrift://host:9083}}
engine: duckdb  # what computes; or spark
partitions_start: {partitions_start}  # the first window is at midnight UTC of this day
observation_grace: 2m  # how long after a window's end the index may still be read
dagster_url: http://127.0.0.1:3000  # for links in alerts, as `storeavail up` serves them
dashboard_url: http://127.0.0.1:3000/dashboard

countries:
"""
COUNTRY = """\
  {code}:  # {name}: {stores:,} stores
    timezone: {timezone}  # of stores that have none of their own
    postgres: {{dsn: "{dsn}"}}
    online_index: {{path: ./index/{code}{flag}}}
{confirm}    analyst: {{postgres: {{dsn: "{analyst_dsn}"}}}}
"""
STATUS_FLAG = ", online: {field: listing.status, online: [OPEN], offline: [CLOSED]}"
CONFIRM = """\
    confirm: {{url: "{url}", online: {{field: listing.status, online: [OPEN], offline: [CLOSED]}}}}
"""
NOTES = """\
  # postgres: a real connection string stays out of the file: {dsn: env:BR_POSTGRES_DSN}. These ones
  # may be written out because they are on this machine. The role can only read. Its tables are
  # stores, store_weekly_hours and store_special_hours; for another schema see docs/sources.md.
  # online_index: a real one is {url: env:BR_ES_URL, index: stores_br}. A folder is a recorded
  # index: one file a window, for example 2026-11-23T1015.ndjson, one document a line with
  # `store_id`, `online`, `updated_at`, and `observed_at`: when the index was read, the same in
  # every line of a file (without it: minute 7 of the window).
  # confirm: an API that is asked about the stores that are about to be missing; it may be left out.
  # analyst: how notebooks reach the raw database: by a user of the analysts' own.
  # without_hours: closed (a store without opening hours is never expected to be open), always_open.
"""


def configuration_text(
    dsns: Mapping[str, str],
    analyst_dsns: Mapping[str, str],
    partitions_start: date,
    api_url: str,
) -> str:
    """The YAML file.

    Args:
        dsns, analyst_dsns: each country's connection strings, of the platform's role and of the
            analysts'.
        partitions_start: day (UTC) of the first window.
        api_url: address of the API of the country that has one.
    """
    countries = (
        COUNTRY.format(
            code=code,
            name=country.name,
            stores=country.stores,
            timezone=country.timezone,
            flag=STATUS_FLAG if country.has_status else "",
            confirm=CONFIRM.format(url=api_url) if code == API_COUNTRY else "",
            dsn=dsns[code],
            analyst_dsn=analyst_dsns[code],
        )
        for code, country in COUNTRIES.items()
    )
    return "".join([HEAD.format(partitions_start=partitions_start), NOTES, *countries])
