"""What a country begins and ends with, as text: its block of the configuration, the role in its
database, the commands that people run.
"""

from __future__ import annotations

from storeavail_deploy.environment import CLUSTER_PYTHON
from storeavail_platform.config import Platform

INDENT = 2


def country_block(platform: Platform, code: str, timezone: str) -> str:
    """The country's block, as it stands below `countries:`, without indentation.

    With `execution: emr` its places are in the warehouse's bucket, with its own name; its region is
    that of the country that is there first; its secrets are in AWS Secrets Manager.
    """
    name = code.lower()
    if platform.execution == "local":
        lines = [
            f"timezone: {timezone}",
            f"postgres: {{dsn: env:{code}_POSTGRES_DSN}}",
            (
                f"online_index: {{url: env:{code}_ES_URL, index: stores_{name}, api_key:"
                f" env:{code}_ES_API_KEY}}"
            ),
        ]
    else:
        bucket = platform.warehouse.removeprefix("s3://").partition("/")[0]
        lines = [
            f"timezone: {timezone}",
            f"postgres: {{dsn: aws:storeavail/{name}/postgres}}",
            (
                f"online_index: {{url: 'aws:storeavail/{name}/elasticsearch#url', index:"
                f" stores_{name}, api_key: 'aws:storeavail/{name}/elasticsearch#api_key'}}"
            ),
            *([f"aws: {{region: {region}}}"] if (region := _region(platform)) else []),
            "emr:",
            f"  cluster: {{name: storeavail-{name}, tags: {{ready: 'yes'}}}}",
            f"  staging: s3://{bucket}/{name}/staging",
            f"  code: s3://{bucket}/{name}/app/code.zip",
            f"  spark: {{spark.pyspark.python: {CLUSTER_PYTHON}}}",
            "deploy:",
            (
                "  network: {subnets: []}  # fill in: private subnets; see"
                " docs/configuration.md#deployment"
            ),
        ]
    return "\n".join([f"{code}:", *(f"{' ' * INDENT}{line}" for line in lines)]) + "\n"


def _region(platform: Platform) -> str | None:
    return next(iter(platform.countries.values())).aws.region


def database_sql(code: str) -> str:
    """The role that reads a country's database and does nothing else, for psql with `-v
    password=...`, in that database.
    """
    role = f"storeavail_{code.lower()}"
    return f"""\
-- as the owner of the country's database; the password goes into the secret:
-- password=$(openssl rand -hex 24); echo "$password"; psql -v password="$password" -f this-file
CREATE ROLE {role} LOGIN PASSWORD :'password' CONNECTION LIMIT 8;
ALTER ROLE {role} SET default_transaction_read_only = on;
SELECT format('GRANT CONNECT ON DATABASE %I TO {role}', current_database()) \\gexec
GRANT USAGE ON SCHEMA public TO {role};
GRANT SELECT ON stores, store_weekly_hours, store_special_hours TO {role};
"""


def next_steps(platform: Platform, code: str) -> list[str]:
    """The commands that make a scaffolded country work, in their order; what a step is for
    follows `#`.
    """
    name = code.lower()
    if platform.execution == "local":
        return [
            (
                f"export {code}_POSTGRES_DSN=... {code}_ES_URL=... {code}_ES_API_KEY=...  # where"
                " Dagster and commands run"
            ),
            f"storeavail check --config {platform.origin} --country {code}",
            (
                "# reload the code location in Dagster's UI (Deployment > Reload): the schedule"
                " runs from then on"
            ),
        ]
    deploy = f"storeavail-deploy --config {platform.origin} --country {code}"
    secret = (
        "aws secretsmanager"
        f" create-secret{f' --region {region}' if (region := _region(platform)) else ''}"
    )
    return [
        f"# countries.{code}.deploy: fill in its network",
        f"{secret} --name storeavail/{name}/postgres --secret-string file://dsn.txt",
        (
            f"{secret} --name storeavail/{name}/elasticsearch --secret-string"
            ' file://elasticsearch.json  # {"url": ..., "api_key": ...}'
        ),
        f"{deploy} storage apply",
        f"storeavail-deploy --config {platform.origin} --all roles apply  # of every country",
        f"{deploy} network plan  # what the country's network needs",
        f"{deploy} app publish",
        f"{deploy} cluster up",
        f"{deploy} alarms apply",
        (
            f"# on the host of Dagster: the profile storeavail-{name} in $AWS_CONFIG, the entry of"
            " --workspace in $WORKSPACE_FOLDER/workspace.yaml, and the configuration where"
            " $STOREAVAIL_CONFIG says"
        ),
        (
            "# deploy/compose.yaml: a network for it, a line each at `x-countries` and at"
            " `networks`, with the next 16 addresses; then the webservers and the daemon again,"
            " which are in it"
        ),
        "deploy/jenkins/dagster $RELEASE",
        (
            f'psql "$OWNER_URL" --set country={name} --set password="$password" --file'
            " deploy/dagster_country.sql  # its user of Dagster's database"
        ),
        (
            f"DAGSTER_POSTGRES_PASSWORD=$password COUNTRY={name} docker compose"
            f" -p storeavail-{name} -f deploy/compose.country.yaml up --detach --wait"
        ),
        f"# $PROXY_SECRETS/readers.map: who sees the pages of {code}",
        f"storeavail check --config {platform.origin} --country {code}",
        '# "Reload all" in Dagster\'s UI: the schedule runs from then on',
    ]


def before_end(code: str) -> str:
    """What ends a country's runs, on the host of Dagster."""
    name = code.lower()
    return (
        f"COUNTRY={name} docker compose -p storeavail-{name} -f deploy/compose.country.yaml down"
        "  # its code server, so that no window of it begins; else its runs fail, and are told"
    )


def last_steps(platform: Platform, code: str) -> list[str]:
    """The commands after a country was taken away, in their order."""
    name = code.lower()
    data = f"storeavail remove-country {code}  # its data, when it is not wanted any more; it asks"
    if platform.execution == "local":
        return ["# reload the code location in Dagster's UI (Deployment > Reload)", data]
    return [
        (
            "# on the host of Dagster: the configuration where $STOREAVAIL_CONFIG says, and"
            " --workspace's file in $WORKSPACE_FOLDER/workspace.yaml; the profile"
            f" storeavail-{name} out of $AWS_CONFIG"
        ),
        (
            f"# deploy/compose.yaml: the network {name} out of `x-countries` and `networks`, {code}"
            " out of $PROXY_SECRETS/readers.map; then webservers and daemon again"
        ),
        "deploy/jenkins/dagster $RELEASE",
        (
            f'psql "$OWNER_URL" --command "DROP ROLE IF EXISTS dagster_{name}_b, dagster_{name}"'
            "  # of Dagster's database"
        ),
        (
            f"# in the country's database: DROP OWNED BY storeavail_{name}; DROP ROLE"
            f" storeavail_{name};"
        ),
        "# secrets that stay, by name: aws secretsmanager delete-secret --secret-id NAME",
        data,
    ]
