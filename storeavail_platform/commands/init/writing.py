"""What `storeavail init` does, in order: look, guess, write."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from storeavail_platform.commands.init.documents import SeenFields, look_at_documents
from storeavail_platform.commands.init.guess_documents import (
    GuessedFlag,
    guess_flag,
    guess_time,
    id_fields,
    nested_of,
)
from storeavail_platform.commands.init.guess_hours import guess_dated, guess_weekly
from storeavail_platform.commands.init.guess_stores import guess_ids, guess_stores
from storeavail_platform.commands.init.sql_files import (
    Guessed,
    hours_file,
    is_default,
    stores_file,
)
from storeavail_platform.commands.init.tables import look_at_tables
from storeavail_platform.config import load_text
from storeavail_platform.config.dsn import dsn_parts
from storeavail_platform.domain.errors import ConfigError

CONFIGURATION, STORES, HOURS = "storeavail.yaml", "stores.sql", "hours.sql"
PLAIN = re.compile(r"[A-Za-z_./][A-Za-z0-9_./:-]*")
YAML_WORDS = frozenset({"true", "false", "yes", "no", "on", "off", "null", "y", "n"})
REFERENCES = ("env:", "file:", "aws:")


@dataclass(frozen=True)
class Answers:
    """What a person says of a country.

    Attributes:
        postgres: a reference to the connection string.
        index: settings of `online_index` that say where it is and who reads it.
    """

    code: str
    timezone: str
    postgres: str
    index: Mapping[str, str]
    warehouse: str = "./warehouse"


@dataclass(frozen=True)
class Made:
    """The files to write, by name, and what was guessed, a line each."""

    files: Mapping[str, str]
    lines: tuple[str, ...]


def refuse_clear(answers: Answers) -> None:
    """Refuse secrets that would be written out.

    Raises:
        ConfigError: says which one, and what to write.
    """
    secrets = {"--postgres": answers.postgres}
    for option in ("api_key", "password", "url"):
        if option in answers.index:
            name = "index-url" if option == "url" else option.replace("_", "-")
            secrets[f"--{name}"] = answers.index[option]
    for option, text in secrets.items():
        if text.startswith(REFERENCES):
            continue
        is_open = option in ("--api-key", "--password") or "@" in text
        if option == "--postgres":
            is_open = "password" in dsn_parts(text)
        if is_open:
            raise ConfigError(
                f"{option}: a secret is never written into the file; put it into an environment"
                " variable or a file, and write env:NAME or file:PATH"
            )


def refuse_existing(folder: Path) -> None:
    """Refuse a folder that has one of the files.

    Raises:
        ConfigError: names it.
    """
    for name in (CONFIGURATION, STORES, HOURS):
        if (folder / name).exists():
            raise ConfigError(
                f"{folder / name} is there already, and nothing is overwritten: name another folder"
            )


def look_and_guess(answers: Answers, folder: Path, today: date) -> Made:
    """Look at both sides, and make the files of what they seem to be.

    Raises:
        ConfigError: an answer is none, or nothing was found that could be a store's id.
        SourceUnavailable, SourceRejected: a side's words.
    """
    settings = {name: _yaml(value) for name, value in answers.index.items()}
    draft = _configuration(answers, settings, today, has_queries=False, comments={})
    country = load_text(draft, base=folder, origin="storeavail init").country(answers.code)
    seen = look_at_documents(country.online_index, country.aws)
    dsn = country.postgres.dsn.resolve(country.aws)
    tables, unread = look_at_tables(dsn, country.postgres.statement_timeout)
    fields = id_fields(seen)
    ids = guess_ids(tables, fields)
    if ids is None:
        shown = "; ".join(f"{name}: {', '.join(texts[:3])}" for name, texts in fields.items())
        columns = ", ".join(f"{table.name}.{name}" for table in tables for name in table.ids)
        raise ConfigError(
            "no column of PostgreSQL has ids that the index has, however they are written. Fields"
            f" of the index that may name a store: {shown or 'none'}; columns: {columns or 'none'}."
            " Check that both are of the same country, and that this user may read the tables"
        )
    flag = guess_flag(seen)
    fields_of = dict(_fields(seen, ids.field, flag))
    comments = {
        "store_id": ids.why,
        "online": _said_of_flag(flag),
        "updated_at": None if "updated_at" in fields_of else "no field was recognised",
    }
    stores = guess_stores(ids.table, tables)
    of_tables = Guessed(
        ids, stores, guess_weekly(ids.table, tables), guess_dated(ids.table, tables)
    )
    has_queries = not (is_default(tables) and ids.table.name == "stores" and ids.sql == "{0}")
    said = {name: text for name, text in comments.items() if text}
    files = {
        CONFIGURATION: _configuration(
            answers, {**settings, **fields_of}, today, has_queries=has_queries, comments=said
        )
    }
    lines = [*unread, *(f"{name}: {text}" for name, text in said.items())]
    if has_queries:
        made = f"Written by `storeavail init` on {today}: guesses. Correct them, then run `check`."
        files |= {STORES: stores_file(of_tables, made), HOURS: hours_file(of_tables, made)}
        lines += [
            line.removeprefix("-- ")
            for name in (STORES, HOURS)
            for line in files[name].splitlines()[1:]
            if line.startswith("--")
        ]
    else:
        lines.append("the tables are the default ones: no query is needed")
    return Made(files, tuple(dict.fromkeys(lines)))


def write(made: Made, folder: Path) -> None:
    """Write the files, none over another.

    Raises:
        ConfigError: one is there by now, or the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in made.files.items():
            with (folder / name).open("x", encoding="utf-8") as file:
                file.write(text)
    except OSError as error:
        raise ConfigError(f"{folder} cannot be written: {error}") from error


def _fields(seen: SeenFields, store_id: str, flag: GuessedFlag | None) -> Iterator[tuple[str, str]]:
    def called(name: str) -> str:
        return seen.readable.get(name, name)

    nested = nested_of(seen, store_id)
    if nested is not None:
        yield "nested", _yaml(nested)
    yield "store_id", _yaml(store_id if nested else called(store_id))
    if flag is not None:
        name = flag.field if nested else called(flag.field)
        if flag.online or flag.offline:
            lists = "".join(
                f", {side}: {json.dumps(each, ensure_ascii=False)}"
                for side, each in (("online", flag.online), ("offline", flag.offline))
            )
            yield "online", f"{{field: {_yaml(name)}{lists}}}"
        else:
            yield "online", _yaml(name)
    if (updated := guess_time(seen)) is not None:
        yield "updated_at", _yaml(updated if nested else called(updated))


def _said_of_flag(flag: GuessedFlag | None) -> str:
    if flag is None:
        return "no field was recognised that says whether a store is online; name it"
    unknown = f"; in neither list: {', '.join(map(repr, flag.unknown))}" if flag.unknown else ""
    return f"{flag.field} has {flag.why}{unknown}"


def _yaml(text: str) -> str:
    is_plain = PLAIN.fullmatch(text) and text.lower() not in YAML_WORDS
    return text if is_plain else json.dumps(text, ensure_ascii=False)


def _configuration(
    answers: Answers,
    index: Mapping[str, str],
    today: date,
    *,
    has_queries: bool,
    comments: Mapping[str, str],
) -> str:
    queries = f"\n      stores_query: {STORES}\n      hours_query: {HOURS}" if has_queries else ""
    lines = []
    for name in {**index, **comments}:
        if name in comments:
            lines.append(f"      # {' '.join(comments[name].split())}")
        if name in index:
            lines.append(f"      {name}: {index[name]}")
    settings = "\n".join(lines)
    return f"""# Written by `storeavail init`. Every setting is explained in docs/configuration.md.
warehouse: {_yaml(answers.warehouse)}
partitions_start: {today}
countries:
  {_yaml(answers.code)}:
    timezone: {_yaml(answers.timezone)}
    postgres:
      dsn: {_yaml(answers.postgres)}{queries}
    online_index:
{settings}
"""
