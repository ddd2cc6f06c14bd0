"""The settings of the configuration as people read of them: path, type, default, description."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, time, timedelta
from itertools import pairwise
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from storeavail_platform.config import Secret, format_duration
from storeavail_platform.config.mistakes import INHERITED, models_in
from storeavail_platform.domain.errors import StoreAvailError

COUNTRY = "countries.BR."
"""How the path of a country's setting begins."""
TYPE_NAMES: dict[Any, str] = {
    bool: "`true` or `false`",
    date: "date",
    dict: "mapping",
    float: "number",
    int: "whole number",
    Secret: "secret",
    str: "text",
    timedelta: "duration",
    tuple: "list",
}

BOUNDS = {"ge": "from", "gt": "over", "le": "up to", "lt": "under"}
"""By the name that pydantic gives a bound."""


class DocumentError(StoreAvailError):
    """The generated sections of a page cannot be written. The page stays as it is."""


@dataclass(frozen=True)
class Setting:
    """A setting, in Markdown.

    Attributes:
        path: where it stands in the file, for example `countries.BR.timezone`.
        type: with its bounds, for example `whole number, 1 to 64`.
        default: `required` where there is none.
    """

    path: str
    type: str
    default: str
    description: str


def settings_below(model: type[BaseModel]) -> list[Setting]:
    """Every setting below a model, in the models' order.

    One that several models share (`type` of the kinds of a catalog) has the types and descriptions
    of all of them, and the default of the first.

    Raises:
        DocumentError: a setting has no description, or a type without a name.
    """
    shared: dict[str, list[tuple[FieldInfo, str]]] = {}
    for path, field, description in _fields_below(model):
        shared.setdefault(path, []).append((field, description))
    settings = []
    for path, fields in shared.items():
        types = dict.fromkeys(_type(f.annotation, f.title, f.metadata) for f, _ in fields)
        descriptions = dict.fromkeys(text for _, text in fields if text)
        if not descriptions:
            raise DocumentError(f"{path} has no description: write a docstring below the setting")
        default = _default(fields[0][0])
        settings.append(Setting(path, " or ".join(types), default, " ".join(descriptions)))
    return settings


def _fields_below(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, FieldInfo, str]]:
    """Path, field and description; of a country without the sections that it inherits."""
    descriptions = _docstrings(model)
    for name, field in model.model_fields.items():
        if prefix == COUNTRY and name in INHERITED:
            continue
        sections, container = models_in(field.annotation), get_origin(field.annotation)
        if not sections or container in (dict, tuple):
            yield f"{prefix}{name}", field, field.description or descriptions.get(name, "")
        for section in sections:
            yield from _fields_below(section, COUNTRY if container is dict else f"{prefix}{name}.")


def _docstrings(model: type[BaseModel]) -> dict[str, str]:
    """The docstring below each setting of a model, inherited ones too.

    They are read off the source here, because pydantic's own way (`use_attribute_docstrings`) does
    it when the models are imported, which would cost each process a tenth of a second.
    """
    found: dict[str, str] = {}
    for base in reversed(model.__mro__[: model.__mro__.index(BaseModel)]):
        (definition,) = ast.parse(textwrap.dedent(inspect.getsource(base))).body
        for lines in pairwise(definition.body if isinstance(definition, ast.ClassDef) else ()):
            match lines:
                case ast.AnnAssign(target=ast.Name(name)), ast.Expr(ast.Constant(str(text))):
                    found[name] = " ".join(text.split())
    return found


def _type(annotation: Any, title: str | None = None, metadata: Iterable[Any] = ()) -> str:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        fields = [each for each in arguments[1:] if isinstance(each, FieldInfo)]
        title = next((field.title for field in fields if field.title), None)
        return _type(arguments[0], title, [each for field in fields for each in field.metadata])
    if origin in (Union, UnionType):
        return " or ".join(_type(each) for each in arguments if each is not NoneType)
    if origin is Literal:
        return " or ".join(f"`{each}`" for each in arguments)
    title = title or TYPE_NAMES.get(origin or annotation)
    if title is None:
        raise DocumentError(
            f"there is no name for {annotation}: add it to TYPE_NAMES in {__name__}"
        )
    return ", ".join([title, *_bounds(metadata)])


def _bounds(metadata: Iterable[Any]) -> list[str]:
    limits: dict[str, str] = {}
    for each in metadata:
        limits |= {name: _text(getattr(each, name)) for name in BOUNDS if hasattr(each, name)}
    if limits.keys() == {"ge", "le"}:
        return [f"{limits['ge']} to {limits['le']}"]
    return [f"{phrase} {limits[name]}" for name, phrase in BOUNDS.items() if name in limits]


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    default = field.get_default(call_default_factory=True, validated_data={})
    return "none" if default is None else f"`{_text(default)}`"


def _text(value: Any) -> str:
    """As the configuration writes it."""
    if isinstance(value, timedelta):
        return format_duration(value)
    if isinstance(value, time):
        return f"{value:%H:%M}"
    if isinstance(value, bool):
        return str(value).lower()
    return f"[{', '.join(map(str, value))}]" if isinstance(value, tuple) else str(value)
