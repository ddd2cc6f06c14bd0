"""The notes in a real Zeppelin: imported and run through its REST interface, with sign-in on
and an interpreter process for each user.
"""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from storeavail_deploy import probe

from storeavail_platform.config import CONFIG_VARIABLE
from storeavail_platform_tests.end_to_end.world import World
from storeavail_platform_tests.faults.made_up import Driven, past
from storeavail_platform_tests.zeppelin.test_notes import NOTES, ZEPPELIN, load
from storeavail_platform_tests.zeppelin.test_paragraphs import DOCUMENTS, STORE_ROWS
from storeavail_testing.postgres import PostgresServer
from storeavail_testing.processes import service_folder
from storeavail_testing.waiting import wait_for
from storeavail_testing.zeppelin import Visitor, ZeppelinServer, python_setting

pytestmark = pytest.mark.zeppelin

USERS = {"ana": "analyst", "bob": "analyst", "root": "admin"}
PASSWORD_ROUNDS = 1000
REPLACED = {"zeppelin.notebook.storage": "org.apache.zeppelin.notebook.repo.VFSNotebookRepo"}
"""Of the settings that are published, what needs S3."""
LIVE = "2 Live, all countries"
CLOCK = "2CLOCK001"
MINE = {
    "paragraphs": [{"text": "%python\nimport os\nprint(os.getppid())"}],
    "name": "mine",
    "config": {},
    "info": {},
}


@dataclass(frozen=True)
class Notebooks:
    """A Zeppelin with our settings, as far as they do not need S3 or a cluster."""

    server: ZeppelinServer

    def as_user(self, name: str) -> Visitor:
        return Visitor(self.server.port).sign_in(name, f"{name}-password")


@pytest.fixture(scope="module")
def notebooks(
    tmp_path_factory: pytest.TempPathFactory, postgres_server: PostgresServer
) -> Iterator[Notebooks]:
    """With the tables of a company's newest window; the notes lie where `storeavail-deploy
    notes publish` puts them.
    """
    world = World(tmp_path_factory.mktemp("zeppelin"), postgres_server)
    window = past(0)
    world.add_country(
        "BR", "America/Sao_Paulo", world.record("BR", window, DOCUMENTS), rows=STORE_ROWS
    )
    environment = {**world.environment, CONFIG_VARIABLE: str(world.config)}
    with pytest.MonkeyPatch.context() as patch, dg.DagsterInstance.ephemeral() as instance:
        for name, value in environment.items():
            patch.setenv(name, value)
        assert Driven(world, instance).window(window).success
    site = {
        str(each.findtext("name")): str(each.findtext("value"))
        for each in ElementTree.parse(ZEPPELIN / "conf/zeppelin-site.xml").getroot()
    }
    settings = json.loads((ZEPPELIN / "conf" / "interpreter.json").read_text())[
        "interpreterSettings"
    ]
    with service_folder("zeppelin") as folder:
        server = ZeppelinServer(
            folder,
            shiro=file_users((ZEPPELIN / "conf" / "shiro.ini.template").read_text()),
            site=site | REPLACED,
            interpreters={"python": python_setting(settings["python"])},
            environment=environment,
        )
        for path in NOTES:
            note = load(path)
            there = folder / "notebook" / f"{note['path'].strip('/')}_{note['id']}.zpln"
            there.parent.mkdir(exist_ok=True)
            shutil.copy(path, there)
        # what its schedule has run says so in a note of the published folder
        note = clock(load(NOTES[1]))
        (folder / "notebook" / f"{note['path'].strip('/')}_{note['id']}.zpln").write_text(
            json.dumps(note)
        )
        shutil.copy(ZEPPELIN / "conf" / "notebook-authorization.json", folder / "conf")
        server.start()
        yield Notebooks(server)
        server.kill()


def clock(note: dict[str, Any]) -> dict[str, Any]:
    """A note that is scheduled as a published one is, but every second, and tells the time."""
    first = {**note["paragraphs"][0], "text": "%md\nran"}
    config = {**note["config"], "cron": "* * * * * ?"}
    path = f"{note['path'].rpartition('/')[0]}/clock"
    return {**note, "id": CLOCK, "path": path, "paragraphs": [first], "config": config}


def file_users(template: str) -> str:
    """The template for file users, as it says itself how that is done."""
    lines = [
        line
        for line in template.splitlines()
        if not line.startswith(("ldapRealm", "securityManager.realms"))
    ]
    at = lines.index("[users]") + 1
    return "\n".join(
        [
            *lines[:at],
            *(f"{name} = {hashed(f'{name}-password')}, {role}" for name, role in USERS.items()),
            *lines[at:],
        ]
    )


def hashed(password: str) -> str:
    """A password as Shiro's own tool writes it."""
    salt = password[::-1].encode()
    digest = salt + password.encode()
    for _ in range(PASSWORD_ROUNDS):
        digest = hashlib.sha256(digest).digest()
    return "$".join(
        [
            "",
            "shiro1",
            "SHA-256",
            str(PASSWORD_ROUNDS),
            *(base64.b64encode(data).decode() for data in (salt, digest)),
        ]
    )


def run(visitor: Visitor, note: str, paragraph: str) -> str:
    """Run a paragraph to its end; what it printed."""
    result = visitor.ask("POST", f"/api/notebook/run/{note}/{paragraph}")
    said = "".join(message["data"] for message in result["msg"])
    assert result["code"] == "SUCCESS", said
    return said


@pytest.mark.parametrize("path", NOTES, ids=lambda path: path.stem)
def test_every_note_is_imported_and_its_python_runs(notebooks: Notebooks, path: Path) -> None:
    """Zeppelin takes the note as it is; each Python paragraph prints tables, or what has to be
    configured for the raw databases.
    """
    note = load(path)
    ana = notebooks.as_user("ana")
    identity = ana.ask("POST", f"/api/notebook/import?notePath=/mine/{path.stem}", note)
    there = ana.ask("GET", f"/api/notebook/{identity}")
    assert [paragraph["text"] for paragraph in there["paragraphs"]] == [
        paragraph["text"] for paragraph in note["paragraphs"]
    ]
    for paragraph in there["paragraphs"]:
        if paragraph["text"].startswith("%md"):
            assert run(ana, identity, paragraph["id"]).startswith('<div class="markdown-body">')
        if paragraph["text"].startswith("%python"):
            said = run(ana, identity, paragraph["id"])
            assert ("ConfigError: " if "analyst.raw" in paragraph["text"] else "BR") in said


def test_zeppelin_knows_every_setting(notebooks: Notebooks) -> None:
    """A key that is not Zeppelin's own would be passed over without a word."""
    known = notebooks.as_user("root").ask("GET", "/api/configurations/all")
    root = ElementTree.parse(ZEPPELIN / "conf" / "zeppelin-site.xml").getroot()
    site = {str(each.findtext("name")): str(each.findtext("value")) for each in root} | REPLACED
    assert {name: str(known.get(name)).lower() for name in site} == {
        name: value.lower() for name, value in site.items()
    }


def test_published_notes_are_everybodys_to_run_and_an_admins_to_change(
    notebooks: Notebooks,
) -> None:
    """All are listed; an analyst reads and runs one, and can neither write to it nor delete it."""
    ana, root = notebooks.as_user("ana"), notebooks.as_user("root")
    there = {note["id"]: note["path"] for note in ana.ask("GET", "/api/notebook")}
    for note in map(load, NOTES):
        assert there[note["id"]] == note["path"]
        address = f"/api/notebook/{note['id']}"
        assert ana.status("GET", address) == 200
        assert ana.status("POST", f"{address}/paragraph", {"title": "", "text": "%md\nmine"}) == 403
        assert ana.status("DELETE", address) == 403
    first = root.ask("GET", f"/api/notebook/{load(NOTES[0])['id']}")["paragraphs"][0]["id"]
    assert run(ana, load(NOTES[0])["id"], first)


def test_schedules_are_for_the_published_folder(notebooks: Notebooks) -> None:
    """The published schedule is in force; a folder whose name only begins the same may have
    none.
    """
    (live,) = [note for note in map(load, NOTES) if note["name"] == LIVE]
    ana, root = notebooks.as_user("ana"), notebooks.as_user("root")
    assert root.ask("GET", f"/api/notebook/cron/{live['id']}")["cron"] == live["config"]["cron"]
    for folder in ("mine", "Store availability of mine"):
        identity = ana.ask(
            "POST", f"/api/notebook/import?notePath=/{folder.replace(' ', '%20')}/scheduled", MINE
        )
        assert (
            ana.status("POST", f"/api/notebook/cron/{identity}", {"cron": live["config"]["cron"]})
            == 403
        )


def test_a_schedule_runs_by_its_clock(notebooks: Notebooks) -> None:
    """From when Zeppelin has read the note on, with nobody signed in, as the user that it names."""
    root = notebooks.as_user("root")

    def ran() -> Any:
        (paragraph,) = root.ask("GET", f"/api/notebook/{CLOCK}")["paragraphs"]
        return paragraph if paragraph["status"] == "FINISHED" else None

    done = wait_for("a scheduled run", ran)
    assert done["user"] == load(NOTES[1])["config"]["cronExecutingUser"]
    assert "ran" in done["results"]["msg"][0]["data"]
    root.ask("DELETE", f"/api/notebook/{CLOCK}")


def test_results_are_shown_and_not_saved(notebooks: Notebooks) -> None:
    """Figures stay out of the notes' bucket."""
    ana = notebooks.as_user("ana")
    identity = ana.ask(
        "POST",
        "/api/notebook/import?notePath=/mine/results",
        {**MINE, "paragraphs": [{"text": "%md\n*fig*ures"}]},
    )
    paragraph = ana.ask("GET", f"/api/notebook/{identity}")["paragraphs"][0]["id"]
    assert "<em>fig</em>ures" in run(ana, identity, paragraph)
    assert "<em>fig</em>ures" in json.dumps(ana.ask("GET", f"/api/notebook/{identity}"))
    (saved,) = (notebooks.server.folder / "notebook" / "mine").glob(f"results_{identity}.zpln")
    text = saved.read_text(encoding="utf-8")
    assert "*fig*ures" in text
    assert "<em>" not in text


def test_nobody_enters_unknown(notebooks: Notebooks) -> None:
    """Without a sign-in every page leads to it; a wrong password does not help."""
    stranger = Visitor(notebooks.server.port)
    assert stranger.status("GET", "/api/notebook") == 302
    with pytest.raises(OSError, match="403"):
        stranger.sign_in("ana", "wrong")
    # which a cluster is asked before it is admitted
    unit = notebooks.server.folder / "storeavail.conf"
    unit.write_text("start --sign-in zeppelin")
    address = f"http://127.0.0.1:{notebooks.server.port}/api/notebook"
    assert probe.zeppelin(unit, address, patience=0) == "asks who is there (302)"


@pytest.mark.parametrize(
    "page",
    [
        "/api/interpreter",
        "/api/interpreter/setting",
        "/api/notebook-repositories",
        "/api/credential",
        "/api/configurations/all",
    ],
)
def test_pages_of_settings_are_for_admins(notebooks: Notebooks, page: str) -> None:
    """An analyst is refused; the admin gets the page."""
    assert notebooks.as_user("ana").status("GET", page) in {401, 403}
    assert notebooks.as_user("root").status("GET", page) == 200


def test_a_note_is_its_authors(notebooks: Notebooks) -> None:
    """Another analyst neither sees nor runs it until it is shared."""
    ana, bob = notebooks.as_user("ana"), notebooks.as_user("bob")
    identity = ana.ask("POST", "/api/notebook/import?notePath=/mine/private", MINE)
    assert ana.status("GET", f"/api/notebook/{identity}") == 200
    assert bob.status("GET", f"/api/notebook/{identity}") == 403
    assert identity not in {note["id"] for note in bob.ask("GET", "/api/notebook")}


def test_each_user_has_a_process(notebooks: Notebooks) -> None:
    """The same paragraph of two users runs in two interpreter processes."""
    processes: set[Any] = set()
    for name in ("ana", "bob"):
        visitor = notebooks.as_user(name)
        identity = visitor.ask("POST", f"/api/notebook/import?notePath=/{name}/process", MINE)
        (paragraph,) = [
            each["id"]
            for each in visitor.ask("GET", f"/api/notebook/{identity}")["paragraphs"]
            if "text" in each
        ]
        processes.add(run(visitor, identity, paragraph).strip())
    assert len(processes) == 2
