"""Exchanges as other tools take them: an HTTP Archive, and curl lines that send the same request again."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest
from jsonschema import Draft202012Validator, FormatChecker

from pdpp_conformance.exchange import NoAnswer, Recorder
from pdpp_conformance.recording import write
from pdpp_conformance.redaction import Redactor
from pdpp_conformance.report import write_har
from pdpp_conformance.report.curl import LONGEST_LINE, curl_line
from pdpp_conformance.specification import load_schema
from tests.test_report import sample

Json = dict[str, Any]

PASSWORD = "pass 'word' $HOME `id` + 100% & more"
DEVICE_CODE = "GmRhmhcxhwAzkoEqiMEg_DnyEysNkuNhszIySk9eS"
COOKIE = "s3cr3t-Session-Value-0123456789"
ODD_BODIES = (
    "",
    "plain",
    'it\'s "quoted" $(id) `id` $HOME \\n \\',
    "two\nlines\r\nand\ttabs \x01\x1b[31m",
    "@/etc/hostname",
    "a=1&a=2&b",
    "ünïcödé \u202e ⟦",
    "%zz=1",
)


class _Echo(BaseHTTPRequestHandler):
    """Answers with nothing, sets a cookie, and remembers what it was sent."""

    received: list[tuple[str, str, dict[str, str], bytes]]

    def _take(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.received.append((self.command, self.path, {n.lower(): v for n, v in self.headers.items()}, body))
        self.send_response(302)
        self.send_header("Set-Cookie", f"session={COOKIE}; HttpOnly")
        self.send_header("Location", "/next?code=1234567890")
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    do_GET = do_POST = do_DELETE = _take  # noqa: N815

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def echo() -> Iterator[tuple[str, list[tuple[str, str, dict[str, str], bytes]]]]:
    class Handler(_Echo):
        received: list[tuple[str, str, dict[str, str], bytes]] = []  # noqa: RUF012 - this test's own

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", Handler.received
    server.shutdown()
    server.server_close()


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    redactor = Redactor()
    redactor.register(PASSWORD, "password")
    made = Recorder(redactor)
    yield made
    made.close()


def recorded(recorder: Recorder) -> list[Json]:
    return [recorder.redactor.redact_all(exchange.to_json()) for exchange in recorder.exchanges]


def run_line(line: str | None, environment: dict[str, str]) -> None:
    assert line is not None
    subprocess.run(["bash", "-c", line], check=True, capture_output=True, env=environment, timeout=20)


class TestCurl:
    def test_a_form_is_sent_again(self, recorder: Recorder, echo: Any) -> None:
        """The same method, address, headers and parameters; the secrets come from the environment."""
        url, received = echo
        recorder.allow_origin(url)
        form = [("password", PASSWORD), ("device_code", DEVICE_CODE), ("name", "it's & more"), ("empty", "")]
        recorder.send("POST", f"{url}/a/../b?x=[1]&y='", actor="owner", form=form, bearer="owner-Bearer-1234567890")
        line = curl_line(recorded(recorder)[0])
        assert line is not None
        assert '"$PDPP_OWNER_PASSWORD"' in line
        assert '"$DEVICE_CODE_1"' in line
        assert '"$BEARER_1"' in line
        assert PASSWORD not in line
        secrets = {"PDPP_OWNER_PASSWORD": PASSWORD, "DEVICE_CODE_1": DEVICE_CODE, "BEARER_1": "owner-Bearer-1234567890"}
        run_line(line, secrets)
        (method, _, headers, body), (method_again, path, headers_again, body_again) = received
        assert (method_again, path) == (method, "/a/../b?x=[1]&y='")
        assert parse_qsl(body_again.decode(), keep_blank_values=True) == parse_qsl(
            body.decode(), keep_blank_values=True
        )
        for name in ("authorization", "content-type"):
            assert headers_again[name] == headers[name]

    @pytest.mark.parametrize("body", ODD_BODIES)
    def test_any_body_is_sent_again(self, body: str, recorder: Recorder, echo: Any) -> None:
        """Quotes, dollars, control characters and a leading @ mean nothing to the shell or to curl."""
        url, received = echo
        recorder.allow_origin(url)
        recorder.send(
            "DELETE", url, actor="x", content=body.encode(), headers={"X-Odd": "a 'b' \"c\" $d", "X-Empty": ""}
        )
        run_line(curl_line(recorded(recorder)[0]), {})
        (*_, headers, sent), (_, _, headers_again, sent_again) = received
        assert sent_again == sent
        for name in ("x-odd", "x-empty", "content-type"):
            assert headers_again.get(name) == headers.get(name)

    def test_a_malformed_form_stays_malformed(self, recorder: Recorder, echo: Any) -> None:
        url, received = echo
        recorder.allow_origin(url)
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        recorder.send("POST", url, actor="x", content=b"a=%zz&b&&=c", headers=form)
        run_line(curl_line(recorded(recorder)[0]), {})
        assert received[1][3] == b"a=%zz&b&&=c"

    def test_what_is_no_line(self) -> None:
        """A request too long for a command, or with a zero byte in it, is not shown as one."""
        _, exchanges = sample(failing=False)
        request = exchanges[0]["request"]
        request |= {"method": "POST", "body": "x" * LONGEST_LINE}
        assert curl_line(exchanges[0]) is None
        request["body"] = "a\x00b"
        assert curl_line(exchanges[0]) is None
        request["body"] = "ab"
        assert curl_line(exchanges[0]) is not None


class TestArchive:
    def test_it_obeys_the_schema(self, tmp_path: Path, recorder: Recorder, echo: Any) -> None:
        """Requests, responses, cookies, redirects and what got no answer."""
        url, _ = echo
        recorder.allow_origin(url)
        recorder.send("POST", f"{url}/login?next=%2F", actor="owner", form={"password": PASSWORD})
        with pytest.raises(NoAnswer):
            recorder.send("GET", "http://127.0.0.1:1/", actor="client")
        run, _ = sample(failing=False)
        archive = json.loads(write_har(run, recorded(recorder), tmp_path).read_text("utf-8"))
        Draft202012Validator(load_schema("har"), format_checker=FormatChecker()).validate(archive)
        answered, unanswered = archive["log"]["entries"]
        assert answered["response"]["redirectURL"].startswith(f"{url}/next?code=")
        assert answered["response"]["cookies"] == [{"name": "session", "value": "⟨cookie:1⟩"}]
        assert answered["request"]["queryString"] == [{"name": "next", "value": "/"}]
        assert answered["request"]["postData"]["text"] == "password=⟨password:1⟩"
        assert answered["time"] == sum(answered["timings"].values()) > 0
        assert (unanswered["response"]["status"], "ConnectError" in unanswered["_error"]) == (0, True)

    def test_bodies_are_bounded_and_say_so(self, tmp_path: Path) -> None:
        run, exchanges = sample(failing=False)
        exchanges = [exchange for exchange in exchanges if exchange["response"]]
        exchanges[0]["response"]["body"] = "z" * 1_000_000
        path = write_har(run, exchanges, tmp_path)
        entry = json.loads(path.read_text("utf-8"))["log"]["entries"][0]
        assert len(entry["response"]["content"]["text"]) == 64 * 1024
        assert "of 1,000,000 characters; the rest is in exchanges.jsonl" in entry["response"]["content"]["comment"]

    def test_half_a_surrogate_pair(self, tmp_path: Path) -> None:
        run, exchanges = sample(failing=False)
        exchanges[0]["request"] |= {"method": "POST", "body": "\ud800", "url": "http://[::1/?a=b"}
        assert "\\ud800" in write_har(run, exchanges, tmp_path).read_text("utf-8")


def test_no_view_of_the_exchanges_holds_a_secret(tmp_path: Path, recorder: Recorder, echo: Any) -> None:
    """The scan reads the archive and the page with the curl lines, too, and finds what is planted there."""
    url, _ = echo
    recorder.allow_origin(url)
    recorder.send("POST", url, actor="owner", form={"password": PASSWORD, "device_code": DEVICE_CODE})
    run, _ = sample(failing=False)
    write(tmp_path, run, recorder.exchanges, recorder.redactor)
    assert recorder.redactor.leaks(tmp_path) == []
    for name in ("run.har", "report.html"):
        path = tmp_path / name
        assert COOKIE not in path.read_text("utf-8")
        kept = path.read_bytes()
        path.write_bytes(kept + DEVICE_CODE.encode())
        assert recorder.redactor.leaks(tmp_path) == [f"{name}: ⟨device_code:1⟩"]
        path.write_bytes(kept)
