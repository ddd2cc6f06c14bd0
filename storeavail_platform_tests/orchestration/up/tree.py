"""A running `storeavail up` of a small company, asked and stopped as people and systems do."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from storeavail_platform.config import CONFIG_VARIABLE
from storeavail_platform_tests.end_to_end.world import World
from storeavail_testing.waiting import wait_for

START_SECONDS = 240.0
ADDRESS = re.compile(r"(http://127\.0\.0\.1:\d+)/dashboard/")
STORES_SQL = """
INSERT INTO stores SELECT i, 'Store ' || i, NULL, 'City', 'Brand', NULL, true FROM generate_series(1, 20) i;
INSERT INTO store_weekly_hours SELECT i, d, '00:00', '24:00' FROM generate_series(1, 20) i, generate_series(1, 7) d;
"""
ZONE = "America/Sao_Paulo"
PROC = Path("/proc")


def add_country(world: World, code: str) -> None:
    """A country whose index is a file that is read as it is now."""
    documents = [{"store_id": str(i), "online": i != 2} for i in range(1, 21)]
    (world.folder / f"{code}.ndjson").write_text("".join(json.dumps(d) + "\n" for d in documents))
    world.add_country(code, ZONE, f"{{path: ./{code}.ndjson}}", rows=STORES_SQL)
    # a secret that can be taken up without a restart
    (world.folder / f"{code}.dsn").write_text(world.environment.pop(f"{code}_DSN"))
    text = world.countries[code] = world.countries[code].replace(
        f"env:{code}_DSN", f"file:{code}.dsn"
    )
    assert "file:" in text
    lines = "\n".join(f"  {name}: {text}" for name, text in world.countries.items())
    world.config.write_text(f"warehouse: ./warehouse\ncountries:\n{lines}\n")


class Tree:
    """`storeavail up --port 0` over a world."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.home = world.folder / "warehouse" / "dagster"
        self.log = world.folder / "up.log"
        self.process: subprocess.Popen[bytes] | None = None
        self.address = ""

    def start(self) -> None:
        """Start it, and wait until it says its address."""
        command = [sys.executable, "-m", "storeavail_platform.commands.cli", "up", "--port", "0"]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [*command, "--config", str(self.world.config)],
                stdout=log,
                stderr=log,
                cwd=self.world.folder,
                start_new_session=True,
            )
        found = wait_for("its address", self._said, START_SECONDS)
        self.address = found[1]
        wait_for("an answer", lambda: self.health()[0], START_SECONDS)

    def _said(self) -> re.Match[str] | None:
        assert self.process is not None
        said = self.log.read_text()
        assert self.process.poll() is None, said
        return ADDRESS.search(said)

    def said(self, text: str) -> bool:
        return text in self.log.read_text()

    def health(self) -> tuple[int, dict[str, Any]]:
        """Status and content of `/health`; 0 while nothing answers."""
        try:
            with urllib.request.urlopen(f"{self.address}/health", timeout=30) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.load(error)
        except OSError:
            return 0, {}

    def is_well(self) -> bool:
        return self.health()[0] == 200

    def ask(self, query: str, **variables: Any) -> dict[str, Any]:
        """What Dagster answers to a GraphQL question of a program."""
        data = json.dumps({"query": query, "variables": variables}).encode()
        request = urllib.request.Request(
            f"{self.address}/graphql", data, {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            found: dict[str, Any] = json.load(answer)
        assert "errors" not in found, found
        return dict(found["data"])

    def schedules(self) -> dict[str, str]:
        """Each schedule's status, by name."""
        selector = {"repositoryName": "__repository__", "repositoryLocationName": "storeavail"}
        found = self.ask(SCHEDULES, selector=selector)["schedulesOrError"]
        return {s["name"]: s["scheduleState"]["status"] for s in found.get("results", ())}

    def schedule_id(self, name: str) -> str:
        selector = {
            "repositoryName": "__repository__",
            "repositoryLocationName": "storeavail",
            "scheduleName": name,
        }
        found = self.ask(SCHEDULE, selector=selector)["scheduleOrError"]
        return str(found["scheduleState"]["id"])

    def runs(self, tag: str) -> list[str]:
        """Ids of the runs that have a tag."""
        found = self.ask("{ runsOrError { ... on Runs { results { id tags { key } } } } }")
        runs = found["runsOrError"]["results"]
        return [run["id"] for run in runs if {"key": tag} in run["tags"]]

    def events(self) -> list[Any]:
        """What was reported of the asset `stores`: runs and times of what was made or seen."""
        found = self.ask(EVENTS)["assetNodeOrError"]
        return [found["assetMaterializations"], found["assetObservations"]]

    def children(self) -> dict[str, int]:
        """Process ids by name, of what the guards guard."""
        named = json.loads((self.home / "up" / "children.json").read_bytes())
        found = {}
        for name, text in named.items():
            guard = text.split(" ")[2] if text else "0"
            with contextlib.suppress(FileNotFoundError):
                below = (PROC / guard / "task" / guard / "children").read_text().split()
                found[name] = int(below[0]) if below else 0
        return found

    def living(self) -> list[str]:
        """Command lines of all living processes of this tree: its own and those with its
        configuration.
        """
        wanted = f"{CONFIG_VARIABLE}={self.world.config}".encode()
        found = []
        for folder in PROC.iterdir():
            with contextlib.suppress(OSError):
                if folder.name.isdecimal() and (
                    wanted in (folder / "environ").read_bytes().split(b"\0")
                ):
                    found.append((folder / "cmdline").read_text().replace("\0", " "))
        return [line for line in found if line.strip()]

    def end(self, number: signal.Signals) -> int:
        """Send a signal to `storeavail up` alone, and wait until it is gone; its exit code."""
        assert self.process is not None
        os.kill(self.process.pid, number)
        return self.process.wait(timeout=120)


SCHEDULES = """query($selector: RepositorySelector!) { schedulesOrError(repositorySelector: $selector) {
  ... on Schedules { results { name scheduleState { status } } } } }"""
SCHEDULE = """query($selector: ScheduleSelector!) { scheduleOrError(scheduleSelector: $selector) {
  ... on Schedule { scheduleState { id } } } }"""
EVENTS = """{ assetNodeOrError(assetKey: {path: ["stores"]}) { ... on AssetNode {
  assetMaterializations { runId timestamp } assetObservations { runId timestamp } } } }"""
