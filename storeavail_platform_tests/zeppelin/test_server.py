"""The notes in a real Zeppelin: imported and run through its REST interface, with sign-in on and an interpreter process for each user."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from storeavail_platform.config import CONFIG_VARIABLE
from storeavail_platform_tests.end_to_end.world import World
from storeavail_platform_tests.faults.made_up import Driven, past
from storeavail_platform_tests.services.postgres import PostgresServer
from storeavail_platform_tests.services.processes import service_folder
from storeavail_platform_tests.services.zeppelin import Visitor, ZeppelinServer, python_setting
from storeavail_platform_tests.zeppelin.test_notes import NOTES, ZEPPELIN, load
from storeavail_platform_tests.zeppelin.test_paragraphs import DOCUMENTS, STORES

USERS = {"ana": "analyst", "bob": "analyst", "root": "admin"}
MINE = {"paragraphs": [{"text": "%python\nimport os\nprint(os.getppid())"}], "name": "mine", "config": {}, "info": {}}


@dataclass(frozen=True)
class Notebooks:
    """A Zeppelin with our settings, as far as they do not need S3 or a cluster."""

    server: ZeppelinServer

    def as_user(self, name: str) -> Visitor:
        return Visitor(self.server.port).sign_in(name, f"{name}-password")


@pytest.fixture(scope="module")
def notebooks(tmp_path_factory: pytest.TempPathFactory, postgres_server: PostgresServer) -> Iterator[Notebooks]:
    """With the tables of a company's newest window."""
    world = World(tmp_path_factory.mktemp("zeppelin"), postgres_server)
    window = past(0)
    world.add_country("BR", "America/Sao_Paulo", world.record("BR", window, DOCUMENTS), rows=STORES)
    environment = {**world.environment, CONFIG_VARIABLE: str(world.config)}
    with pytest.MonkeyPatch.context() as patch, dg.DagsterInstance.ephemeral() as instance:
        for name, value in environment.items():
            patch.setenv(name, value)
        assert Driven(world, instance).window(window).success
    template = (ZEPPELIN / "conf" / "shiro.ini.template").read_text()
    users = "\n".join(f"{name} = {name}-password, {role}" for name, role in USERS.items())
    without_ldap = re.sub(
        r"^(ldapRealm|securityManager\.realms|passwordMatcher|iniRealm|cookie\.secure).*\n", "", template, flags=re.MULTILINE
    )
    shiro = without_ldap.replace("[users]\n", f"[users]\n{users}\n").replace("cookie.httpOnly", "cookie.httpOnly")
    site = {"zeppelin.anonymous.allowed": "false", "zeppelin.notebook.public": "false"}
    settings = json.loads((ZEPPELIN / "conf" / "interpreter.json").read_text())["interpreterSettings"]
    with service_folder("zeppelin") as folder:
        server = ZeppelinServer(
            folder, shiro=shiro, site=site, interpreters={"python": python_setting(settings["python"])}, environment=environment
        )
        server.start()
        yield Notebooks(server)
        server.kill()


def run(visitor: Visitor, note: str, paragraph: str) -> str:
    """Run a paragraph to its end; what it printed."""
    result = visitor.ask("POST", f"/api/notebook/run/{note}/{paragraph}")
    said = "".join(message["data"] for message in result["msg"])
    assert result["code"] == "SUCCESS", said
    return said


@pytest.mark.parametrize("path", NOTES, ids=lambda path: path.stem)
def test_every_note_is_imported_and_its_python_runs(notebooks: Notebooks, path: Path) -> None:
    """Zeppelin takes the note as it is; each Python paragraph prints tables, or what has to be configured for the raw databases."""
    note = load(path)
    ana = notebooks.as_user("ana")
    identity = ana.ask("POST", f"/api/notebook/import?notePath=/mine/{path.stem}", note)
    there = ana.ask("GET", f"/api/notebook/{identity}")
    assert [paragraph["text"] for paragraph in there["paragraphs"]] == [paragraph["text"] for paragraph in note["paragraphs"]]
    for paragraph in there["paragraphs"]:
        if paragraph["text"].startswith("%python"):
            said = run(ana, identity, paragraph["id"])
            assert ("ConfigError: " if "analyst.raw" in paragraph["text"] else "BR") in said


def test_nobody_enters_unknown(notebooks: Notebooks) -> None:
    """Without a sign-in every page leads to it; a wrong password does not help."""
    stranger = Visitor(notebooks.server.port)
    assert stranger.status("GET", "/api/notebook") == 302
    with pytest.raises(OSError, match="403"):
        stranger.sign_in("ana", "wrong")


@pytest.mark.parametrize("page", ["/api/interpreter", "/api/credential", "/api/configurations/all"])
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
        (paragraph,) = [each["id"] for each in visitor.ask("GET", f"/api/notebook/{identity}")["paragraphs"] if "text" in each]
        processes.add(run(visitor, identity, paragraph).strip())
    assert len(processes) == 2
