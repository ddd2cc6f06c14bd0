"""The platform's configuration. Other modules import everything from here.

The only reader of the environment. The whole is in `platform.py`, where it is read from in
`loading.py`; the settings themselves in `models.py`, `policies.py`, `reports.py` and
`deployment.py`; references to secrets (resolved only when used) in `secrets.py`; the wording of
mistakes in `mistakes.py`.
"""

from __future__ import annotations

from storeavail_platform.config.deployment import AnalyticsShape, ClusterShape, Deploy
from storeavail_platform.config.dsn import (
    effective_parts,
    encryption,
    is_loopback_dsn,
    is_loopback_host,
    stays_here,
)
from storeavail_platform.config.loading import (
    CONFIG_VARIABLE,
    DAGSTER_HOME_VARIABLE,
    dagster_home,
    demo_config_path,
    load_platform,
)
from storeavail_platform.config.models import (
    Analyst,
    Cluster,
    Country,
    Emr,
    HiveCatalogConfig,
    Postgres,
    SqlCatalogConfig,
)
from storeavail_platform.config.online_index import (
    DocumentFields,
    ElasticsearchIndex,
    ElasticsearchServer,
    FileIndex,
    OnlineFlag,
)
from storeavail_platform.config.platform import Platform, load_text
from storeavail_platform.config.policies import (
    Alerts,
    AppriseChannel,
    AvailabilityAlert,
    Freshness,
    Retention,
    Route,
    SnsChannel,
    Suspect,
)
from storeavail_platform.config.reports import Baseline, Reports, ScheduledReport
from storeavail_platform.config.secrets import Secret
from storeavail_platform.config.values import Aws, did_you_mean, format_duration, parse_duration
from storeavail_platform.config.variables import secrets_in

__all__ = [
    "CONFIG_VARIABLE",
    "DAGSTER_HOME_VARIABLE",
    "Alerts",
    "Analyst",
    "AnalyticsShape",
    "AppriseChannel",
    "AvailabilityAlert",
    "Aws",
    "Baseline",
    "Cluster",
    "ClusterShape",
    "Country",
    "Deploy",
    "DocumentFields",
    "ElasticsearchIndex",
    "ElasticsearchServer",
    "Emr",
    "FileIndex",
    "Freshness",
    "HiveCatalogConfig",
    "OnlineFlag",
    "Platform",
    "Postgres",
    "Reports",
    "Retention",
    "Route",
    "ScheduledReport",
    "Secret",
    "SnsChannel",
    "SqlCatalogConfig",
    "Suspect",
    "dagster_home",
    "demo_config_path",
    "did_you_mean",
    "effective_parts",
    "encryption",
    "format_duration",
    "is_loopback_dsn",
    "is_loopback_host",
    "load_platform",
    "load_text",
    "parse_duration",
    "secrets_in",
    "stays_here",
]
