"""What each generated role has to do, it can, on an S3 that enforces its policies; and what it
must not, it is refused.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import boto3
import orjson
import pytest

from storeavail_platform.alerting import outbox
from storeavail_platform.alerting.watch import Tick, look_at_country, look_at_platform
from storeavail_platform.aws.notices import METRICS, WINDOW_AGE
from storeavail_platform.config import SqlCatalogConfig, load_text
from storeavail_platform.dashboard import write_country_page, write_overview
from storeavail_platform.dashboard.briefs import make_brief
from storeavail_platform.domain.errors import StorageRefused
from storeavail_platform.domain.places import files_of, folders_of
from storeavail_platform.domain.tables import TABLES
from storeavail_platform.pipeline.observe import Observing
from storeavail_platform.pipeline.runtime import Runtime, build_runtime
from storeavail_platform.pipeline.window import WindowRun, run_window
from storeavail_platform.reading import silences
from storeavail_platform.reading.query import query
from storeavail_platform.reading.status import all_statuses
from storeavail_platform.storage.s3 import S3Storage
from storeavail_platform.upkeep import maintain
from storeavail_platform.upkeep.backup import back_up
from storeavail_platform.upkeep.recovery import plan, put_right
from storeavail_platform.upkeep.removal import left_of, remove_country
from storeavail_platform.warehouse.catalog import Warehouse
from storeavail_platform.warehouse.remembered import RememberingSqlCatalog
from storeavail_platform_tests.deploy.aws import configuration
from storeavail_platform_tests.deploy.enforced import EnforcedS3
from storeavail_platform_tests.deploy.test_roles import policies
from storeavail_platform_tests.pipeline.test_confirm import DOCUMENTS, STORE_ROWS, WINDOW
from storeavail_testing.availability_api import AvailabilityApi, availability_api
from storeavail_testing.clock import SetClock
from storeavail_testing.postgres import PostgresServer

NAMES = frozenset(table.name for table in TABLES)
NOW = WINDOW.end + timedelta(minutes=5)
CONFIG = """
warehouse: s3://{bucket}/warehouse
catalog: {{type: hive, uri: "thrift://nowhere:9083"}}
partitions_start: 2026-01-01
alerts: {{channels: [log]}}
countries:
  BR: {{timezone: America/Sao_Paulo, postgres: {{dsn: "env:BR_DSN"}},
       online_index: {{path: ./index}}, confirm: {{url: "{api}"}}}}
  AR: {{timezone: UTC, postgres: {{dsn: "env:AR_DSN"}}, online_index: {{path: ./index}}}}
"""


@dataclass
class Company:
    """Two countries on an S3 that enforces, of which BR works; AR has begun nothing yet."""

    s3: EnforcedS3
    bucket: str
    folder: Path
    api: AvailabilityApi

    def runtime(self) -> Runtime:
        """The platform's parts at the window's middle, the tables' catalog beside the warehouse."""
        text = CONFIG.format(bucket=self.bucket, api=self.api.url)
        # which catalog it is is not S3's affair
        platform = load_text(text, base=self.folder, origin="test.yaml").model_copy(
            update={"catalog": SqlCatalogConfig(type="sql")}
        )
        made = build_runtime(platform, clock=SetClock(WINDOW.middle() - datetime.now(UTC)))
        catalog = RememberingSqlCatalog(
            "storeavail",
            uri=f"sqlite:///{self.folder}/catalog.db",
            warehouse=made.storage.uri("tables"),
            **made.storage.file_io,
        )
        return replace(made, warehouse=Warehouse(platform, made.storage, catalog=catalog))

    def refused(
        self,
        role: str,
        work: Callable[[Runtime], object],
        countries: Sequence[str] = ("BR", "AR"),
    ) -> list[str]:
        """What a role is refused while it does its work, which has to come to its end.

        Args:
            countries: those that were configured when the roles were made.
        """
        made = configuration(countries, bucket=self.bucket)
        documents = policies(made, countries[0])[f"storeavail-{role}"]
        with self.s3.role(documents) as found:
            work(self.runtime())
            return list(found)


@pytest.fixture(scope="module")
def company(
    tmp_path_factory: pytest.TempPathFactory, postgres_server: PostgresServer
) -> Iterator[Company]:
    folder, server = tmp_path_factory.mktemp("enforced"), EnforcedS3()
    (folder / "index").mkdir()
    lines = "".join(f"{orjson.dumps(each).decode()}\n" for each in DOCUMENTS)
    (folder / "index" / f"{WINDOW.key}.ndjson").write_text(lines)
    dsn = postgres_server.create("enforced")
    postgres_server.execute("enforced", STORE_ROWS)
    server.start()
    with pytest.MonkeyPatch.context() as patched, availability_api() as api:
        for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN"):
            patched.delenv(name, raising=False)
        for name, value in (server.environment | {"BR_DSN": dsn, "AR_DSN": dsn}).items():
            patched.setenv(name, value)
        yield Company(server, server.create_bucket().removeprefix("s3://"), folder, api)
    server.stop()


@pytest.fixture(scope="module")
def begun(company: Company) -> None:
    """A window is complete."""
    company.refused("br-worker", window)


def watch(runtime: Runtime) -> None:
    """A tick of the sensors of a country and of the platform."""
    tick = Tick(NOW, [], lambda since: ([], NOW), lambda failed: False, logging.getLogger("test"))
    look_at_country(runtime, "BR", tick)
    look_at_platform(runtime, tick)


def window(runtime: Runtime) -> None:
    work = WindowRun("BR", WINDOW, "run", NAMES)
    list(run_window(runtime, work, observing=Observing(runtime.platform.observation_grace)))


def pages(runtime: Runtime) -> None:
    write_country_page(runtime, "BR", NOW)
    write_overview(runtime, NOW)


def silence(runtime: Runtime) -> None:
    for code in ("BR", "platform"):
        held = silences.begin(runtime.storage, code, NOW, timedelta(hours=1), "rebuilt")
        assert silences.current(runtime.storage, code, NOW) == [held]
        silences.end(runtime.storage, code, held, NOW)


def reports(runtime: Runtime) -> None:
    """A brief of the day, and a message that is put down, sent and noted."""
    make_brief(runtime, "BR", date(2026, 11, 23), NOW + timedelta(days=1), NOW)
    outbox.put(runtime.storage, "BR", outbox.Due("2026-11-23-brief", "brief", NOW, "s", "b"))
    outbox.deliver(runtime, "BR", NOW)


def upkeep(runtime: Runtime) -> None:
    assert not [done for done in maintain(runtime, "BR", NOW) if done.is_error]


def recover(runtime: Runtime) -> None:
    put_right(runtime, plan(runtime, "BR", NOW), NOW)


def look(runtime: Runtime) -> None:
    """`storeavail status` and `storeavail query`."""
    own, other = all_statuses(runtime, NOW)
    assert (own.country, own.problems, own.last_window) == ("BR", [], WINDOW.key)
    assert all("AR" in problem or "storeavail_ar" in problem for problem in other.problems)
    assert query(runtime, "SELECT COUNT(*) AS n FROM store_availability").to_pylist()[0]["n"] > 0


def backup(runtime: Runtime) -> None:
    codes, folder = (
        ["BR", "AR"],
        Path(runtime.warehouse.catalog.properties["uri"].removeprefix("sqlite:///")).with_name(
            "copy"
        ),
    )
    made = back_up(runtime.storage, folder, None, countries=codes, others=[], clock=lambda: NOW)
    assert made.files > 0
    assert made.problems == []


WORKS = {
    "br-worker": (watch, window, pages, silence, watch, reports, upkeep, recover, look),
    "br-nodes": (window, pages, reports, upkeep),
    "backup": (backup,),
    "br-operator": (look, silence),
    "analyst": (look,),
    "analytics-nodes": (look,),
}


@pytest.mark.parametrize("role", WORKS)
def test_each_role_does_its_work(
    company: Company, role: str, request: pytest.FixtureRequest
) -> None:
    """From an empty warehouse on, before anybody was silenced, told or believed, and while the
    other country has begun nothing.
    """
    if role != "br-worker":
        request.getfixturevalue("begun")
    failed = {}
    for work in WORKS[role]:
        try:
            company.refused(role, work)
        except StorageRefused as error:
            failed[work.__name__] = str(error)
    assert failed == {}


@pytest.mark.parametrize("role", ["br-worker", "br-operator", "analyst"])
def test_a_country_that_comes_breaks_no_other(company: Company, begun: None, role: str) -> None:
    """Between `country add` and `roles apply` the others' roles are those of before: pages, alerts,
    `status` and `query` go on with a country more.
    """
    work = {"br-worker": (watch, pages, look)}.get(role, (look,))
    for each in work:
        company.refused(role, each, countries=["BR"])


def test_a_countrys_own_worker_removes_its_data(company: Company) -> None:
    """`storeavail remove-country`, with a configuration that has it no more, while its role is
    still there: all of it, and nothing of the others.
    """
    storage = company.runtime().storage
    paths = [f"{folder}/x" for folder in folders_of("CL")] + files_of("CL")
    for path in paths:
        storage.replace(path, b"{}")
    kept = "landing/BR/kept/x"
    storage.replace(kept, b"{}")

    def remove(runtime: Runtime) -> None:
        remove_country(runtime, left_of(runtime, "CL", NOW))

    company.refused("cl-worker", remove, countries=["CL", "BR", "AR"])
    assert [path for path in paths if storage.read(path) is not None] == []
    assert storage.read(kept) is not None
    storage.delete(kept)


def test_the_age_of_the_newest_window_is_told(company: Company) -> None:
    """A tick of the sensor comes as far as the metric, whose absence is an alarm."""
    company.refused("br-worker", watch)
    found = boto3.client("cloudwatch").list_metrics(Namespace=METRICS)["Metrics"]
    assert WINDOW_AGE in {metric["MetricName"] for metric in found}


REFUSED = {
    "br-worker": (
        "read landing/AR/2026-11-23T1300/postgres/manifest.json",
        "read tables/storeavail_ar/stores/current.json",
        "write dashboard/AR/summary.json",
        "write silences/AR.json",
        "write tables/storeavail_ar/x.parquet",
        "delete windows/AR/2026-11-23T1300.json",
        "write warehouse.json",
        "list tables",
        "list audit",
    ),
    "br-nodes": ("write alerts/BR.json", "write silences/BR.json", "read windows/AR/x.json"),
    "br-operator": (
        "write windows/BR/2026-11-23T1300.json",
        "write alerts/BR.json",
        "delete silences/BR.json",
        "write silences/AR.json",
        "read tables/storeavail_ar/stores/current.json",
    ),
    "analyst": (
        "read landing/BR/2026-11-23T1300/postgres/1/part-0.parquet",
        "write tables/storeavail_br/stores/current.json",
        "write silences/BR.json",
        "list audit",
    ),
    "metastore": (
        "write tables/storeavail_br/stores/current.json",
        "delete tables/storeavail_br/stores/current.json",
        "delete tables/storeavail_br/",
        "read landing/BR/2026-11-23T1300/postgres/manifest.json",
        "read tables/storeavail_br/stores/data/x.parquet",
        "list windows/BR",
    ),
    "backup": ("write windows/BR/x.json", "delete tables/storeavail_br/stores/current.json"),
    "pages": (
        "read dashboard/BR/.kept/days.parquet",
        "read alerts/notes/BR/outbox/due/2026-11-22-brief.json",
        "read tables/storeavail_br/stores/current.json",
        "write dashboard/index.html",
        "list dashboard",
    ),
}


@pytest.mark.parametrize("role", REFUSED)
def test_each_role_is_refused_what_is_not_its_own(company: Company, role: str) -> None:
    """Also of what is not there: nothing is learned of it."""
    for line in REFUSED[role]:
        what, _, path = line.partition(" ")

        def ask(runtime: Runtime, what: str = what, path: str = path) -> None:
            storage = runtime.storage
            asking: dict[str, Callable[[], object]] = {
                "read": lambda: storage.read(path),
                "write": lambda: storage.replace(path, b""),
                "delete": lambda: storage.delete(path),
                "list": lambda: storage.names(path),
            }
            with pytest.raises(StorageRefused):
                asking[what]()

        assert company.refused(role, ask), line


def test_a_metastore_makes_folders_and_no_rows(company: Company) -> None:
    """Hadoop's folders are empty objects with a slash at their end: seen and made, and kept; so is
    that one is not there yet.
    """
    folder = "tables/storeavail_cl/stores/"

    def make(runtime: Runtime) -> None:
        storage = S3Storage(runtime.platform.warehouse)  # it asks for no layout
        for path in ("tables/storeavail_cl", folder.removesuffix("/"), folder):
            assert storage.read(path) is None
            assert storage.names(path.removesuffix("/")) == []
        storage.replace(folder, b"")
        assert storage.read(folder) == b""

    refused = company.refused("metastore", make)
    # the parts of a platform ask for the bucket's region besides, which S3 tells anybody
    assert [each for each in refused if "/tables" in each] == []
