"""A real Hive Metastore 3.1.3, the version that EMR 7 runs, on loopback, with its tables in a real
PostgreSQL.

Making a table or a namespace, the metastore looks for its folder and makes it if absent. So for
`s3://` locations it needs a file system with
write access: EMR's has the cluster's S3 connector and instance profile, this one has Hadoop's S3A
at the stand-in.
"""

from __future__ import annotations

import shutil
import tarfile
import xml.etree.ElementTree as ElementTree
from pathlib import Path

from storeavail_platform.warehouse.hive import MetastoreClient
from storeavail_testing.postgres import PASSWORD, PostgresServer
from storeavail_testing.processes import Server, free_port, is_listening, maven
from storeavail_testing.s3 import S3Server
from storeavail_testing.spark_jars import PYSPARK_JARS, s3a_jars, s3a_settings

VERSION = "3.1.3"
DATABASE = "metastore"
SCHEMA = "scripts/metastore/upgrade/postgres/hive-schema-3.1.0.postgres.sql"
GONE_FROM_POSTGRES = "SET default_with_oids = false;"
"""A setting in the official schema that PostgreSQL 12 and later do not know."""
HADOOP_JARS = (
    "hadoop-client-api",
    "hadoop-client-runtime",
    "hadoop-shaded-guava",
    "commons-cli",
    "commons-collections-3",
    "commons-logging",
)
S3A_NEEDS = ("httpclient-4", "joda-time")


class HiveMetastore:
    """Starts in a folder of its own; what it knows survives `kill` and `start`.

    Args:
        s3: where `s3://` locations are; without it only folders of this machine work.
    """

    def __init__(self, folder: Path, postgres: PostgresServer, s3: S3Server | None = None) -> None:
        self.port = free_port()
        home = unpacked(folder)
        dsn = f"jdbc:postgresql://127.0.0.1:{postgres.port}/{DATABASE}"
        schema = (home / SCHEMA).read_text()
        assert GONE_FROM_POSTGRES in schema
        postgres.create(DATABASE, schema.replace(GONE_FROM_POSTGRES, ""))
        settings = {
            "javax.jdo.option.ConnectionURL": dsn,
            "javax.jdo.option.ConnectionDriverName": "org.postgresql.Driver",
            "javax.jdo.option.ConnectionUserName": "postgres",
            "javax.jdo.option.ConnectionPassword": PASSWORD,
            "metastore.warehouse.dir": str(folder / "warehouse"),
            "metastore.thrift.uris": self.uri,
            "metastore.schema.verification": "true",
            "metastore.expression.proxy": (
                "org.apache.hadoop.hive.metastore.DefaultPartitionExpressionProxy"
            ),
            "metastore.task.threads.always": (
                "org.apache.hadoop.hive.metastore.events.EventCleanerTask"
            ),
            "datanucleus.schema.autoCreateAll": "false",
            "datanucleus.connectionPoolingType": "HikariCP",
            **(s3a_settings(s3.endpoint) if s3 else {}),
        }
        configuration = folder / "conf"
        configuration.mkdir()
        (configuration / "metastore-site.xml").write_text(_hadoop_xml(settings))
        jars = [
            maven("org.slf4j:slf4j-api:1.7.36", "slf4j-api-1.7.36.jar"),
            maven("org.postgresql:postgresql:42.7.4", "postgresql-42.7.4.jar"),
        ]
        jars += [
            jar
            for jar in sorted(PYSPARK_JARS.glob("*.jar"))
            if jar.name.startswith((*HADOOP_JARS, *(S3A_NEEDS if s3 else ())))
        ]
        jars += s3a_jars() if s3 else []
        path = ":".join([str(configuration), f"{home}/lib/*", *map(str, jars)])
        java = shutil.which("java")
        assert java is not None, "Java 17 is needed: make test installs it"
        command = [
            java,
            "-Xmx512m",
            "-XX:TieredStopAtLevel=1",
            "-cp",
            path,
            "org.apache.hadoop.hive.metastore.HiveMetaStore",
            "-p",
            str(self.port),
        ]
        # As the user who runs the tests: it makes folders beside theirs.
        self.server = Server(
            command,
            log=folder / "server.log",
            env=s3.environment if s3 else {},
            cwd=folder,
            as_root=True,
        )

    @property
    def uri(self) -> str:
        return f"thrift://127.0.0.1:{self.port}"

    def start(self) -> None:
        self.server.start(self._answers)

    def kill(self) -> None:
        self.server.kill()

    def client(self) -> MetastoreClient:
        """The Thrift API itself."""
        return MetastoreClient(self.uri)

    def forget(self, pattern: str) -> None:
        """Drop the databases whose names match, with their tables; files stay."""
        with self.client() as client:
            for name in client.get_databases(pattern):
                client.drop_database(name, False, True)

    def _answers(self) -> bool:
        if not is_listening(self.port):
            return False
        try:
            with self.client() as client:
                return "default" in client.get_all_databases()
        except ConnectionError:
            return False


def unpacked(folder: Path) -> Path:
    archive = maven(
        f"org.apache.hive:hive-standalone-metastore:{VERSION}:tar.gz:bin",
        f"hive-standalone-metastore-{VERSION}-bin.tar.gz",
    )
    with tarfile.open(archive) as files:
        files.extractall(folder, filter="data")
    return folder / f"apache-hive-metastore-{VERSION}-bin"


def _hadoop_xml(settings: dict[str, str]) -> str:
    root = ElementTree.Element("configuration")
    for name, value in settings.items():
        item = ElementTree.SubElement(root, "property")
        ElementTree.SubElement(item, "name").text = name
        ElementTree.SubElement(item, "value").text = value
    return ElementTree.tostring(root, encoding="unicode")
