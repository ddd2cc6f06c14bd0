"""Which secrets settings refer to, and whose the environment holds: a country's process is to have
those of its country only.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pydantic import BaseModel

from storeavail_platform.config.secrets import Secret

VARIABLE = "env:"


def foreign_variables(
    countries: Mapping[str, BaseModel], platform: BaseModel, country: str
) -> set[str]:
    """Names of environment variables that hold secrets of other countries, or of deployments.

    Args:
        countries: each country's settings.
        platform: the platform's settings, which all countries share.
    """
    others = [settings for code, settings in countries.items() if code != country]
    shared = {field: value for field, value in platform if field not in ("countries", "deploy")}
    of_deployments = set(variables(getattr(platform, "deploy", None)))
    own = {*variables(countries[country]), *variables(shared)}
    return {*variables(others), *of_deployments} - own


def variables(settings: Any) -> Iterator[str]:
    """Names of the environment variables that secrets in settings refer to."""
    for secret in secrets_in(settings):
        if secret.reference.startswith(VARIABLE):
            yield secret.reference.removeprefix(VARIABLE)


def secrets_in(settings: Any) -> Iterator[Secret]:
    """Every secret in settings, however deep it lies."""
    if isinstance(settings, Secret):
        yield settings
        return
    inner: Iterable[Any] = ()
    if isinstance(settings, BaseModel):
        inner = (value for _, value in settings)
    elif isinstance(settings, Mapping):
        inner = settings.values()
    elif isinstance(settings, (list, tuple)):
        inner = settings
    for value in inner:
        yield from secrets_in(value)
