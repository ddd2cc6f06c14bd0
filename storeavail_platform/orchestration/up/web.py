"""The process behind the one address: `python -m storeavail_platform.orchestration.up.web FD
WORKSPACE`, FD being the listening socket.

    /             dagster-webserver's own application
    /dashboard/   the pages about availability
    /health       whether all of it is well: 200 or 503, as JSON

All of it stands behind the gate.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import uvicorn
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import WorkspaceFileTarget
from dagster_webserver.app import create_app_from_workspace_process_context
from dagster_webserver.version import __version__ as webserver_version
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from storeavail_platform.config import Platform, dagster_home, load_platform
from storeavail_platform.dashboard.serving import answer
from storeavail_platform.domain.clock import Clock, utc_now
from storeavail_platform.domain.library_warnings import ignore_library_warnings
from storeavail_platform.orchestration.home_storage import open_home
from storeavail_platform.orchestration.up.gate import Gate
from storeavail_platform.orchestration.up.health import tree_health
from storeavail_platform.pipeline.runtime import build_runtime
from storeavail_platform.storage.local import Storage

PAGES = "/dashboard"
STATEMENT_MS, POOL_RECYCLE_SECONDS, POOL_OVERFLOW = 15_000, 3_600, 20
"""As dagster-webserver's own command has them."""
ENDING_SECONDS = 5
REFRESH_MS = 2_000


class AskingConnection(HttpToolsProtocol):
    """A connection that is ended where it asks nothing, as uvicorn ends one that asks nothing
    more.
    """

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.timeout_keep_alive_task = self.loop.call_later(
            self.timeout_keep_alive, self.timeout_keep_alive_handler
        )


def application(
    context: WorkspaceProcessContext,
    platform: Callable[[], Platform],
    folder: Path,
    clock: Clock = utc_now,
) -> ASGIApp:
    """Everything behind the one address.

    Args:
        platform: gives the configuration as it is now.
        folder: where the supervisor says what runs.
    """
    first = build_runtime(platform())

    def page(request: Request) -> Response:
        accepted = request.headers.get("accept-encoding")
        return page_response(first.storage, request.url.path.removeprefix(PAGES), accepted)

    def health(request: Request) -> Response:
        found = tree_health(build_runtime(platform()), context, folder, clock())
        status = 503 if found.problems else 200
        return Response(found.dump(), status, media_type="application/json")

    dagster = create_app_from_workspace_process_context(context, live_data_poll_rate=REFRESH_MS)
    routes = [
        Route("/health", health),
        Route(PAGES, lambda request: RedirectResponse(f"{PAGES}/")),
        Route(f"{PAGES}/{{path:path}}", page),
        Mount("/", dagster),
    ]
    own_name = urlsplit(first.platform.dagster_url or "").hostname
    return Gate(Starlette(routes=routes), [own_name] if own_name else [])


def page_response(storage: Storage, path: str, accepted: str | None = None) -> Response:
    found = answer(storage, path, accepted)
    return Response(found.body, found.status, dict(found.headers))


def main(listener: str, workspace: str) -> None:
    ignore_library_warnings()
    logging.basicConfig(format="%(asctime)s %(name)s %(levelname)s %(message)s")
    platform = load_platform()
    with (
        open_home(dagster_home(platform)) as instance,
        socket.socket(fileno=int(listener)) as listening,
    ):
        instance.optimize_for_webserver(STATEMENT_MS, POOL_RECYCLE_SECONDS, POOL_OVERFLOW)
        target = WorkspaceFileTarget([workspace])
        with WorkspaceProcessContext(instance, target, webserver_version) as context:
            settings = uvicorn.Config(
                application(
                    context, lambda: load_platform(platform.origin), Path(workspace).parent
                ),
                http=AskingConnection,
                log_level="warning",
                timeout_graceful_shutdown=ENDING_SECONDS,
            )
            uvicorn.Server(settings).run([listening])


if __name__ == "__main__":
    main(*sys.argv[1:])
