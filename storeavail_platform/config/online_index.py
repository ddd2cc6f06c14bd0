"""The online index: on a server or in files, and where its documents say what of a store."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import (
    BeforeValidator,
    Discriminator,
    Field,
    Tag,
    ValidationInfo,
    field_validator,
    model_validator,
)

from storeavail_platform.config.secrets import REFER, Credential, HttpUrl, Secret, UserName
from storeavail_platform.config.values import LocalPath, PositiveDuration, Settings, Text

MAX_SLICES = 64
"""Slices of one point in time: beyond the shards of an index more of them only cost the cluster."""


class ElasticsearchServer(Settings):
    """An index on a server, and who reads it."""

    url: HttpUrl
    """Address of the server, `https://host:9200`: Elasticsearch or OpenSearch, which is asked."""
    index: Annotated[
        Text, BeforeValidator(lambda value: _index_names(value)), Field(title="text or list")
    ]
    """Index, alias or pattern (`stores_*`), or a list of them."""
    auth: Literal["aws"] | None = None
    """`aws`: requests are signed (SigV4) with this country's `aws`, for an Amazon OpenSearch domain
    whose access is granted to roles."""
    domain: Text | None = None
    """With `auth: aws`: the domain's name, or its ARN where it is in another account or region, for
    `storeavail-deploy`, which gives the country's roles the right to read it."""
    api_key: Credential | None = None
    """An API key, encoded form."""
    username: UserName | None = None
    """With `password`, instead of `api_key`: basic authentication."""
    password: Credential | None = None
    """The user's password."""
    ca_certificate: LocalPath | None = None
    """PEM file of the authority that signed the server's certificate."""

    @field_validator("api_key", "password")
    @classmethod
    def _literal_beside_loopback(cls, value: Secret | None, info: ValidationInfo) -> Secret | None:
        url = info.data.get("url")
        if value is not None and value.is_literal and url is not None and not url.is_literal:
            raise ValueError(
                "written out it is allowed only where the url is written out too (a host of this"
                f" machine): {REFER}"
            )
        return value

    @model_validator(mode="after")
    def _one_login(self) -> ElasticsearchServer:
        if (self.username is None) != (self.password is None):
            raise ValueError("username and password belong together: give both or none")
        logins = {"api_key": self.api_key, "username": self.username, "auth": self.auth}
        if len(named := [name for name, value in logins.items() if value is not None]) > 1:
            raise ValueError(
                f"give one of api_key, username and password, and auth: aws; these are"
                f" {' and '.join(named)}"
            )
        if self.domain is not None and self.auth is None:
            raise ValueError("domain says which one auth: aws is for: give auth: aws too")
        return self


def _index_names(value: object) -> object:
    if isinstance(value, list) and value and all(isinstance(name, str) for name in value):
        return ",".join(name.strip() for name in value)
    return value


TRUE_WORDS = ("true", "1", "yes", "on")
"""What a flag without words of its own says of a store that is online, in any case."""
FALSE_WORDS = ("false", "0", "no", "off")
_YAML_WORDS = {True: ("true", "yes", "on"), False: ("false", "no", "off")}
"""What YAML reads as true and false without quotes."""


def _status_words(values: object) -> object:
    if not isinstance(values, list | tuple):
        return values
    found: list[object] = []
    for value in values:
        if isinstance(value, bool):
            found.extend(_YAML_WORDS[value])
        else:
            found.append(str(value) if isinstance(value, int | float) else value)
    return tuple(found)


class OnlineFlag(Settings):
    """The field that says whether a store is online, and what its values mean."""

    field: Text = "online"
    """Field that says whether the store is online; `online: status` is short for
    `online: {field: status}`."""
    online: Annotated[tuple[Text, ...], BeforeValidator(_status_words)] = ()
    """Values that say online, in any case, for example `[active, OPEN]`. Without lists true, 1, yes
    and on do."""
    offline: Annotated[tuple[Text, ...], BeforeValidator(_status_words)] = ()
    """Values that say offline. Without lists false, 0, no and off do; with lists any other value is
    no usable flag."""

    @model_validator(mode="after")
    def _both_lists(self) -> OnlineFlag:
        if bool(self.online) != bool(self.offline):
            raise ValueError(
                "give both lists, online and offline: a value in neither is no usable flag"
            )
        if both := {word.lower() for word in self.online} & {word.lower() for word in self.offline}:
            raise ValueError(f"in both lists: {', '.join(sorted(both))}")
        return self

    def meanings(self) -> dict[str, bool]:
        """What each value means, by its text in small letters."""
        return {
            **dict.fromkeys(map(str.lower, self.online or TRUE_WORDS), True),
            **dict.fromkeys(map(str.lower, self.offline or FALSE_WORDS), False),
        }


class DocumentFields(Settings):
    """Where a document says what of a store. Names of fields are whole, dots lead into objects."""

    store_id: Text = "store_id"
    """Field with the store's id; `_id` is the document's own."""
    online: Annotated[
        OnlineFlag,
        BeforeValidator(lambda value: {"field": value} if isinstance(value, str) else value),
    ] = OnlineFlag()
    updated_at: Text = "updated_at"
    """Field with the time of the document's last change: a date, ISO 8601, or epoch seconds or
    milliseconds."""
    nested: Text | None = None
    """Field with a list of entries, one a store, where a document holds many: names that begin with
    it are the entry's, others the document's."""
    several: Literal["problem", "any_online", "newest"] = "problem"
    """What several documents (or entries) of one store are: a `problem`; `any_online`: online where
    one of them is; `newest`: the one with the latest `updated_at` counts."""

    @model_validator(mode="after")
    def _whole_names(self) -> DocumentFields:
        if self.nested is not None and not self.store_id.startswith(f"{self.nested}."):
            raise ValueError(
                f"with nested: {self.nested} the store's id is an entry's: write store_id as its"
                f" whole name, {self.nested}.{self.store_id.rpartition('.')[2]}"
            )
        return self


class ElasticsearchIndex(DocumentFields, ElasticsearchServer):
    """The index behind the app."""

    query: Annotated[dict[str, Any], BeforeValidator(lambda value: _json_object(value))] | None = (
        None
    )
    """Query of the server's (YAML mapping or JSON text) that picks this country's documents; `{}`
    picks all, as none does."""
    slices: Annotated[int, Field(ge=1, le=MAX_SLICES, strict=True)] = 2
    """Parts read side by side."""
    request_timeout: PositiveDuration = timedelta(seconds=30)
    """Longest wait for one answer."""


def _json_object(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError as error:
        raise ValueError(f"is not JSON: {error}") from None


class FileIndex(DocumentFields):
    """A file read like an index (`.ndjson`, `.parquet`), or a folder with a recorded index, one
    file a window.
    """

    path: LocalPath
    """Instead of `url`: a live `.ndjson` or `.parquet` file, or a folder with a recorded index, one
    file a window (`2026-11-23T1015.ndjson`), from which past windows can be computed."""


def _index_tag(value: Any) -> str | None:
    for name, tag in (
        ("path", "#FileIndex"),
        ("url", "#ElasticsearchIndex"),
        ("index", "#ElasticsearchIndex"),
    ):
        if (isinstance(value, dict) and name in value) or (
            isinstance(value, Settings) and hasattr(value, name)
        ):
            return tag
    return None


OnlineIndex = Annotated[
    Annotated[ElasticsearchIndex, Tag("#ElasticsearchIndex")]
    | Annotated[FileIndex, Tag("#FileIndex")],
    Discriminator(
        _index_tag,
        custom_error_type="choice",
        custom_error_message="give url and index (Elasticsearch), or path (a file or folder)",
    ),
]
