"""Connection strings: what libpq makes of them, and the forms of other clients."""

from __future__ import annotations

from pathlib import Path

import pytest

from storeavail_platform.config.dsn import effective_parts, encryption, foreign_form
from storeavail_platform.domain.errors import ConfigError
from storeavail_platform_tests.config.test_config import PASSWORD, country, refusal


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("postgresql+psycopg2://u:{}@db/x", "form of SQLAlchemy; write postgresql:// in its"),
        ("postgres+asyncpg://u:{}@db/x", "form of SQLAlchemy; write postgresql:// in its"),
        ("jdbc:postgresql://db/x?user=u&password={}", "form of JDBC; write postgresql://"),
        ("postgis://u:{}@db/x", "another client; write postgresql://"),
        (
            "postgresql://u:{}@db/x?schema=shop",
            "schema is Prisma's: write options=-csearch_path%3DSCHEMA",
        ),
        (
            "postgresql://u:{}@db/x?sslmode=require&pgbouncer=true&connection_limit=5",
            "pgbouncer is Prisma's: leave it out.*connection_limit is Prisma's: leave it out",
        ),
        ("postgres://u:{}@db/x?sslaccept=strict", "sslaccept is Prisma's: write sslmode=verify-f"),
        (
            "postgresql://u:{}@db/x?ssl=require",
            "ssl is JDBC's and asyncpg's: write sslmode=require",
        ),
        ("postgresql://u:{}@db/x?no_such=1", "a parameter that libpq does not know"),
        ("mysql://u:{}@db/x", "is not a PostgreSQL DSN"),
    ],
)
def test_a_form_of_another_client_is_told_by_name(url: str, message: str) -> None:
    """With what to write instead; the text itself is not repeated."""
    with pytest.raises(ConfigError, match=message) as caught:
        effective_parts(url.format(PASSWORD))
    assert PASSWORD not in str(caught.value)
    assert caught.value.__context__ is None


def test_a_form_of_another_client_is_told_at_load_too() -> None:
    """Where it is written out."""
    said = refusal(country(postgres=f"{{dsn: 'postgresql+psycopg2://u:{PASSWORD}@localhost/x'}}"))
    assert said[1].startswith("countries.BR.postgres.dsn: postgresql+psycopg2:// is the form of")
    assert foreign_form("postgresql://u@localhost/x?options=-csearch_path%3Dshop") is None


@pytest.mark.parametrize(
    ("dsn", "environment", "added"),
    [
        ("host=db", {}, {"sslmode": "require"}),
        ("postgresql://db/x?sslmode=prefer", {}, {}),
        ("host=db", {"PGSSLMODE": "verify-full"}, {}),
        ("service=br", {}, {}),
        ("service=plain", {}, {"sslmode": "require"}),
        ("dbname=x", {"PGSERVICE": "br"}, {}),
        ("service=local", {}, {}),
        ("dbname=x", {}, {}),
        ("dbname=x", {"PGHOST": "db"}, {"sslmode": "require"}),
        ("host=localhost,db", {}, {"sslmode": "require"}),
        ("host=db sslrootcert=system", {}, {}),
        ("service=unknown host=db", {}, {"sslmode": "require"}),
    ],
)
def test_encryption_is_added_only_where_nothing_is_said(
    tmp_path: Path, dsn: str, environment: dict[str, str], added: dict[str, str]
) -> None:
    """By the connection string, its service file or the environment, as libpq looks for it; on this
    machine nothing is needed.
    """
    (tmp_path / "services").write_text(
        "# ours\n[br]\nhost=db\nsslmode=verify-full\n\n[plain]\nhost=db\n[local]\nhost=/run/pg\n"
    )
    environment = {"PGSERVICEFILE": str(tmp_path / "services"), **environment}
    assert encryption(effective_parts(dsn, environment)) == added


def test_a_service_is_laid_between_string_and_environment(tmp_path: Path) -> None:
    """What is nearer wins."""
    (tmp_path / "services").write_text("[br]\nhost=service\nport=6432\n")
    environment = {
        "PGSERVICEFILE": str(tmp_path / "services"),
        "PGHOST": "variable",
        "PGUSER": "u",
    }
    assert effective_parts("service=br port=1", environment) == {
        "service": "br",
        "port": "1",
        "host": "service",
        "user": "u",
    }
