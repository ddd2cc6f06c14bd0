"""Pipelines: their syntax by npm-groovy-lint, that every command in them is there, and that a
roll-out goes back when nothing proves it.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import shlex
import subprocess
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network, ip_address, ip_network
from itertools import combinations
from pathlib import Path
from typing import Any

import click
import pytest
import yaml
from storeavail_deploy.cli import main
from storeavail_deploy.environment import ROOT

from storeavail_testing.processes import CACHE

PIPELINES = [
    ROOT / "deploy" / "Jenkinsfile",
    *sorted((ROOT / "deploy" / "jenkins").glob("*.Jenkinsfile")),
]
ROLLOUT = ROOT / "deploy" / "jenkins" / "rollout"
DAGSTER = ROOT / "deploy" / "jenkins" / "dagster"
REGISTRY = ROOT / "deploy" / "jenkins" / "registry"
LINTER = "npm-groovy-lint@15.2.0"
LINT_SECONDS = 240
ALLOWED = {
    "make",
    "storeavail-deploy",
    "docker",
    "deploy/jenkins/rollout",
    "deploy/jenkins/dagster",
    "deploy/jenkins/settings",
    "deploy/jenkins/registry",
    "for",
    "do",
    "done",
    "env",
    "[",
    "if",
    "then",
    "fi",
}


def linter() -> Path:
    """npm-groovy-lint, installed once below the cache folder."""
    home = CACHE / "npm"
    program = home / "node_modules" / ".bin" / "npm-groovy-lint"
    home.mkdir(parents=True, exist_ok=True)
    with (home / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not program.exists():
            install = [
                "npm",
                "install",
                "--silent",
                "--no-audit",
                "--no-fund",
                "--no-save",
                "--prefix",
                str(home),
                LINTER,
            ]
            subprocess.run(install, check=True, stdout=subprocess.DEVNULL)
    return program


def test_pipelines_are_groovy_without_errors(tmp_path: Path) -> None:
    """npm-groovy-lint parses every pipeline and finds no error; a broken one it does find."""
    folder = tmp_path / "pipelines"
    folder.mkdir()
    for number, pipeline in enumerate(PIPELINES):
        (folder / str(number)).mkdir()
        (folder / str(number) / "Jenkinsfile").write_text(pipeline.read_text())
    assert errors(folder, tmp_path) == []
    (folder / "0" / "Jenkinsfile").write_text("pipeline { agent any\n stages {")
    assert errors(folder, tmp_path)


def errors(folder: Path, home: Path) -> list[Any]:
    """What the linter says of the files of a folder, by its severity error."""
    output = home / "lint.json"
    output.unlink(missing_ok=True)
    options = ["--noserver", "--failon", "none", "--path", str(folder), "--output", str(output)]
    command = [str(linter()), *options]
    subprocess.run(command, cwd=folder, capture_output=True, timeout=LINT_SECONDS, check=False)
    files = json.loads(output.read_text())["files"]
    assert len(files) == len(list(folder.iterdir())), "it looked at other files"
    return [
        error for file in files.values() for error in file["errors"] if error["severity"] == "error"
    ]


def scripts(text: str) -> Iterator[str]:
    """The shell lines of a pipeline."""
    for triple, single in re.findall(
        r"sh '''(.*?)'''|sh '(.*?)'\s*(?:\}|$)", text, re.DOTALL | re.MULTILINE
    ):
        for line in (triple or single).splitlines():
            if line.strip() and not line.strip().startswith("#"):
                yield line.strip()


def deploy_commands(line: str) -> Iterator[list[str]]:
    """The arguments of each `storeavail-deploy` in a shell line, variables replaced by what
    they may be.
    """
    for found in re.findall(r"(?:storeavail-deploy|\$deploy)((?: [^|&;)}]*)?)", line):
        text = re.sub(r"\$(ANALYTICS|REPLACE)_OPTION", lambda name: f"--{name[1].lower()}", found)
        text = re.sub(r'"?\$\{?minutes\}?"?', "5", text)
        yield shlex.split(re.sub(r'"?\$\{?\w+\}?"?', "BR", text))


@pytest.mark.parametrize("file", [*PIPELINES, ROLLOUT], ids=lambda file: file.name)
def test_every_command_of_a_pipeline_is_there(file: Path) -> None:
    """storeavail-deploy's commands and options, make's targets, compose files, scripts: by what
    they are.
    """
    assert os.access(ROLLOUT, os.X_OK)
    text = file.read_text()
    lines = list(scripts(text)) if file != ROLLOUT else text.splitlines()
    assert lines
    for line in lines:
        for tokens in deploy_commands(line):
            if tokens and not (
                file == ROLLOUT and tokens == ["--country", "BR"]
            ):  # where the script names the command
                understood(tokens)
        for target in re.findall(r"\bmake ([a-z-]+)", line):
            assert f"\n{target}:" in (ROOT / "Makefile").read_text(), line
        for name in re.findall(r"(?:--file |^)(deploy/[\w./-]+)", line):
            assert (ROOT / name).exists(), line
    if file != ROLLOUT:
        first = {shlex.split(line.replace("$", ""))[0] for line in lines}
        assert first <= ALLOWED, f"{first - ALLOWED}: is it on the agent?"


def understood(tokens: list[str]) -> None:
    """Have click parse a command line, without running it."""
    command: click.Command = main
    context = main.make_context("storeavail-deploy", tokens)
    while isinstance(command, click.Group):
        name, found, remaining = command.resolve_command(
            context, [*context._protected_args, *context.args]
        )
        assert name is not None
        assert found is not None
        command, context = found, found.make_context(name, remaining, parent=context)


def test_parameters_of_a_pipeline_are_used() -> None:
    """Every parameter reaches a command or a condition: one that does nothing misleads whoever
    presses the button.
    """
    for pipeline in PIPELINES:
        text = pipeline.read_text()
        for name in re.findall(r"(?:string|booleanParam)\(name: '(\w+)'", text):
            assert re.search(rf"params\.{name}\b|\$\{{?{name}\b", text), f"{pipeline.name}: {name}"


def test_whoever_starts_a_build_names_no_host() -> None:
    """What gets a credential comes from the agent, and a pipeline begins by asking for all of it:
    free text is the codes of countries and a time, which a command judges.
    """
    files = [ROOT / "deploy" / name for name in ("compose.yaml", "compose.country.yaml")]
    compose = "".join(file.read_text() for file in files)
    required = set(re.findall(r"\$\{(\w+):\?", compose))
    for pipeline in PIPELINES:
        text = pipeline.read_text()
        free = set(re.findall(r"string\(name: '(\w+)'", text))
        assert free <= {"COUNTRIES", "COUNTRY", "MINUTES"}, pipeline.name
        asked = set(" ".join(re.findall(r"deploy/jenkins/settings ([A-Z_ ]+)'", text)).split())
        assert "STOREAVAIL_CONFIG" in asked, pipeline.name
        assert not asked & free, pipeline.name
        if "rollout" in text:
            assert required - {"RELEASE", "COUNTRY", "DAGSTER_POSTGRES_PASSWORD"} <= asked
            assert {"DOCKER_HOST", "IMAGE"} <= asked


def test_a_person_is_asked_between_plan_and_change_and_a_dry_run_asks_nobody() -> None:
    """Without `beforeInput` Jenkins asks first and looks at the condition then. What the clock
    starts (a cluster that was lost comes back) asks nobody, and has no other way to begin.
    """
    for pipeline in PIPELINES:
        text = pipeline.read_text()
        if "triggers { cron(" in text:
            assert "cluster ensure" in text
            continue
        stages = re.split(r"\n        stage\(", text)
        asking = [stage for stage in stages if re.search(r"^ *input \{", stage, re.MULTILINE)]
        assert len(asking) == 1, pipeline.name
        assert re.search(r"when \{[^}]*beforeInput true\s+expression \{ !params.DRY_RUN", asking[0])
        before = "".join(stages[: stages.index(asking[0])])
        assert "--dry-run" in before, pipeline.name
        for changing in ("docker", "rollout", "cluster up $", "cluster terminate $"):
            for line in scripts(before):
                assert changing not in line or "--dry-run" in line, f"{pipeline.name}: {line}"


@pytest.mark.parametrize(
    ("image", "region"),
    [
        ("123456789012.dkr.ecr.sa-east-1.amazonaws.com/storeavail", "sa-east-1"),
        ("123456789012.dkr-ecr.eu-west-1.on.aws/storeavail", "eu-west-1"),
        ("registry.example.com/storeavail", None),
        ("storeavail", None),
    ],
)
def test_amazons_registry_is_logged_in_to(tmp_path: Path, image: str, region: str | None) -> None:
    """By the agent's own docker, the password by its standard input, before anything is pushed."""
    (tmp_path / "aws").write_text(f'#!/bin/sh\necho "$*" > {tmp_path}/aws.log; echo word')
    (tmp_path / "docker").write_text(
        f'#!/bin/sh\n(echo "$* ${{DOCKER_HOST-own}}"; cat) > {tmp_path}/docker.log'
    )
    for name in ("aws", "docker"):
        (tmp_path / name).chmod(0o755)
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin", "DOCKER_HOST": "ssh://dagster"}
    subprocess.run([REGISTRY, image], env=environment, check=True, capture_output=True)
    if region is None:
        assert not (tmp_path / "docker.log").exists()
    else:
        assert f"get-login-password --region {region}" in (tmp_path / "aws.log").read_text()
        host = image.partition("/")[0]
        login = f"login --username AWS --password-stdin {host} own"
        assert (tmp_path / "docker.log").read_text().splitlines() == [login, "word"]
    lines = list(scripts(PIPELINES[0].read_text()))
    pushes = [number for number, line in enumerate(lines) if "docker push" in line]
    assert lines.index('deploy/jenkins/registry "$IMAGE"') < pushes[0]


def test_settings_that_the_agent_lacks_are_named(tmp_path: Path) -> None:
    """Before anything is built: each that is missing, and who sets it."""
    command = [str(ROOT / "deploy" / "jenkins" / "settings"), "IMAGE", "DOCKER_HOST"]
    environment = {"PATH": "/usr/bin:/bin", "IMAGE": "storeavail"}
    lacking = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert lacking.returncode == 1
    assert "DOCKER_HOST is not set" in lacking.stderr
    assert "IMAGE" not in lacking.stderr
    environment["DOCKER_HOST"] = "ssh://deploy@dagster"
    assert subprocess.run(command, env=environment, check=False).returncode == 0


@pytest.mark.parametrize("code", ["BR\t--config\ts3://own/x.yaml", "BR;id", "../BR", ""])
def test_a_country_is_no_words_of_a_command(tmp_path: Path, code: str) -> None:
    """What is typed as a country reaches no command unless it is a code."""
    for name in ("storeavail-deploy", "docker"):
        (tmp_path / name).write_text(f"#!/bin/sh\ntouch {tmp_path}/called\n")
        (tmp_path / name).chmod(0o755)
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin"}
    done = subprocess.run(
        [ROLLOUT, code, "new"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "is not the code of a country" in done.stderr
    assert not (tmp_path / "called").exists()


FAKE = """#!/usr/bin/env bash
echo "$(basename "$0") $*" >> "$LOG"
case "$*" in
    *"app current"*) echo "BR $(cat "$STATE")" ;;
    *"app publish"*) [ "$FAILS" != publish ] && echo "$NEW" > "$STATE" ;;
    *"app rollback"*) [ "$FAILS_BACK" != yes ] && echo "$OLD" > "$STATE" ;;
    *"app prove"*) [ "$FAILS" != prove ] ;;
    *"cluster up"*) [ "$FAILS" != cluster ] || [ "$(cat "$STATE")" = "$OLD" ] ;;
    *"up --detach"*) echo "server $RELEASE$DAGSTER_COUNTRY_TURN" >> "$LOG" ;;
esac
"""


@pytest.mark.parametrize(
    ("before", "fails", "code", "after"),
    [
        ("old", "", 0, "new"),
        ("old", "prove", 1, "old"),
        ("old", "cluster", 1, "old"),
        ("old", "publish", 1, "old"),
        ("new", "", 0, "new"),
        ("new", "prove", 1, "old"),
        ("none", "publish", 4, "none"),
        ("none", "prove", 4, "new"),
    ],
)
def test_a_roll_out_that_does_not_prove_itself_goes_back(
    tmp_path: Path, before: str, fails: str, code: int, after: str
) -> None:
    """Publish, cluster, code server, a window as proof; whichever fails, application, cluster and
    code server are the former ones again.

    One that was interrupted after it had published (`before` is the new commit) is proved like any
    other.
    """
    log, state = tmp_path / "log", tmp_path / "state"
    log.touch()
    state.write_text(f"{before}\n")
    for name in ("storeavail-deploy", "docker"):
        (tmp_path / name).write_text(FAKE)
        (tmp_path / name).chmod(0o755)
    environment = {
        "PATH": f"{tmp_path}:/usr/bin:/bin",
        "LOG": str(log),
        "STATE": str(state),
        "OLD": "old",
        "NEW": "new",
        "FAILS": fails,
        "FAILS_BACK": "yes" if before == "none" else "",
        "DAGSTER_COUNTRY_TURN_BR": "_b",
    }
    done = subprocess.run(
        [ROLLOUT, "BR", "new"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code, done.stderr
    assert state.read_text().strip() == after
    servers = [line for line in log.read_text().splitlines() if line.startswith("server ")]
    if code == 1:
        assert servers[-1:] == ["server old_b"], "with the login whose turn it is"
        assert "BR runs old" in done.stderr
    if code == 0:
        assert "app prove" in log.read_text(), "nothing is taken for proved"


def test_going_back_that_fails_is_said(tmp_path: Path) -> None:
    """Exit code 4, and where it is written what to do by hand."""
    environment = {
        "PATH": f"{tmp_path}:/usr/bin:/bin",
        "LOG": str(tmp_path / "log"),
        "STATE": str(tmp_path / "state"),
        "OLD": "old",
        "NEW": "new",
        "FAILS": "prove",
        "FAILS_BACK": "yes",
    }
    (tmp_path / "state").write_text("old\n")
    for name in ("storeavail-deploy", "docker"):
        (tmp_path / name).write_text(FAKE)
        (tmp_path / name).chmod(0o755)
    done = subprocess.run(
        [ROLLOUT, "BR", "new"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 4
    assert 'deploy/README.md, "By hand"' in done.stderr
    assert "## By hand" in (ROOT / "deploy" / "README.md").read_text()


FAKE_DOCKER = """#!/usr/bin/env bash
case "$*" in
    "ps "*) cat "$STATE" ;;
    *"up --detach"*) echo "up $RELEASE" >> "$LOG"; case " $FAILS " in *" $RELEASE "*) exit 1 ;; esac ;;
    *) echo "$1 $RELEASE" >> "$LOG" ;;
esac
"""


@pytest.mark.parametrize(
    ("before", "fails", "code", "up"),
    [
        ("storeavail:old", "", 0, ["new"]),
        ("storeavail:old", "new", 1, ["new", "old"]),
        ("storeavail:old", "new old", 4, ["new", "old"]),
        ("", "new", 4, ["new"]),
        ("storeavail:new", "new", 4, ["new"]),
    ],
)
def test_a_dagster_that_does_not_come_up_goes_back(
    tmp_path: Path, before: str, fails: str, code: int, up: list[str]
) -> None:
    """Webservers and daemon, which every country needs: what ran before runs again, and where
    that fails too it is said.
    """
    log, state = tmp_path / "log", tmp_path / "state"
    state.write_text(before)
    (tmp_path / "docker").write_text(FAKE_DOCKER)
    (tmp_path / "docker").chmod(0o755)
    environment = {
        "PATH": f"{tmp_path}:/usr/bin:/bin",
        "LOG": str(log),
        "STATE": str(state),
        "FAILS": fails,
    }
    done = subprocess.run(
        [DAGSTER, "new"], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == code, done.stderr
    assert [
        line.removeprefix("up ") for line in log.read_text().splitlines() if line.startswith("up ")
    ] == up
    assert ('"By hand"' in done.stderr) == (code == 4)


@pytest.mark.parametrize(
    "file", sorted((ROOT / "deploy").glob("compose*.yaml")), ids=lambda file: file.name
)
def test_services_are_not_root_and_publish_only_what_they_must(file: Path) -> None:
    """Every image of ours runs as a user of its own with no capability; the webservers are
    reached through the proxy alone; all are watched.
    """
    services = yaml.safe_load(file.read_text())["services"]
    for name, service in services.items():
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service["restart"] == "unless-stopped", name
        assert bool(service.get("ports")) == (name in ("proxy", "metastore")), name
        assert "healthcheck" in service or name in ("proxy", "metastore"), name
        # one that fills the host's disk or memory would take the others with it
        assert service["mem_limit"], name
        assert service["logging"]["options"].keys() == {"max-size", "max-file"}, name
    for image in (
        ROOT / "deploy" / "Dockerfile",
        ROOT / "deploy" / "metastore_service" / "Dockerfile",
    ):
        assert re.search(r"^USER (?!root)\w+$", image.read_text(), re.MULTILINE)
        assert "HEALTHCHECK" in image.read_text()
    if file.name == "compose.yaml":
        assert "--read-only" in services["viewers"]["command"]
        assert "auth_basic_user_file" in (ROOT / "deploy" / "nginx.conf").read_text()


def test_a_country_shares_a_network_with_dagster_alone() -> None:
    """No code server reaches another country's, and none a webserver, which would obey it: what
    they share is a network a country, where neither webserver listens. Every location that they
    look at is in one.
    """
    folder = ROOT / "deploy"
    dagster = yaml.safe_load((folder / "compose.yaml").read_text())
    country = yaml.safe_load((folder / "compose.country.yaml").read_text())
    servers = [
        entry["grpc_server"]
        for entry in yaml.safe_load((folder / "workspace.yaml").read_text())["load_from"]
    ]
    codes = {server["location_name"] for server in servers}
    assert {server["host"] for server in servers} == {f"code-{code}" for code in codes}
    networks = dagster["networks"]
    assert networks.keys() - codes == {"front", "pages", "outside"}
    assert all(networks[code]["name"] == f"storeavail-{code}" for code in codes)
    services = dagster["services"]
    for name in ("webserver", "viewers", "daemon"):
        assert services[name]["networks"].keys() - {"front"} == codes, name
    assert set(services["proxy"]["networks"]) == {"front", "pages", "outside"}
    # who reaches the pages' server could say whose pages they are
    assert [name for name, each in services.items() if "pages" in each["networks"]] == [
        "pages",
        "proxy",
    ]
    (subnet,) = networks["front"]["ipam"]["config"]
    for name in ("webserver", "viewers"):
        command, own = services[name]["command"], services[name]["networks"]["front"]
        assert command[command.index("-h") + 1] == own["ipv4_address"], name
        assert ip_address(own["ipv4_address"]) in ip_network(subnet["subnet"])
        assert ip_address(own["ipv4_address"]) not in ip_network(subnet["ip_range"])
        assert own["ipv4_address"] in services[name]["healthcheck"]["test"][-1], name
    (code,) = country["services"].values()
    assert code["networks"] == {"country": {"aliases": ["code-${COUNTRY}"]}}
    assert country["networks"] == {"country": {"name": "storeavail-${COUNTRY}", "external": True}}
    assert not {"ports", "network_mode"} & code.keys()


def test_networks_have_addresses_of_their_own() -> None:
    """Docker's own pools hold some 31 networks: a hundred countries need what is written."""
    taken = []
    for file in sorted((ROOT / "deploy").glob("compose*.yaml")):
        for name, network in yaml.safe_load(file.read_text())["networks"].items():
            if not network.get("external"):
                (configured,) = network["ipam"]["config"]
                taken.append((name, IPv4Network(configured["subnet"])))
    for (name, subnet), (other, theirs) in combinations(taken, 2):
        assert not subnet.overlaps(theirs), f"{name} and {other}"
    (first, last) = (IPv4Address("192.168.240.0"), IPv4Address("192.168.250.255"))
    assert (int(last) + 1 - int(first)) / dict(taken)["br"].num_addresses > 100
    assert not [
        name
        for name, subnet in taken
        if name in ("front", "pages", "outside", "metastore") and first <= subnet[0] <= last
    ]


def test_each_country_has_a_user_of_dagsters_database() -> None:
    """Its name follows from the country, so that nobody gives one the owner's by mistake; what it
    may is tried in `test_country.py`.
    """
    text = (ROOT / "deploy" / "compose.country.yaml").read_text()
    environment = yaml.safe_load(text)["services"]["code"]["environment"]
    assert environment["DAGSTER_POSTGRES_USER"] == "dagster_${COUNTRY}${DAGSTER_COUNTRY_TURN:-}"
    assert "storeavail-dagster-postgres-${country.toLowerCase()}" in PIPELINES[0].read_text()
