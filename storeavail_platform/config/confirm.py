"""The second opinion: an HTTP API that is asked about the stores that are about to be missing."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo, field_validator

from storeavail_platform.config.dsn import is_loopback_host
from storeavail_platform.config.online_index import OnlineFlag
from storeavail_platform.config.secrets import REFER, Credential, Secret
from storeavail_platform.config.values import LocalPath, PositiveDuration, Settings, like

PLACE = "{store_id}"
MAX_CONCURRENCY = 500
MAX_PARTITIONS = 16
MAX_RATE = 10_000
LONGEST_BUDGET = timedelta(minutes=5)
"""A third of a window: the tables behind it are to be there before the next one is observed."""
LONGEST_TIMEOUT = timedelta(minutes=1)


def _template(url: str) -> str:
    authority = re.split(r"[/?#]", url.partition("://")[2], maxsplit=1)[0]
    if "@" in authority:
        raise ValueError("has a login in it: secrets belong in headers, as references")
    if (
        not re.fullmatch(r"https?://[!-~]+", url)
        or re.search(r"[\\#]", url)
        or not re.fullmatch(r"(\[[0-9A-Fa-f:.]+\]|[\w.-]+)(:\d{1,5})?", authority, re.ASCII)
    ):
        raise ValueError(f"is not an address: write https://host/stores/{PLACE}/availability")
    path = urlsplit(url).path
    if path.count(PLACE) != 1 or re.search(r"[{}]", url.replace(PLACE, "", 1)):
        raise ValueError(f"has to name the store once, in its path, by {PLACE}; no other braces")
    return url


HeaderName = Annotated[str, like(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+", "authorization")]
Url = Annotated[str, AfterValidator(_template), Field(title="address")]


class Confirm(Settings):
    """An HTTP API that says of one store whether it is online. It is asked about those that are
    about to count as missing, and never about others.
    """

    url: Url
    """Address that is asked about a store, `https://host/stores/{store_id}/availability`: the
    store's id as PostgreSQL has it, as one segment of the path. Redirects are not followed, and
    link-local and metadata addresses are refused. Without `confirm` nobody is asked."""
    online: Annotated[
        OnlineFlag,
        BeforeValidator(lambda value: {"field": value} if isinstance(value, str) else value),
    ] = OnlineFlag()
    not_found: Literal["offline", "not_answered"] = "not_answered"
    """What 404 and 410 say: that the store is `offline`, or nothing (`not_answered`)."""
    headers: dict[HeaderName, Credential] = Field(default_factory=dict)
    """Headers of each request by name, for example `{authorization: env:BR_API_TOKEN}`: secrets."""
    ca_certificate: LocalPath | None = None
    """PEM file of the authority that signed the server's certificate."""
    partitions: Annotated[int, Field(ge=1, le=MAX_PARTITIONS, strict=True)] = 4
    """Parts that the stores are asked about in, side by side, each with one client of its own: in
    threads, or with `engine: spark` on its executors."""
    concurrency: Annotated[int, Field(ge=1, le=MAX_CONCURRENCY, strict=True)] = 50
    """Requests at once, of all partitions together."""
    rate: Annotated[int, Field(ge=1, le=MAX_RATE, strict=True)] = 200
    """Requests a second, of all partitions together, tries again included."""
    timeout: Annotated[PositiveDuration, Field(le=LONGEST_TIMEOUT)] = timedelta(seconds=5)
    """Longest wait for one answer."""
    attempts: Annotated[int, Field(ge=1, le=10, strict=True)] = 3
    """Requests about a store, where the server does not answer, answers 429, or 500 and more."""
    budget: Annotated[PositiveDuration, Field(le=LONGEST_BUDGET)] = timedelta(seconds=60)
    """Longest time for all of it in a window; who was not answered about by then is
    `not_answered`."""

    @field_validator("headers")
    @classmethod
    def _literal_beside_loopback(
        cls, headers: dict[str, Secret], info: ValidationInfo
    ) -> dict[str, Secret]:
        url = info.data.get("url")
        for name, value in headers.items():
            if value.is_literal and url and not is_loopback_host(urlsplit(url).hostname):
                raise ValueError(
                    f"{name} written out is allowed only for a url of this machine: {REFER}"
                )
        return headers

    @property
    def is_exposed(self) -> bool:
        """Whether what is asked and answered leaves this machine readable."""
        address = urlsplit(self.url)
        return address.scheme == "http" and not is_loopback_host(address.hostname)
