"""What is answered to who asks for a page: `storeavail serve`, `storeavail up` and the server
behind the proxy (`storeavail_deploy/pages.py`, which says whose a page is) show the same.

Everything else below the warehouse stays unseen.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus

from storeavail_platform.dashboard.publish import INDEX
from storeavail_platform.dashboard.summaries import FOLDER
from storeavail_platform.dashboard.transfer import HEADERS, packed
from storeavail_platform.domain.errors import StoreAvailError
from storeavail_platform.storage.local import Storage

PAGE = re.compile(
    r"/((?:[A-Z][A-Z0-9]{1,7}/(?:brands/[a-z0-9-]{1,80}/|briefs/\d{4}-\d\d-\d\d/"
    r"|reports/[a-z0-9-]{1,60}/\d{4}-\d\d-\d\d/|value/\d{4}-\d\d/)?)?)"
    r"((?:index\.html|summary\.json|alive\.js)?)"
)
"""The addresses there are."""
TYPES = {
    "html": "text/html; charset=utf-8",
    "json": "application/json",
    "js": "text/javascript; charset=utf-8",
}
TEXT = "text/plain; charset=utf-8"


@dataclass(frozen=True)
class Answer:
    """An answer over HTTP: status, body, headers with its type."""

    status: HTTPStatus
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


def answer(storage: Storage, path: str, accepted: str | None = None) -> Answer:
    """What is at a path, such as `/`, `/BR/` and `/BR/summary.json`; nothing where that is a link.

    Args:
        path: without a query string.
        accepted: the request's `Accept-Encoding`.
    """
    found = PAGE.fullmatch(path)
    name = found and f"{FOLDER}/{found[1]}{found[2] or INDEX}"
    try:
        data = storage.read_own(name) if name else None
    except StoreAvailError as error:
        return in_words(HTTPStatus.SERVICE_UNAVAILABLE, str(error))
    if name is None or data is None:
        return in_words(
            HTTPStatus.NOT_FOUND,
            "There is no such page. Pages are written after each window, the first one too;"
            " `storeavail dashboard` writes them again",
        )
    return file_answer(name, data, accepted)


def file_answer(name: str, data: bytes, accepted: str | None) -> Answer:
    """A file of the dashboard as it travels; its name says of which type it is."""
    body, packing = packed(data, accepted)
    kind = {"Content-Type": TYPES[name.rsplit(".", 1)[1]]}
    return Answer(HTTPStatus.OK, body, {**HEADERS, **packing, **kind})


def in_words(status: HTTPStatus, text: str) -> Answer:
    return Answer(status, f"{text}\n".encode(), {**HEADERS, "Content-Type": TEXT})
