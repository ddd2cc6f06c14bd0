"""Silences and acknowledgements: which alerts of a country are held back, for how long, by whom and
why. `storeavail silence` and `ack` write them, `alerting/` obeys them.

One file a country, `silences/<country>.json`, with the last of each scope, also one that is over.
"""

from __future__ import annotations

import getpass
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Annotated

from pydantic import AfterValidator, TypeAdapter

from storeavail_platform.config import format_duration
from storeavail_platform.domain.errors import (
    ConfigError,
    StorageRefused,
    StorageUnavailable,
    WarehouseError,
)
from storeavail_platform.domain.text import moment, neutralised
from storeavail_platform.storage.json_files import SELDOM, read_json
from storeavail_platform.storage.listing import pass_over
from storeavail_platform.storage.local import Storage

LONGEST_SILENCE = timedelta(days=7)
"""A longer one would be forgotten."""
SCOPE = ("city", "brand", "store", "alert")


@dataclass(frozen=True)
class Silence:
    """Alerts of a country are held back from `made_at` until `until` (UTC), or until `ended_at`
    where it was ended before.

    Attributes:
        city, brand, store: what of the country, as it is called in the tables; None: all of it.
        alert: key of an alert that is acknowledged: nobody is reminded of it.
    """

    until: datetime
    reason: str
    who: str
    made_at: datetime
    ended_at: datetime | None = None
    city: str | None = None
    brand: str | None = None
    store: str | None = None
    alert: str | None = None

    @property
    def scope(self) -> dict[str, str]:
        return {name: value for name in SCOPE if (value := getattr(self, name)) is not None}

    @property
    def word(self) -> str:
        return "silenced" if self.alert is None else "looked after"

    def holds(self, now: datetime) -> bool:
        return self.ended_at is None and now < self.until

    def is_about(self, **own: str | None) -> bool:
        """Whether all that it names is a thing's own: `city`, `brand`, and `store` or `alert`."""
        return all(own.get(name) == value for name, value in self.scope.items())

    def __str__(self) -> str:
        of_what = "".join(f"{name} {neutralised(value)}, " for name, value in self.scope.items())
        return f"{of_what}until {moment(self.until)} by {self.who}: {self.reason}"


@dataclass(frozen=True)
class _File(Silence):
    """The last silence of the whole country, as every release reads it, and the narrower ones."""

    narrower: Sequence[Silence] = ()
    __pydantic_config__ = SELDOM


def _no_longer_than_allowed(file: _File) -> _File:
    for silence in (file, *file.narrower):
        if not timedelta(0) < silence.until - silence.made_at <= LONGEST_SILENCE:
            raise ValueError(f"it lasts longer than {format_duration(LONGEST_SILENCE)}")
    return file


FILE: TypeAdapter[_File] = TypeAdapter(Annotated[_File, AfterValidator(_no_longer_than_allowed)])


def current(storage: Storage, country: str, now: datetime) -> list[Silence]:
    """What holds at `now` (UTC), acknowledgements last."""
    found = [silence for silence in _known(storage, country) if silence.holds(now)]
    return sorted(found, key=lambda silence: silence.alert is not None)


def _known(storage: Storage, country: str) -> list[Silence]:
    """All of a file that can be understood; another one, which is passed over, holds nothing back.

    Raises:
        StorageUnavailable, StorageRefused: the file cannot be read.
    """
    try:
        return read(storage, country)
    except (StorageUnavailable, StorageRefused):
        raise
    except WarehouseError as error:
        pass_over(storage.path(_path(country)), str(error))
        return []


def begin(
    storage: Storage,
    country: str,
    now: datetime,
    duration: timedelta,
    reason: str,
    **scope: str | None,
) -> Silence:
    """Hold back alerts from now on, in the name of this machine's user; replaces a silence of the
    same scope.

    Raises:
        ConfigError: no reason, or not within 0 to 7 days.
    """
    if not neutralised(reason):
        raise ConfigError(
            '--reason: say why, for those who wonder, for example --reason "index is being rebuilt"'
        )
    if not timedelta(0) < duration <= LONGEST_SILENCE:
        raise ConfigError(
            "--for: a silence lasts longer than 0s and at most"
            f" {format_duration(LONGEST_SILENCE)}; what is switched off for good belongs out of"
            " the configuration"
        )
    until, who = now + duration, neutralised(getpass.getuser())
    silence = Silence(until, neutralised(reason), who, now, None, **scope)
    others = [each for each in _known(storage, country) if each.scope != silence.scope]
    _write(storage, country, [*others, silence])
    return silence


def end(storage: Storage, country: str, silence: Silence, now: datetime) -> None:
    """End a silence, unless another one has replaced it meanwhile."""
    found = read(storage, country)
    if silence in found:
        found[found.index(silence)] = replace(silence, ended_at=now)
        _write(storage, country, found)


def read(storage: Storage, country: str) -> list[Silence]:
    """The last one of each scope, whether it still holds or not.

    Raises:
        WarehouseError: the file cannot be understood.
    """
    advice = f"remove it, or write it anew by `storeavail silence {country} --for 1h --reason ...`"
    file = read_json(storage, _path(country), FILE, "silence", advice)
    if file is None:
        return []
    whole = Silence(file.until, file.reason, file.who, file.made_at, file.ended_at)
    return [whole, *file.narrower]


def _write(storage: Storage, country: str, silences: Sequence[Silence]) -> None:
    newest = max(silences, key=lambda silence: silence.made_at)
    # an earlier release reads no scope: for it there was one of the country, which has ended
    ended = Silence(newest.until, newest.reason, newest.who, newest.made_at, newest.made_at)
    whole = next((silence for silence in silences if not silence.scope), ended)
    since = newest.made_at - LONGEST_SILENCE
    narrower = [each for each in silences if each.scope and each.made_at >= since]
    file = _File(**{**vars(whole), "narrower": narrower})
    storage.replace(_path(country), FILE.dump_json(file, indent=2))


def _path(country: str) -> str:
    return f"silences/{country}.json"
