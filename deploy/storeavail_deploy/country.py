"""`storeavail-deploy country add`: scaffolds a country and ends with what `storeavail check` finds.

What a country begins with is text: its block of the configuration, its database's role, the
commands to run.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import click
import yaml

from storeavail_deploy.cli import Deployment, end_with
from storeavail_deploy.environment import CLUSTER_PYTHON
from storeavail_deploy.plan import Change, carry_out
from storeavail_deploy.settings import deployable
from storeavail_platform.commands.diagnose import check_country
from storeavail_platform.config import Platform, load_platform, load_text
from storeavail_platform.domain.errors import ConfigError
from storeavail_platform.pipeline.runtime import build_runtime

CODE_PORT = 4000
"""Port of a code server, as compose.country.yaml starts it."""
INDENT = 2

commands = click.Group(help="Countries: scaffold a new one.")


@commands.command(
    epilog=(
        "Example:  storeavail-deploy --config storeavail.yaml country add CL --timezone"
        " America/Santiago"
    )
)
@click.option(
    "--timezone",
    required=True,
    metavar="ZONE",
    help="IANA zone of its stores, for example America/Santiago.",
)
@click.option(
    "--workspace",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Dagster's workspace file, to which the country's code server is added.  [default: none]",
)
@click.argument("code", metavar="CODE")
@click.pass_obj
def add(deployment: Deployment, code: str, timezone: str, workspace: Path | None) -> None:
    """Add a country to the configuration; print the SQL for its database and the commands to run;
    then check its connections.

    Run it again when the commands have been run: it changes nothing then, and checks. Exit code 1
    until the check finds no error.
    """
    platform = deployment.platform
    exit_code = carry_out(
        plan_add(platform, code, timezone, workspace), dry_run=deployment.dry_run, tell=click.echo
    )
    if exit_code:
        sys.exit(exit_code)
    platform = load_platform(platform.origin)
    click.echo(f"\nIn the database of {code}:\n\n{database_sql(code)}\nThen:\n")
    click.echo("\n".join(f"    {command}" for command in next_steps(platform, code)))
    click.echo(f"\nstoreavail check --country {code}")
    end_with(check_country(build_runtime(platform), code, datetime.now(UTC)), "  ")


def plan_add(platform: Platform, code: str, timezone: str, workspace: Path | None) -> list[Change]:
    """What is missing until the configuration has the country, and the workspace its code server.

    Raises:
        ConfigError: the configuration is on S3, or the country would make it, or the workspace, a
            wrong one; nothing is written.
    """
    changes: list[Change] = []
    if code not in platform.countries:
        if platform.origin.startswith("s3://"):
            raise ConfigError(
                f"{platform.origin}: edit the file in its repository and copy it to S3; --config"
                " takes that file here"
            )
        file = Path(platform.origin)
        block = country_block(platform, code, timezone)
        text = with_country(
            file.read_text(encoding="utf-8"), block, platform.origin, str(file.parent)
        )
        # its places may hold another country's
        deployable(load_text(text, base=str(file.parent), origin=platform.origin))
        changes.append(
            Change(
                "update",
                platform.origin,
                f"countries.{code}\n\n{block}",
                partial(_write, file, text),
            )
        )
    if workspace is not None:
        before = workspace.read_text(encoding="utf-8")
        after = with_code_location(before, code, str(workspace))
        if after != before:
            changes.append(
                Change(
                    "update",
                    str(workspace),
                    f"code location {code.lower()}",
                    partial(_write, workspace, after),
                )
            )
    return changes


def _write(file: Path, text: str) -> None:
    """Replace a file as a whole, with its mode; a reader sees the old text or the new one."""
    target = file.resolve()
    with tempfile.NamedTemporaryFile(
        "w", dir=target.parent, prefix=f".{target.name}-", delete=False, encoding="utf-8"
    ) as new:
        new.write(text)
        new.flush()
        os.fsync(new.fileno())
    Path(new.name).chmod(target.stat().st_mode)
    Path(new.name).replace(target)


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


def with_country(text: str, block: str, origin: str, base: str) -> str:
    """A configuration's text with a country's block after its last country; comments and order stay
    as they are.

    Raises:
        ConfigError: `countries` is written in braces, or the result would not be a configuration
            (the message says why).
    """
    changed = _with_entry(text, "countries", yaml.MappingNode, block.splitlines())
    if changed is None:
        raise ConfigError(
            f"{origin}: `countries` is not written as an indented mapping: add this to it by"
            f" hand\n\n{block}"
        )
    load_text(changed, base=base, origin=f"{origin} with {block.partition(':')[0]}")
    return changed


def with_code_location(text: str, code: str, origin: str) -> str:
    """A workspace's text with the entry of a country's code server after its last one; the text
    itself where it is there already.

    Raises:
        ConfigError: `load_from` is not written as an indented list; says what to add by hand.
    """
    name, entries = code.lower(), _entries(text)
    if any(
        isinstance(entry, dict) and entry.get("grpc_server", {}).get("location_name") == name
        for entry in entries
    ):
        return text
    entry = [
        "- grpc_server:",
        f"    host: code-{name}",
        f"    port: {CODE_PORT}",
        f"    location_name: {name}",
    ]
    wanted = {"grpc_server": {"host": f"code-{name}", "port": CODE_PORT, "location_name": name}}
    changed = _with_entry(text, "load_from", yaml.SequenceNode, entry) if entries else None
    if changed is None or _entries(changed) != [*entries, wanted]:
        raise ConfigError(
            "\n".join(
                [
                    (
                        f"{origin}: `load_from` is not written as an indented list: add this to it"
                        " by hand\n"
                    ),
                    *entry,
                ]
            )
        )
    return changed


def _with_entry(
    text: str, key: str, kind: type[yaml.CollectionNode], entry: Sequence[str]
) -> str | None:
    """A text with an entry after the last one below `key`.

    None where that is not written as an indented `kind`.
    """
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    pairs = root.value if isinstance(root, yaml.MappingNode) else []
    there = next((value for name, value in pairs if name.value == key), None)
    if not isinstance(there, kind) or there.flow_style or not there.value:
        return None
    lines, last = text.splitlines(keepends=True), _last_line(there)
    if not lines[last].endswith("\n"):
        lines[last] += "\n"
    lines[last + 1 : last + 1] = [f"{' ' * there.start_mark.column}{line}\n" for line in entry]
    return "".join(lines)


def _last_line(node: yaml.Node) -> int:
    """The line that a node's text ends on; a block's own end mark is where the next thing
    begins.
    """
    if isinstance(node, yaml.CollectionNode) and not node.flow_style and node.value:
        below = node.value[-1]
        return _last_line(below[1] if isinstance(below, tuple) else below)
    # a block scalar ends at the beginning of the line after it
    return int(node.end_mark.line) - (
        node.end_mark.column == 0 and node.end_mark.line > node.start_mark.line
    )


def _entries(workspace: str) -> list[Any]:
    """What a workspace's `load_from` lists; empty where it lists nothing that can be understood."""
    try:
        entries = (yaml.safe_load(workspace) or {}).get("load_from")
    except (yaml.YAMLError, AttributeError):
        return []
    return entries if isinstance(entries, list) else []


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
        f"{deploy} roles apply",
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
        f"storeavail check --config {platform.origin} --country {code}",
        '# "Reload all" in Dagster\'s UI: the schedule runs from then on',
    ]
