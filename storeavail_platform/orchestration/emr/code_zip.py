"""The code zip: this package as one file on the Python path of a cluster's steps. Same code, same
bytes: a step loads it only if it is that of the run which launched the step.
"""

from __future__ import annotations

import functools
import hashlib
import io
import sys
import zipfile
from pathlib import Path
from typing import IO

PACKAGE = Path(__file__).parents[2]
EPOCH = (1980, 1, 1, 0, 0, 0)
"""The earliest time that a zip can hold: when and where it was built must not show in its bytes."""
MODE = 0o100644 << 16


def build_code_zip(target: Path | IO[bytes]) -> None:
    """Write the package, and nothing else, as a zip file: SQL and settings included, in sorted
    order, without times, uncompressed (compression differs between builds of zlib, and Python
    imports faster without).
    """
    sources = [
        source
        for source in PACKAGE.rglob("*")
        if source.is_file() and _is_code(source.relative_to(PACKAGE))
    ]
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        for source in sorted(sources, key=lambda source: source.relative_to(PACKAGE).as_posix()):
            entry = zipfile.ZipInfo(
                f"{PACKAGE.name}/{source.relative_to(PACKAGE).as_posix()}", EPOCH
            )
            entry.create_system, entry.external_attr = 3, MODE
            archive.writestr(entry, source.read_bytes())


@functools.cache
def own_sha256() -> str:
    """What the code zip of this very process hashes to."""
    made = io.BytesIO()
    build_code_zip(made)
    return hashlib.sha256(made.getbuffer()).hexdigest()


def _is_code(relative: Path) -> bool:
    """Not what Python compiled, nor what editors leave behind while they write (hidden, or
    without a suffix).
    """
    return relative.suffix not in ("", ".pyc") and not any(
        part.startswith(".") for part in relative.parts
    )


if __name__ == "__main__":
    build_code_zip(Path(sys.argv[1]))
