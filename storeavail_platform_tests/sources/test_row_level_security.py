"""Row level security as docs/schemas.md has it: the policy chooses, and `check` says when it leaves
nothing.
"""

from __future__ import annotations

from storeavail_platform.config import Postgres
from storeavail_platform.domain.windows import Window
from storeavail_platform.sources.postgres import PostgresSource
from storeavail_platform_tests.test_docs import page, section, sql_blocks
from storeavail_testing.postgres import PASSWORD, SCHEMA, PostgresServer

COUNTRY = "America/Sao_Paulo"
ROWS = """
ALTER TABLE stores ADD country text;
INSERT INTO stores(store_id, country) VALUES (1, 'BR'), (2, 'CL'), (3, 'CL');
INSERT INTO store_weekly_hours VALUES (1, 9, '08:00', '22:00'), (2, 9, '08:00', '22:00');
INSERT INTO store_special_hours VALUES (1, NULL, NULL, NULL), (3, NULL, NULL, NULL);
"""
ROLE = f"""
DROP ROLE IF EXISTS hidden_br;
CREATE ROLE hidden_br LOGIN PASSWORD '{PASSWORD}';
GRANT SELECT ON ALL TABLES IN SCHEMA public TO hidden_br;
"""


def seen(dsn: str) -> dict[str, list[str]]:
    """The ids in each relation's rows."""
    postgres = PostgresSource(Postgres.model_validate({"dsn": dsn}), COUNTRY)
    with postgres.open(Window.parse("2026-11-25T1500")) as snapshot:
        return {
            split.relation: sorted(
                row["store_id"] for batch in postgres.read(split) for row in batch.to_pylist()
            )
            for split in snapshot.splits
        }


def test_row_level_security_chooses_the_rows(postgres_server: PostgresServer) -> None:
    """The user sees its country's rows of all three tables, by the role's setting or the
    connection string's; where all are hidden, `check` says that none are seen.
    """
    (policies,) = sql_blocks(section(page("schemas.md"), "## Row level security"))
    own = policies.replace("storeavail_br", "hidden_br")
    postgres_server.create("way_policy", SCHEMA + ROWS + ROLE + own)
    dsn = postgres_server.dsn("way_policy", user="hidden_br")
    try:
        assert seen(dsn) == {"raw_stores": ["1"], "raw_store_hours": ["1", "1"]}
        chilean = f"{dsn} options='-c app.country=CL'"
        assert seen(chilean) == {"raw_stores": ["2", "3"], "raw_store_hours": ["2", "3"]}
        nobody = f"{dsn} options='-c app.country=AR'"
        findings = PostgresSource(Postgres.model_validate({"dsn": nobody}), COUNTRY).check()
        (error,) = [finding for finding in findings if finding.level == "error"]
        assert error.what == "stores query"
        assert "no store exists, or row level security chooses what hidden_br" in error.message
    finally:
        postgres_server.execute("way_policy", "DROP OWNED BY hidden_br; DROP ROLE hidden_br")
