"""The configuration: what loads, what is refused and in which words, what travels."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pytest

from storeavail_platform.config import (
    ElasticsearchIndex,
    FileIndex,
    Platform,
    dagster_home,
    demo_config_path,
    format_duration,
    load_platform,
    load_text,
    parse_duration,
)
from storeavail_platform.domain.errors import ConfigError

PASSWORD = "hunter2"
EXAMPLE = """
warehouse: ./warehouse                 # folder or s3://bucket/prefix
catalog: {type: sql}                   # SQLite beside the tables | {type: hive, uri: thrift://host:9083}
engine: duckdb                         # duckdb | spark
execution: local                       # local | emr
partitions_start: 2026-11-01
observation_grace: 2m
retention: {landing: 7d, history: 7d, facts: 400d}
suspect: {listed_drop: 0.2, missing_rise: 0.2, coverage_drop: 0.2, stale_after: 60m}
alerts: {channels: [log], freshness: {warn: 20m, fail: 35m}, availability: {objective: 0.95, after: 3, resolve: 2}, repeat: 4h}
dagster_url: null                      # for links in alerts
countries:
  BR:                                  # a country may override retention, suspect and alerts
    timezone: America/Sao_Paulo
    postgres: {dsn: env:BR_POSTGRES_DSN}
    online_index: {url: env:BR_ES_URL, index: stores_br, store_id: store_id, online: online, updated_at: updated_at, query: null,
                   api_key: null}
    without_hours: closed              # closed | always_open
    observe_from: worker               # worker | cluster
    aws: {profile: null, region: sa-east-1, assume_role: null}
    emr: {cluster: {name: storeavail-br}, staging: s3://bucket/br/staging, code: s3://bucket/app/code.zip, execution_role: null,
          step_timeout: 10m, spark: {spark.executor.memory: 4g}}
"""


def country(
    *,
    postgres: str = "{dsn: env:DSN}",
    index: str = "{url: env:ES, index: stores}",
    extra: str = "",
    platform: str = "",
) -> str:
    """A configuration with one country, BR."""
    sections = (
        f"timezone: America/Sao_Paulo\n    postgres: {postgres}\n    online_index: {index}\n   "
        f" {extra}"
    )
    return f"{platform}\ncountries:\n  BR:\n    {sections}\n"


def load(text: str, base: Path = Path("/etc/storeavail")) -> Platform:
    return load_text(text, base=base, origin="storeavail.yaml")


def refusal(text: str, base: Path = Path("/etc/storeavail")) -> list[str]:
    """The lines of the ConfigError that a text gives; no error may ever hold the password or
    carry one in its cause.
    """
    with pytest.raises(ConfigError) as caught:
        load(text, base)
    assert PASSWORD not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None or caught.value.__suppress_context__
    return [line.strip() for line in str(caught.value).splitlines()]


def test_the_documented_example_loads_without_its_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    """The example of the contract loads as it is: references are not resolved by loading."""
    monkeypatch.delenv("BR_POSTGRES_DSN", raising=False)
    monkeypatch.delenv("BR_ES_URL", raising=False)
    platform = load(EXAMPLE)
    brazil = platform.country("BR")
    assert platform.warehouse == "/etc/storeavail/warehouse"
    assert platform.partitions_start == date(2026, 11, 1)
    assert (brazil.code, brazil.namespace, brazil.timezone) == (
        "BR",
        "storeavail_br",
        "America/Sao_Paulo",
    )
    assert platform.observation_grace == timedelta(minutes=2)
    assert isinstance(brazil.online_index, ElasticsearchIndex)
    assert brazil.emr is not None
    assert brazil.emr.spark == {"spark.executor.memory": "4g"}
    with pytest.raises(
        ConfigError, match="secret env:BR_POSTGRES_DSN: the environment variable is not set"
    ):
        brazil.postgres.dsn.resolve(brazil.aws)


def test_what_is_left_out_has_the_defaults_of_the_example() -> None:
    """The shortest configuration means the same as the example that spells the defaults out."""
    spelled, short = load(EXAMPLE), load(country())
    for name in (
        "warehouse",
        "catalog",
        "engine",
        "execution",
        "partitions_start",
        "observation_grace",
        "retention",
        "suspect",
        "alerts",
    ):
        assert getattr(short, name) == getattr(spelled, name)


@pytest.mark.parametrize(
    ("reports", "said"),
    [
        ("{brief_at: 8}", 'reports.brief_at: write it like "22:00", in quotes'),
        ("{baseline: {first: 2026-10-02, last: 2026-10-01}}", "has to be before last"),
        ("{scheduled: [{name: A b, cron: 0 9 * * 1, country: BR}]}", "[0].name: write it like"),
        ("{scheduled: [{name: a, cron: 0 9 * *, country: BR}]}", "[0].cron: write five fields"),
        ("{scheduled: [{name: a, cron: 0 24 * * 1, country: BR}]}", "'24' is no hour"),
        ("{scheduled: [{name: a, cron: 0 9-8 * * 1, country: BR}]}", "'9-8' is no hour"),
        ("{scheduled: [{name: a, cron: 0 9 * * mon, country: BR}]}", "'mon' is no weekday"),
        ("{scheduled: [{name: a, cron: 0 9 * * 1, country: BZ}]}", "there is no country 'BZ'"),
        (
            "{scheduled: [{name: a, cron: 0 9 * * 1, country: BR}, {name: a, cron: 0 8 * * 1, country: BR}]}",
            "a: each report needs a name of its own",
        ),
    ],
)
def test_mistakes_in_reports_are_told_before_anything_is_scheduled(reports: str, said: str) -> None:
    """A cron expression too: one that is wrong would take all schedules with it."""
    lines = refusal(f"""
    reports: {reports}
    countries:
      BR: {{timezone: America/Sao_Paulo, postgres: {{dsn: "env:DSN"}}, online_index: {{path: x}}}}
    """)
    assert lines[0] == "storeavail.yaml: 1 mistake"
    assert said in lines[1]


def test_every_mistake_is_told_at_once_with_its_path() -> None:
    """One load tells all mistakes, each with the place, the choices and the nearest right name."""
    lines = refusal("""
warehose: x
engine: duckd
partitions_start: 2011-12-31
observation_grace: 2 minutes
retention: {landing: 0s}
suspect: {listed_drop: 1.5}
alerts: {channels: [mail], freshness: {warn: 40m, fail: 35m}}
countries:
  br: {timezone: UTC, postgres: {dsn: env:DSN}, online_index: {path: x}}
  BR:
    timezone: America/Sao_Paolo
    postgres: {dns: env:DSN}
    online_index: {}
    observe_from: cluster
    emr: {cluster: {id: j-1, name: x}, staging: s3://b, code: s3://b/c}
""")
    assert lines == [
        "storeavail.yaml: 14 mistakes",
        "engine: 'duckd' is not one of duckdb, spark; did you mean 'duckdb'?",
        "partitions_start: should be greater than or equal to 2012-01-01",
        (
            "observation_grace: '2 minutes' is not a duration: write a whole number and a unit (s,"
            " m, h or d), for example 15m"
        ),
        "retention.landing: has to be longer than 0s",
        "suspect.listed_drop: should be less than or equal to 1",
        "alerts.channels[0]: is not a channel: write log, {sns: arn} or {apprise: env:NAME}",
        "alerts.freshness: warn (40m) has to be shorter than fail (35m)",
        (
            "countries.br: is not a country code: 2 to 8 capital letters and digits, a letter"
            " first, for example BR"
        ),
        (
            "countries.BR.timezone: 'America/Sao_Paolo' is not an IANA time zone; did you mean"
            " 'America/Sao_Paulo'?"
        ),
        "countries.BR.postgres.dsn: is required",
        (
            "countries.BR.postgres.dns: unknown setting; did you mean 'dsn'? "
            "(settings here: dsn, hours_query, statement_timeout, stores_query)"
        ),
        "countries.BR.online_index: give url and index (Elasticsearch), or path (a file or folder)",
        "countries.BR.emr.cluster: give either id or name",
        (
            "warehose: unknown setting; did you mean 'warehouse'? (settings here: alerts, catalog,"
            " commit_patience, countries, dagster_url, dashboard, dashboard_url, deploy, engine,"
            " execution, observation_grace, partitions_start, reports, retention, runbook_url, suspect, warehouse)"
        ),
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "engine: duckdb\nengine: spark\n" + country(),
            "line 2: engine is already on line 1; keep one of them",
        ),
        ("engine: [duckdb\n" + country(), "storeavail.yaml, line 3: is not YAML"),
        (
            country(postgres=f"{{dsn: *{PASSWORD}}}"),
            "storeavail.yaml, line 5: cannot be read: an alias, a tag",
        ),
        ("", "storeavail.yaml: is empty"),
        ("- a list", "storeavail.yaml: is not a mapping"),
        ("countries: {}", "countries: "),
        (country(platform="observation_grace: 16m"), "observation_grace: "),
        (country(platform="catalog: {type: hive}"), "catalog.uri: is required"),
        (country(platform="catalog: {type: glue}"), "catalog: the type is not one of sql, hive"),
        (
            country(platform="warehouse: s3://bucket/prefix"),
            "catalog: type sql is a SQLite file and needs a warehouse in a folder",
        ),
        (country(platform="warehouse: ~/warehouse"), "warehouse: ~ is not expanded"),
        (
            country(platform="retention:"),
            "retention: write a mapping with some of landing, history, facts",
        ),
        (
            country(extra="observe_from: cluster"),
            "countries.BR.observe_from: 'cluster' reads the sources on Spark executors",
        ),
        (country(extra="code: BR"), "countries.BR.code: unknown setting"),
        (
            country(index="{url: env:ES, index: 7}"),
            "countries.BR.online_index.index: has to be text: put it in quotes",
        ),
        (
            country(index="{url: env:ES, index: x, username: reader}"),
            "countries.BR.online_index: username and password belong together",
        ),
        (
            country(index="{path: x, slices: 2}"),
            "countries.BR.online_index.slices: unknown setting",
        ),
        (
            country(index="{url: env:ES, index: x, query: '['}"),
            "countries.BR.online_index.query: is not JSON",
        ),
    ],
)
def test_a_mistake_is_told_in_words_that_say_what_to_change(text: str, said: str) -> None:
    """Each kind of mistake names its line or path, and what would be right."""
    assert any(line.startswith(said) for line in refusal(text)), refusal(text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x: " + "[" * 60 + "]" * 60, "nests deeper than 40 levels"),
        ("x: " + "[" * 20_000, "nests deeper than 40 levels"),
        ("a: &a {b: *a}", "or contains itself"),
        (
            "a0: &a0 [x, x]\n"
            + "".join(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]\n" for n in range(1, 30)),
            "make more than 100,000 values",
        ),
        (
            "a0: &a0 {x: 1}\n"
            + "".join(
                f"a{n}: &a{n} {{<<: [*a{n - 1}, *a{n - 1}], k{n}: 1}}\n" for n in range(1, 30)
            ),
            "make more than 100,000 values",
        ),
        ("#" * 1_000_001, "at most 1,000,000"),
    ],
    ids=["deep", "deeper", "itself", "aliases", "merge_keys", "long"],
)
def test_what_is_endless_as_values_is_refused(text: str, said: str) -> None:
    """Before it takes the memory: aliases and merge keys of each other are small as a text."""
    assert said in " ".join(refusal(text))


def test_norway_is_not_false() -> None:
    """YAML's `NO` is the country, as every other plain word stays a word."""
    text = country().replace("BR:", "NO:").replace("America/Sao_Paulo", "Europe/Oslo")
    assert load(text).country("NO").namespace == "storeavail_no"


def test_an_unknown_country_is_answered_with_the_known_ones() -> None:
    """Asking for a country that is not configured lists those that are."""
    with pytest.raises(
        ConfigError, match=r"no country 'BRA'; did you mean 'BR'\? \(countries: BR\)"
    ):
        load(EXAMPLE).country("BRA")


def test_a_country_overrides_setting_by_setting() -> None:
    """A country's own retention, suspect and alerts lie over the platform's; lists are
    replaced, everything else stays.
    """
    platform = load(
        country(
            platform=(
                "alerts: {channels: [log, {apprise: env:URL}], freshness: {warn: 10m, fail:"
                " 50m}}\nretention: {facts: 30d}"
            ),
            extra="alerts: {channels: [{apprise: env:BR_URL}], freshness: {warn: 40m}}",
        )
    )
    brazil = platform.country("BR")
    assert [str(getattr(channel, "apprise", channel)) for channel in brazil.alerts.channels] == [
        "env:BR_URL"
    ]
    assert (brazil.alerts.freshness.warn, brazil.alerts.freshness.fail) == (
        timedelta(minutes=40),
        timedelta(minutes=50),
    )
    assert platform.alerts.freshness.warn == timedelta(minutes=10)
    assert brazil.retention == platform.retention


def test_a_countrys_deployment_is_laid_over_the_platforms() -> None:
    """A country gives what differs; lists are replaced whole; what is wrong for one country is
    told with its path.
    """
    shared = (
        "deploy: {tags: {team: data}, cluster: {core: {on_demand: 2}}, alarms: {emails:"
        " [a@example.com]}}"
    )
    own = (
        "deploy: {account: '123456789012', cluster: {scaling: {maximum: 8}}, alarms: {emails:"
        " [b@example.com]}}"
    )
    deploy = load(country(extra=own, platform=shared)).country("BR").deploy
    assert (deploy.account, deploy.tags, deploy.alarms.emails) == (
        "123456789012",
        {"team": "data"},
        ("b@example.com",),
    )
    assert (
        deploy.cluster.core.on_demand,
        deploy.cluster.scaling.maximum,
        deploy.cluster.scaling.minimum,
    ) == (2, 8, 1)
    wrong = (
        "deploy: {account: 12, cluster: {release: 7.14, core: {on_demand: 0}, task: {spot: 9},"
        " spot_patience: 90s}, networks: {}}"
    )
    assert refusal(country(extra=wrong))[1:] == [
        "countries.BR.deploy.account: has to be text: put it in quotes",
        "countries.BR.deploy.cluster.release: has to be text: put it in quotes",
        (
            "countries.BR.deploy.cluster.core: a cluster needs at least one core node: on_demand or"
            " spot of 1 or more"
        ),
        "countries.BR.deploy.cluster.spot_patience: has to be whole minutes, from 5m to 1d",
        (
            "countries.BR.deploy.networks: unknown setting; did you mean 'network'? (settings here:"
            " account, alarms, analytics, cluster, encryption, logs, logs_kept, metastore, network,"
            " prefix, roles, tags, versions_kept)"
        ),
    ]
    with pytest.raises(
        ConfigError, match=r"core and task begin with 10 nodes, and scaling\.maximum is 4"
    ):
        load(country(extra="deploy: {cluster: {task: {spot: 9}}}"))


def test_an_inherited_mistake_is_told_once() -> None:
    """A mistake in the platform's section is not repeated for its heirs; one of a country's own
    is told there.
    """
    text = country(platform="retention: {landing: x, history: 1d}", extra="retention: {facts: y}")
    assert [line.partition(":")[0] for line in refusal(text)[1:]] == [
        "retention.landing",
        "countries.BR.retention.facts",
    ]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("30s", 30), ("2m", 120), ("4h", 14_400), ("7d", 604_800), ("0s", 0), ("90s", 90)],
)
def test_a_duration_reads_back_as_it_was_written(text: str, seconds: int) -> None:
    """Durations are a number and a unit, and are written in the largest unit that fits."""
    assert parse_duration(text) == timedelta(seconds=seconds)
    assert format_duration(timedelta(seconds=seconds)) == text


@pytest.mark.parametrize("text", ["", "15", "m", "1.5h", "-2m", "2 m", "99999d", 60])
def test_what_is_not_a_duration_is_refused(text: object) -> None:
    """No unit, no whole number, a sign, or more than a century."""
    with pytest.raises(ValueError, match=r"not a duration|too long"):
        parse_duration(text)


def test_paths_are_relative_to_the_configuration_file(tmp_path: Path) -> None:
    """Not to the working directory; a recorded index and a CA certificate included."""
    platform = load(
        country(platform="warehouse: data/../w/", index="{path: recorded}"), base=tmp_path
    )
    index = platform.country("BR").online_index
    assert platform.warehouse == str(tmp_path / "w")
    assert isinstance(index, FileIndex)
    assert index.path == str(tmp_path / "recorded")


@pytest.mark.parametrize("name", ["a?b", "a#b", "a*", "a[b]", "{a,b}", "a\\\\b", "a%20b", "a\\nb"])
@pytest.mark.parametrize("place", ["./", "s3://bucket/"])
def test_a_path_that_readers_take_for_something_else_is_refused(name: str, place: str) -> None:
    """At load, by every command alike, with the characters to avoid; also above the folder."""
    said = refusal(country(platform=f'warehouse: "{place}{name}/w"'))
    assert said[1].startswith("warehouse: has ")
    assert "choose a folder without" in said[1]


def test_sql_files_travel_with_the_configuration(tmp_path: Path) -> None:
    """`restore(dump())` gives an equal configuration where its files do not exist, with the
    launcher's SQL.
    """
    home = tmp_path / "home"
    (home / "sql").mkdir(parents=True)
    query = home / "sql" / "stores.sql"
    query.write_text("SELECT 1")
    platform = load(country(postgres="{dsn: env:DSN, stores_query: sql/stores.sql}"), base=home)
    assert platform.country("BR").postgres.stores_query == str(query)
    assert platform.country("BR").postgres.stores_sql == "SELECT 1"
    dump = platform.dump()
    query.unlink()
    restored = Platform.restore(dump)
    assert restored == platform
    assert restored.country("BR").postgres.stores_sql == "SELECT 1"
    assert restored.country("BR").postgres.hours_sql is None
    assert restored.origin == "storeavail.yaml"
    with pytest.raises(ConfigError, match=r"not what Platform.dump\(\) writes"):
        Platform.restore("{}")


def test_sql_files_cannot_lie_outside_the_folder(tmp_path: Path) -> None:
    """Neither by `..`, nor by an absolute path, nor by a symbolic link; a link that stays
    inside is fine.
    """
    home = tmp_path / "home"
    home.mkdir()
    (tmp_path / "secret.sql").write_text("SELECT 1")
    (home / "link.sql").symlink_to(tmp_path / "secret.sql")
    (home / "real.sql").write_text("SELECT 2")
    (home / "alias.sql").symlink_to("real.sql")
    (home / "empty.sql").write_text("\n")
    for path in ("../secret.sql", str(tmp_path / "secret.sql"), "link.sql"):
        said = refusal(country(postgres=f"{{dsn: env:DSN, stores_query: {path}}}"), base=home)
        assert said[1:] == [
            "countries.BR.postgres.stores_query: has to lie in the folder of the configuration"
            " file, or below it"
        ]
    for path, problem in (
        ("none.sql", "there is no file"),
        ("empty.sql", "is empty"),
        (".", "cannot read"),
    ):
        assert (
            problem
            in refusal(country(postgres=f"{{dsn: env:DSN, hours_query: {path}}}"), base=home)[1]
        )
    assert (
        load(country(postgres="{dsn: env:DSN, hours_query: alias.sql}"), base=home)
        .country("BR")
        .postgres.hours_sql
        == "SELECT 2"
    )


def test_a_mistake_in_one_countrys_files_leaves_the_others_running(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It is a warning, and whoever reads BR's stores is told; on another machine too. A mistake in
    the configuration file itself, which all share, is refused as ever.
    """
    (tmp_path / "cl.sql").write_text("SELECT 1")
    index = "timezone: UTC, online_index: {path: ./x}"
    text = (
        f"countries:\n  BR: {{{index}, postgres: {{dsn: 'env:A', stores_query: br.sql}}}}\n"
        f"  CL: {{{index}, postgres: {{dsn: 'env:B', stores_query: cl.sql}}}}\n"
    )
    platform = load(text, tmp_path)
    assert "countries.BR.postgres.stores_query: there is no file" in caplog.text
    for each in (platform, Platform.restore(platform.dump())):
        assert each.country("CL").postgres.stores_sql == "SELECT 1"
        with pytest.raises(
            ConfigError, match=r"postgres\.stores_query: there is no file .*br\.sql"
        ):
            _ = each.country("BR").postgres.stores_sql
    assert len(refusal(text.replace("UTC", "UTX", 1), tmp_path)) == 3
    (tmp_path / "cl.sql").unlink()
    assert len(refusal(text, tmp_path)) == 3


def test_where_the_configuration_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The given path, else $STOREAVAIL_CONFIG, else the demo's; a missing one says what to do."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("STOREAVAIL_CONFIG", raising=False)
    monkeypatch.delenv("STOREAVAIL_DEMO_HOME", raising=False)
    demo = tmp_path / ".storeavail" / "demo" / "storeavail.yaml"
    assert demo_config_path() == demo
    with pytest.raises(ConfigError, match=r"no configuration file .*: `make demo` writes one"):
        load_platform()
    for file in (demo, tmp_path / "variable.yaml", tmp_path / "given.yaml"):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(country())
    assert load_platform().origin == str(demo)
    assert load_platform().warehouse == str(demo.parent / "warehouse")
    monkeypatch.setenv("STOREAVAIL_CONFIG", "variable.yaml")
    assert load_platform().origin == str(tmp_path / "variable.yaml")
    assert load_platform("given.yaml").origin == str(tmp_path / "given.yaml")
    monkeypatch.setenv("STOREAVAIL_CONFIG", "none.yaml")
    with pytest.raises(ConfigError, match=r"none\.yaml \(named by STOREAVAIL_CONFIG\)"):
        load_platform()
    monkeypatch.setenv("STOREAVAIL_DEMO_HOME", str(tmp_path / "elsewhere"))
    assert demo_config_path() == tmp_path / "elsewhere" / "storeavail.yaml"
    with pytest.raises(ConfigError, match="cannot read the configuration"):
        load_platform(str(tmp_path))


def test_dagster_lives_below_a_folder_and_is_named_for_s3(monkeypatch: pytest.MonkeyPatch) -> None:
    """Dagster's home: $DAGSTER_HOME, else below the warehouse; a warehouse on S3 cannot hold it."""
    remote = load(
        country(platform="warehouse: s3://bucket/w\ncatalog: {type: hive, uri: 'thrift://h:1'}")
    )
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    assert dagster_home(load(country())) == Path("/etc/storeavail/warehouse/dagster")
    with pytest.raises(ConfigError, match="DAGSTER_HOME is not set"):
        dagster_home(remote)
    monkeypatch.setenv("DAGSTER_HOME", "/srv/dagster")
    assert dagster_home(remote) == Path("/srv/dagster")
