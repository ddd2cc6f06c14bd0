"""`storeavail up`, as it runs for good: one address, one tree a warehouse, whatever is killed is
started again, and nothing outlives it.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import urllib.request
from collections.abc import Iterator
from functools import partial

import pytest
from playwright.sync_api import Browser, Response

from storeavail_platform.config import dagster_home
from storeavail_platform_tests.end_to_end.world import World
from storeavail_platform_tests.orchestration.up.foreign import SUBMIT, TRIES, elsewhere
from storeavail_platform_tests.orchestration.up.tree import Tree, add_country
from storeavail_testing.browser import browser_running, opened_page
from storeavail_testing.postgres import PostgresServer
from storeavail_testing.release import before
from storeavail_testing.waiting import wait_for

WAIT_SECONDS = 240.0
POST = """async query => {
  const options = {method: 'POST', headers: {'Content-Type': 'application/json'}};
  const answer = await fetch('/graphql', {...options, body: JSON.stringify({query})});
  const text = await answer.text();
  return [answer.status, answer.ok ? JSON.parse(text) : text];
}"""
"""A question from the page that is open to its own server."""
BACKFILL = """mutation { launchPartitionBackfill(backfillParams: {
  assetSelection: [{path: ["stores"]}], partitionNames: ["%s"]
}) { ... on LaunchBackfillSuccess { backfillId } } }"""
pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def tree(
    tmp_path_factory: pytest.TempPathFactory, postgres_server: PostgresServer
) -> Iterator[Tree]:
    """A company of one country with a complete window, and its tree; what a test kills is
    running again when it ends.
    """
    world = World(tmp_path_factory.mktemp("up"), postgres_server)
    add_country(world, "BR")
    world.command("run")
    running = Tree(world)
    running.start()
    yield running
    assert running.process is not None
    if running.process.poll() is None:
        running.end(signal.SIGTERM)


def test_one_address_shows_everything(tree: Tree) -> None:
    """Dagster's pages, the dashboard and health; the home is the one of `storeavail run`, so that
    its run is there.
    """
    wait_for("health", tree.is_well, WAIT_SECONDS)
    assert tree.health()[1]["countries"].keys() == {"BR"}
    with urllib.request.urlopen(f"{tree.address}/dashboard/BR/", timeout=30) as page:
        assert b"<html" in page.read()
    with urllib.request.urlopen(f"{tree.address}/runs", timeout=30) as page:
        assert b"Dagster" in page.read()
    assert dagster_home(tree.world.runtime().platform) == tree.home
    runs = tree.ask("{ runsOrError { ... on Runs { results { status } } } }")["runsOrError"]
    assert {"status": "SUCCESS"} in runs["results"]
    assert tree.schedules()["window_br"] == "RUNNING"


def test_a_second_one_is_refused(tree: Tree) -> None:
    """With host and process of the first; a port that is taken is told before anything starts."""
    assert tree.process is not None
    second = tree.world.command("up", "--port", "0", check=False)
    assert second.returncode == 1
    assert re.search(rf"runs already for .*: process {tree.process.pid} on \S+", second.stderr)
    port = tree.address.rpartition(":")[2]
    taken = tree.world.command("up", "--port", port, check=False)
    assert taken.returncode == 1
    assert f"port {port} of 127.0.0.1 cannot be used" in taken.stderr


def test_a_connection_that_asks_nothing_is_ended(tree: Tree) -> None:
    """Nobody holds the port's connections by opening them; what asks is answered meanwhile."""
    port = int(tree.address.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), timeout=WAIT_SECONDS) as silent:
        wait_for("health", tree.is_well, WAIT_SECONDS)
        assert silent.recv(1) == b""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """With two names of other sites that lead to this machine."""
    rules = "MAP elsewhere.example 127.0.0.1, MAP rebound.example 127.0.0.1"
    with browser_running(f"--host-resolver-rules={rules}") as running:
        yield running


@pytest.mark.parametrize("site", ["elsewhere.example", "127.0.0.1"])
def test_a_foreign_page_changes_nothing(tree: Tree, browser: Browser, site: str) -> None:
    """Neither a page of another site nor one of another port of this machine, however it asks;
    each request has arrived, and was refused.
    """
    stop = f'mutation {{ stopRunningSchedule(id: "{tree.schedule_id("window_br")}") {{ __typename }} }}'
    before = tree.events()
    log = tree.home / "up" / "webserver.log"
    with elsewhere() as port, opened_page(browser, offline=False) as seen:
        log_before = log.stat().st_size
        seen.page.goto(f"http://{site}:{port}/")
        outcomes = seen.page.evaluate(TRIES, [tree.address, stop])
        with seen.page.expect_navigation(url=f"{tree.address}/graphql*"):
            seen.page.evaluate(SUBMIT, [tree.address, stop])
        assert "refused: " in seen.page.content()
    assert {outcomes.pop("frame"), outcomes.pop("form"), outcomes.pop("text_form")} <= {"loaded"}
    assert set(outcomes.values()) <= {"error", "opaque", "sent"}
    assert outcomes["websocket"] == "error"
    noted = log.read_text()[log_before:]
    kinds = ("materialization", "check", "observation")
    for way in (
        "GET '/graphql'",
        "POST '/graphql'",
        "WS '/graphql'",
        *(f"POST '/report_asset_{kind}/stores'" for kind in kinds),
    ):
        assert f"{way} refused: " in noted, way
    assert tree.schedules()["window_br"] == "RUNNING"
    assert tree.events() == before


def test_a_rebound_name_reads_and_changes_nothing(tree: Tree, browser: Browser) -> None:
    """To the browser a foreign name that resolves to this machine is one site with its page."""
    port = tree.address.rpartition(":")[2]
    with opened_page(browser, offline=False) as seen:
        answer = seen.page.goto(f"http://rebound.example:{port}/")
        assert answer is not None
        assert answer.status == 403
        status = seen.page.evaluate(POST, "{ version }")[0]
        assert status == 403


def test_the_ui_works(tree: Tree, browser: Browser) -> None:
    """Behind the gate its pages open without a refusal; it reloads, stops and starts a schedule,
    launches a run and a back-fill.
    """
    refused: list[str] = []

    def note(answer: Response) -> None:
        if answer.status >= 400:
            refused.append(answer.url)

    def has_status(status: str) -> bool:
        return tree.schedules()["window_br"] == status

    with opened_page(browser, offline=False) as seen:
        page = seen.page
        page.set_default_timeout(WAIT_SECONDS * 1000)
        page.on("response", note)
        with page.expect_websocket(lambda socket: socket.url.endswith("/graphql")):
            page.goto(f"{tree.address}/locations/storeavail/schedules/window_br")
        for status in ("STOPPED", "RUNNING"):
            # the input itself is hidden behind what is drawn of it
            page.get_by_role("checkbox").first.evaluate("box => box.click()")
            wait_for(status, partial(has_status, status), WAIT_SECONDS)
        page.goto(f"{tree.address}/deployment/locations")
        with page.expect_response(lambda answer: "Reload" in answer.url) as reloaded:
            page.get_by_role("button", name="Reload all").click()
        assert reloaded.value.status == 200
        wait_for("the schedules", lambda: "window_br" in tree.schedules(), WAIT_SECONDS)
        window = tree.world.runtime().markers.complete("BR")[-1]
        status, content = page.evaluate(POST, BACKFILL % f"BR|{window}")
        assert (status, content["data"]["launchPartitionBackfill"].keys()) == (200, {"backfillId"})
    wait_for("a run of the back-fill", lambda: tree.runs("dagster/backfill"), WAIT_SECONDS)
    assert refused == []


@pytest.mark.long
@pytest.mark.parametrize("name", ["webserver", "daemon", "code server", "run starter"])
def test_what_is_killed_is_started_again(tree: Tree, name: str) -> None:
    """Health is well again by itself, and the operator is told."""
    wait_for("health", tree.is_well, WAIT_SECONDS)
    before = tree.children()[name]
    os.kill(before, signal.SIGKILL)
    wait_for("word of it", lambda: tree.said(f"{name} ended with exit code 137"), WAIT_SECONDS)
    wait_for(
        "another process", lambda: tree.children().get(name, 0) not in (0, before), WAIT_SECONDS
    )
    wait_for("health", tree.is_well, WAIT_SECONDS)
    wait_for("the schedules", lambda: "window_br" in tree.schedules(), WAIT_SECONDS)


def test_a_country_is_taken_up_without_a_restart(tree: Tree) -> None:
    """It is in the file, and runs; a mistake in the file is told and changes nothing."""
    text = tree.world.config.read_text()
    tree.world.config.write_text(text + "nonsense: true\n")
    wait_for(
        "the mistake", lambda: tree.said("goes on with the configuration of before"), WAIT_SECONDS
    )
    processes = tree.children()
    add_country(tree.world, "CL")
    wait_for("word of it", lambda: tree.said("has changed: taken up"), WAIT_SECONDS)
    wait_for("its schedule", lambda: tree.schedules().get("window_cl") == "RUNNING", WAIT_SECONDS)
    assert tree.children() == processes


@pytest.mark.long
def test_a_reboot(tree: Tree) -> None:
    """Killed, it leaves nothing behind, though nobody told its processes; started again it goes
    on where it was. Told to end, it ends everything and says that all went well.
    """
    assert tree.end(signal.SIGKILL) == -signal.SIGKILL
    wait_for("the end of its processes", lambda: not tree.living(), WAIT_SECONDS)
    tree.start()
    wait_for("the schedules", lambda: "window_br" in tree.schedules(), WAIT_SECONDS)
    wait_for("health", lambda: tree.health()[1].get("countries", {}).get("BR"), WAIT_SECONDS)
    assert tree.end(signal.SIGTERM) == 0
    assert tree.living() == []
    assert not (tree.world.folder / "warehouse" / "up.json").exists()


@pytest.mark.long
def test_an_upgrade(tree: Tree) -> None:
    """Told to end, with the settings of the release before in its home, and started as this
    release: settings are brought up to date, schedules and runs are those of before.
    """
    if tree.process is not None and tree.process.poll() is None:
        tree.end(signal.SIGTERM)
    path = before().path
    assert path is not None
    settings = (path / "storeavail_platform" / "automation" / "dagster.yaml").read_text()
    (tree.home / "dagster.yaml").write_text(settings)
    tree.start()
    wait_for("health", lambda: tree.health()[1].get("countries", {}).get("BR"), WAIT_SECONDS)
    assert "dequeue_interval_seconds: 1" in (tree.home / "dagster.yaml").read_text()
    assert tree.schedules()["window_br"] == "RUNNING"
    runs = tree.ask("{ runsOrError { ... on Runs { results { status } } } }")["runsOrError"]
    assert {"status": "SUCCESS"} in runs["results"]
    assert tree.end(signal.SIGTERM) == 0
