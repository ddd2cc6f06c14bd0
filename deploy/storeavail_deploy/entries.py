"""Entries of text files that people write too: a country's block of the configuration, its code
server in Dagster's workspace. One is added or taken out, and every other line stays as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import yaml

from storeavail_platform.config import load_text
from storeavail_platform.domain.errors import ConfigError

CODE_PORT = 4000
"""Port of a code server, as compose.country.yaml starts it."""


def with_country(text: str, block: str, origin: str, base: str) -> str:
    """A configuration's text with a country's block after its last country; comments and order stay
    as they are.

    Raises:
        ConfigError: `countries` is written in braces, or the result would not be a configuration
            (the message says why).
    """
    changed = _with_entry(text, "countries", yaml.MappingNode, block.splitlines())
    if changed is None:
        raise ConfigError(
            f"{origin}: `countries` is not written as an indented mapping: add this to it by"
            f" hand\n\n{block}"
        )
    load_text(changed, base=base, origin=f"{origin} with {block.partition(':')[0]}")
    return changed


def without_country(text: str, code: str, origin: str, base: str) -> str:
    """A configuration's text without a country's block.

    Raises:
        ConfigError: `countries` is written in braces, or what is left would not be a configuration:
            something else names the country, or it was the only one.
    """
    pairs = _below(text, "countries", yaml.MappingNode)
    found = next(((key, value) for key, value in pairs if key.value == code), None)
    if found is None:
        raise ConfigError(
            f"{origin}: `countries` is not written as an indented mapping: take {code} out of it by"
            " hand"
        )
    changed = _without_lines(text, found[0].start_mark.line, _last_line(found[1]))
    load_text(changed, base=base, origin=f"{origin} without {code}")
    wanted = yaml.safe_load(text)
    del wanted["countries"][code]
    if yaml.safe_load(changed) != wanted:
        raise ConfigError(f"{origin}: {code} is not a block of its own: take it out by hand")
    return changed


def with_code_location(text: str, code: str, origin: str) -> str:
    """A workspace's text with the entry of a country's code server after its last one; the text
    itself where it is there already.

    Raises:
        ConfigError: `load_from` is not written as an indented list; says what to add by hand.
    """
    name, entries = code.lower(), _entries(text)
    if any(_is_server_of(entry, name) for entry in entries):
        return text
    entry = [
        "- grpc_server:",
        f"    host: code-{name}",
        f"    port: {CODE_PORT}",
        f"    location_name: {name}",
    ]
    wanted = {"grpc_server": {"host": f"code-{name}", "port": CODE_PORT, "location_name": name}}
    changed = _with_entry(text, "load_from", yaml.SequenceNode, entry) if entries else None
    if changed is None or _entries(changed) != [*entries, wanted]:
        raise ConfigError(
            "\n".join(
                [
                    (
                        f"{origin}: `load_from` is not written as an indented list: add this to it"
                        " by hand\n"
                    ),
                    *entry,
                ]
            )
        )
    return changed


def without_code_location(text: str, code: str, origin: str) -> str:
    """A workspace's text without the entry of a country's code server; the text itself where it has
    none.

    Raises:
        ConfigError: `load_from` is not written as an indented list, or has no other entry.
    """
    entries, name = _entries(text), code.lower()
    others = [entry for entry in entries if not _is_server_of(entry, name)]
    if len(others) == len(entries):
        return text
    place = next(index for index, entry in enumerate(entries) if _is_server_of(entry, name))
    items = _below(text, "load_from", yaml.SequenceNode)
    if items and others:
        item = items[place]
        changed = _without_lines(text, item.start_mark.line, _last_line(item))
        if _entries(changed) == others:
            return changed
    raise ConfigError(
        f"{origin}: `load_from` is not written as an indented list with other entries: take the"
        f" code location {name} out of it by hand"
    )


def _is_server_of(entry: Any, name: str) -> bool:
    return isinstance(entry, dict) and entry.get("grpc_server", {}).get("location_name") == name


def _with_entry(
    text: str, key: str, kind: type[yaml.CollectionNode], entry: Sequence[str]
) -> str | None:
    """A text with an entry after the last one below `key`.

    None where that is not written as an indented `kind`.
    """
    there = _block(text, key, kind)
    if there is None:
        return None
    lines, last = text.splitlines(keepends=True), _last_line(there)
    if not lines[last].endswith("\n"):
        lines[last] += "\n"
    lines[last + 1 : last + 1] = [f"{' ' * there.start_mark.column}{line}\n" for line in entry]
    return "".join(lines)


def _block(text: str, key: str, kind: type[yaml.CollectionNode]) -> yaml.CollectionNode | None:
    """What is below `key` where that is written as an indented `kind` that is not empty."""
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    pairs = root.value if isinstance(root, yaml.MappingNode) else []
    there = next((value for name, value in pairs if name.value == key), None)
    if not isinstance(there, kind) or there.flow_style or not there.value:
        return None
    return there


def _below(text: str, key: str, kind: type[yaml.CollectionNode]) -> list[Any]:
    there = _block(text, key, kind)
    return [] if there is None else there.value


def _without_lines(text: str, first: int, last: int) -> str:
    lines = text.splitlines(keepends=True)
    return "".join([*lines[:first], *lines[last + 1 :]])


def _last_line(node: yaml.Node) -> int:
    """The line that a node's text ends on; a block's own end mark is where the next thing
    begins.
    """
    if isinstance(node, yaml.CollectionNode) and not node.flow_style and node.value:
        below = node.value[-1]
        return _last_line(below[1] if isinstance(below, tuple) else below)
    # a block scalar ends at the beginning of the line after it
    return int(node.end_mark.line) - (
        node.end_mark.column == 0 and node.end_mark.line > node.start_mark.line
    )


def _entries(workspace: str) -> list[Any]:
    """What a workspace's `load_from` lists; empty where it lists nothing that can be understood."""
    try:
        entries = (yaml.safe_load(workspace) or {}).get("load_from")
    except (yaml.YAMLError, AttributeError):
        return []
    return entries if isinstance(entries, list) else []
