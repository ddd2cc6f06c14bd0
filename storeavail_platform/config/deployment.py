"""The section `deploy`: what a country's AWS resources are made of. Read by `storeavail-deploy` alone; a window needs nothing of it.

A country's own section is laid over the platform's, setting by setting. What a command cannot do without, it asks for itself, so that a
configuration without AWS needs no such section.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any

from pydantic import AfterValidator, Field, model_validator

from storeavail_platform.config.secrets import PostgresDsn
from storeavail_platform.config.values import PositiveDuration, S3Url, Settings, Text, like

RELEASE = "emr-7.14.0"
MAX_FLEET_TYPES = 30
"""Instance types of a fleet: EMR's limit with an allocation strategy."""
MAX_UNITS = 1_000
MAX_STEPS = 256
SPOT_MINUTES = (timedelta(minutes=5), timedelta(days=1))
"""How long EMR can be told to try for Spot instances."""

Units = Annotated[int, Field(ge=0, le=MAX_UNITS, strict=True)]
InstanceType = Annotated[str, like(r"[a-z0-9-]+\.[a-z0-9-]+", "m6i.xlarge")]
InstanceTypes = Annotated[tuple[InstanceType, ...], Field(min_length=1, max_length=MAX_FLEET_TYPES)]
Percent = Annotated[float, Field(gt=0, le=100)]
Cidr = Annotated[str, like(r"\d{1,3}(\.\d{1,3}){3}/\d{1,2}", "10.20.0.0/16")]
Vpc = Annotated[str, like(r"vpc-[0-9a-f]+", "vpc-0a1b2c3d")]
SecurityGroup = Annotated[str, like(r"sg-[0-9a-f]+", "sg-0a1b2c3d")]
Principal = Annotated[str, like(r"arn:aws[a-z-]*:(iam|sts)::\d{12}:\S+", "arn:aws:iam::123456789012:role/dagster-host")]
KmsKey = Annotated[str, like(r"arn:aws[a-z-]*:kms:[a-z0-9-]+:\d{12}:key/\S+", "arn:aws:kms:sa-east-1:123456789012:key/1234abcd")]


def _whole_minutes(duration: timedelta) -> timedelta:
    if duration % timedelta(minutes=1) or not SPOT_MINUTES[0] <= duration <= SPOT_MINUTES[1]:
        raise ValueError("has to be whole minutes, from 5m to 1d")
    return duration


class Fleet(Settings):
    """Nodes of one kind: how many to begin with, of which instance types, whichever can be had."""

    types: InstanceTypes = ("m6i.xlarge", "m5.xlarge", "m6a.xlarge", "m5a.xlarge")
    on_demand: Units = 0
    spot: Units = 0


class CoreFleet(Fleet):
    """Nodes that hold HDFS: they are not Spot instances unless told so."""

    on_demand: Units = 1

    @model_validator(mode="after")
    def _some(self) -> CoreFleet:
        if self.on_demand + self.spot == 0:
            raise ValueError("a cluster needs at least one core node: on_demand or spot of 1 or more")
        return self


class Scaling(Settings):
    """EMR's managed scaling: bounds of core and task nodes together."""

    minimum: Annotated[int, Field(ge=1, le=MAX_UNITS, strict=True)] = 1
    maximum: Annotated[int, Field(ge=1, le=MAX_UNITS, strict=True)] = 4

    @model_validator(mode="after")
    def _in_order(self) -> Scaling:
        if self.minimum > self.maximum:
            raise ValueError(f"minimum ({self.minimum}) is above maximum ({self.maximum})")
        return self


class ClusterShape(Settings):
    """A country's cluster."""

    release: Annotated[str, like(r"emr-\d+\.\d+\.\d+", RELEASE)] = RELEASE
    master: InstanceTypes = ("m6i.xlarge", "m5.xlarge", "m6a.xlarge", "m5a.xlarge")
    core: CoreFleet = CoreFleet()
    task: Fleet = Fleet()
    spot_patience: Annotated[PositiveDuration, AfterValidator(_whole_minutes)] = timedelta(minutes=10)
    scaling: Scaling = Scaling()
    scaling_policy: dict[str, Any] | None = None
    step_concurrency: Annotated[int, Field(ge=2, le=MAX_STEPS, strict=True)] = 4
    termination_protection: bool = True
    configurations: tuple[dict[str, Any], ...] = ()

    @model_validator(mode="after")
    def _within_bounds(self) -> ClusterShape:
        wanted = sum((self.core.on_demand, self.core.spot, self.task.on_demand, self.task.spot))
        if self.scaling_policy is None and wanted > self.scaling.maximum:
            raise ValueError(f"core and task begin with {wanted} nodes, and scaling.maximum is {self.scaling.maximum}")
        return self


class AnalyticsShape(Settings):
    """The cluster for notebooks, as far as it differs from the country's whose account and network it is in."""

    name: Text = "storeavail-analytics"
    notebooks: S3Url | None = None
    core: CoreFleet = CoreFleet()
    task: Fleet = Fleet()
    scaling: Scaling = Scaling()


class Encryption(Settings):
    """What encrypts: S3's own keys unless there is a key; disks need one; between nodes, certificates."""

    kms_key: KmsKey | None = None
    certificates: S3Url | None = None


class Peer(Settings):
    """Another network that a country's cluster or run workers have to reach."""

    name: Text
    cidr: Cidr
    port: Annotated[int, Field(ge=1, le=65535, strict=True)]
    vpc: Vpc | None = None
    security_group: SecurityGroup | None = None


class Network(Settings):
    """The country's private network."""

    vpc: Vpc | None = None
    cidr: Cidr | None = None
    subnets: tuple[Annotated[str, like(r"subnet-[0-9a-f]+", "subnet-0a1b2c3d")], ...] = ()
    route_tables: tuple[Annotated[str, like(r"rtb-[0-9a-f]+", "rtb-0a1b2c3d")], ...] = ()
    node_group: SecurityGroup | None = None
    service_group: SecurityGroup | None = None
    peers: tuple[Peer, ...] = ()

    @model_validator(mode="after")
    def _groups_together(self) -> Network:
        if (self.node_group is None) != (self.service_group is None):
            raise ValueError("node_group and service_group belong together: give both, or none to have EMR make its own")
        return self


class Roles(Settings):
    """Who may assume the roles; empty: whoever the account's own policies let."""

    workers: tuple[Principal, ...] = ()
    operators: tuple[Principal, ...] = ()
    analysts: tuple[Principal, ...] = ()
    boundary: Annotated[str, like(r"arn:aws[a-z-]*:iam::\d{12}:policy/\S+", "arn:aws:iam::123456789012:policy/x")] | None = None


class MetastoreDatabase(Settings):
    """The PostgreSQL behind the Hive Metastore."""

    dsn: PostgresDsn | None = None
    rds: Text | None = None


class Alarms(Settings):
    """Who gets the mails, and from which figures on."""

    emails: tuple[Annotated[str, like(r"[^@\s]+@[^@\s]+\.[^@\s]+", "oncall@example.com")], ...] = ()
    hdfs_percent: Percent = 80.0
    yarn_free_percent: Percent = 10.0
    rds_connections: Annotated[int, Field(ge=1, strict=True)] = 80
    rds_free_gib: Annotated[float, Field(gt=0)] = 5.0


class Deploy(Settings):
    """What a country's AWS resources are made of."""

    account: Annotated[str, like(r"\d{12}", "'123456789012' (in quotes)")] | None = None
    prefix: Annotated[str, like(r"[a-z][a-z0-9-]{0,23}[a-z0-9]", "storeavail")] = "storeavail"
    tags: dict[str, str] = Field(default_factory=dict)
    logs: S3Url | None = None
    logs_kept: PositiveDuration = timedelta(days=90)
    versions_kept: PositiveDuration = timedelta(days=30)
    encryption: Encryption = Encryption()
    network: Network = Network()
    cluster: ClusterShape = ClusterShape()
    analytics: AnalyticsShape = AnalyticsShape()
    roles: Roles = Roles()
    metastore: MetastoreDatabase = MetastoreDatabase()
    alarms: Alarms = Alarms()
