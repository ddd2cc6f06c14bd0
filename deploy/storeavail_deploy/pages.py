"""The dashboard's pages behind the proxy: `python -m storeavail_deploy.pages [PORT]`. Each person
gets the pages of the countries and brands of theirs, as the warehouse has them at that moment.

What is whose is said by the proxy (nginx.conf, readers.map), which has asked for the password, in
a header that it sets over whatever a client sent. So nothing but the proxy may reach the port.
The decision is made here, of the very path by which the file is then read: whatever is written
otherwise (encoded, with dots, twice a slash) is no page's address.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from email.message import Message
from http import HTTPStatus

from storeavail_platform.commands.serve import server_of
from storeavail_platform.config import load_platform
from storeavail_platform.dashboard.page import ALIVE, overview_page
from storeavail_platform.dashboard.publish import INDEX
from storeavail_platform.dashboard.serving import PAGE, Answer, answer, file_answer, in_words
from storeavail_platform.dashboard.summaries import read_summary
from storeavail_platform.dashboard.transfer import HEADERS
from storeavail_platform.domain.errors import StoreAvailError
from storeavail_platform.pipeline.runtime import open_storage
from storeavail_platform.storage.local import Storage

PORT = 8080
ROOT = "/dashboard"
HEALTH = "/health"
THEIRS = "X-Storeavail-Pages"
"""What the person who asks may see, as readers.map has it."""
ALL = "all"
PLACE = re.compile(rf"{ALL}|[A-Z][A-Z0-9]{{1,7}}(/brands/[a-z0-9-]{{1,80}})?")
"""A country, or a brand's page in it, as its address has it."""
NOT_NOW = "The pages cannot be read just now: whoever runs the platform finds the reason in the log"
NOT_THEIRS = "This page is not among yours. Whoever looks after the dashboard can give it to you"
LOG = logging.getLogger("storeavail.pages")


def answer_to(
    storage: Storage, path: str, theirs: str, now: datetime, accepted: str | None = None
) -> Answer:
    """What is at a path for a person; whether a page that is not theirs is there, is not said.

    Args:
        path: without a query string, `/dashboard/BR/`.
        theirs: places separated by spaces: `all`, countries, `BR/brands/galeto-dourado`.
        now: when the page of their countries is made (UTC).
        accepted: the request's `Accept-Encoding`.
    """
    places = theirs.split()
    if wrong := [place for place in places if not PLACE.fullmatch(place)]:
        text = f"readers.map: {wrong[0]!r} is no country (BR), no brand's page (BR/brands/x), not"
        return in_words(HTTPStatus.FORBIDDEN, f"{text} `{ALL}`")
    if path in ("/", ROOT):
        return _led_to(f"{ROOT}/")
    below = path.removeprefix(ROOT) if path.startswith(f"{ROOT}/") else ""
    found = PAGE.fullmatch(below)
    if found is None or ALL in places:
        return answer(storage, below, accepted)
    folder, name = found[1].rstrip("/"), found[2]
    if not folder:
        return _first_page(storage, places, name, now, accepted)
    code = folder.partition("/")[0]
    is_own = code in places or folder in places
    # a brand's page asks for it: a comment, which says that the server is there
    is_own |= found[0] == f"/{code}/{ALIVE}" and any(
        place.startswith(f"{code}/") for place in places
    )
    return answer(storage, below, accepted) if is_own else _not_theirs()


def _first_page(
    storage: Storage, places: Sequence[str], name: str, now: datetime, accepted: str | None
) -> Answer:
    """The page of all countries, made of those of theirs alone; where to go instead, for who has
    none.
    """
    countries = [place for place in places if "/" not in place]
    if name not in ("", INDEX) or not places:
        return _not_theirs()
    if not countries:
        return (
            _led_to(f"{ROOT}/{places[0]}/")
            if len(places) == 1
            else in_words(HTTPStatus.OK, "\n".join(f"{ROOT}/{place}/" for place in places))
        )
    try:
        summaries = {code: read_summary(storage, code) for code in countries}
    except StoreAvailError as error:
        return in_words(HTTPStatus.SERVICE_UNAVAILABLE, str(error))
    return file_answer(INDEX, overview_page(summaries, now).encode(), accepted)


def _not_theirs() -> Answer:
    return in_words(HTTPStatus.FORBIDDEN, NOT_THEIRS)


def _led_to(place: str) -> Answer:
    return Answer(HTTPStatus.FOUND, b"", {**HEADERS, "Location": place})


def answering(storage: Storage, path: str, headers: Message) -> Answer:
    """A request's answer, whose reason, where there is none, is in the log alone; of HEALTH,
    whether pages can be read.
    """
    accepted = headers.get("Accept-Encoding")
    is_health = path == HEALTH
    found = (
        answer(storage, "/")
        if is_health
        else answer_to(storage, path, headers.get(THEIRS, ""), datetime.now(UTC), accepted)
    )
    if found.status == HTTPStatus.SERVICE_UNAVAILABLE:
        LOG.error("%s: %s", path, found.body.decode().strip())
        return in_words(found.status, NOT_NOW)
    return in_words(HTTPStatus.OK, "pages can be read") if is_health else found


def main(port: int) -> None:
    logging.basicConfig(format="%(asctime)s %(name)s %(levelname)s %(message)s")
    storage = open_storage(load_platform())
    # its network is the proxy's alone (compose.yaml)
    everywhere = "0.0.0.0"
    with server_of(
        lambda path, headers: answering(storage, path, headers), everywhere, port
    ) as server:
        server.serve_forever()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else PORT)
