"""How the owner's pages are rendered, refused and routed: every one of them with the same security headers."""

from __future__ import annotations

import hashlib
import traceback
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from types import CodeType
from typing import Any
from urllib.parse import urlsplit

import structlog
from jinja2 import BaseLoader, BytecodeCache, Environment, PackageLoader, StrictUndefined
from jinja2.bccache import Bucket
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from pdpp_reference.errors import OAuthError
from pdpp_reference.http import Handler, Incoming, endpoint
from pdpp_reference.owner.attempts import TooManyAttempts
from pdpp_reference.settings import Settings

STYLE_PATH = "/static/owner.css"
ICON_PATH = "/static/owner.svg"
COPY_PATH = "/static/copy.js"
_STATIC: Mapping[str, tuple[str, str]] = {
    STYLE_PATH: ("owner.css", "text/css"),
    ICON_PATH: ("owner.svg", "image/svg+xml"),
    COPY_PATH: ("copy.js", "text/javascript"),
}

_REFUSALS: Mapping[int, tuple[str, str]] = {
    400: ("That request can’t be answered", "Something in the request is missing or malformed. Go back and try again."),
    403: (
        "This form can’t be used",
        "It is out of date, or it was not opened in this browser. Nothing was changed. Open the page again and repeat "
        "what you wanted to do.",
    ),
    404: ("Nothing here", "There is no page at this address, or it is not yours to see."),
    405: ("That doesn’t work here", "This page does not take that kind of request."),
    413: ("That is too much", "The form sent is larger than this server accepts."),
    415: ("That doesn’t work here", "This page takes its own form and nothing else. Nothing was changed."),
    429: ("Too many attempts", "There were too many wrong attempts."),
    500: ("Something went wrong", "The fault is on this side. Nothing you entered was used; please try again."),
}


class PageRefusal(Exception):
    """A request that is refused with an error page.

    Args:
        status: the HTTP status, one that has a text of its own here.
        headers: further response headers.
    """

    def __init__(self, status: int, *, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(f"refused with status {status}")
        self.status = status
        self.headers = headers or {}


class _CompiledOnce(BytecodeCache):
    """Keeps compiled templates as long as the process lives, for every deployment in it."""

    def __init__(self) -> None:
        self._compiled: dict[tuple[str, str], CodeType] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        bucket.code = self._compiled.get((bucket.key, bucket.checksum))

    def dump_bytecode(self, bucket: Bucket) -> None:
        assert bucket.code is not None
        self._compiled[bucket.key, bucket.checksum] = bucket.code


_COMPILED = _CompiledOnce()


class Pages:
    """Renders the templates, escaped and with the security headers (RFC 9700 §4.16, §4.2).

    Args:
        loader: where templates come from; the package's own unless another is handed in.
    """

    def __init__(self, settings: Settings, loader: BaseLoader | None = None) -> None:
        self._environment = Environment(
            loader=loader or PackageLoader("pdpp_reference.owner"),
            autoescape=True,
            auto_reload=False,
            bytecode_cache=_COMPILED,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.globals.update(
            site=urlsplit(settings.issuer).netloc,
            style_url=_versioned(STYLE_PATH),
            icon_url=_versioned(ICON_PATH),
            copy_url=_versioned(COPY_PATH),
        )

    def render(
        self,
        template: str,
        *,
        signed_in: bool,
        status: int = 200,
        form_targets: Sequence[str] = (),
        headers: Mapping[str, str] | None = None,
        **values: Any,
    ) -> Response:
        """Render a page.

        Args:
            form_targets: origins besides our own that a form's answer may redirect to (CSP ``form-action``).
            values: what the template shows.
        """
        body = self._environment.get_template(template).render(signed_in=signed_in, **values)
        return Response(
            body,
            status_code=status,
            media_type="text/html",
            headers={**self.security_headers(form_targets), **(headers or {})},
        )

    def see_other(self, location: str) -> Response:
        """Redirect with 303, so that no browser repeats a POST's body at the new address (RFC 9700 §4.12)."""
        return RedirectResponse(location, status_code=303, headers=self.security_headers())

    def error(
        self,
        status: int,
        *,
        headers: Mapping[str, str] | None = None,
        title: str | None = None,
        message: str | None = None,
    ) -> Response:
        """Render the error page of a status, in its usual words unless others are given."""
        usual_title, usual_message = _REFUSALS[status if status in _REFUSALS else 500 if status >= 500 else 400]
        return self.render(
            "error.html",
            signed_in=False,
            status=status,
            headers=headers,
            title=title or usual_title,
            message=message or usual_message,
        )

    def too_many_attempts(self, retry_after: int) -> Response:
        """Render the page that says how long to wait (RFC 6585 §4)."""
        return self.error(
            429,
            headers={"Retry-After": str(retry_after)},
            message=f"There were too many wrong attempts. Wait {retry_after} seconds, then try again. "
            "Nothing is locked for good.",
        )

    def security_headers(self, form_targets: Sequence[str] = ()) -> dict[str, str]:
        """Return the headers every page carries."""
        form_action = " ".join(["'self'", *form_targets])
        policy = (
            "default-src 'none'; style-src 'self'; img-src 'self'; "
            f"form-action {form_action}; frame-ancestors 'none'; base-uri 'none'"
        )
        return {
            "Content-Security-Policy": policy,
            "X-Frame-Options": "DENY",
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "no-referrer",
            "Cross-Origin-Opener-Policy": "same-origin",
            "Cross-Origin-Resource-Policy": "same-origin",
            "Cache-Control": "no-store",
        }


def parameter(incoming: Incoming, name: str) -> str | None:
    """Return a parameter of the page's address, ``None`` where it is absent or empty.

    Raises:
        PageRefusal: 400, it occurs twice.
    """
    values = incoming.request.query_params.getlist(name)
    if len(values) > 1:
        raise PageRefusal(400)
    return values[0] if values and values[0] else None


def page_route(
    path: str,
    pages: Pages,
    *,
    max_body_bytes: int,
    get: Handler | None = None,
    post: Handler | None = None,
    bearer_post: Handler | None = None,
) -> Route:
    """Return the route of one page; whatever is refused there is refused with a page.

    Args:
        bearer_post: answers POST requests with an ``Authorization`` header, which are no browser form's. What it
            raises is the application's to answer.
    """
    return Route(path, _PageEndpoint(pages, max_body_bytes, get, post, bearer_post))


def static_routes(pages: Pages) -> list[Route]:
    """Return the routes of the style sheet, the icon and the script."""
    return [page_route(path, pages, max_body_bytes=0, get=_static_file(path, pages)) for path in _STATIC]


class _PageEndpoint:
    def __init__(
        self,
        pages: Pages,
        max_body_bytes: int,
        get: Handler | None,
        post: Handler | None,
        bearer_post: Handler | None,
    ) -> None:
        self._pages = pages
        self._max_body_bytes = max_body_bytes
        handlers = {"GET": get, "HEAD": get, "POST": post}
        self._handlers = {method: handler for method, handler in handlers.items() if handler is not None}
        self._bearer_post = bearer_post

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        if self._bearer_post is not None and request.method == "POST" and "authorization" in request.headers:
            response: Response = await endpoint(self._bearer_post, max_body_bytes=self._max_body_bytes)(request)
        else:
            response = await self._page(request)
        await response(scope, receive, send)

    async def _page(self, request: Request) -> Response:
        handler = self._handlers.get(request.method)
        if handler is None:
            return self._pages.error(405, headers={"Allow": ", ".join(self._handlers)})
        try:
            response: Response = await endpoint(handler, max_body_bytes=self._max_body_bytes)(request)
        except PageRefusal as refusal:
            return self._pages.error(refusal.status, headers=refusal.headers)
        except TooManyAttempts as refusal:
            return self._pages.too_many_attempts(refusal.retry_after)
        except OAuthError as error:
            return self._pages.error(error.status)
        except Exception as error:
            # The message is left out: it may quote what was entered.
            at = traceback.extract_tb(error.__traceback__)[-1]
            structlog.get_logger().error("page_failed", exception=type(error).__name__, at=f"{at.name}:{at.lineno}")
            return self._pages.error(500)
        return response


def _static_file(path: str, pages: Pages) -> Handler:
    name, media_type = _STATIC[path]
    headers = {**pages.security_headers(), "Cache-Control": "public, max-age=31536000, immutable"}

    def serve(_incoming: Incoming) -> Response:
        return Response(_read(name), media_type=media_type, headers=headers)

    return serve


def _versioned(path: str) -> str:
    name, _ = _STATIC[path]
    return f"{path}?v={hashlib.sha256(_read(name)).hexdigest()[:12]}"


@cache
def _read(name: str) -> bytes:
    return (files(__package__) / "static" / name).read_bytes()
