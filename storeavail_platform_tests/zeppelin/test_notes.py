"""The notes and what Zeppelin is set to: made of their sources, of Zeppelin's format key by
key, with schedules that mean something, and in one place.
"""

from __future__ import annotations

import importlib.util
import json
import re
import xml.etree.ElementTree as ElementTree
from configparser import ConfigParser
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import duckdb
import pytest
import sqlglot
from dagster._utils.schedules import cron_string_iterator
from sqlglot import exp
from storeavail_deploy.flow import merged_classifications, zeppelin_classifications
from storeavail_deploy.notes import plan_notes
from storeavail_deploy.plan import NOTHING_TO_DO, PENDING

from storeavail_platform.domain.errors import ConfigError
from storeavail_platform.domain.tables.daily import STORE_OUTAGES
from storeavail_platform.domain.tables.views import OUTAGES
from storeavail_platform_tests.deploy.aws import Account, account, configuration, done
from storeavail_testing.spark_jars import ICEBERG_EXTENSIONS

__all__ = ["account"]

ZEPPELIN = Path(__file__).parents[2] / "zeppelin"
NOTES = sorted((ZEPPELIN / "notes").glob("*.zpln"))
NOTE_KEYS = {"paragraphs", "name", "id", "defaultInterpreterGroup", "version", "noteParams", "noteForms", "angularObjects", "config", "info", "path"}  # fmt: skip
PARAGRAPH_KEYS = {"title", "text", "user", "dateUpdated", "progress", "config", "settings", "results", "apps", "runtimeInfos", "jobName", "id", "dateCreated", "dateStarted", "dateFinished", "status", "errorMessage"}  # fmt: skip
CHARTS = {"table", "multiBarChart", "pieChart", "stackedAreaChart", "lineChart", "scatterChart"}


def load(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


@pytest.fixture(scope="module")
def build() -> ModuleType:
    """zeppelin/build.py."""
    spec = importlib.util.spec_from_file_location("build_notes", ZEPPELIN / "build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_notes_are_made_of_their_sources(build: ModuleType) -> None:
    """Byte for byte; none is there without a source."""
    wanted = build.files()
    assert {
        path: path.read_text(encoding="utf-8") for path in [*NOTES, build.PERMISSIONS]
    } == wanted
    assert len(NOTES) == 8


@pytest.mark.parametrize("path", NOTES, ids=lambda path: path.stem)
def test_a_note_is_of_zeppelins_format(path: Path) -> None:
    """Only the keys that Zeppelin stores, ids that are unique, its file's name; no results, and
    each paragraph of a known interpreter.
    """
    note = load(path)
    assert set(note) == NOTE_KEYS
    assert path.name.endswith(f"_{note['id']}.zpln")
    assert re.fullmatch(r"2[0-9A-Z]{8}", note["id"])
    assert note["path"] == f"/Store availability/{note['name']}"
    ids = [paragraph["id"] for paragraph in note["paragraphs"]]
    assert len(set(ids)) == len(ids) > 1
    for paragraph in note["paragraphs"]:
        assert set(paragraph) <= PARAGRAPH_KEYS - {"results", "errorMessage"}
        assert paragraph["text"].split("\n")[0] in {"%md", "%spark.sql", "%python"}
        datetime.strptime(paragraph["dateCreated"], "%Y-%m-%d %H:%M:%S.%f").replace(tzinfo=UTC)
        for result in paragraph["config"]["results"].values():
            assert result["graph"]["mode"] in CHARTS


def test_ids_are_the_notes_own() -> None:
    """No two notes have one."""
    assert len({load(path)["id"] for path in NOTES}) == len(NOTES)


@pytest.mark.parametrize("path", NOTES, ids=lambda path: path.stem)
def test_a_chart_draws_columns_that_are_there(build: ModuleType, path: Path) -> None:
    """Zeppelin finds a column by name and place together and leaves out what does not fit: a
    chart would be empty without an error.
    """
    for paragraph in load(path)["paragraphs"]:
        for result in paragraph["config"]["results"].values():
            graph = result["graph"]
            sql = build.FORM.sub(r"\1", paragraph["text"].partition("\n")[2])
            query = sqlglot.parse_one(sql, dialect="spark")
            assert isinstance(query, exp.Query)
            there = query.named_selects
            drawn = [*graph["keys"], *graph["groups"], *graph["values"]]
            assert [there[column["index"]] for column in drawn] == [
                column["name"] for column in drawn
            ]
            assert (graph["mode"] == "table") or (graph["keys"] and graph["values"])


@pytest.mark.parametrize("path", NOTES, ids=lambda path: path.stem)
def test_no_paragraph_divides_by_zero(build: ModuleType, path: Path) -> None:
    """At night a country expects nothing: every divisor is a number or NULLIF(..., 0)."""
    for paragraph in load(path)["paragraphs"]:
        magic, _, text = paragraph["text"].partition("\n")
        if magic == "%spark.sql":
            for division in sqlglot.parse_one(
                build.FORM.sub(r"\1", text), dialect="spark"
            ).find_all(exp.Div):
                assert isinstance(division.expression.unnest(), exp.Nullif | exp.Literal), (
                    division.sql()
                )


def test_schedules_are_every_15_minutes_after_the_observation() -> None:
    """Two notes refresh themselves; Quartz' expression gives minutes 10, 25, 40, 55 of every
    hour, and the folder may have schedules.
    """
    scheduled = [load(path)["config"]["cron"] for path in NOTES if "cron" in load(path)["config"]]
    assert len(scheduled) == 2
    for expression in scheduled:
        seconds, *fields = expression.split()
        # Quartz writes 10/15 for what cron writes 10-59/15, and ? for *
        minutes, *others = fields
        cron = " ".join(
            [minutes.replace("/", "-59/"), *(field.replace("?", "*") for field in others)]
        )
        times = cron_string_iterator(
            datetime(2026, 11, 23, 10, 0, tzinfo=UTC).timestamp(), cron, "UTC"
        )
        assert [next(times).minute for _ in range(5)] == [10, 25, 40, 55, 10]
        assert seconds == "0"
    # with the slash: it is compared with how a path begins
    assert properties("zeppelin-site")["zeppelin.notebook.cron.folders"] == "/Store availability/"


@pytest.mark.parametrize(
    "source",
    [
        "no title",
        "# NoFolder\ntext",
        '# A/B\n```sql colour="red"\nSELECT 1\n```\n',
        "# A/B\n```sql chart=lineChart keys=day values=other\nSELECT day, minutes FROM t\n```\n",
    ],
)
def test_a_source_that_is_wrong_is_refused(build: ModuleType, source: str) -> None:
    """A missing title, an option that a paragraph does not have, and a chart of a column that
    its SQL does not give.
    """
    with pytest.raises(ValueError, match="has"):
        build.note(source)


def properties(classification: str) -> dict[str, str]:
    (found,) = [
        each for each in zeppelin_classifications() if each["Classification"] == classification
    ]
    values: dict[str, str] = found["Properties"]
    return values


def test_the_site_file_and_the_classification_are_one() -> None:
    """Whoever sets Zeppelin up by hand gets the settings of the cluster."""
    root = ElementTree.parse(ZEPPELIN / "conf" / "zeppelin-site.xml").getroot()
    assert {entry.findtext("name"): entry.findtext("value") for entry in root} == properties(
        "zeppelin-site"
    )


def test_what_zeppelin_must_be_set_to() -> None:
    """Nothing but this machine reaches it, notes are private and encrypted, results are not
    saved, credentials are not kept, idle interpreters end.
    """
    site = properties("zeppelin-site")
    (environment,) = [
        each for each in zeppelin_classifications() if each["Classification"] == "zeppelin-env"
    ]
    # until there is a shiro.ini, Zeppelin lets everybody in who reaches it
    assert (
        environment["Configurations"][0]["Properties"]["ZEPPELIN_ADDR"]
        == site["zeppelin.server.addr"]
        == "127.0.0.1"
    )
    assert site["zeppelin.notebook.public"] == "false"
    assert site["zeppelin.notebook.storage"].endswith("S3NotebookRepo")
    assert site["zeppelin.notebook.s3.sse"] == "true"
    assert site["zeppelin.note.file.exclude.fields"] == "Paragraph.results"
    assert site["zeppelin.credentials.persist"] == "false"
    assert site["zeppelin.interpreter.lifecyclemanager.class"].endswith("TimeoutLifecycleManager")


def test_exploration_has_a_queue_of_its_own_and_shares_it() -> None:
    """Spark runs in it, and it cannot take the whole cluster. All notebooks are one user's to YARN:
    what shares is the order of applications, and the one user may have all of the queue; half of
    it is for masters, of which each notebook has one.
    """
    queues = properties("capacity-scheduler")
    assert properties("spark-defaults")["spark.yarn.queue"] == "notebooks"
    whole = int(queues["yarn.scheduler.capacity.root.notebooks.maximum-capacity"])
    assert whole < 100
    assert queues["yarn.scheduler.capacity.root.notebooks.ordering-policy"] == "fair"
    factor = int(queues["yarn.scheduler.capacity.root.notebooks.user-limit-factor"])
    assert factor * int(queues["yarn.scheduler.capacity.root.notebooks.capacity"]) >= whole
    assert "yarn.scheduler.capacity.root.notebooks.minimum-user-limit-percent" not in queues
    masters = queues["yarn.scheduler.capacity.root.notebooks.maximum-am-resource-percent"]
    assert float(masters) == 0.5
    shares = [
        int(queues[f"yarn.scheduler.capacity.root.{name}.capacity"])
        for name in ("default", "notebooks")
    ]
    assert sum(shares) == 100


def test_the_tests_spark_has_productions_extensions() -> None:
    """A statement that gives nothing with them is seen to."""
    assert properties("spark-defaults")["spark.sql.extensions"] == ICEBERG_EXTENSIONS


def test_an_outage_is_counted_once() -> None:
    """Whatever dates it is on: one row of either paragraph of outages, with all its minutes."""
    con = duckdb.connect()
    con.register("empty", STORE_OUTAGES.stored_schema().empty_table())
    con.execute("CREATE TABLE store_outages AS FROM empty")
    for date, minutes in (("2026-11-22", 100), ("2026-11-23", 30)):
        con.execute(
            "INSERT INTO store_outages BY NAME SELECT 'BR' AS country, '1' AS store_id,"
            f" DATE '{date}' AS local_date, TIMESTAMPTZ '2026-11-22 20:00+00' AS started_at,"
            f" {minutes} AS missed_minutes, 130 AS missed_minutes_total, false AS is_started_before"
        )
    con.execute(f"CREATE SCHEMA storeavail; CREATE VIEW storeavail.outages AS {OUTAGES.sql()}")
    (note,) = [load(path) for path in NOTES if load(path)["name"].startswith("4 ")]
    found = {
        paragraph["title"]: con.execute(paragraph["text"].partition("\n")[2]).fetchall()
        for paragraph in note["paragraphs"]
        if "utage" in paragraph.get("title", "") and "store_availability" not in paragraph["text"]
    }
    assert found["How long outages last"] == [(2, 1)]
    assert [row[6] for row in found["Outages going on"]] == [130]


def test_interpreters_are_each_users_own() -> None:
    """Spark, Python and JDBC, isolated by user; none holds a password."""
    settings = json.loads((ZEPPELIN / "conf" / "interpreter.json").read_text())[
        "interpreterSettings"
    ]
    assert set(settings) == {"spark", "python", "jdbc"}
    for setting in settings.values():
        assert setting["option"]["perUser"] == "isolated"
        assert not any("password" in name for name in setting["properties"])
    assert settings["spark"]["properties"]["spark.yarn.queue"]["value"] == "notebooks"


def test_users_are_a_directorys_or_the_files_own() -> None:
    """Both realms are in shiro.ini's template."""
    template = ConfigParser(interpolation=None, strict=False, delimiters=("=",))
    template.read_string((ZEPPELIN / "conf" / "shiro.ini.template").read_text())
    assert "org.apache.zeppelin.realm.LdapRealm" in template["main"]["ldaprealm"]
    assert "users" in template


def test_notes_are_published_one_way(aws: Account) -> None:
    """A dry run changes nothing; then they are there; a second time nothing is done; an
    analyst's note stays; one that was changed comes back.
    """
    with pytest.raises(ConfigError, match=r"deploy\.analytics\.notebooks is missing"):
        plan_notes(aws.site(configuration(["BR"])), ZEPPELIN / "notes")
    with pytest.raises(ConfigError, match="names a whole bucket"):
        plan_notes(
            aws.site(configuration(["BR"], deploy="{analytics: {notebooks: s3://notes}}")),
            ZEPPELIN / "notes",
        )
    platform = configuration(["BR"], deploy="{analytics: {notebooks: s3://company/notebooks}}")
    s3 = aws.session.client("s3")
    s3.create_bucket(
        Bucket="company", CreateBucketConfiguration={"LocationConstraint": "sa-east-1"}
    )
    s3.put_object(Bucket="company", Key="notebooks/notebook/ana/mine_2ABC.zpln", Body=b"{}")

    def plan() -> Any:
        return plan_notes(aws.site(platform), ZEPPELIN / "notes")

    aws.calls.clear()
    assert (done(plan(), dry_run=True)[0], aws.changing) == (PENDING, [])
    assert done(plan())[0] == 0
    keys = {found["Key"] for found in s3.list_objects_v2(Bucket="company")["Contents"]}
    assert "notebooks/notebook/ana/mine_2ABC.zpln" in keys
    assert {key.rsplit("_", 1)[1] for key in keys} == {
        "2ABC.zpln",
        *(f"{load(path)['id']}.zpln" for path in NOTES),
    }
    assert done(plan()) == (0, NOTHING_TO_DO)
    changed = next(key for key in keys if "Start here" in key)
    s3.put_object(Bucket="company", Key=changed, Body=b"{}")
    code, said = done(plan())
    assert (code, said.count("done ")) == (0, 1)
    assert (
        json.loads(s3.get_object(Bucket="company", Key=changed)["Body"].read())["name"]
        == "1 Start here"
    )


def test_later_classifications_lie_over_earlier_ones() -> None:
    """The place of the notes joins Zeppelin's own settings."""
    merged = merged_classifications(
        zeppelin_classifications(),
        [{"Classification": "zeppelin-site", "Properties": {"zeppelin.notebook.s3.bucket": "b"}}],
    )
    (site,) = [each for each in merged if each["Classification"] == "zeppelin-site"]
    assert site["Properties"]["zeppelin.notebook.s3.bucket"] == "b"
    assert site["Properties"]["zeppelin.notebook.public"] == "false"
