"""Where a country's things lie below the warehouse. Pure: names of folders and files, no I/O."""

from __future__ import annotations

NAMESPACE = "storeavail_"
LONGEST_CODE = 8
FOLDERS = ("landing", "windows", "dashboard", "roll_up", "alerts/notes")
"""Folders with a folder of each country in them, by its code; the tables' are by its namespace."""
FILES = ("alerts", "silences", "losses", "trust")
"""Folders with a file of each country in them."""
LEASE = ".backup.json"
"""Beside a country's tables: says that a backup copies them."""


def namespace_of(code: str) -> str:
    """The namespace of a country's tables, for example storeavail_br."""
    return f"{NAMESPACE}{code.lower()}"


def code_of(namespace: str) -> str:
    return namespace.removeprefix(NAMESPACE).upper()


def is_namespace(name: str) -> bool:
    """Whether a name is that of a country's tables."""
    code = name.removeprefix(NAMESPACE)
    return namespace_of(code) == name and is_code(code.upper())


def is_code(code: str) -> bool:
    """Whether a text can be a country's code."""
    return (
        2 <= len(code) <= LONGEST_CODE
        and code.isascii()
        and code.isalnum()
        and code == code.upper()
        and code[0].isalpha()
    )


def lies_below(path: str, folder: str) -> bool:
    """Whether a path, of a file or an address, lies below a folder, none of its parts leading
    elsewhere.
    """
    inside = path.removeprefix(f"{folder}/")
    return inside != path and not {"", ".", ".."}.intersection(inside.split("/"))


def folders_of(code: str) -> list[str]:
    return [*(f"{folder}/{code}" for folder in FOLDERS), f"tables/{namespace_of(code)}"]


def files_of(code: str) -> list[str]:
    """A country's files outside of its folders."""
    return [f"{folder}/{code}.json" for folder in FILES]


def is_of(relative: str, code: str) -> bool:
    """Whether a path below the warehouse is a country's."""
    return relative in files_of(code) or relative.startswith(
        tuple(f"{folder}/" for folder in folders_of(code))
    )
