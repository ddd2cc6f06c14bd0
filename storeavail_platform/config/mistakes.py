"""From the text of a configuration to plain values, and from what is wrong with it to words: every
mistake with its path.

Nothing that could be a secret is repeated: a value is shown only where it is a choice, a key only
if it looks like one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, get_args

import yaml
from pydantic import BaseModel
from pydantic_core import ErrorDetails

from storeavail_platform.config.values import did_you_mean
from storeavail_platform.domain.errors import ConfigError

INHERITED = ("retention", "suspect", "alerts", "deploy")
"""Sections of a country that are laid over the platform's section of the same name."""
LONGEST_TEXT = 1_000_000
"""Characters of a configuration file."""
MOST_VALUES = 100_000
"""Values of a configuration, those counted again that an alias or merge key repeats."""
DEEPEST = 40
TOO_DEEP = f"nests deeper than {DEEPEST} levels, or contains itself"
Path = Sequence[str | int]


class _Loader(yaml.SafeLoader):
    """SafeLoader that takes NO for Norway and 2026-13-01 for the text that it is."""


_Loader.yaml_implicit_resolvers = {
    first: [
        (tag, pattern)
        for tag, pattern in resolvers
        if tag not in ("tag:yaml.org,2002:bool", "tag:yaml.org,2002:timestamp")
    ]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:bool", re.compile("^(true|True|TRUE|false|False|FALSE)$"), list("tTfF")
)


def read_yaml(text: str, origin: str) -> tuple[dict[Any, Any], list[str]]:
    """The mapping that a configuration text holds, and the duplicate keys in it as mistakes.

    Raises:
        ConfigError: not YAML, or not a mapping. The text itself is not repeated: it may hold a
            literal secret.
    """
    if len(text) > LONGEST_TEXT:
        raise ConfigError(
            f"{origin}: has {len(text):,} characters, and a configuration has at most"
            f" {LONGEST_TEXT:,}: is it the right file?"
        )
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        _refuse_unbounded(node, origin)
        # before construction, which resolves merge keys and keeps the last of equal keys
        duplicates = list(_duplicates(node, set()))
        raw = loader.construct_document(node) if node is not None else None
    except (yaml.composer.ComposerError, yaml.constructor.ConstructorError) as error:
        hint = (
            "an alias, a tag or a second document; put a value that starts with * & or ! in quotes"
        )
        raise ConfigError(f"{origin}, {_line(error)}: cannot be read: {hint}") from None
    except RecursionError:
        raise ConfigError(f"{origin}: {TOO_DEEP}") from None
    except yaml.MarkedYAMLError as error:
        raise ConfigError(f"{origin}, {_line(error)}: is not YAML: {error.problem}") from None
    except (yaml.YAMLError, ValueError):
        raise ConfigError(
            f"{origin}: is not YAML: it holds characters or numbers that YAML does not allow"
        ) from None
    if not isinstance(raw, dict):
        raise ConfigError(
            f"{origin}: is {'empty' if raw is None else 'not a mapping'}; docs/configuration.md has"
            " an example to start from"
        )
    return raw, duplicates


def _refuse_unbounded(node: yaml.Node | None, origin: str) -> None:
    """Refuse what is small as a text and endless as values: aliases and merge keys of each other.

    Raises:
        ConfigError: it nests too deep, contains itself, or has too many values.
    """
    sizes: dict[int, int] = {}

    def size_of(found: yaml.Node, depth: int) -> int:
        if depth > DEEPEST:
            raise ConfigError(f"{origin}, line {found.start_mark.line + 1}: {TOO_DEEP}")
        if not isinstance(found, yaml.CollectionNode):
            return 1
        if id(found) not in sizes:
            pairs = isinstance(found, yaml.MappingNode)
            children = [child for item in found.value for child in (item if pairs else (item,))]
            sizes[id(found)] = 1 + sum(size_of(child, depth + 1) for child in children)
        return sizes[id(found)]

    if node is not None and size_of(node, 1) > MOST_VALUES:
        raise ConfigError(
            f"{origin}: its aliases and merge keys make more than {MOST_VALUES:,} values: write"
            " out what is meant"
        )


def _duplicates(node: yaml.Node | None, seen: set[int]) -> Iterator[str]:
    if not isinstance(node, yaml.CollectionNode) or id(node) in seen:
        return
    seen.add(id(node))
    lines: dict[str, int] = {}
    for child in node.value:
        key, value = child if isinstance(node, yaml.MappingNode) else (None, child)
        if isinstance(key, yaml.ScalarNode):
            line = key.start_mark.line + 1
            if key.value in lines:
                yield (
                    f"line {line}: {_shown(key.value)} is already on line {lines[key.value]}; keep"
                    " one of them"
                )
            lines.setdefault(key.value, line)
        yield from _duplicates(value, seen)


def _line(error: yaml.MarkedYAMLError) -> str:
    mark = error.problem_mark or error.context_mark
    return f"line {mark.line + 1}" if mark else "somewhere"


def inherit(raw: Mapping[Any, Any]) -> dict[Any, Any]:
    """The same configuration with each country's inherited sections laid over the platform's,
    mapping by mapping.
    """
    countries = raw.get("countries")
    if not isinstance(countries, dict):
        return dict(raw)
    defaults = {
        section: raw[section] for section in INHERITED if isinstance(raw.get(section), dict)
    }
    merged = {
        code: _merged(defaults, country) if isinstance(country, dict) else country
        for code, country in countries.items()
    }
    return {**raw, "countries": merged}


def _merged(below: Mapping[Any, Any], above: Mapping[Any, Any]) -> dict[Any, Any]:
    result = {**below, **above}
    for key in below.keys() & above.keys():
        if isinstance(below[key], dict) and isinstance(above[key], dict):
            result[key] = _merged(below[key], above[key])
    return result


def mistakes(
    errors: Iterable[ErrorDetails], model: type[BaseModel], raw: Mapping[Any, Any]
) -> list[str]:
    """One line for each mistake, like `countries.BR.timezone: 'America/Sao_Paolo' is not an IANA
    time zone; did you mean ...?`.

    A mistake in a platform section is told once, not once more for each country that inherits it.
    """
    return [
        f"{_dotted(error['loc'])}{_explained(error, model)}"
        for error in errors
        if not _is_inherited(error, raw)
    ]


def _is_inherited(error: ErrorDetails, raw: Mapping[Any, Any]) -> bool:
    loc = _keys(error["loc"])
    if len(loc) < 3 or loc[0] != "countries" or loc[2] not in INHERITED:
        return False
    place: Any = raw
    for key in loc[:-1] if error["type"] == "missing" else loc:
        try:
            place = place[key]
        except (KeyError, IndexError, TypeError):
            return True
    return False


def _keys(loc: Path) -> list[str | int]:
    """The keys that the reader wrote: without the tags (`#Model`) by which unions are told
    apart, and pydantic's `[key]`.
    """
    return [
        key for key in loc if not (isinstance(key, str) and (key.startswith("#") or key == "[key]"))
    ]


def _shown(key: str) -> str:
    return (
        key
        if re.fullmatch(r"[\w.-]{1,64}", key)
        else "<a key with other characters; is a space missing after a colon?>"
    )


def _dotted(loc: Path) -> str:
    text = "".join(
        f"[{key}]" if isinstance(key, int) else f".{_shown(key)}" for key in _keys(loc)
    ).lstrip(".")
    return f"{text}: " if text else ""


def _models_at(loc: Path, model: type[BaseModel]) -> list[type[BaseModel]]:
    """The models whose settings may stand at a place of the configuration."""
    models = [model]
    for key in loc:
        below = [
            found
            for each in models
            if key in each.model_fields
            for found in models_in(each.model_fields[str(key)].annotation)
        ]
        models = below or [each for each in models if key == f"#{each.__name__}"] or models
    return models


def models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for argument in get_args(annotation) for model in models_in(argument)]


def _explained(error: ErrorDetails, model: type[BaseModel]) -> str:
    kind, loc, value, context = error["type"], error["loc"], error["input"], error.get("ctx", {})
    if kind == "extra_forbidden":
        choices = sorted(
            {name for each in _models_at(loc[:-1], model) for name in each.model_fields}
        )
        return (
            f"unknown setting{did_you_mean(loc[-1], choices)} (settings here: {', '.join(choices)})"
        )
    if kind in ("literal_error", "enum"):
        choices = re.findall(r"'([^']+)'", str(context["expected"]))
        shown = f"{value!r} " if isinstance(value, str | int | float | None) else ""
        return f"{shown}is not one of {', '.join(choices)}{did_you_mean(value, choices)}"
    if kind == "missing":
        return "is required"
    if kind == "value_error":
        return str(context["error"])
    if kind in ("model_type", "model_attributes_type", "dict_type"):
        choices = [name for each in _models_at(loc, model) for name in each.model_fields]
        return "write a mapping" + (
            f" with some of {', '.join(choices)}" if kind != "dict_type" else ""
        )
    if value is None:
        return "is empty: give a value or leave the setting out"
    if kind == "string_type" and isinstance(value, bool | int | float):
        return "has to be text: put it in quotes"
    return error["msg"].replace("Input should", "should", 1)
