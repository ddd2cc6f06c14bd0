"""The catalog and a country: settings, defaults and bounds. `make docs` writes them into
`docs/configuration.md`.

The sections that a country may override are `policies.py`; the whole, and reading it, is
`__init__.py`.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Discriminator,
    Field,
    PrivateAttr,
    Tag,
    ValidationInfo,
    field_validator,
    model_validator,
)

from storeavail_platform.config.confirm import Confirm
from storeavail_platform.config.deployment import Deploy
from storeavail_platform.config.online_index import ElasticsearchServer, OnlineIndex
from storeavail_platform.config.policies import Alerts, Retention, Suspect
from storeavail_platform.config.secrets import (
    PostgresDsn,
    Secret,
)
from storeavail_platform.config.values import (
    Aws,
    Duration,
    Loading,
    PositiveDuration,
    QueryFile,
    RoleArn,
    S3Url,
    Settings,
    Text,
    Timezone,
    like,
)
from storeavail_platform.domain.errors import ConfigError
from storeavail_platform.domain.places import is_code, namespace_of


class SqlCatalogConfig(Settings):
    """A SQLite file beside the tables."""

    type: Literal["sql"] = "sql"
    """`sql`: a SQLite file beside the tables (needs a folder)."""


class HiveCatalogConfig(Settings):
    """A Hive Metastore; several addresses are separated by commas."""

    type: Literal["hive"]
    """`hive`: a Hive Metastore."""
    uri: Annotated[
        str, like(r"thrift://[^\s/,]+:\d+(,thrift://[^\s/,]+:\d+)*", "thrift://host:9083")
    ]
    """With `hive` only: `thrift://host:9083`; several separated by commas."""


def _catalog_tag(value: Any) -> str | None:
    kind = value.get("type") if isinstance(value, dict) else getattr(value, "type", None)
    return (
        {"sql": "#SqlCatalogConfig", "hive": "#HiveCatalogConfig"}.get(kind)
        if isinstance(kind, str)
        else None
    )


Catalog = Annotated[
    Annotated[SqlCatalogConfig, Tag("#SqlCatalogConfig")]
    | Annotated[HiveCatalogConfig, Tag("#HiveCatalogConfig")],
    Discriminator(
        _catalog_tag,
        custom_error_type="choice",
        custom_error_message=(
            "the type is not one of sql, hive: write {type: sql} or {type: hive, uri:"
            " 'thrift://host:9083'}"
        ),
    ),
]


class Postgres(Settings):
    """The database with stores and opening hours."""

    dsn: PostgresDsn
    """A libpq connection string, `postgresql://user@host/db` or `host=... dbname=...`. Beyond this
    machine it is encrypted (`sslmode=require`) unless the string, its service file or PGSSLMODE
    says otherwise."""
    stores_query: QueryFile | None = None
    """File with one SELECT that gives the columns of `stores` from another schema."""
    hours_query: QueryFile | None = None
    """File with one SELECT that gives the opening hours from another schema; it may join
    `local_windows`."""
    statement_timeout: PositiveDuration = timedelta(seconds=60)
    """Longest time of one query."""
    _sql: dict[str, str] = PrivateAttr(default_factory=dict)
    _unread: dict[str, str] = PrivateAttr(default_factory=dict)

    def model_post_init(self, context: Any, /) -> None:
        loading = Loading.of(context)
        for address in filter(None, (self.stores_query, self.hours_query)):
            loading.query_file(address)
            if address in loading.unread:
                self._unread[address] = loading.unread[address]
            else:
                self._sql[address] = loading.files[address]

    @property
    def stores_sql(self) -> str | None:
        """Text of `stores_query` as it was when the configuration was loaded, also where the
        file does not exist.

        Raises:
            ConfigError: it could not be read then.
        """
        return self._text_of("stores_query", self.stores_query)

    @property
    def hours_sql(self) -> str | None:
        """Text of `hours_query`, as `stores_sql`."""
        return self._text_of("hours_query", self.hours_query)

    def _text_of(self, setting: str, address: str | None) -> str | None:
        if address in self._unread:
            raise ConfigError(f"postgres.{setting}: {self._unread[address]}")
        return self._sql[address] if address else None


class Cluster(Settings):
    """An EMR cluster: by id, or by name (the newest one running), further narrowed by tags."""

    id: Annotated[str, like(r"j-[A-Z0-9]+", "j-2AXXXXXXGAPLF")] | None = None
    """The cluster by id, `j-...`; give this or `name`."""
    name: Text | None = None
    """The cluster by name, the newest one that runs."""
    tags: dict[str, str] = Field(default_factory=dict)
    """With `name`: tags that it must have too."""

    @model_validator(mode="after")
    def _one_way(self) -> Cluster:
        if (self.id is None) == (self.name is None):
            raise ValueError("give either id or name")
        if self.id is not None and self.tags:
            raise ValueError("tags narrow a name; an id needs none")
        return self


def _spark_text(value: object) -> object:
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, int | float) else value


class Emr(Settings):
    """The country's cluster and where steps for it are staged."""

    cluster: Cluster
    staging: S3Url
    """Prefix for what a step and its launcher tell each other; writable by this country's role
    only."""
    code: S3Url
    """Address of the code zip."""
    execution_role: RoleArn | None = None
    """ARN of a runtime role for steps."""
    step_timeout: PositiveDuration = timedelta(minutes=10)
    """Longest time of a step, after which it is cancelled."""
    spark: dict[str, Annotated[str, BeforeValidator(_spark_text)]] = Field(default_factory=dict)
    """Spark properties, for example `{spark.executor.memory: 4g}`. Shuffle partitions, and whether
    queries are compiled, follow the rows of the window unless they are set here."""


class AnalystPostgres(Settings):
    """The database as analysts see it: a user of their own, who can only read."""

    dsn: PostgresDsn
    """The connection string of the analysts' user; as above encrypted beyond this machine."""


class Analyst(Settings):
    """How analysts reach a country's raw databases: by users and secrets of their own group,
    read with their own rights.
    """

    postgres: AnalystPostgres | None = None
    online_index: ElasticsearchServer | None = None
    aws: Aws = Aws()

    def secrets(self) -> dict[str, Secret]:
        """Its secrets by the setting that names them."""
        return _secrets({"postgres": self.postgres, "online_index": self.online_index})


def _secrets(sections: dict[str, Settings | None]) -> dict[str, Secret]:
    return {
        f"{section}.{name}": value
        for section, settings in sections.items()
        if settings is not None
        for name, value in settings
        if isinstance(value, Secret)
    }


class Country(Settings):
    """One country.

    `retention`, `suspect`, `alerts` and `deploy` are the platform's with this country's own laid
    over them.
    """

    timezone: Timezone
    """IANA zone of stores that have none of their own."""
    postgres: Postgres
    online_index: OnlineIndex
    confirm: Confirm | None = None
    without_hours: Literal["closed", "always_open"] = "closed"
    """What a store without any opening hours is."""
    observe_from: Literal["worker", "cluster"] = "worker"
    """Who reads the sources: `worker` (the run's own process), or `cluster` (Spark executors, for
    networks that allow only these; needs `engine: spark`). Secrets are then read with the rights of
    the cluster, or of `emr.execution_role`: `aws.profile` and `aws.assume_role` are the
    worker's."""
    aws: Aws = Aws()
    emr: Emr | None = Field(default=None, validate_default=True)
    retention: Retention = Retention()
    suspect: Suspect = Suspect()
    alerts: Alerts = Alerts()
    deploy: Deploy = Deploy()
    analyst: Analyst | None = None
    _code: str = PrivateAttr(default="")

    @property
    def code(self) -> str:
        """The key under `countries`, for example BR."""
        return self._code

    @property
    def namespace(self) -> str:
        """The country's namespace in the catalog, for example storeavail_br."""
        return namespace_of(self._code)

    @field_validator("analyst")
    @classmethod
    def _secrets_of_their_own(cls, value: Analyst | None, info: ValidationInfo) -> Analyst | None:
        own = _secrets({name: info.data.get(name) for name in ("postgres", "online_index")})
        # a secret with several keys is granted as a whole
        taken = {
            secret.reference.partition("#")[0]: name
            for name, secret in own.items()
            if not secret.is_literal
        }
        for name, secret in (value.secrets() if value else {}).items():
            if (other := taken.get(secret.reference.partition("#")[0])) is not None:
                raise ValueError(
                    f"{name} is the secret of {other}: analysts need a user of their own who can"
                    " only read, in a secret of their own"
                )
        return value

    @field_validator("observe_from")
    @classmethod
    def _cluster_is_spark(cls, value: str, info: ValidationInfo) -> str:
        if value == "cluster" and Loading.of(info.context).engine == "duckdb":
            raise ValueError(
                "'cluster' reads the sources on Spark executors: it needs engine: spark"
            )
        return value

    @field_validator("emr")
    @classmethod
    def _present_for_emr(cls, value: Emr | None, info: ValidationInfo) -> Emr | None:
        if value is None and Loading.of(info.context).execution == "emr":
            raise ValueError("is required with execution: emr")
        return value


def _country_code(code: str) -> str:
    if not is_code(code):
        raise ValueError(
            "is not a country code: 2 to 8 capital letters and digits, a letter first, for"
            " example BR"
        )
    return code


CountryCode = Annotated[str, AfterValidator(_country_code)]
GraceDuration = Annotated[Duration, Field(le=timedelta(minutes=15))]
