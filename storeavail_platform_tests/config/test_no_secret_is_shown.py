"""No failure shows anything of a secret: random secrets with every special character, in every
position of every form of configuration, and every kind of failure; of none four characters in a
row are in what is printed, logged, kept by Dagster or told, unless the same run with another
secret shows them too.
"""

from __future__ import annotations

import base64
import contextlib
import html
import io
import json
import logging
import random
import socket
import socketserver
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest
from dagster._utils.error import serializable_error_info_from_exc_info

from storeavail_platform.alerting.channels import open_channels
from storeavail_platform.alerting.messages import Message
from storeavail_platform.config import Aws, ElasticsearchServer, Postgres
from storeavail_platform.config.policies import Alerts
from storeavail_platform.config.secrets import Secret
from storeavail_platform.domain.errors import SourceRejected, StoreAvailError
from storeavail_platform.domain.masking import MASK, masked, remember, secrets_hidden
from storeavail_platform.domain.text import neutralised
from storeavail_platform.orchestration.failures import as_failures
from storeavail_platform.reading.analyst.audit import audited
from storeavail_platform.sources.index_connection import connected
from storeavail_platform.sources.postgres_session import read_only
from storeavail_platform.storage.local import LocalStorage

SECRETS = 6
"""Pairs of secrets a form and failure."""
SPECIAL = "@/:#?%&=+$!*'\"()[]{}<>|\\^~`,;. é€"
ALPHABET = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
SHORTEST = timedelta(seconds=5)


class Repeating(socketserver.ThreadingTCPServer):
    """Answers whatever comes, HTTP or PostgreSQL, with an error that repeats all of it."""

    daemon_threads = True
    allow_reuse_address = True


class Answer(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        asked = self.request.recv(65_536)
        if asked[4:8] == b"\x04\xd2\x16\x2f":
            # a wish for TLS
            self.request.sendall(b"N")
            asked = self.request.recv(65_536)
        if b"HTTP/1." in asked:
            body = json.dumps(
                {"error": {"type": "x", "reason": asked.decode("latin-1")}, "status": 400}
            ).encode()
            head = f"HTTP/1.1 400 Bad\r\ncontent-length: {len(body)}\r\n"
            kind = "content-type: application/json\r\nx-elastic-product: Elasticsearch\r\n\r\n"
            self.request.sendall(head.encode() + kind.encode() + body)
            return
        repeated = asked[8:].replace(b"\0", b" ")
        text = b'password authentication failed for user "' + repeated + b'"'
        fields = b"SFATAL\0C28P01\0M" + text + b"\0\0"
        self.request.sendall(b"E" + (len(fields) + 4).to_bytes(4, "big") + fields)


@pytest.fixture(scope="module")
def ports() -> Iterator[tuple[int, int]]:
    """A port that answers, and one that nobody listens on."""
    with socket.socket() as closed, Repeating(("127.0.0.1", 0), Answer) as server:
        closed.bind(("127.0.0.1", 0))
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield server.server_address[1], closed.getsockname()[1]
        server.shutdown()
        thread.join()


def encoded(secret: str) -> str:
    return quote(secret, safe="")


def in_json(secret: str) -> str:
    return json.dumps(secret)[1:-1]


def in_base64(secret: str) -> str:
    return base64.b64encode(secret.encode()).decode()


FORMS: dict[str, Callable[[str, int], str]] = {
    "dsn_password": lambda s, port: f"postgresql://reader:{s}@127.0.0.1:{port}/stores",
    "dsn_password_encoded": lambda s, port: (
        f"postgresql://reader:{encoded(s)}@127.0.0.1:{port}/stores"
    ),
    "dsn_swapped": lambda s, port: f"postgresql://{s}:reader@127.0.0.1:{port}/stores",
    "dsn_swapped_encoded": lambda s, port: (
        f"postgresql://{encoded(s)}:reader@127.0.0.1:{port}/stores"
    ),
    "dsn_parameter": lambda s, port: (
        f"postgresql://reader@127.0.0.1:{port}/stores?password={encoded(s)}"
    ),
    "dsn_parameter_raw": lambda s, port: (
        f"postgresql://reader@127.0.0.1:{port}/stores?password={s}"
    ),
    "dsn_foreign": lambda s, port: f"jdbc:postgresql://reader:{s}@127.0.0.1:{port}/stores",
    "dsn_keys": lambda s, port: (
        f"host=127.0.0.1 port={port} user=reader dbname=stores password='"
        + s.replace("\\", "\\\\").replace("'", "\\'")
        + "'"
    ),
    "dsn_keys_raw": lambda s, port: f"host=127.0.0.1 port={port} user=reader password={s}",
    "dsn_alone": lambda s, port: s,
    "api_key": lambda s, port: s,
    "password": lambda s, port: s,
    "url_password": lambda s, port: f"http://reader:{s}@127.0.0.1:{port}",
    "url_password_encoded": lambda s, port: f"http://reader:{encoded(s)}@127.0.0.1:{port}",
    "url_user": lambda s, port: f"http://{s}@127.0.0.1:{port}",
    "url_swapped": lambda s, port: f"http://{s}:reader@127.0.0.1:{port}",
    "url_alone": lambda s, port: s,
    "apprise": lambda s, port: f"json://reader:{s}@127.0.0.1:{port}/hook",
    "apprise_path": lambda s, port: f"json://127.0.0.1:{port}/{encoded(s)}",
    "apprise_foreign": lambda s, port: f"{s}://127.0.0.1:{port}",
}


def use(form: str, value: str, port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Use a secret in the way that it is meant for."""
    monkeypatch.setenv("SECRET", value)
    with as_failures(retry=False):
        if form.startswith("dsn"):
            config = Postgres.model_validate({"dsn": "env:SECRET"})
            with read_only(config.dsn.resolve(), SHORTEST, "test"):
                pass
        elif form.startswith("apprise"):
            alerts = Alerts.model_validate({"channels": [{"apprise": "env:SECRET"}]})
            (channel,) = open_channels(alerts, Aws())
            channel.send(Message("subject", "body", None))
        else:
            server = {"url": f"http://127.0.0.1:{port}", "index": "stores"}
            if form == "api_key":
                server |= {"api_key": "env:SECRET"}
            elif form == "password":
                server |= {"username": "reader", "password": "env:SECRET"}
            else:
                server |= {"url": "env:SECRET"}
            config_of = ElasticsearchServer.model_validate(server)
            with connected(config_of, None, SHORTEST) as client:
                client.settings("stores")


def shown(run: Callable[[], None], folder: Path) -> str:
    """All that a failure leaves: Dagster's record of it, logs, what Python prints, the audit log
    and an alert.
    """
    kept = io.StringIO()
    handler = logging.StreamHandler(kept)
    root = logging.getLogger()
    before = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    storage = LocalStorage(folder)
    try:
        with contextlib.redirect_stderr(kept), audited(storage, "sql", "SELECT 1"):
            run()
    except Exception as error:
        info = serializable_error_info_from_exc_info(sys.exc_info())
        kept.write(info.to_string())
        kept.write("".join(traceback.format_exception(error)))
        kept.write(neutralised(str(error)))
        logging.getLogger("test").exception("it failed: %s", error)
        description = getattr(error, "description", None)
        kept.write(str(description))
    finally:
        root.removeHandler(handler)
        root.setLevel(before)
    audit = "".join(file.read_text() for file in folder.rglob("*.json"))
    for file in folder.rglob("*.json"):
        file.unlink()
    return kept.getvalue() + audit


def parts(secret: str) -> set[str]:
    """Four characters in a row of a secret, as they are and in the ways they are written."""
    written = (
        secret,
        quote(secret, safe=""),
        quote_plus(secret),
        json.dumps(secret)[1:-1],
        html.escape(secret),
        base64.b64encode(secret.encode()).decode(),
        base64.b64encode(f"reader:{secret}".encode()).decode()[12:],
    )
    return {text[i : i + 4] for text in written for i in range(len(text) - 3)}


def made(source: random.Random) -> str:
    size = source.randint(8, 24)
    signs = [source.choice(SPECIAL if source.random() < 0.3 else ALPHABET) for _ in range(size)]
    return source.choice(ALPHABET) + "".join(signs) + source.choice(ALPHABET)


def like(secret: str) -> str:
    """Another secret of the same shape: it fails in the same way."""
    size = len(ALPHABET) // 2
    return secret.translate(str.maketrans(ALPHABET, ALPHABET[size:] + ALPHABET[:size]))


@pytest.mark.parametrize("is_answered", [True, False], ids=["answered", "unanswered"])
@pytest.mark.parametrize("form", FORMS)
def test_a_failure_shows_nothing_of_a_secret(
    form: str,
    is_answered: bool,
    ports: tuple[int, int],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whether libpq, a URL's parser, a client or a server says no."""
    port = ports[0 if is_answered else 1]
    source = random.Random(f"{form} {is_answered}")
    for _ in range(SECRETS if is_answered else SECRETS // 4):
        secret = made(source)
        other = like(secret)
        found, else_found = (
            shown(partial(use, form, FORMS[form](value, port), port, monkeypatch), tmp_path)
            for value in (secret, other)
        )
        assert found
        leaked = {part for part in parts(secret) if part in found and part not in else_found}
        assert not leaked, (secret, leaked, found)


@pytest.mark.parametrize(
    "form",
    [
        encoded,
        quote_plus,
        in_json,
        html.escape,
        repr,
        in_base64,
    ],
)
def test_every_way_to_write_it_is_known(form: Callable[[str], str]) -> None:
    """In a URL, in JSON, in HTML, in Python and in base64; what is around it stays."""
    secret = 'tr0ub&dor "3/é\\'
    remember(secret)
    text = f"before {form(secret)} after"
    said = masked(text)
    assert said.startswith("before ")
    assert said.endswith(" after")
    assert MASK in said
    assert not {part for part in parts(secret) if part in said}


def test_ordinary_words_stay() -> None:
    """A password that is a word hides that word alone, not a longer one or the host beside it."""
    remember("postgresql://storeavail:postgres@localhost:5432/stores")
    said = "PostgreSQL localhost:5432/stores: postgresql and storeavail say postgres; run 5432"
    assert masked(said) == said.replace("say postgres;", f"say {MASK};")


def test_what_is_chained_to_an_error_is_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    """Dagster keeps an error with all that led to it."""
    monkeypatch.setenv("SECRET", "k0-h0r5e-b4tt3ry")
    secret = Secret("env:SECRET").resolve()

    def fail() -> None:
        with secrets_hidden():
            cause = ValueError(f"Invalid header value b'ApiKey {secret}'")
            raise SourceRejected(f"it said {cause}") from cause

    with pytest.raises(StoreAvailError) as caught:
        fail()
    record = "".join(traceback.format_exception(caught.value))
    assert "it said Invalid header value b'ApiKey ***'" in record
    assert not {part for part in parts(secret) if part in record}


def test_a_logger_whose_words_and_values_do_not_fit_fails_nothing() -> None:
    """A library's mistake is told by whoever writes its line down, as it was before a secret was
    known.
    """
    remember("k0-h0r5e-b4tt3ry")
    made = logging.getLogRecordFactory()("x", logging.WARNING, __file__, 1, "%d of %d", (1,), None)
    assert (made.msg, made.args) == ("%d of %d", (1,))
