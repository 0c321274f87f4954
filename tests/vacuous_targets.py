"""Targets that do nothing right, and so much alike everywhere that a careless check takes it for a pass."""

from __future__ import annotations

import json
from http.server import BaseHTTPRequestHandler


class Vacuous(BaseHTTPRequestHandler):
    """Gives the same answer to every request."""

    protocol_version = "HTTP/1.1"
    status = 200
    media_type = "application/json"
    body = b"{}"

    def answer(self) -> None:
        """Read the request, and answer as always."""
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.send_response(self.status)
        self.send_header("Content-Type", self.media_type)
        self.send_header("Content-Length", str(len(self.body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(self.body)

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_OPTIONS = answer  # noqa: N815

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


class EmptyObjects(Vacuous):
    """Answers 200 and ``{}`` to everything."""


class NotFound(Vacuous):
    """Answers 404 to everything."""

    status = 404
    body = b'{"error": "not_found"}'


class Pages(Vacuous):
    """Answers 200 and one page to everything."""

    media_type = "text/html; charset=utf-8"
    body = b"<!doctype html><title>Welcome</title><h1>Welcome</h1>"


class HangsUp(Vacuous):
    """Closes every connection without a word."""

    def answer(self) -> None:
        self.close_connection = True

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_OPTIONS = answer  # noqa: N815


class OnlyMetadata(Vacuous):
    """Publishes the metadata of a deployment, and answers nothing else but 200 and ``{}``, or what ``otherwise`` says.

    Whatever passes against it rests on the metadata alone.
    """

    documents: dict[str, object]
    otherwise: type[Vacuous] = EmptyObjects

    def answer(self) -> None:
        document = self.documents.get(self.path)
        if document is None or self.command != "GET":
            self.status, self.media_type, self.body = (
                self.otherwise.status,
                self.otherwise.media_type,
                self.otherwise.body,
            )
            if self.otherwise is HangsUp:
                self.close_connection = True
                return
        else:
            self.status, self.media_type, self.body = 200, "application/json", json.dumps(document).encode()
        super().answer()

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_OPTIONS = answer  # noqa: N815
