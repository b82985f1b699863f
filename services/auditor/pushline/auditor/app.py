"""The auditor's web application: API, page, probes, and the headers that every answer carries."""

from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pushline.auditor.api import Api, Json, probe_routes
from pushline.auditor.history import History
from pushline.auditor.page import Page, make_templates
from pushline.auditor.ports import Exposition, Fold, Notes, Probes

HEADERS = {
    "content-security-policy": (
        "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
}


def make_app(fold: Fold, history: History, probes: Probes, expose: Exposition, notes: Notes = dict) -> Starlette:
    routes = [
        *Api(fold, history).routes(),
        *Page(fold, history, make_templates()).routes(),
        *probe_routes(probes, expose, notes),
    ]
    return Starlette(routes=routes, middleware=[Middleware(_Headers)], exception_handlers={HTTPException: _refuse})


def _refuse(_: Request, error: Exception) -> Response:
    """Answer what no route takes: 404, 405."""
    if not isinstance(error, HTTPException):
        raise error
    return Json({"error": error.detail}, error.status_code, error.headers)


class _Headers:
    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        await self._app(scope, receive, send_with_headers)
