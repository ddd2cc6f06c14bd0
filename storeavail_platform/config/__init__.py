"""The platform's configuration: where it lies, loading it whole, handing it on exactly. The only
reader of the environment.

The settings themselves are in `models.py` and `policies.py`, references to secrets (resolved only
when used) in `secrets.py`, the wording of mistakes in `mistakes.py`. Other modules import
everything from here.
"""

from __future__ import annotations

import json
import os
from datetime import date, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, PrivateAttr, ValidationError, ValidationInfo, field_validator

from storeavail_platform.config.deployment import AnalyticsShape, ClusterShape, Deploy
from storeavail_platform.config.mistakes import inherit, mistakes, read_yaml
from storeavail_platform.config.models import (
    Analyst,
    Catalog,
    Cluster,
    Country,
    CountryCode,
    ElasticsearchIndex,
    ElasticsearchServer,
    Emr,
    FileIndex,
    GraceDuration,
    HiveCatalogConfig,
    Postgres,
    SqlCatalogConfig,
)
from storeavail_platform.config.policies import (
    Alerts,
    AppriseChannel,
    AvailabilityAlert,
    Freshness,
    Retention,
    SnsChannel,
    Suspect,
)
from storeavail_platform.config.secrets import Secret, is_loopback_dsn, is_loopback_host
from storeavail_platform.config.values import (
    Aws,
    FolderOrS3,
    Loading,
    PositiveDuration,
    Settings,
    did_you_mean,
    format_duration,
    like,
    parse_duration,
)
from storeavail_platform.config.variables import foreign_variables
from storeavail_platform.domain.addresses import S3
from storeavail_platform.domain.errors import ConfigError
from storeavail_platform.domain.windows import EARLIEST_YEAR

__all__ = [
    "CONFIG_VARIABLE",
    "DAGSTER_HOME_VARIABLE",
    "Alerts",
    "Analyst",
    "AnalyticsShape",
    "AppriseChannel",
    "AvailabilityAlert",
    "Aws",
    "Cluster",
    "ClusterShape",
    "Country",
    "Deploy",
    "ElasticsearchIndex",
    "ElasticsearchServer",
    "Emr",
    "FileIndex",
    "Freshness",
    "HiveCatalogConfig",
    "Platform",
    "Postgres",
    "Retention",
    "Secret",
    "SnsChannel",
    "SqlCatalogConfig",
    "Suspect",
    "dagster_home",
    "demo_config_path",
    "format_duration",
    "is_loopback_dsn",
    "is_loopback_host",
    "load_platform",
    "load_text",
    "parse_duration",
]

CONFIG_VARIABLE = "STOREAVAIL_CONFIG"
DEMO_HOME_VARIABLE = "STOREAVAIL_DEMO_HOME"
DEMO_HOME = Path(".storeavail") / "demo"
CONFIG_NAME = "storeavail.yaml"
DAGSTER_HOME_VARIABLE = "DAGSTER_HOME"
COUNTRIES_VARIABLE = "STOREAVAIL_COUNTRIES"


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
    deploy: Deploy = Deploy()
    dagster_url: Annotated[str, like(r"https?://\S+", "https://dagster.example.com")] | None = None
    """Address of the Dagster UI, for links in alerts."""
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
            parts = json.loads(dump)
            return _load(
                parts["text"], Loading(base=parts["base"], files=parts["files"]), parts["origin"]
            )
        except (ValueError, KeyError, TypeError):
            raise ConfigError(
                "the configuration handed over is not what Platform.dump() writes; use the same"
                " code on both sides"
            ) from None


def demo_config_path() -> Path:
    """Where `storeavail demo` keeps its configuration: below the working directory, or below
    $STOREAVAIL_DEMO_HOME.
    """
    return (
        Path(os.environ.get(DEMO_HOME_VARIABLE) or Path.cwd() / DEMO_HOME).absolute() / CONFIG_NAME
    )


def dagster_home(platform: Platform) -> Path:
    """The folder of Dagster's instance: $DAGSTER_HOME, else below the warehouse.

    Raises:
        ConfigError: the warehouse is on S3 and the variable is not set.
    """
    chosen = os.environ.get(DAGSTER_HOME_VARIABLE)
    if not chosen and platform.warehouse.startswith(S3):
        raise ConfigError(
            f"{DAGSTER_HOME_VARIABLE} is not set: with a warehouse on S3, name the folder that"
            " holds dagster.yaml"
        )
    return Path(chosen or Path(platform.warehouse) / "dagster").absolute()


def load_platform(path: str | None = None) -> Platform:
    """The configuration at `path` (or `s3://` address), else at $STOREAVAIL_CONFIG, else the
    demo's.

    Raises:
        ConfigError: there is no such file, or it has mistakes; the message lists all of them.
    """
    chosen = path or os.environ.get(CONFIG_VARIABLE)
    if chosen and chosen.startswith(S3):
        origin, base = chosen, chosen.rpartition("/")[0]
    else:
        file = Path(chosen).absolute() if chosen else demo_config_path()
        origin, base = str(file), str(file.parent)
    try:
        text = _read(origin).decode("utf-8-sig")
    except FileNotFoundError:
        named = "" if path else f" (named by {CONFIG_VARIABLE})" if chosen else ""
        todo = f"`make demo` writes one; for your own, give --config FILE or set {CONFIG_VARIABLE}"
        raise ConfigError(f"there is no configuration file {origin}{named}: {todo}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{origin}: is not UTF-8 text") from None
    except OSError as error:
        raise ConfigError(
            f"cannot read the configuration {origin}: {error.strerror or error}"
        ) from None
    return load_text(text, base=base, origin=origin)


def _read(origin: str) -> bytes:
    if not origin.startswith(S3):
        return Path(origin).read_bytes()
    # boto3 takes long to import and most configurations do not need it
    from storeavail_platform.aws.objects import read_object

    return read_object(origin)


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
    try:
        platform = Platform.model_validate(inherit(raw), context=loading)
    except ValidationError as error:
        # `from None`: the chained error would carry the values, secrets among them
        details = error.errors(include_url=False)
        raise _refused(origin, found + mistakes(details, Platform, raw)) from None
    if found:
        raise _refused(origin, found)
    platform._origin, platform._text, platform._loading = origin, text, loading
    platform._served = _served(platform)
    return platform


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
