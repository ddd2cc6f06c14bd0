"""The section `deploy`: what a country's AWS resources are made of. Read by `storeavail-deploy`
alone; a window needs nothing of it.

A country's own section is laid over the platform's, setting by setting. What a command cannot do
without, it asks for itself, so that a configuration without AWS needs no such section.
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
IDLE = (timedelta(minutes=1), timedelta(days=7))
"""What EMR takes as the time after which an idle cluster ends."""

Units = Annotated[int, Field(ge=0, le=MAX_UNITS, strict=True)]
InstanceType = Annotated[str, like(r"[a-z0-9-]+\.[a-z0-9-]+", "m6i.xlarge")]
InstanceTypes = Annotated[tuple[InstanceType, ...], Field(min_length=1, max_length=MAX_FLEET_TYPES)]
Percent = Annotated[float, Field(gt=0, le=100)]
Cidr = Annotated[str, like(r"\d{1,3}(\.\d{1,3}){3}/\d{1,2}", "10.20.0.0/16")]
Vpc = Annotated[str, like(r"vpc-[0-9a-f]+", "vpc-0a1b2c3d")]
SecurityGroup = Annotated[str, like(r"sg-[0-9a-f]+", "sg-0a1b2c3d")]
Principal = Annotated[
    str,
    like(
        r"arn:aws[a-z-]*:(iam|sts)::\d{12}:(?!oidc-provider/)[^\s#]+"
        r"|ecs-tasks\.amazonaws\.com|pods\.eks\.amazonaws\.com"
        r"|arn:aws[a-z-]*:iam::\d{12}:oidc-provider/[^\s#]+"
        r"#system:serviceaccount:[a-z0-9-]+:[a-z0-9.-]+",
        "arn:aws:iam::123456789012:role/dagster-host",
    ),
]
"""An ARN; tasks on ECS, or pods by EKS Pod Identity, by their service; by IRSA a service account of
the cluster that an OIDC provider is of, after a `#`.
"""
SignIn = Annotated[str, like(r"aws:[^\s#]+", "aws:storeavail/zeppelin")]
KmsKey = Annotated[
    str,
    like(
        r"arn:aws[a-z-]*:kms:[a-z0-9-]+:\d{12}:key/\S+",
        "arn:aws:kms:sa-east-1:123456789012:key/1234abcd",
    ),
]


def _whole_minutes(duration: timedelta) -> timedelta:
    if duration % timedelta(minutes=1) or not SPOT_MINUTES[0] <= duration <= SPOT_MINUTES[1]:
        raise ValueError("has to be whole minutes, from 5m to 1d")
    return duration


def _idle(duration: timedelta) -> timedelta:
    if not IDLE[0] <= duration <= IDLE[1]:
        raise ValueError("has to be from 1m to 7d")
    return duration


class Fleet(Settings):
    """Nodes of one kind: how many to begin with, of which instance types, whichever can be had."""

    types: InstanceTypes = ("m6i.xlarge", "m5.xlarge", "m6a.xlarge", "m5a.xlarge")
    """Instance types of these nodes, whichever can be had."""
    on_demand: Units = 0
    """Nodes on demand to begin with."""
    spot: Units = 0
    """Nodes as Spot instances to begin with."""


class CoreFleet(Fleet):
    """Nodes that hold HDFS: they are not Spot instances unless told so."""

    on_demand: Units = 1

    @model_validator(mode="after")
    def _some(self) -> CoreFleet:
        if self.on_demand + self.spot == 0:
            raise ValueError(
                "a cluster needs at least one core node: on_demand or spot of 1 or more"
            )
        return self


class Scaling(Settings):
    """EMR's managed scaling: bounds of core and task nodes together."""

    minimum: Annotated[int, Field(ge=1, le=MAX_UNITS, strict=True)] = 1
    """Managed scaling: core and task nodes at least."""
    maximum: Annotated[int, Field(ge=1, le=MAX_UNITS, strict=True)] = 4
    """Managed scaling: core and task nodes at most."""

    @model_validator(mode="after")
    def _in_order(self) -> Scaling:
        if self.minimum > self.maximum:
            raise ValueError(f"minimum ({self.minimum}) is above maximum ({self.maximum})")
        return self


class ClusterShape(Settings):
    """A country's cluster."""

    release: Annotated[str, like(r"emr-\d+\.\d+\.\d+", RELEASE)] = RELEASE
    """EMR's release."""
    master: InstanceTypes = ("m6i.xlarge", "m5.xlarge", "m6a.xlarge", "m5a.xlarge")
    """Instance types of the master node, on demand; which of them, EMR finds."""
    core: CoreFleet = CoreFleet()
    task: Fleet = Fleet()
    spot_patience: Annotated[PositiveDuration, AfterValidator(_whole_minutes)] = timedelta(
        minutes=10
    )
    """How long Spot instances are tried for before nodes come on demand; whole minutes from 5m to
    1d."""
    scaling: Scaling = Scaling()
    scaling_policy: dict[str, Any] | None = None
    """Instead of managed scaling: a custom automatic scaling policy in EMR's own form
    (`Constraints`, `Rules`), passed through. It takes instance groups of the first type of each
    fleet instead of fleets."""
    step_concurrency: Annotated[int, Field(ge=2, le=MAX_STEPS, strict=True)] = 4
    """Steps at once."""
    termination_protection: bool = True
    """Whether a cluster can be ended by `storeavail-deploy cluster` alone."""
    configurations: tuple[dict[str, Any], ...] = ()
    """EMR classifications in EMR's own form, laid over the platform's."""

    @model_validator(mode="after")
    def _within_bounds(self) -> ClusterShape:
        wanted = sum((self.core.on_demand, self.core.spot, self.task.on_demand, self.task.spot))
        if self.scaling_policy is None and wanted > self.scaling.maximum:
            raise ValueError(
                f"core and task begin with {wanted} nodes, and scaling.maximum is"
                f" {self.scaling.maximum}"
            )
        return self


class AnalyticsShape(Settings):
    """The cluster for notebooks, as far as it differs from the country's whose account and
    network it is in.
    """

    name: Text = "storeavail-analytics"
    """The name of the cluster for notebooks."""
    notebooks: S3Url | None = None
    """Where notebooks are kept, and each note's rights; its cluster may write there."""
    sign_in: SignIn | None = None
    """Secret that holds Zeppelin's whole `shiro.ini`, `aws:NAME`: who may sign in. Without it
    Zeppelin does not start before there is one by hand."""
    idle_after: Annotated[PositiveDuration, AfterValidator(_idle)] | None = timedelta(hours=4)
    """How long nothing may run on it before it ends by itself, from 1m to 7d; `null`: it never
    does."""
    core: CoreFleet = CoreFleet()
    task: Fleet = Fleet()
    scaling: Scaling = Scaling()


class Encryption(Settings):
    """What encrypts: S3's own keys unless there is a key; disks need one; between nodes,
    certificates.
    """

    kms_key: KmsKey | None = None
    """ARN of a key. Without it S3 encrypts with its own keys, and disks as the account's default
    says."""
    certificates: S3Url | None = None
    """A zip with PEM files, by which nodes encrypt what they send each other; without it they do
    not."""


class Peer(Settings):
    """Another network that a country's cluster or run workers have to reach."""

    name: Text
    """In each entry: what to call a network that has to be reached, `stores-db`."""
    cidr: Cidr
    """Its addresses."""
    port: Annotated[int, Field(ge=1, le=65535, strict=True)]
    """The port there."""
    vpc: Vpc | None = None
    """Its VPC; none if it is reached otherwise (a VPN, a transit gateway)."""
    security_group: SecurityGroup | None = None
    """The security group there that has to let this country in."""


class Network(Settings):
    """The country's private network."""

    vpc: Vpc | None = None
    """The country's VPC."""
    cidr: Cidr | None = None
    """Its addresses, `10.20.0.0/16`."""
    subnets: tuple[Annotated[str, like(r"subnet-[0-9a-f]+", "subnet-0a1b2c3d")], ...] = ()
    """Private subnets for clusters; `cluster up` needs at least one."""
    route_tables: tuple[Annotated[str, like(r"rtb-[0-9a-f]+", "rtb-0a1b2c3d")], ...] = ()
    """Route tables of these subnets."""
    node_group: SecurityGroup | None = None
    """Security group of clusters' nodes; without it EMR makes its own."""
    service_group: SecurityGroup | None = None
    """With `node_group`: security group of EMR's access to private subnets."""
    peers: tuple[Peer, ...] = ()
    """Other networks that the country's clusters or run workers have to reach."""

    @model_validator(mode="after")
    def _groups_together(self) -> Network:
        if (self.node_group is None) != (self.service_group is None):
            raise ValueError(
                "node_group and service_group belong together: give both, or none to have EMR make"
                " its own"
            )
        return self


class Roles(Settings):
    """Who may assume the roles; empty: whoever the account's own policies let."""

    workers: tuple[Principal, ...] = ()
    """Who may assume the role of run workers: ARNs, `ecs-tasks.amazonaws.com`,
    `pods.eks.amazonaws.com`, or `OIDC-PROVIDER-ARN#system:serviceaccount:NAMESPACE:NAME`; none
    leaves it to the account's own policies."""
    operators: tuple[Principal, ...] = ()
    """As `roles.workers`, for operators."""
    analysts: tuple[Principal, ...] = ()
    """As `roles.workers`, for analysts."""
    metastore: tuple[Principal, ...] = ()
    """As `roles.workers`, for the Hive Metastore."""
    backups: tuple[Principal, ...] = ()
    """As `roles.workers`, for whatever runs `storeavail backup`."""
    pages: tuple[Principal, ...] = ()
    """As `roles.workers`, for the server of the dashboard's pages."""
    boundary: (
        Annotated[
            str,
            like(r"arn:aws[a-z-]*:iam::\d{12}:policy/\S+", "arn:aws:iam::123456789012:policy/x"),
        ]
        | None
    ) = None
    """ARN of a permissions boundary for every role."""


class MetastoreDatabase(Settings):
    """The PostgreSQL behind the Hive Metastore."""

    dsn: PostgresDsn | None = None
    """Connection string of the metastore's PostgreSQL, for `metastore init` and `check`."""
    rds: Text | None = None
    """Identifier of its RDS instance, for alarms."""


class Alarms(Settings):
    """Who gets the mails, and from which figures on."""

    emails: tuple[Annotated[str, like(r"[^@\s]+@[^@\s]+\.[^@\s]+", "oncall@example.com")], ...] = ()
    """Who gets mails; each address has to be confirmed once."""
    hdfs_percent: Percent = 80.0
    """HDFS in use from which it is an alarm."""
    yarn_free_percent: Percent = 10.0
    """Free YARN memory below which, for a quarter of an hour, it is an alarm."""
    rds_connections: Annotated[int, Field(ge=1, strict=True)] = 80
    """Connections to the metastore's database from which it is an alarm."""
    rds_free_gib: Annotated[float, Field(gt=0)] = 5.0
    """Its free storage below which it is an alarm."""


class Deploy(Settings):
    """What a country's AWS resources are made of."""

    account: Annotated[str, like(r"\d{12}", "'123456789012' (in quotes)")] | None = None
    """The account's number, in quotes. Credentials of another account are refused; without it,
    whichever they are of."""
    prefix: Annotated[str, like(r"[a-z][a-z0-9-]{0,23}[a-z0-9]", "storeavail")] = "storeavail"
    """What names of roles, topics, alarms and security configurations begin with: letters, digits,
    hyphens."""
    tags: dict[str, str] = Field(default_factory=dict)
    """Tags of everything that is made."""
    logs: S3Url | None = None
    """Prefix for clusters' logs; without it, `logs` beside `emr.staging`."""
    logs_kept: PositiveDuration = timedelta(days=90)
    """How long logs are kept."""
    versions_kept: PositiveDuration = timedelta(days=30)
    """How long replaced and deleted objects can be brought back."""
    encryption: Encryption = Encryption()
    network: Network = Network()
    cluster: ClusterShape = ClusterShape()
    analytics: AnalyticsShape = AnalyticsShape()
    roles: Roles = Roles()
    metastore: MetastoreDatabase = MetastoreDatabase()
    alarms: Alarms = Alarms()
