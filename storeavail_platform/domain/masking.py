"""The one place that knows every secret that this process has resolved, and takes it out of text.

What becomes a message, a log, an event, metadata, an alert, an audit entry or a page passes
`masked`: the platform's errors and `domain/text.py` do so by themselves; loggers and what Python
prints of an error that nobody caught do from the first secret on.

A secret is also known as it is written in a URL, in JSON, in HTML, in Python, in base64 and in the
header of a login; and four of its characters in a row are taken out alone, unless they are an
ordinary word or number.
"""

from __future__ import annotations

import base64
import html
import json
import logging
import re
import sys
import traceback
from collections.abc import Iterator, Mapping
from types import TracebackType
from urllib.parse import quote, quote_plus, unquote

MASK = "***"
PIECE = 4
"""Characters in a row that tell something of a secret."""
LONGER_PIECE = 8
"""The same of letters alone, or digits alone: words and numbers are everywhere."""
MOST = 50
"""Secrets that are remembered; a process has a few."""
_PASSWORD = re.compile(
    r"(?:^|\s)(?:ssl)?password\s*=\s*(?:'((?:[^'\\]|\\.)*)'|(\S+))", re.IGNORECASE
)
_CONNECTION = re.compile(r"(?:^|\s)(?:host|hostaddr|dbname|user|service)\s*=")
_WORD = re.compile(r"[a-z]+|[0-9]+")
"""A secret that is nothing but a word or a number is taken out where it stands alone."""
_ORDINARY = re.compile(r"[^A-Za-z0-9]?[A-Za-z ]+[^A-Za-z0-9]?|[0-9.:, -]+")
"""Characters in a row that any text has."""
_ONE_WORD = re.compile(r"[^A-Za-z0-9]?[A-Za-z]?[a-z]+[^A-Za-z0-9]?")
"""A word, or a part of one, however long."""


class _Known:
    """The secrets, as what is looked for."""

    def __init__(self, *, is_installed: bool = False) -> None:
        self.values: dict[str, bool] = {}
        self.whole: re.Pattern[str] | None = None
        self.pieces: dict[int, frozenset[str]] = {}
        self.is_installed = is_installed

    def add(self, values: Mapping[str, bool]) -> None:
        """Know values, each with whether pieces of it tell something too."""
        new = {
            value: has_pieces
            for value, has_pieces in values.items()
            if len(value) >= PIECE and value not in self.values
        }
        if not new:
            return
        self.values |= new
        for oldest in list(self.values)[:-MOST]:
            del self.values[oldest]
        forms = sorted({form for value in self.values for form in _forms(value)}, key=len)
        plain_forms = [re.escape(form) for form in forms[::-1] if _WORD.fullmatch(form)]
        others = [re.escape(form) for form in forms[::-1] if not _WORD.fullmatch(form)]
        patterns = [*others, *(rf"\b{word}\b" for word in plain_forms)]
        self.whole = re.compile("|".join(patterns))
        tokens = [value for value, has_pieces in self.values.items() if has_pieces]
        telling = [form for value in tokens for form in _forms(value)]
        telling = [form for form in telling if not _WORD.fullmatch(form)]
        self.pieces = {
            PIECE: frozenset(
                piece for piece in _runs(telling, PIECE) if not _ORDINARY.fullmatch(piece)
            ),
            LONGER_PIECE: frozenset(
                piece for piece in _runs(telling, LONGER_PIECE) if not _ONE_WORD.fullmatch(piece)
            ),
        }
        if not self.is_installed:
            self.is_installed = True
            _install()


_known = _Known()


def remember(secret: str) -> None:
    """Know a secret from now on: a password, a token, or an address with one in it."""
    _known.add({secret: "://" not in secret and "=" not in secret} | dict(_telling(secret)))


def forget() -> None:
    """Know no secret any more: for a process that does one thing after another, as tests do."""
    global _known
    _known = _Known(is_installed=_known.is_installed)


def remember_login(user: str, password: str) -> None:
    """Know a login as it is sent in a header."""
    _known.add({password: True} | dict.fromkeys(_headers(user, password), True))


def masked(text: str) -> str:
    """A text without what is known to be secret."""
    if _known.whole is None:
        return text
    text = _known.whole.sub(MASK, text)
    covered = bytearray(len(text))
    for length, pieces in _known.pieces.items():
        for start in range(len(text) - length + 1):
            if text[start : start + length] in pieces:
                covered[start : start + length] = b"\1" * length
    if not any(covered):
        return text
    return re.sub(
        "\1+",
        MASK,
        "".join("\1" if hidden else sign for sign, hidden in zip(text, covered, strict=True)),
    )


def masked_page(text: str) -> str:
    """The same of a page or a file of megabytes: whole secrets alone are looked for."""
    return text if _known.whole is None else _known.whole.sub(MASK, text)


class secrets_hidden:
    """Take secrets out of an error that leaves the block, whoever raised it, and of what led to it:
    a step's error is kept by Dagster as it is.
    """

    def __enter__(self) -> None:
        return None

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        while error is not None:
            _hide(error)
            error = error.__cause__ or error.__context__


def _hide(error: BaseException) -> None:
    if any(masked(text) != text for text in (str(error), repr(error))):
        error.args = (masked(str(error)),)
    for note in ("__cause__", "__context__"):
        led = getattr(error, note)
        # one whose words are not its arguments keeps them
        if led is not None and masked(str(led)) != str(led) and not _is_hidden_by_arguments(led):
            setattr(error, note, None)


def _is_hidden_by_arguments(error: BaseException) -> bool:
    _hide(error)
    return masked(str(error)) == str(error)


def _telling(secret: str) -> Iterator[tuple[str, bool]]:
    """What of an address or a connection string is secret: its password and tokens, not its host.

    Of anything else, all of it.
    """
    scheme, is_address, address = secret.partition("://")
    if is_address:
        yield from ((text, True) for text in _in_address(scheme.lower(), address))
        return
    found = _PASSWORD.findall(secret)
    for quoted, plain in found:
        yield re.sub(r"\\(.)", r"\1", quoted or plain), True
    if not found and _CONNECTION.search(secret) is None:
        yield secret, True


def _in_address(scheme: str, address: str) -> Iterator[str]:
    # whatever a parser makes of it: a login ends at the last @
    login = address.rpartition("@")[0]
    user, has_password, password = login.partition(":")
    if login:
        yield from _headers(user, password)
        yield from _headers(unquote(user), unquote(password))
    is_postgres = scheme.startswith("postgres")
    pieces = [password if has_password or is_postgres else user]
    is_known = is_postgres or scheme in ("http", "https")
    pieces += [
        value
        for name, value in re.findall(r"[?&]([^=&]*)=([^&#]*)", address)
        if not is_known or re.search(r"pass|key|token|secret", name)
    ]
    if not is_known:
        pieces += [piece for piece in re.split(r"[/?&=#@:]", address) if len(piece) >= LONGER_PIECE]
    for piece in pieces:
        yield piece
        yield unquote(piece)


def _headers(user: str, password: str) -> list[str]:
    """A login as a header has it, however a client encodes it; also without a password."""
    logins = (f"{user}:{password}", f"{user}:{quote(password)}")
    encoded = [login.encode(code, "replace") for login in logins for code in ("utf-8", "latin-1")]
    return [base64.b64encode(login).decode().rstrip("=") for login in encoded]


def _forms(value: str) -> Iterator[str]:
    yield value
    data = value.encode(errors="surrogatepass")
    for encoded in (base64.b64encode(data), base64.urlsafe_b64encode(data)):
        yield encoded.decode().rstrip("=")
    for quoted in (quote(value, safe=""), quote(value), quote_plus(value)):
        yield quoted
        yield re.sub("%..", lambda code: code[0].lower(), quoted)
    yield repr(value)[1:-1]
    yield json.dumps(value)[1:-1]
    yield json.dumps(value, ensure_ascii=False)[1:-1]
    yield html.escape(value)


def _runs(forms: list[str], length: int) -> Iterator[str]:
    for form in forms:
        for start in range(len(form) - length + 1):
            yield form[start : start + length]


def _install() -> None:
    """Mask what loggers write, and what Python prints of an error that nobody caught."""
    make, show = logging.getLogRecordFactory(), sys.excepthook

    def made(*args: object, **options: object) -> logging.LogRecord:
        record = make(*args, **options)
        try:
            said = record.getMessage()
        except (TypeError, ValueError, KeyError):
            # words and values do not fit: whoever writes them down tells that, and nothing fails
            return record
        if (hidden := masked(said)) != said:
            record.msg, record.args = hidden, None
        if record.exc_info and record.exc_info[1] is not None:
            raised = "".join(traceback.format_exception(*record.exc_info)).rstrip("\n")
            if (hidden := masked(raised)) != raised:
                record.exc_info, record.exc_text = None, hidden
        return record

    def shown(kind: type[BaseException], error: BaseException, at: TracebackType | None) -> None:
        raised = "".join(traceback.format_exception(kind, error, at))
        if (hidden := masked(raised)) == raised:
            show(kind, error, at)
        else:
            sys.stderr.write(hidden)

    logging.setLogRecordFactory(made)
    sys.excepthook = shown
