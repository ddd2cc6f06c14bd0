"""What a new country begins with, as text: its block of the configuration, its database's role, the commands to run. Touches no file."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import yaml

from storeavail_deploy.environment import CLUSTER_PYTHON
from storeavail_platform.config import Platform, load_text
from storeavail_platform.domain.errors import ConfigError

CODE_PORT = 4000
"""Port of a code server, as compose.country.yaml starts it."""
INDENT = 2


def country_block(platform: Platform, code: str, timezone: str) -> str:
    """The country's block, as it stands below `countries:`, without indentation.

    With `execution: emr` its places are in the warehouse's bucket, with its own name; its region is that of the country that is there first;
    its secrets are in AWS Secrets Manager.
    """
    name = code.lower()
    if platform.execution == "local":
        lines = [
            f"timezone: {timezone}",
            f"postgres: {{dsn: env:{code}_POSTGRES_DSN}}",
            f"online_index: {{url: env:{code}_ES_URL, index: stores_{name}, api_key: env:{code}_ES_API_KEY}}",
        ]
    else:
        bucket = platform.warehouse.removeprefix("s3://").partition("/")[0]
        lines = [
            f"timezone: {timezone}",
            f"postgres: {{dsn: aws:storeavail/{name}/postgres}}",
            f"online_index: {{url: 'aws:storeavail/{name}/elasticsearch#url', index: stores_{name}, "
            f"api_key: 'aws:storeavail/{name}/elasticsearch#api_key'}}",
            *_aws(platform),
            "emr:",
            f"  cluster: {{name: storeavail-{name}, tags: {{ready: 'yes'}}}}",
            f"  staging: s3://{bucket}/{name}/staging",
            f"  code: s3://{bucket}/{name}/app/code.zip",
            f"  spark: {{spark.pyspark.python: {CLUSTER_PYTHON}}}",
            "deploy:",
            "  network: {subnets: []}  # fill in: private subnets; see docs/configuration.md#deployment",
        ]
    return "\n".join([f"{code}:", *(f"{' ' * INDENT}{line}" for line in lines)]) + "\n"


def _aws(platform: Platform) -> Iterator[str]:
    if region := _region(platform):
        yield f"aws: {{region: {region}}}"


def _region(platform: Platform) -> str | None:
    return next(iter(platform.countries.values())).aws.region


def with_country(text: str, block: str, origin: str, base: str) -> str:
    """A configuration's text with a country's block after its last country; comments and order stay as they are.

    Raises:
        ConfigError: `countries` is written in braces, or the result would not be a configuration (the message says why).
    """
    countries = _value(yaml.compose(text, Loader=yaml.SafeLoader), "countries")
    if not isinstance(countries, yaml.MappingNode) or countries.flow_style or not countries.value:
        raise ConfigError(f"{origin}: `countries` is not written as an indented mapping: add this to it by hand\n\n{block}")
    column = countries.value[0][0].start_mark.column
    lines = text.splitlines(keepends=True)
    last = max(_last_line(node) for node in countries.value[-1])
    if not lines[last].endswith("\n"):
        lines[last] += "\n"
    lines.insert(last + 1, "".join(f"{' ' * column}{line}" for line in block.splitlines(keepends=True)))
    changed = "".join(lines)
    load_text(changed, base=base, origin=f"{origin} with {block.partition(':')[0]}")
    return changed


def _value(root: yaml.Node | None, name: str) -> yaml.Node | None:
    pairs = root.value if isinstance(root, yaml.MappingNode) else []
    return next((value for key, value in pairs if key.value == name), None)


def _last_line(node: yaml.Node) -> int:
    """The line that a node's text ends on; a block's own end mark is where the next thing begins."""
    if isinstance(node, yaml.CollectionNode) and not node.flow_style and node.value:
        below = node.value[-1]
        return _last_line(below[1] if isinstance(below, tuple) else below)
    # a block scalar ends at the beginning of the line after it
    return int(node.end_mark.line) - (node.end_mark.column == 0 and node.end_mark.line > node.start_mark.line)


def with_code_location(text: str, code: str, origin: str) -> str:
    """A workspace's text with the entry of a country's code server after its last one; the text itself where it is there already.

    Raises:
        ConfigError: `load_from` is not written as an indented list; says what to add by hand.
    """
    name = code.lower()
    entries = _entries(text)
    if any(isinstance(entry, dict) and entry.get("grpc_server", {}).get("location_name") == name for entry in entries or ()):
        return text
    entry = ["- grpc_server:", f"    host: code-{name}", f"    port: {CODE_PORT}", f"    location_name: {name}"]
    there = _value(yaml.compose(text, Loader=yaml.SafeLoader), "load_from") if entries else None
    if isinstance(there, yaml.SequenceNode):
        lines = text.splitlines()
        at = _last_line(there) + 1
        changed = "\n".join([*lines[:at], *(f"{' ' * there.start_mark.column}{line}" for line in entry), *lines[at:]]) + "\n"
        wanted = {"grpc_server": {"host": f"code-{name}", "port": CODE_PORT, "location_name": name}}
        if _entries(changed) == [*(entries or ()), wanted]:
            return changed
    raise ConfigError("\n".join([f"{origin}: `load_from` is not written as an indented list: add this to it by hand\n", *entry]))


def _entries(workspace: str) -> list[Any] | None:
    """What a workspace's `load_from` lists; None where it lists nothing that can be understood."""
    try:
        entries = (yaml.safe_load(workspace) or {}).get("load_from")
    except (yaml.YAMLError, AttributeError):
        return None
    return entries if isinstance(entries, list) else None


def database_sql(code: str) -> str:
    """The role that reads a country's database and does nothing else, for psql with `-v password=...`, in that database."""
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
    """The commands that make a scaffolded country work, in their order; what a step is for follows `#`."""
    name = code.lower()
    if platform.execution == "local":
        return [
            f"export {code}_POSTGRES_DSN=... {code}_ES_URL=... {code}_ES_API_KEY=...  # where Dagster and commands run",
            f"storeavail check --config {platform.origin} --country {code}",
            "# reload the code location in Dagster's UI (Deployment > Reload): the schedule runs from then on",
        ]
    deploy = f"storeavail-deploy --config {platform.origin} --country {code}"
    secret = f"aws secretsmanager create-secret{f' --region {region}' if (region := _region(platform)) else ''}"
    return [
        f"# countries.{code}.deploy: fill in its network",
        f"{secret} --name storeavail/{name}/postgres --secret-string file://dsn.txt",
        f'{secret} --name storeavail/{name}/elasticsearch --secret-string file://elasticsearch.json  # {{"url": ..., "api_key": ...}}',
        f"{deploy} storage apply",
        f"{deploy} roles apply",
        f"{deploy} network plan  # what the country's network needs",
        f"{deploy} app publish",
        f"{deploy} cluster up",
        f"{deploy} alarms apply",
        f"# on the host of Dagster: the profile storeavail-{name} in $AWS_CONFIG, the entry of --workspace in $WORKSPACE_FOLDER/workspace.yaml, and "
        "the configuration where $STOREAVAIL_CONFIG says",
        f"COUNTRY={name} docker compose -p storeavail-{name} -f deploy/compose.country.yaml up --detach --wait",
        f"storeavail check --config {platform.origin} --country {code}",
        '# "Reload all" in Dagster\'s UI: the schedule runs from then on',
    ]
