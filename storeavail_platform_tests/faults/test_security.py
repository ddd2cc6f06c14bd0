"""What a leaked role, a listener on the network or a hostile store name can do: nothing beyond
what it was given.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from storeavail_platform.commands.diagnose import check_catalog
from storeavail_platform.config import Postgres, load_text
from storeavail_platform.domain.errors import SourceRejected
from storeavail_platform.domain.windows import Window
from storeavail_platform.pipeline.runtime import build_runtime
from storeavail_platform.reading.formats.text import as_json, as_table, csv_lines
from storeavail_platform.sources.postgres import PostgresSource
from storeavail_platform.warehouse.catalog import Warehouse
from storeavail_platform_tests.test_docs import page, section, sql_blocks
from storeavail_testing.metastore import HiveMetastore
from storeavail_testing.postgres import SCHEMA, PostgresServer
from storeavail_testing.tls import certificate, encrypted

WINDOW = Window.parse("2026-11-23T1300")
ROLE_PASSWORD = "battery staple"
NOT_LOOPBACK = "127.1"
"""Reaches this machine, but is no address that the platform takes for it: so it stands for
another host.
"""
STORE = "INSERT INTO stores VALUES (1, 'a', NULL, 'c', 'b', NULL, true);"


@pytest.fixture
def countries(postgres_server: PostgresServer) -> Iterator[dict[str, str]]:
    """Two countries with a database and a role each, made as docs/sources.md says; DSNs by
    country.
    """
    dsns = {}
    (documented,) = sql_blocks(section(page("sources.md"), "### Least privilege"))
    for code in ("br", "cl"):
        database, role = f"least_{code}", f"reader_{code}"
        postgres_server.create(database, SCHEMA + STORE + "CREATE TABLE salaries (amount int);")
        statements = documented.replace("change me", ROLE_PASSWORD)
        for name, own in (("storeavail_br", role), ("stores_br", database)):
            assert name in statements
            statements = statements.replace(name, own)
        postgres_server.execute(database, f"DROP ROLE IF EXISTS {role}; {statements}")
        dsns[code.upper()] = postgres_server.dsn(database, user=role, password=ROLE_PASSWORD)
    yield dsns
    for code in ("br", "cl"):
        postgres_server.execute(
            f"least_{code}", f"DROP OWNED BY reader_{code}; DROP ROLE reader_{code}"
        )


def rows(dsn: str, **settings: str) -> int:
    postgres = PostgresSource(
        Postgres.model_validate({"dsn": dsn, **settings}), "America/Sao_Paulo"
    )
    with postgres.open(WINDOW) as snapshot:
        return sum(batch.num_rows for split in snapshot.splits for batch in postgres.read(split))


def test_a_country_can_read_its_own_stores_and_nothing_else(countries: dict[str, str]) -> None:
    """The documented grants suffice for a reading; with them neither another country's database
    nor another table can be read.
    """
    assert rows(countries["BR"]) == 1
    with pytest.raises(SourceRejected, match='permission denied for database "least_cl"'):
        rows(countries["BR"].replace("least_br", "least_cl"))


def test_a_role_can_neither_read_other_tables_nor_write(
    countries: dict[str, str], postgres_server: PostgresServer
) -> None:
    """Even outside the platform's read-only session: the role itself has no right to it."""
    import psycopg2

    connection = psycopg2.connect(countries["BR"])
    try:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("SET default_transaction_read_only = off")
            for statement in (
                "SELECT * FROM salaries",
                "INSERT INTO stores(store_id) VALUES (2)",
                "DELETE FROM stores",
                "CREATE TABLE t (i int)",
            ):
                with pytest.raises(psycopg2.errors.InsufficientPrivilege):
                    cursor.execute(statement)
    finally:
        connection.close()


def literal(dsn: str, host: str, port: int, tmp_path: Path) -> str:
    """The DSN at another host, as a reference: written out it would be refused."""
    file = tmp_path / "dsn"
    file.write_text(
        dsn.replace("host=127.0.0.1", f"host={host}").replace(
            f"port={dsn.partition('port=')[2].split()[0]}", f"port={port}"
        )
    )
    return f"file:{file}"


def test_beyond_this_machine_a_connection_is_encrypted_or_refused(
    postgres_server: PostgresServer, tmp_path: Path
) -> None:
    """A server that speaks no TLS is refused, with the way out; with sslmode=disable it is
    read, and `check` warns.
    """
    dsn = postgres_server.create("clear_text", SCHEMA + STORE)
    reference = literal(dsn, NOT_LOOPBACK, postgres_server.port, tmp_path)
    with pytest.raises(SourceRejected, match="sslmode=disable"):
        rows(reference)
    reference = literal(dsn + " sslmode=disable", NOT_LOOPBACK, postgres_server.port, tmp_path)
    assert rows(reference) == 1
    findings = PostgresSource(
        Postgres.model_validate({"dsn": reference}), "America/Sao_Paulo"
    ).check()
    assert [finding.message for finding in findings if "not encrypted" in finding.message]


def test_an_encrypted_connection_is_read_and_who_answers_is_verified_where_it_is_said(
    postgres_server: PostgresServer, tmp_path: Path
) -> None:
    """Beyond this machine TLS needs no setting, and `check` warns that nobody is verified then;
    `verify-full` also refuses whoever has another certificate.
    """
    dsn = postgres_server.create("encrypted", SCHEMA + STORE)
    public, private = certificate(tmp_path, "localhost")
    with encrypted(postgres_server.port, public, private) as port:
        reference = literal(dsn, NOT_LOOPBACK, port, tmp_path)
        assert rows(reference) == 1
        for options, warned in (
            ("", 1),
            (" sslmode=require", 1),
            (f" sslmode=require sslrootcert={public}", 0),
            (f" sslmode=verify-ca sslrootcert={public}", 0),
        ):
            reference = literal(dsn + options, NOT_LOOPBACK, port, tmp_path)
            findings = PostgresSource(
                Postgres.model_validate({"dsn": reference}), "America/Sao_Paulo"
            ).check()
            warnings = [each.message for each in findings if each.level != "ok"]
            assert len(warnings) == warned, options
            assert all("nobody looked at who answers" in each for each in warnings)
        verified = f"{dsn} sslmode=verify-full sslrootcert={public}"
        assert rows(literal(verified, "localhost", port, tmp_path)) == 1
        with pytest.raises(SourceRejected, match="certificate"):
            rows(literal(verified, NOT_LOOPBACK, port, tmp_path))


@pytest.mark.parametrize("way", ["service", "environment"])
def test_the_sslmode_of_a_service_file_and_of_the_environment_counts(
    postgres_server: PostgresServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    """`verify-full` is not taken back to an encryption that lets anyone answer."""
    dsn = postgres_server.create("verified", SCHEMA + STORE)
    public, private = certificate(tmp_path, "localhost")
    monkeypatch.setenv("PGSSLROOTCERT", str(public))
    if way == "service":
        (tmp_path / "services").write_text("[br]\nsslmode=verify-full\n")
        monkeypatch.setenv("PGSERVICEFILE", str(tmp_path / "services"))
        dsn += " service=br"
    else:
        monkeypatch.setenv("PGSSLMODE", "verify-full")
    with encrypted(postgres_server.port, public, private) as port:
        assert rows(literal(dsn, "localhost", port, tmp_path)) == 1
        with pytest.raises(SourceRejected, match="certificate"):
            rows(literal(dsn, NOT_LOOPBACK, port, tmp_path))


@pytest.mark.parametrize(
    ("uris", "level"),
    [
        ("thrift://127.0.0.1:{port}", "ok"),
        ("thrift://{other}:{port}", "warning"),
        ("thrift://localhost:{port},thrift://{other}:{port}", "warning"),
    ],
)
def test_a_metastore_beyond_this_machine_is_warned_of(
    metastore: HiveMetastore, tmp_path: Path, uris: str, level: str
) -> None:
    """Thrift is not encrypted, and `check` says so."""
    uri = uris.format(port=metastore.port, other=NOT_LOOPBACK)
    country = (
        "{timezone: America/Sao_Paulo, postgres: {dsn: 'env:BR_DSN'}, online_index: {path:"
        " ./br.ndjson}}"
    )
    text = (
        f"warehouse: ./warehouse\ncatalog: {{type: hive, uri: '{uri}'}}\ncountries: {{BR:"
        f" {country}}}"
    )
    runtime = build_runtime(load_text(text, base=tmp_path, origin="test"))
    assert isinstance(runtime.warehouse, Warehouse)
    assert check_catalog(runtime, "BR").level == level


HOSTILE = ["=cmd()", "+1", "-2+3", "@SUM(A1)", "\t=1", "</script>", "a\x1b[2Jb", 'x"\n=1']


def test_hostile_names_are_inert_in_every_format() -> None:
    """CSV: no cell starts as a formula. A table: no control character reaches the terminal.

    JSON: values exactly as they are.
    """
    result = pa.table({"name": HOSTILE, "minutes": [-1] * len(HOSTILE)})
    parsed = list(csv.reader(csv_lines(result)))[1:]
    assert [name for name, _ in parsed] == [
        "'=cmd()",
        "'+1",
        "'-2+3",
        "'@SUM(A1)",
        "'\t'=1",
        "</script>",
        "a\x1b[2Jb",
        "x\"\n'=1",
    ]
    assert {minutes for _, minutes in parsed} == {"-1"}
    assert "\x1b" not in as_table(result)
    import orjson

    assert [row["name"] for row in orjson.loads(as_json(result))] == HOSTILE
