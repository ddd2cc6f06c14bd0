"""Makes the notes (`notes/*.zpln`, what Zeppelin reads) out of their sources (`source/*.md`, what
people review): `python zeppelin/build.py`.

A source is Markdown: its first line is the note's path; text becomes `%md` paragraphs, fenced `sql`
becomes `%spark.sql`, fenced `python` becomes `%python`. After the fence: `title="..."`, and for a
chart `chart=KIND keys=COLUMN groups=COLUMN values=COLUMN`. A comment `cron: ...` refreshes the
note. Notes carry no results and no dates, so that the same source gives the same bytes. Who may
change them is in `conf/notebook-authorization.json`.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import sqlglot
from sqlglot import exp

HERE = Path(__file__).parent
SOURCES, NOTES = HERE / "source", HERE / "notes"
PERMISSIONS = HERE / "conf" / "notebook-authorization.json"
FENCE = re.compile(r"^```(sql|python)([^\n]*)\n(.*?)^```\n?", re.MULTILINE | re.DOTALL)
CRON = re.compile(r"<!-- cron: (.+?) -->\n*")
FORM = re.compile(r"\$\{\w+=([^},]*)[^}]*\}")
"""A field that a reader fills in, and what is in it at first."""
OPTION = re.compile(r'(\w+)=(?:"([^"]*)"|(\S+))')
MAGIC = {"md": "%md", "sql": "%spark.sql", "python": "%python"}
LANGUAGE = {"md": "markdown", "sql": "sql", "python": "python"}
CREATED = "2026-01-01 00:00:00.000"
"""Zeppelin asks for a date; this one says nothing."""
SCHEDULE_USER = "schedule"
"""Who a scheduled run is of; without a name it would be of `anonymous`."""
MAY = {"readers": ["analyst"], "runners": ["analyst"], "writers": ["admin"], "owners": ["admin"]}
"""Roles of shiro.ini.

A note of which nothing is said may be changed and deleted by everybody who signs in.
"""


def note(source: str) -> dict[str, Any]:
    """A note as Zeppelin stores it.

    Raises:
        ValueError: the first line is no title, or a fence has an option that is not known, or a
            chart names a column that the SQL has not.
    """
    title, _, text = source.partition("\n")
    if not title.startswith("# ") or "/" not in title:
        raise ValueError(f"the first line has to be '# Folder/Name', not {title!r}")
    path = title.removeprefix("# ").strip()
    cron = CRON.search(text)
    text = CRON.sub("", text)
    config: dict[str, Any] = {
        "isZeppelinNotebookCronEnable": True,
        "looknfeel": "default",
        "personalizedMode": "false",
    }
    if cron is not None:
        config |= {"cron": cron[1], "cronExecutingUser": SCHEDULE_USER, "releaseresource": False}
    identity = "2" + hashlib.sha256(path.encode()).hexdigest()[:8].upper()
    return {
        "paragraphs": [
            paragraph(kind, body, options, f"paragraph_{identity}_{number}")
            for number, (kind, body, options) in enumerate(pieces(text), start=1)
        ],
        "name": path.rsplit("/", 1)[-1],
        "id": identity,
        "defaultInterpreterGroup": "spark",
        "version": "0.11.1",
        "noteParams": {},
        "noteForms": {},
        "angularObjects": {},
        "config": config,
        "info": {},
        "path": f"/{path}",
    }


def pieces(text: str) -> Iterator[tuple[str, str, dict[str, str]]]:
    """The kind, text and options of each paragraph, in order."""
    end = 0
    for found in FENCE.finditer(text):
        if before := text[end : found.start()].strip():
            yield "md", before, {}
        yield (
            found[1],
            found[3].rstrip(),
            {name: quoted or plain for name, quoted, plain in OPTION.findall(found[2])},
        )
        end = found.end()
    if after := text[end:].strip():
        yield "md", after, {}


def paragraph(kind: str, body: str, options: dict[str, str], identity: str) -> dict[str, Any]:
    """A paragraph as Zeppelin stores it."""
    if unknown := sorted(set(options) - {"title", "chart", "keys", "groups", "values"}):
        raise ValueError(f"a paragraph has no option {', '.join(unknown)}")
    config: dict[str, Any] = {
        "colWidth": 12,
        "enabled": True,
        "fontSize": 9,
        "title": "title" in options,
        "editorSetting": {"language": LANGUAGE[kind], "editOnDblClick": kind == "md"},
        "editorMode": f"ace/mode/{LANGUAGE[kind]}",
        "editorHide": kind == "md",
        "results": {"0": {"graph": graph(body, options)}} if "chart" in options else {},
    }
    return {
        **({"title": options["title"]} if "title" in options else {}),
        "text": f"{MAGIC[kind]}\n{body}",
        "progress": 0,
        "config": config,
        "settings": {"params": {}, "forms": {}},
        "apps": [],
        "runtimeInfos": {},
        "jobName": identity,
        "id": identity,
        "dateCreated": CREATED,
        "status": "READY",
    }


def graph(sql: str, options: dict[str, str]) -> dict[str, Any]:
    """How a result is drawn at first; readers change it.

    Zeppelin finds a column by name and place together, and forgets one that does not fit.
    """
    query = sqlglot.parse_one(FORM.sub(r"\1", sql), dialect="spark")
    there = query.named_selects if isinstance(query, exp.Query) else []

    def columns(which: str) -> list[dict[str, Any]]:
        if which not in options:
            return []
        name = options[which]
        if name not in there:
            raise ValueError(f"a chart has {which}={name}, and its SQL gives {', '.join(there)}")
        return [{"name": name, "index": there.index(name), "aggr": "sum"}]

    return {
        "mode": options["chart"],
        "height": 300,
        "optionOpen": False,
        "keys": columns("keys"),
        "groups": columns("groups"),
        "values": columns("values"),
        "commonSetting": {},
    }


def files() -> dict[Path, str]:
    """What each file that is made has to contain: the notes, and who may do what with them."""
    found: dict[Path, str] = {}
    permissions = {}
    for source in sorted(SOURCES.glob("*.md")):
        made = note(source.read_text(encoding="utf-8"))
        found[NOTES / f"{source.stem}_{made['id']}.zpln"] = (
            json.dumps(made, indent=2, ensure_ascii=False) + "\n"
        )
        permissions[made["id"]] = MAY
    return found | {PERMISSIONS: json.dumps({"authInfo": permissions}, indent=2) + "\n"}


def main() -> None:
    wanted = files()
    for path in set(NOTES.glob("*.zpln")) - set(wanted):
        path.unlink()
    for path, text in wanted.items():
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
