"""What a person is asked for by `storeavail init`, where options do not say it."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

import click

from storeavail_platform.commands.init.writing import Answers

LOGIN = ("api_key", "username", "password", "ca_certificate")


def ask(options: Mapping[str, str | None]) -> Answers:
    """The answers: of options, else of the person at the terminal.

    Raises:
        click.UsageError: an option is missing, and there is no terminal.
    """
    found = {name: value for name, value in options.items() if value is not None}
    missing: list[str] = []

    def answer(name: str, question: str, default: str | None = None) -> str:
        if name not in found:
            if not sys.stdin.isatty():
                missing.append(f"--{name.replace('_', '-')}")
                return ""
            found[name] = click.prompt(question, default=default)
        return _absolute(found[name])

    code = answer("country", "Country code, such as BR")
    timezone = answer("timezone", "IANA time zone of stores without one, such as America/Sao_Paulo")
    postgres = answer(
        "postgres",
        "PostgreSQL: where the connection string is (env:NAME, file:PATH, aws:NAME)",
        f"env:{code}_POSTGRES_DSN",
    )
    if "path" in found:
        index = {"path": str(Path(found["path"]).absolute())}
    else:
        url = found.get("url") or answer(
            "index_url",
            "Elasticsearch or OpenSearch: where its address is (env:NAME, file:PATH, aws:NAME)",
            f"env:{code}_ES_URL",
        )
        index = {"url": _absolute(url), "index": answer("index", "Index, alias or pattern")}
        index |= {name: _absolute(found[name]) for name in LOGIN if name in found}
        if "ca_certificate" in index:
            index["ca_certificate"] = str(Path(index["ca_certificate"]).absolute())
    if missing:
        raise click.UsageError(
            f"there is no terminal to ask at: give {', '.join(missing)}"
            + (" (or --index-path)" if "--index-url" in missing else "")
        )
    return Answers(code, timezone, postgres, index)


def _absolute(text: str) -> str:
    """A reference to a file, from wherever this is typed; other text as it is."""
    kind, separator, path = text.partition(":")
    return f"file:{Path(path).absolute()}" if separator and kind == "file" else text
