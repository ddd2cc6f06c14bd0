"""The S3 stand-in as a role sees it: each request is held against the role's policies first, as S3
does. Other services are let through.

A key that is not there answers 403 to whoever may not list it: nobody learns of it.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch
from urllib.parse import unquote
from xml.etree import ElementTree

from moto.moto_server.werkzeug_app import DomainDispatcherApplication
from werkzeug.test import EnvironBuilder, run_wsgi_app
from werkzeug.wrappers import Request, Response

from storeavail_platform_tests.deploy.iam import allows
from storeavail_testing.s3 import S3Server

DENIED = b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"
SIGNED_FOR_S3 = "/s3/aws4_request"


class EnforcedS3(S3Server):
    """Another door to what the stand-in of this process holds.

    Attributes:
        policies: what whoever asks may do; None: everything.
        refused: what was refused of it, as `action resource`.
    """

    def __init__(self) -> None:
        super().__init__()
        self.policies: Sequence[Mapping[str, Any]] | None = None
        self.refused: list[str] = []

    def start(self) -> None:
        """Start it with the door in front."""
        inner = DomainDispatcherApplication.__call__

        def guarded(application: Any, environ: Any, respond: Any) -> Iterable[bytes]:
            def without(environ: Any, respond: Any) -> Iterable[bytes]:
                answer: Iterable[bytes] = inner(application, environ, respond)
                return answer

            if environ["SERVER_PORT"] != str(self.port) or self._lets(environ, without):
                return without(environ, respond)
            return Response(DENIED, 403, mimetype="application/xml")(environ, respond)

        self._door = patch.object(DomainDispatcherApplication, "__call__", guarded)
        self._door.start()
        super().start()

    def stop(self) -> None:
        super().stop()
        self._door.stop()

    @contextmanager
    def role(self, policies: Sequence[Mapping[str, Any]]) -> Iterator[list[str]]:
        """Whoever asks is of this role; gives what it is refused."""
        self.policies, self.refused = policies, []
        try:
            yield self.refused
        finally:
            self.policies = None

    def _lets(self, environ: Any, application: Any) -> bool:
        if self.policies is None or SIGNED_FOR_S3 not in environ.get("HTTP_AUTHORIZATION", ""):
            return True
        request = Request(environ)
        needed = list(_needed(request))
        bucket, _, key = _place(request).partition("/")
        if needed and needed[0][0] == "s3:GetObject":
            looking = EnvironBuilder(
                path=request.path, method="HEAD", base_url=request.host_url
            ).get_environ()
            looking["HTTP_AUTHORIZATION"] = environ["HTTP_AUTHORIZATION"]
            _, status, _ = run_wsgi_app(application, looking)
            if status.startswith("404"):
                needed.append(("s3:ListBucket", bucket, {"s3__prefix": key}))
        refused = [
            f"{action} {resource} {context or ''}".rstrip()
            for action, resource, context in needed
            if not self._allows(action, resource, context)
        ]
        self.refused += refused
        return not refused

    def _allows(self, action: str, resource: str, context: Mapping[str, str]) -> bool:
        assert self.policies is not None
        return allows(self.policies, action, f"arn:aws:s3:::{resource}", **context)


def _place(request: Request) -> str:
    return unquote(request.path).lstrip("/")


def _needed(request: Request) -> Iterator[tuple[str, str, dict[str, str]]]:
    """The actions that a request takes, on what, with the condition keys that S3 knows of it."""
    place, method, asked = _place(request), request.method, request.args
    bucket, _, key = place.partition("/")
    if not key:
        if method == "POST" and "delete" in asked:
            body = request.get_data()
            request.environ["wsgi.input"] = io.BytesIO(body)
            for found in ElementTree.fromstring(body).iter():
                if found.tag.endswith("}Key") or found.tag == "Key":
                    yield "s3:DeleteObject", f"{bucket}/{found.text}", {}
        elif method == "GET" and "location" in asked:
            yield "s3:GetBucketLocation", bucket, {}
        elif method in ("GET", "HEAD"):
            yield (
                "s3:ListBucket",
                bucket,
                {"s3__prefix": asked.get("prefix", "")} if method == "GET" else {},
            )
        else:
            raise AssertionError(f"the door does not know {method} {request.url}")
    elif method in ("GET", "HEAD"):
        yield "s3:GetObject", place, {}
    elif method == "DELETE":
        yield ("s3:AbortMultipartUpload" if "uploadId" in asked else "s3:DeleteObject"), place, {}
    elif method in ("PUT", "POST"):
        first = request.headers.get("If-None-Match")
        yield "s3:PutObject", place, {} if first is None else {"s3__if-none-match": first}
        if (source := request.headers.get("x-amz-copy-source")) is not None:
            yield "s3:GetObject", unquote(source).lstrip("/"), {}
    else:
        raise AssertionError(f"the door does not know {method} {request.url}")
