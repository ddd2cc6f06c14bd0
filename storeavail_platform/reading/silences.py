"""Silences: for how long a country's alerts are held back, by whom and why. `storeavail silence`
writes them, `notify.py` obeys them.

One file a country, `silences/<country>.json`. A silence that was ended, or has run out, stays there
as the record of the last one.
"""

from __future__ import annotations

import getpass
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
from storeavail_platform.storage.json_files import read_json
from storeavail_platform.storage.listing import pass_over
from storeavail_platform.storage.local import Storage

LONGEST_SILENCE = timedelta(days=7)
"""A longer one would be forgotten."""


@dataclass(frozen=True)
class Silence:
    """Alerts of a country are held back from `made_at` until `until` (UTC), or until `ended_at`
    where it was ended before.
    """

    until: datetime
    reason: str
    who: str
    made_at: datetime
    ended_at: datetime | None = None

    def holds(self, now: datetime) -> bool:
        return self.ended_at is None and now < self.until

    def __str__(self) -> str:
        return f"until {moment(self.until)} by {self.who}: {self.reason}"


def _no_longer_than_allowed(silence: Silence) -> Silence:
    if not timedelta(0) < silence.until - silence.made_at <= LONGEST_SILENCE:
        raise ValueError(f"it lasts longer than {format_duration(LONGEST_SILENCE)}")
    return silence


FILE: TypeAdapter[Silence] = TypeAdapter(
    Annotated[Silence, AfterValidator(_no_longer_than_allowed)]
)


def current(storage: Storage, country: str, now: datetime) -> Silence | None:
    """The silence that holds at `now` (UTC). One that cannot be understood holds nothing back: it
    is passed over with a warning.

    Raises:
        StorageUnavailable, StorageRefused: the file cannot be read.
    """
    try:
        silence = read(storage, country)
    except (StorageUnavailable, StorageRefused):
        raise
    except WarehouseError as error:
        pass_over(storage.path(_path(country)), str(error))
        return None
    return silence if silence is not None and silence.holds(now) else None


def begin(
    storage: Storage, country: str, now: datetime, duration: timedelta, reason: str
) -> Silence:
    """Hold back a country's alerts from now on, in the name of this machine's user; replaces a
    silence that holds.

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
    silence = Silence(now + duration, neutralised(reason), neutralised(getpass.getuser()), now)
    _write(storage, country, silence)
    return silence


def end(
    storage: Storage, country: str, now: datetime, *, made_at: datetime | None = None
) -> Silence | None:
    """End the silence that holds, if there is one; gives the one that was ended.

    Args:
        made_at: only the silence that was made then, not one that replaced it meanwhile.
    """
    silence = current(storage, country, now)
    if silence is None or made_at not in (None, silence.made_at):
        return None
    _write(storage, country, replace(silence, ended_at=now))
    return silence


def read(storage: Storage, country: str) -> Silence | None:
    """The last silence, whether it still holds or not.

    Raises:
        WarehouseError: the file cannot be understood.
    """
    advice = f"remove it, or write it anew by `storeavail silence {country} --for 1h --reason ...`"
    return read_json(storage, _path(country), FILE, "silence", advice)


def _write(storage: Storage, country: str, silence: Silence) -> None:
    storage.replace(_path(country), FILE.dump_json(silence, indent=2))


def _path(country: str) -> str:
    return f"silences/{country}.json"
