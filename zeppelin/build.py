"""Makes the notes (`notes/*.zpln`, what Zeppelin reads) out of their sources (`source/*.md`, what people review): `python zeppelin/build.py`.

A source is Markdown: its first line is the note's path; text becomes `%md` paragraphs, fenced `sql` becomes `%spark.sql`, fenced `python` becomes
`%python`. After the fence: `title="..."`, and for a chart `chart=KIND keys=COLUMN groups=COLUMN values=COLUMN`. A comment `cron: ...` refreshes the
note. Notes carry no results and no dates, so that the same source gives the same bytes.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
SOURCES, NOTES = HERE / "source", HERE / "notes"
FENCE = re.compile(r"^```(sql|python)([^\n]*)\n(.*?)^```\n?", re.MULTILINE | re.DOTALL)
CRON = re.compile(r"<!-- cron: (.+?) -->\n*")
OPTION = re.compile(r'(\w+)=(?:"([^"]*)"|(\S+))')
MAGIC = {"md": "%md", "sql": "%spark.sql", "python": "%python"}
LANGUAGE = {"md": "markdown", "sql": "sql", "python": "python"}
CREATED = "2026-01-01 00:00:00.000"
"""Zeppelin asks for a date; this one says nothing."""


def note(source: str) -> dict[str, Any]:
    """A note as Zeppelin stores it.

    Raises:
        ValueError: the first line is no title, or a fence has an option that is not known.
    """
    title, _, text = source.partition("\n")
    if not title.startswith("# ") or "/" not in title:
        raise ValueError(f"the first line has to be '# Folder/Name', not {title!r}")
    path = title.removeprefix("# ").strip()
    cron = CRON.search(text)
    text = CRON.sub("", text)
    config: dict[str, Any] = {"isZeppelinNotebookCronEnable": True, "looknfeel": "default", "personalizedMode": "false"}
    if cron is not None:
        config |= {"cron": cron[1], "releaseresource": False}
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
        yield found[1], found[3].rstrip(), {name: quoted or plain for name, quoted, plain in OPTION.findall(found[2])}
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
        "results": {"0": {"graph": graph(options)}} if "chart" in options else {},
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


def graph(options: dict[str, str]) -> dict[str, Any]:
    """How a result is drawn at first; readers change it."""

    def columns(which: str, aggregate: str) -> list[dict[str, Any]]:
        return [{"name": options[which], "index": 0, "aggr": aggregate}] if which in options else []

    return {
        "mode": options["chart"],
        "height": 300,
        "optionOpen": False,
        "keys": columns("keys", "sum"),
        "groups": columns("groups", "sum"),
        "values": columns("values", "sum"),
        "commonSetting": {},
    }


def files() -> dict[Path, str]:
    """What each note file has to contain."""
    found = {}
    for source in sorted(SOURCES.glob("*.md")):
        made = note(source.read_text(encoding="utf-8"))
        found[NOTES / f"{source.stem}_{made['id']}.zpln"] = json.dumps(made, indent=2, ensure_ascii=False) + "\n"
    return found


def main() -> None:
    wanted = files()
    for path in set(NOTES.glob("*.zpln")) - set(wanted):
        path.unlink()
    for path, text in wanted.items():
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
