"""The whole configuration: every mistake of its text at once, and handing it on exactly."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, PrivateAttr, ValidationError, ValidationInfo, field_validator
from pydantic_core import ErrorDetails

from storeavail_platform.config.deployment import Deploy
from storeavail_platform.config.mistakes import inherit, mistakes, read_yaml
from storeavail_platform.config.models import (
    Catalog,
    Country,
    CountryCode,
    GraceDuration,
    SqlCatalogConfig,
)
from storeavail_platform.config.policies import (
    Alerts,
    Dashboard,
    Retention,
    Suspect,
)
from storeavail_platform.config.reports import Reports, ScheduledReport
from storeavail_platform.config.values import (
    FolderOrS3,
    Loading,
    PositiveDuration,
    Settings,
    did_you_mean,
    like,
)
from storeavail_platform.config.variables import foreign_variables, variables
from storeavail_platform.domain.addresses import S3
from storeavail_platform.domain.errors import ConfigError
from storeavail_platform.domain.windows import EARLIEST_YEAR

COUNTRIES_VARIABLE = "STOREAVAIL_COUNTRIES"
RUNBOOK = "https://storeavail.example.com/docs/operations.md"
QUERY_FILES = ("stores_query", "hours_query")
"""Settings that name a country's SQL files."""

logger = logging.getLogger(__name__)


class Platform(Settings):
    """The whole configuration: the platform's settings and its countries by code.

    Made by `load_platform`.
    """

    warehouse: FolderOrS3 = Field(default="./warehouse", validate_default=True)
    """Folder or `s3://bucket/prefix`. Landing, tables, dashboard and, in a folder, Dagster's home
    (unless `$DAGSTER_HOME` is set) live below it."""
    catalog: Catalog = Field(default=SqlCatalogConfig(), validate_default=True)
    engine: Literal["duckdb", "spark"] = "duckdb"
    """What computes: `duckdb` in the process, or `spark`."""
    execution: Literal["local", "emr"] = "local"
    """Where: `local`, or `emr` (each country's cluster; needs `engine: spark`, a warehouse on S3
    and each country's `emr`)."""
    partitions_start: Annotated[date, Field(ge=date(EARLIEST_YEAR, 1, 1))] = date(2026, 11, 1)
    """Date (UTC) of the first window. A nearer date keeps Dagster's pages quicker."""
    observation_grace: GraceDuration = timedelta(minutes=2)
    """How long after a window's end its sources may still be read. Later they no longer show that
    window."""
    commit_patience: PositiveDuration = timedelta(minutes=2)
    """How long a commit is tried while the catalog or the storage cannot be reached. Then the run
    fails; nothing is lost, and [catch-up](operations.md#late-windows-and-gaps) commits it."""
    retention: Retention = Retention()
    suspect: Suspect = Suspect()
    alerts: Alerts = Alerts()
    dashboard: Dashboard = Dashboard()
    reports: Reports = Reports()
    deploy: Deploy = Deploy()
    dagster_url: Annotated[str, like(r"https?://\S+", "https://dagster.example.com")] | None = None
    """Address of the Dagster UI, for links in alerts."""
    dashboard_url: Annotated[str, like(r"https?://\S+", "https://pages.example.com")] | None = None
    """Address of the page of all countries, for links in alerts: `storeavail up` serves it at
    `/dashboard`."""
    runbook_url: Annotated[str, like(r"https?://\S+", RUNBOOK)] = RUNBOOK
    """Address of docs/operations.md, for links in alerts."""
    countries: Annotated[dict[CountryCode, Country], Field(min_length=1)]
    """At least one country by its code: 2 to 8 capital letters and digits, a letter first."""
    _origin: str = PrivateAttr(default="")
    _text: str = PrivateAttr(default="")
    _loading: Loading = PrivateAttr(default_factory=Loading)
    _served: tuple[str, ...] = PrivateAttr(default=())

    def model_post_init(self, context: Any, /) -> None:
        for code, country in self.countries.items():
            country._code = code
        self._served = tuple(self.countries)

    @field_validator("catalog")
    @classmethod
    def _sqlite_in_a_folder(cls, value: Catalog, info: ValidationInfo) -> Catalog:
        if value.type == "sql" and str(info.data.get("warehouse")).startswith(S3):
            raise ValueError(
                "type sql is a SQLite file and needs a warehouse in a folder; on S3 write {type:"
                " hive, uri: ...}"
            )
        return value

    @field_validator("execution")
    @classmethod
    def _emr_is_spark_on_s3(cls, value: str, info: ValidationInfo) -> str:
        warehouse = info.data.get("warehouse")
        if value == "emr" and info.data.get("engine") == "duckdb":
            raise ValueError("'emr' needs engine: spark")
        if value == "emr" and warehouse is not None and not warehouse.startswith(S3):
            raise ValueError(
                "'emr' needs a warehouse on S3: a cluster cannot reach a folder of this machine"
            )
        return value

    @property
    def origin(self) -> str:
        """Where the configuration was read from: a path or an `s3://` address."""
        return self._origin

    def country(self, code: str) -> Country:
        """The country with this code.

        Raises:
            ConfigError: there is none; the message lists the codes that there are.
        """
        if code not in self.countries:
            known = ", ".join(self.countries)
            raise ConfigError(
                f"{self.origin}: there is no country {code!r}{did_you_mean(code, self.countries)}"
                f" (countries: {known})"
            )
        return self.countries[code]

    def report(self, name: str) -> ScheduledReport:
        """A report of `reports.scheduled`.

        Raises:
            ConfigError: there is none of this name.
        """
        reports = {report.name: report for report in self.reports.scheduled}
        if name not in reports:
            known = ", ".join(reports) or "none"
            raise ConfigError(
                f"{self.origin}: there is no report {name!r}{did_you_mean(name, reports)}"
                f" (reports: {known})"
            )
        return reports[name]

    @property
    def served(self) -> tuple[str, ...]:
        """Codes of the countries that this process may observe and compute: those of
        $STOREAVAIL_COUNTRIES, else all.
        """
        return self._served

    def refuse_unserved(self, code: str) -> None:
        """Refuse a country that another process looks after.

        Raises:
            ConfigError: names the countries of this one.
        """
        if code not in self.served:
            raise ConfigError(
                f"this process serves {', '.join(self.served)} only ({COUNTRIES_VARIABLE}), with"
                f" their rights and network: run {code} in the code location, or with the command,"
                " that serves it"
            )

    def foreign_variables(self, code: str) -> set[str]:
        """Names of environment variables with secrets that a process of this country has no use
        for: those of the other countries, and of deployments.
        """
        return foreign_variables(self.countries, self, code)

    def secret_variables(self) -> set[str]:
        """Names of the environment variables with secrets that windows need."""
        return {name for field, value in self if field != "deploy" for name in variables(value)}

    @property
    def addresses(self) -> list[str]:
        """Where it was read from: the configuration file, and the SQL files that it names."""
        return [self.origin, *self._loading.files]

    def dump(self) -> str:
        """The configuration exactly as it was loaded, SQL files included, for another machine.

        References stay references.
        """
        loading = self._loading
        return json.dumps(
            {
                "text": self._text,
                "base": loading.base,
                "origin": self._origin,
                "files": loading.files,
            }
        )

    @classmethod
    def restore(cls, dump: str) -> Platform:
        """The configuration that `dump` gave; nothing is read from this machine.

        Raises:
            ConfigError: not a dump, or one of another version that this one does not understand.
        """
        try:
            dumped = json.loads(dump)
            return _load(
                dumped["text"],
                Loading(base=dumped["base"], files=dumped["files"]),
                dumped["origin"],
            )
        except (ValueError, KeyError, TypeError):
            raise ConfigError(
                "the configuration handed over is not what Platform.dump() writes; use the same"
                " code on both sides"
            ) from None


def load_text(text: str, *, base: Path | str, origin: str) -> Platform:
    """The configuration that a YAML text holds.

    Args:
        base: folder (or `s3://` prefix) that relative paths in it start from.
        origin: what to call the text in messages.

    Raises:
        ConfigError: the message lists every mistake with its path.
    """
    folder = base if isinstance(base, str) and base.startswith(S3) else str(Path(base).absolute())
    return _load(text, Loading(base=folder), origin)


def _load(text: str, loading: Loading, origin: str) -> Platform:
    raw, found = read_yaml(text, origin)
    loading.engine, loading.execution = raw.get("engine", "duckdb"), raw.get("execution", "local")
    countries = raw.get("countries")
    loading.countries = tuple(map(str, countries)) if isinstance(countries, dict) else ()
    platform = None
    try:
        platform = Platform.model_validate(inherit(raw), context=loading)
    except ValidationError as error:
        details = error.errors(include_url=False)
        lines = mistakes(details, Platform, raw)
        if found or loading.is_lenient or not _leaves_others(details, raw):
            # `from None`: the chained error would carry the values, secrets among them
            raise _refused(origin, found + lines) from None
        for mistake in lines:
            logger.warning("%s: %s; the other countries go on", origin, mistake)
    if platform is None:
        return _load(text, replace(loading, is_lenient=True), origin)
    if found:
        raise _refused(origin, found)
    platform._origin, platform._text, platform._loading = origin, text, loading
    platform._served = _served(platform)
    return platform


def _leaves_others(details: Iterable[ErrorDetails], raw: Mapping[Any, Any]) -> bool:
    """Whether all that is wrong is in SQL files of some of the countries, so that the others can
    be run. Whoever reads with such a file is told.
    """
    wrong = set()
    for error in details:
        place = error["loc"]
        if place[:1] != ("countries",) or place[-1] not in QUERY_FILES:
            return False
        wrong.add(place[1])
    return bool(raw["countries"].keys() - wrong)


def _served(platform: Platform) -> tuple[str, ...]:
    chosen = [
        code.strip().upper()
        for code in os.environ.get(COUNTRIES_VARIABLE, "").split(",")
        if code.strip()
    ]
    unknown = [code for code in chosen if code not in platform.countries]
    if unknown:
        known = ", ".join(platform.countries)
        raise ConfigError(
            f"{COUNTRIES_VARIABLE} names {', '.join(unknown)}, not of {platform.origin} (countries:"
            f" {known})"
        )
    return tuple(dict.fromkeys(chosen)) or tuple(platform.countries)


def _refused(origin: str, found: list[str]) -> ConfigError:
    count = "1 mistake" if len(found) == 1 else f"{len(found)} mistakes"
    return ConfigError("\n  ".join([f"{origin}: {count}", *found]))
