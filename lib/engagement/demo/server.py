"""The shop over HTTP: its files, where events go, and what the last run found out."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from engagement.collect.server import quiet_config
from engagement.demo.answers import CURRENT
from engagement.demo.errors import DemoError

_KINDS = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
}
_LOOPBACK = ("127.0.0.1", "localhost", "[::1]", "::1")


def build(site: Path, answers: Path, data_plane: str, write_key: str, host: str) -> Starlette:
    """The application.

    Parameters
    ----------
    site
        The shop's files.
    answers
        What the last run exported; it may not be there yet.
    data_plane, write_key
        Where the shop's events go, and with which key.
    host
        Where this listens. On this machine alone, other names in requests are refused: a page
        elsewhere could have a name of its own lead here.
    """
    headers = {
        "Content-Security-Policy": (
            f"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
            f"connect-src 'self' {data_plane}; form-action 'self'; base-uri 'none'; "
            "frame-ancestors 'none'"
        ),
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "no-cache",
    }

    async def config(request: Request) -> Response:
        del request
        return JSONResponse({"dataPlane": data_plane, "writeKey": write_key}, headers=headers)

    async def answer(request: Request) -> Response:
        path = request.path_params["path"]
        if path == CURRENT and not (answers / path).exists():
            return JSONResponse({"version": None, "as_of": None}, headers=headers)
        return _file(answers, path, headers)

    async def page(request: Request) -> Response:
        path = request.path_params["path"]
        if "." in path.rpartition("/")[2]:
            return _file(site, path, headers)
        return _file(site, "index.html", headers)  # the script shows what the address says

    hosts = ["*"] if host not in _LOOPBACK else list(_LOOPBACK)
    return Starlette(
        routes=[
            Route("/config.json", config, methods=["GET"]),
            Route("/answers/{path:path}", answer, methods=["GET"]),
            Route("/{path:path}", page, methods=["GET"]),
        ],
        middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=hosts)],
    )


def _file(folder: Path, path: str, headers: Mapping[str, str]) -> Response:
    """A file of a folder, and of no other one."""
    root = folder.resolve()
    target = (root / path).resolve()
    kind = _KINDS.get(target.suffix)
    if kind is None or not target.is_relative_to(root) or not target.is_file():
        return PlainTextResponse("there is no such file", 404, headers=headers)
    return FileResponse(target, headers=headers, media_type=kind)


def serve(app: Starlette, host: str, port: int) -> None:
    """Answer requests until SIGINT or SIGTERM comes.

    Raises
    ------
    DemoError
        When the address is taken.
    """
    config = quiet_config(app, host=host, port=port, timeout_graceful_shutdown=2)
    try:
        uvicorn.Server(config).run()
    except SystemExit:  # how it says that it cannot listen
        raise DemoError(f"cannot listen on {host}, port {port}: set demo.port") from None
