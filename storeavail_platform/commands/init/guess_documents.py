"""Guesses of what the fields of an index say: pure functions of what was seen."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from storeavail_platform.commands.init.documents import SeenFields
from storeavail_platform.config.online_index import FALSE_WORDS, TRUE_WORDS
from storeavail_platform.sources.documents import as_text, as_time, id_text

ONLINE_WORDS = frozenset({
    "active", "activated", "available", "enabled", "live", "listed", "online", "open", "opened",
    "published", "visible", "on", "yes", "true", "1", "ativo", "ativa", "aberto", "aberta",
    "disponivel", "disponível", "abierto", "abierta", "activo", "activa", "disponible",
})  # fmt: skip
OFFLINE_WORDS = frozenset({
    "blocked", "closed", "deactivated", "deleted", "disabled", "draft", "hidden", "inactive",
    "offline", "paused", "suspended", "unavailable", "unlisted", "unpublished", "off", "no",
    "false", "0", "inativo", "inativa", "fechado", "fechada", "indisponivel", "indisponível",
    "pausado", "pausada", "suspenso", "inactivo", "inactiva", "cerrado", "cerrada",
    "suspendido",
})  # fmt: skip
FLAG_NAMES = (
    *("online", "is_online", "isonline", "is_open", "isopen", "open", "available", "is_available"),
    *("visible", "active", "is_active", "enabled", "status", "state", "availability"),
)
"""From the one that says most."""
TIME_NAMES = ("updated", "modified", "changed", "indexed", "timestamp", "synced", "time")
MOST_WORDS = 12
"""Different values that a status may have."""


@dataclass(frozen=True)
class GuessedFlag:
    """The field of the flag; lists where its words are not those that are known by themselves.

    Attributes:
        unknown: words that are in neither list.
    """

    field: str
    online: tuple[str, ...]
    offline: tuple[str, ...]
    unknown: tuple[str, ...]
    why: str


def guess_flag(seen: SeenFields) -> GuessedFlag | None:
    """The field that says whether a store is online; None where no field looks so."""
    found: list[tuple[tuple[int, int, str], GuessedFlag]] = []
    for name, values in seen.values.items():
        counts = Counter(as_text(value) for value in values)
        found_words = [word for word, _ in counts.most_common() if word]
        if not found_words or len(found_words) > MOST_WORDS:
            continue
        small = {word: word.strip().lower() for word in found_words}
        online = tuple(word for word in found_words if small[word] in ONLINE_WORDS)
        offline = tuple(word for word in found_words if small[word] in OFFLINE_WORDS)
        known = sum(counts[word] for word in (*online, *offline))
        rank = _rank(name, FLAG_NAMES)
        if 2 * known < len(values) or (rank == len(FLAG_NAMES) and not (online and offline)):
            continue
        plain = {*TRUE_WORDS, *FALSE_WORDS}.issuperset(small.values())
        unknown = tuple(word for word in found_words if word not in (*online, *offline))
        why = ", ".join(f"{word!r} {counts[word]:,}" for word in found_words)
        if plain:
            online, offline = (), ()
        order = (rank, -known, name)
        found.append((order, GuessedFlag(name, online, offline, unknown, why)))
    return min(found, key=lambda each: each[0])[1] if found else None


def guess_time(seen: SeenFields) -> str | None:
    """The field of a document's last change; None where no field looks so."""
    names = [
        name
        for name, values in seen.values.items()
        if _rank(name, TIME_NAMES) < len(TIME_NAMES) and all(map(as_time, values[:100]))
    ]
    return min(names, key=lambda name: (_rank(name, TIME_NAMES), name), default=None)


def id_fields(seen: SeenFields) -> dict[str, list[str]]:
    """The fields that may name a store, with their ids as text: nearly every one another."""
    entries = Counter[str | None]()
    for name, values in seen.values.items():
        of = nested_of(seen, name)
        entries[of] = max(entries[of], len(values), 0 if of else seen.documents)
    found = {}
    for name, values in seen.values.items():
        ids = [text for value in values if (text := id_text(value)) is not None]
        is_time = any(isinstance(value, str) and as_time(value) for value in values[:20])
        numbers = all(text.isdigit() for text in ids)
        enough = len(set(ids)) >= 0.9 * entries[nested_of(seen, name)]
        if enough and (numbers or not is_time):
            found[name] = ids
    return found


def nested_of(seen: SeenFields, name: str) -> str | None:
    """The list of entries that a field is in; None where it is the document's own."""
    return max((each for each in seen.lists if name.startswith(f"{each}.")), key=len, default=None)


def _rank(name: str, names: Sequence[str]) -> int:
    """The place of what a field's name says, by its last part."""
    last = name.rpartition(".")[2].lower()
    exact = [number for number, each in enumerate(names) if last == each]
    within = [number for number, each in enumerate(names) if each in last]
    return (exact or within or [len(names)])[0]
