"""The lease of a backup: while it holds, upkeep removes and rewrites nothing of a country.

One small file a country, `tables/<namespace>/.backup.json`, beside what it protects. It holds until
a moment that the backup moves on as it works: a backup that died holds nothing up for ever.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from pydantic import TypeAdapter

from storeavail_platform.domain.errors import BackupRunning
from storeavail_platform.domain.places import LEASE
from storeavail_platform.domain.text import moment
from storeavail_platform.storage.json_files import decode
from storeavail_platform.storage.local import Storage

LASTS = timedelta(minutes=10)
"""How long a lease holds after it was taken or renewed. Upkeep is made up for in the next night."""


@dataclass(frozen=True)
class Lease:
    """Who holds a country's files (`host:process`), since when, until when if not renewed."""

    holder: str
    taken_at: datetime
    until: datetime

    def __str__(self) -> str:
        since = f"{self.holder}, since {moment(self.taken_at)}"
        return f"a backup ({since}) copies its files until {moment(self.until)}"


FILE = TypeAdapter(Lease)


class Leases:
    """Takes, renews and reads the leases of all countries. A country is named by its namespace."""

    def __init__(self, storage: Storage) -> None:
        self.storage = storage

    def current(self, namespace: str, now: datetime) -> Lease | None:
        """The lease that holds at `now` (UTC).

        Raises:
            WarehouseError: the file cannot be understood.
        """
        found = self._read(namespace)
        return found if found is not None and now < found.until else None

    def take(self, namespace: str, holder: str, now: datetime) -> None:
        """Hold a country's files from `now` on.

        Raises:
            BackupRunning: another backup holds them.
        """
        lease = Lease(holder, now, now + LASTS)
        if self.storage.create(_path(namespace), FILE.dump_json(lease)):
            return
        held = self.current(namespace, now)
        if held is None:
            # of a backup that died; of two that come at once the later one has it
            self.storage.replace(_path(namespace), FILE.dump_json(lease))
            held = self._read(namespace)
        if held is not None and held.holder != holder:
            raise BackupRunning(
                f"{namespace}: {held}; wait for it. If it is gone, its hold ends then by itself"
            )

    def renew(self, namespace: str, holder: str, now: datetime) -> None:
        """Hold on for `LASTS` from `now` on.

        Raises:
            BackupRunning: another backup has taken over, because this one was silent for too long.
        """
        held = self._read(namespace)
        if held is None or held.holder != holder:
            raise BackupRunning(
                f"{namespace}: this backup was silent for too long and no longer holds its files;"
                " run it again"
            )
        self.storage.replace(
            _path(namespace), FILE.dump_json(Lease(holder, held.taken_at, now + LASTS))
        )

    def release(self, namespace: str, holder: str) -> None:
        """Let go of a country's files, if they are still held."""
        held = self._read(namespace)
        if held is not None and held.holder == holder:
            self.storage.delete(_path(namespace))

    def _read(self, namespace: str) -> Lease | None:
        data = self.storage.read(_path(namespace))
        return (
            None
            if data is None
            else decode(FILE, data, f"lease {self.storage.path(_path(namespace))}", "remove it")
        )


def _path(namespace: str) -> str:
    return f"tables/{namespace}/{LEASE}"
