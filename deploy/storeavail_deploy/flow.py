"""What a cluster is made of: the request to EMR that the configuration stands for, and its
fingerprint. Nothing is called here.

Two kinds of cluster: a country's own, which computes its windows, and one for notebooks, which
reads every country and computes none.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from typing import Any

from storeavail_deploy.environment import CLUSTER_PYTHON, FOLDER, ROOT, cannot_run
from storeavail_deploy.kept import FINGERPRINT_TAG, ClusterRequest
from storeavail_deploy.release import bootstrap_path
from storeavail_deploy.settings import ANALYTICS, EMR_V2_TAG, S3, Prefix, Site, tag_list, tags_of
from storeavail_platform.config import CONFIG_VARIABLE, AnalyticsShape, ClusterShape
from storeavail_platform.domain.errors import ConfigError

PYTHON_SETTING = "spark.pyspark.python"
PREPARE = ROOT / "zeppelin" / "prepare.py"
"""What has Zeppelin be set up on the cluster for notebooks, published below `bootstrap/` too."""
ZEPPELIN = ROOT / "zeppelin" / "conf" / "emr-classifications.json"
"""What Zeppelin on the cluster for notebooks is set to, as a list of EMR classifications."""
SPARK = ("Hadoop", "Spark", "Hive", "HCatalog")
LEAST_EXECUTORS = 2
"""Executors that a notebook may have at least. It may have as many as there may be nodes: about
half of the cluster, as a node of the default types holds two.
"""
FALLBACK = "SWITCH_TO_ON_DEMAND"
"""What EMR does when it gets no Spot instances in time."""
Classification = Mapping[str, Any]


@dataclass(frozen=True)
class Flow:
    """A cluster as it has to be. (EMR's own word for what it runs is job flow.)

    Attributes:
        bootstrap: the bootstrap action of the release that is published, in EMR's form.
        held: what the release has as its cluster, which is then taken whole.
    """

    site: Site
    bootstrap: Mapping[str, Any]
    is_analytics: bool = False
    held: ClusterRequest | None = None

    @property
    def name(self) -> str:
        """The cluster's name.

        Raises:
            ConfigError: the configuration names the cluster by its id.
        """
        if self.is_analytics:
            return self.site.deploy.analytics.name
        name = self.site.emr.cluster.name
        if name is None:
            raise ConfigError(
                f"countries.{self.site.code}.emr.cluster.id names one cluster that is there: give"
                " the cluster a name instead, by which the next one is found too"
            )
        return name

    @property
    def owner(self) -> str:
        """Whose it is, as its tag says: the country's code, or `analytics`."""
        return ANALYTICS if self.is_analytics else self.site.code

    @property
    def logs(self) -> Prefix:
        return self.site.analytics_logs if self.is_analytics else self.site.logs

    @property
    def shape(self) -> ClusterShape:
        return self.site.deploy.cluster

    @property
    def fleets(self) -> ClusterShape | AnalyticsShape:
        """What says how many nodes there are."""
        return self.site.deploy.analytics if self.is_analytics else self.shape

    def role(self, what: str) -> str:
        return (
            self.site.shared_name(f"{ANALYTICS}-{what}")
            if self.is_analytics
            else self.site.name(what)
        )

    @cached_property
    def request(self) -> dict[str, Any]:
        """The parameters of `run_job_flow`, tags included.

        Raises:
            ConfigError: lists everything that the configuration lacks.
        """
        if self.held is not None:
            return self.held.request
        path = f"countries.{self.site.code}"
        needs = {
            f"{path}.deploy.network.subnets: is required: at least one private subnet": (
                self.site.deploy.network.subnets
            ),
            "catalog.type: a cluster needs hive": self.site.platform.catalog.type == "hive",
            (
                f"{path}.emr.spark: {PYTHON_SETTING} has to be {CLUSTER_PYTHON}, where every node"
                " has the packages"
            ): self.site.emr.spark.get(PYTHON_SETTING) == CLUSTER_PYTHON,
        }
        problems = [problem for problem, is_met in needs.items() if not is_met]
        problems += self._wrong_types()
        if problems:
            raise ConfigError(
                "\n  ".join(
                    [f"{self.site.platform.origin}: for the cluster of {self.owner}", *problems]
                )
            )
        request = {
            "Name": self.name,
            "ReleaseLabel": self.shape.release,
            "Applications": [
                {"Name": name} for name in (*SPARK, *(("Zeppelin",) if self.is_analytics else ()))
            ],
            "LogUri": f"{self.logs.url}/",
            "ServiceRole": self.role("service"),
            "JobFlowRole": self.role("nodes"),
            "VisibleToAllUsers": True,
            "ScaleDownBehavior": "TERMINATE_AT_TASK_COMPLETION",
            "StepConcurrencyLevel": self.shape.step_concurrency,
            "SecurityConfiguration": self.security_name,
            "BootstrapActions": [self._bootstrap()],
            "Configurations": self.configurations(),
            "Instances": self._instances(),
            **self._scaling(),
            **self._idle(),
            **(
                {"LogEncryptionKmsKeyId": key}
                if (key := self.site.deploy.encryption.kms_key)
                else {}
            ),
        }
        tags = {**self.site.tags(self.owner), **dict([EMR_V2_TAG])}
        tags[FINGERPRINT_TAG] = _digest({**request, "Tags": tags})
        return {**request, "Tags": tag_list(tags)}

    def _wrong_types(self) -> Iterator[str]:
        """Instance types on which the published environment does not run."""
        nodes = "analytics" if self.is_analytics else "cluster"
        path = f"countries.{self.site.code}.deploy"
        for name, types in (
            ("cluster.master", self.shape.master),
            (f"{nodes}.core.types", self.fleets.core.types),
            (f"{nodes}.task.types", self.fleets.task.types),
        ):
            if wrong := [each for each in types if cannot_run(each)]:
                yield (
                    f"{path}.{name}: {', '.join(wrong)}: the packages of the cluster are built for"
                    " x86_64, and these have ARM processors: choose others, such as m6i.xlarge"
                )

    @property
    def release(self) -> str:
        """EMR's release."""
        return str(self.request["ReleaseLabel"])

    @property
    def fingerprint(self) -> str:
        """Equal for clusters that are made alike."""
        return tags_of(self.request)[FINGERPRINT_TAG]

    @property
    def admission(self) -> dict[str, str]:
        """Tags that a cluster gets when it has proved itself: those by which the platform finds
        the country's cluster.
        """
        return {} if self.is_analytics else dict(self.site.emr.cluster.tags)

    @cached_property
    def security(self) -> dict[str, Any]:
        """The security configuration: what is encrypted, that instances give credentials to
        version 2 requests only, runtime roles.
        """
        if self.held is not None:
            return self.held.security
        encryption = self.site.deploy.encryption
        key, certificates = encryption.kms_key, encryption.certificates
        s3 = (
            {"EncryptionMode": "SSE-KMS", "AwsKmsKey": key} if key else {"EncryptionMode": "SSE-S3"}
        )
        disks = {
            "EncryptionKeyProviderType": "AwsKms",
            "AwsKmsKey": key,
            "EnableEbsEncryption": True,
        }
        tls = {
            "TLSCertificateConfiguration": {
                "CertificateProviderType": "PEM",
                "S3Object": certificates,
            }
        }
        has_runtime_role = self.site.emr.execution_role and not self.is_analytics
        runtime_role = {"IAMConfiguration": {"EnableApplicationScopedIAMRole": True}}
        return {
            "EncryptionConfiguration": {
                "EnableAtRestEncryption": True,
                "EnableInTransitEncryption": certificates is not None,
                "AtRestEncryptionConfiguration": {
                    "S3EncryptionConfiguration": s3,
                    **({"LocalDiskEncryptionConfiguration": disks} if key else {}),
                },
                **({"InTransitEncryptionConfiguration": tls} if certificates else {}),
            },
            "InstanceMetadataServiceConfiguration": {
                "MinimumInstanceMetadataServiceVersion": 2,
                "HttpPutResponseHopLimit": 1,
            },
            **({"AuthorizationConfiguration": runtime_role} if has_runtime_role else {}),
        }

    @property
    def security_name(self) -> str:
        """Its name says what is in it: security configurations cannot be changed."""
        if self.held is not None:
            return str(self.held.request["SecurityConfiguration"])
        return f"{self.role('security')}-{_digest(self.security)}"

    def configurations(self) -> list[dict[str, Any]]:
        """The classifications: Iceberg, the metastore, Python; Zeppelin's; the configuration's
        own laid over them.
        """
        catalog = self.site.platform.catalog
        uri = {"hive.metastore.uris": catalog.uri} if catalog.type == "hive" else {}
        base: list[Classification] = [
            {"Classification": "iceberg-defaults", "Properties": {"iceberg.enabled": "true"}},
            {"Classification": "hive-site", "Properties": uri},
            {"Classification": "spark-hive-site", "Properties": uri},
            {"Classification": "spark-defaults", "Properties": {PYTHON_SETTING: CLUSTER_PYTHON}},
            # otherwise every write tries to remove the markers of folders above the country's own,
            # which its role may not
            {
                "Classification": "core-site",
                "Properties": {"fs.s3a.directory.marker.retention": "keep"},
            },
        ]
        return merged_classifications(base, self._zeppelin(), self.shape.configurations)

    def _zeppelin(self) -> list[Classification]:
        """Zeppelin's classifications, with the place of its notes and what one notebook may take;
        none on a cluster that computes windows.
        """
        if not self.is_analytics:
            return []
        executors = {
            "spark.dynamicAllocation.maxExecutors": str(
                max(LEAST_EXECUTORS, self.fleets.scaling.maximum)
            )
        }
        found = [
            *zeppelin_classifications(),
            {"Classification": "spark-defaults", "Properties": executors},
        ]
        if self.site.platform.origin.startswith(S3):
            export = {
                "Classification": "export",
                "Properties": {CONFIG_VARIABLE: self.site.platform.origin},
            }
            found.append(
                {"Classification": "zeppelin-env", "Properties": {}, "Configurations": [export]}
            )
        if self.site.deploy.analytics.notebooks is None:
            return found
        place = Prefix.of(self.site.deploy.analytics.notebooks)
        where = {
            "zeppelin.notebook.s3.bucket": place.bucket,
            "zeppelin.notebook.s3.user": place.key,
            # without it Zeppelin asks us-east-1, which a private subnet's gateway does not lead to
            "zeppelin.notebook.s3.endpoint": f"s3.{self.site.region}.amazonaws.com",
        }
        if self.site.deploy.encryption.kms_key is not None:
            # it knows S3's own keys alone: the bucket's default has to hold
            where["zeppelin.notebook.s3.sse"] = "false"
        return [*found, {"Classification": "zeppelin-site", "Properties": where}]

    def _bootstrap(self) -> dict[str, Any]:
        """The bootstrap action; on the cluster for notebooks with what sets up Zeppelin."""
        if not self.is_analytics:
            return dict(self.bootstrap)
        analytics, program = self.site.deploy.analytics, PREPARE.read_bytes()
        options = {
            "--code": self.site.emr.code,
            "--region": self.site.region,
            "--notebooks": analytics.notebooks and Prefix.of(analytics.notebooks).url,
            "--sign-in": analytics.sign_in and analytics.sign_in.removeprefix("aws:"),
        }
        script = self.bootstrap["ScriptBootstrapAction"]
        arguments = [each for name, value in options.items() if value for each in (name, value)]
        address = self.site.application.below(bootstrap_path(PREPARE.name, program)).url
        more = [FOLDER, address, hashlib.sha256(program).hexdigest(), "install", *arguments]
        action = {**script, "Args": [*script["Args"], *more]}
        return {**self.bootstrap, "ScriptBootstrapAction": action}

    def _instances(self) -> dict[str, Any]:
        network = self.site.deploy.network
        result: dict[str, Any] = {
            "KeepJobFlowAliveWhenNoSteps": True,
            # a cluster that ends by itself must not be kept from it
            "TerminationProtected": self.shape.termination_protection and not self._idle(),
        }
        if network.node_group is not None:
            result["EmrManagedMasterSecurityGroup"] = result["EmrManagedSlaveSecurityGroup"] = (
                network.node_group
            )
            result["ServiceAccessSecurityGroup"] = network.service_group
        if self._policy is not None:
            # EMR takes custom automatic scaling for instance groups alone, and these are in one
            # subnet
            return {
                **result,
                "Ec2SubnetId": network.subnets[0],
                "InstanceGroups": self._groups(self._policy),
            }
        return {**result, "Ec2SubnetIds": list(network.subnets), "InstanceFleets": self._fleets()}

    def _idle(self) -> dict[str, Any]:
        """When the cluster for notebooks ends by itself; one that computes windows never does."""
        after = self.site.deploy.analytics.idle_after if self.is_analytics else None
        if after is None:
            return {}
        return {"AutoTerminationPolicy": {"IdleTimeout": after // timedelta(seconds=1)}}

    @property
    def _policy(self) -> dict[str, Any] | None:
        return None if self.is_analytics else self.shape.scaling_policy

    def _fleets(self) -> list[dict[str, Any]]:
        on_demand = {"OnDemandSpecification": {"AllocationStrategy": "lowest-price"}}
        spot = {
            "SpotSpecification": {
                "TimeoutDurationMinutes": self.shape.spot_patience // timedelta(minutes=1),
                "TimeoutAction": FALLBACK,
                "AllocationStrategy": "price-capacity-optimized",
            }
        }
        master = {
            "Name": "master",
            "InstanceFleetType": "MASTER",
            "TargetOnDemandCapacity": 1,
            "InstanceTypeConfigs": _types(self.shape.master),
            "LaunchSpecifications": on_demand,
        }
        others = [
            {
                "Name": name,
                "InstanceFleetType": name.upper(),
                "TargetOnDemandCapacity": fleet.on_demand,
                "TargetSpotCapacity": fleet.spot,
                "InstanceTypeConfigs": _types(fleet.types),
                "LaunchSpecifications": {**on_demand, **spot},
            }
            for name, fleet in (("core", self.fleets.core), ("task", self.fleets.task))
            # EMR takes no fleet that begins with nothing
            if fleet.on_demand + fleet.spot > 0
        ]
        return [master, *others]

    def _groups(self, policy: Mapping[str, Any]) -> list[dict[str, Any]]:
        core, task = self.fleets.core, self.fleets.task
        tasks = _group(
            "task", task.types[0], task.on_demand + task.spot, "SPOT" if task.spot else "ON_DEMAND"
        )
        return [
            _group("master", self.shape.master[0], 1, "ON_DEMAND"),
            _group("core", core.types[0], core.on_demand + core.spot, "ON_DEMAND"),
            {**tasks, "AutoScalingPolicy": dict(policy)},
        ]

    def _scaling(self) -> dict[str, Any]:
        if self._policy is not None:
            return {"AutoScalingRole": self.site.name("scaling")}
        scaling, core, task = self.fleets.scaling, self.fleets.core, self.fleets.task
        has_task, has_spot = task.on_demand + task.spot > 0, core.spot + task.spot > 0
        limits = {
            "UnitType": "InstanceFleetUnits",
            "MinimumCapacityUnits": scaling.minimum,
            "MaximumCapacityUnits": scaling.maximum,
            # beyond what it begins with it grows by Spot instances, and by task nodes, where it has
            # such
            "MaximumOnDemandCapacityUnits": (
                core.on_demand + task.on_demand if has_spot else scaling.maximum
            ),
            "MaximumCoreCapacityUnits": core.on_demand + core.spot if has_task else scaling.maximum,
        }
        return {"ManagedScalingPolicy": {"ComputeLimits": limits}}


def merged_classifications(*lists: Iterable[Classification]) -> list[dict[str, Any]]:
    """EMR classifications with later ones over earlier ones: of the same name and property the
    later counts.
    """
    merged: dict[str, dict[str, Any]] = {}
    for each in (each for classifications in lists for each in classifications):
        name = str(each["Classification"])
        before = merged.setdefault(name, {"Classification": name, "Properties": {}})
        before["Properties"] = {**before["Properties"], **each.get("Properties", {})}
        if nested := each.get("Configurations"):
            before["Configurations"] = merged_classifications(
                before.get("Configurations", ()), nested
            )
    return list(merged.values())


def zeppelin_classifications() -> list[Classification]:
    """What Zeppelin is set to on the cluster for notebooks."""
    found: list[Classification] = json.loads(ZEPPELIN.read_text(encoding="utf-8"))
    return found


def _types(names: Sequence[str]) -> list[dict[str, Any]]:
    return [{"InstanceType": name, "WeightedCapacity": 1} for name in names]


def _group(name: str, kind: str, count: int, market: str) -> dict[str, Any]:
    return {
        "Name": name,
        "InstanceRole": name.upper(),
        "InstanceType": kind,
        "InstanceCount": count,
        "Market": market,
    }


def _digest(value: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()[:12]
