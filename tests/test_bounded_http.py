"""Whatever a server does, an exchange ends in time and within bounds."""

from __future__ import annotations

import gzip
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress

import pytest

from pdpp_conformance.bounded_http import MOST_BODY_BYTES
from pdpp_conformance.exchange import Answer, NoAnswer, Recorder
from pdpp_conformance.politeness import MOST_SILENCES, Politeness
from pdpp_conformance.redaction import Redactor
from pdpp_conformance.verdict import Blocked, Unmet

TIMEOUT = 0.5
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


@contextmanager
def answering(answer: Callable[[socket.socket], object]) -> Iterator[str]:
    """A server that hears a request and does what ``answer`` does with the connection."""

    def serve(server: socket.socket) -> None:
        with suppress(OSError):
            while True:
                connection, _ = server.accept()
                threading.Thread(target=converse, args=(connection,), daemon=True).start()

    def converse(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            connection.recv(65_536)
            answer(connection)

    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=serve, args=(server,), daemon=True).start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}/"
        server.shutdown(socket.SHUT_RDWR)


def dribble(text: bytes) -> Callable[[socket.socket], object]:
    """Send a byte every tenth of a second, for as long as anybody listens."""

    def send(connection: socket.socket) -> None:
        connection.sendall(text)
        while True:
            time.sleep(0.1)
            connection.sendall(b"x")

    return send


def endless(connection: socket.socket) -> None:
    connection.sendall(HEAD + b"\r\n")
    while True:
        connection.sendall(b"[" * 65_536)


def sends(body: bytes, *headers: bytes) -> Callable[[socket.socket], object]:
    head = b"".join([HEAD, *(header + b"\r\n" for header in headers), b"Connection: close\r\n"])
    return lambda connection: connection.sendall(head + b"Content-Length: %d\r\n\r\n" % len(body) + body)


def asked(answer: Callable[[socket.socket], object]) -> Answer:
    with answering(answer) as url, closing(Recorder(Redactor())) as recorder:
        return recorder.send("GET", url, actor="a test", timeout=TIMEOUT)


@pytest.mark.parametrize(
    "until", [b"HTTP/1.1 200 OK\r\nX-Slow: ", HEAD + b"\r\n", HEAD + b"Content-Length: 99\r\n\r\n"]
)
def test_a_byte_at_a_time(until: bytes) -> None:
    """A server that sends its headers or its body bit by bit is not listened to for longer than a silent one."""
    started = time.monotonic()
    with pytest.raises(NoAnswer, match="no answer within 1 s"):
        asked(dribble(until))
    assert time.monotonic() - started < 4 * TIMEOUT


def test_an_endless_body() -> None:
    """Of a body only so much is read, and what was left out is said where it matters."""
    answer = asked(endless)
    assert (len(answer.body), answer.exchange.truncated) == (MOST_BODY_BYTES, True)
    with pytest.raises(Unmet, match=f"more than the {MOST_BODY_BYTES} bytes"):
        answer.json()


def test_a_body_that_unpacks_to_much_more() -> None:
    """A small body that would decode to a huge one is decoded up to the limit; several codings are not undone."""
    bomb = gzip.compress(b"[" * (64 * MOST_BODY_BYTES))
    answer = asked(sends(bomb, b"Content-Encoding: gzip"))
    assert (len(answer.body), answer.exchange.truncated) == (MOST_BODY_BYTES, True)
    twice = gzip.compress(bomb)
    assert asked(sends(twice, b"Content-Encoding: gzip, gzip")).body == twice


def test_a_compressed_body() -> None:
    """A body in gzip is read as what it says; one that is no gzip stays as it came."""
    assert asked(sends(gzip.compress(b'{"a": 1}'), b"Content-Encoding: gzip")).json() == {"a": 1}
    assert asked(sends(b'{"a": 1}', b"Content-Encoding: gzip")).json() == {"a": 1}


@pytest.mark.parametrize("body", [b"NaN", b"[Infinity]", b"1e999", b"9" * 400, b"[" * 100_000, b"\xff"])
def test_what_is_no_json(body: bytes) -> None:
    """What nobody can reckon with is no JSON, and no fault of the harness's."""
    with pytest.raises(Unmet, match="a JSON body"):
        asked(sends(body)).json()


def test_an_endpoint_that_hangs_is_let_be() -> None:
    """An endpoint that gives no answer is waited for twice, the second time not for long, and then not asked again."""
    with answering(lambda _: time.sleep(30)) as url, closing(Recorder(Redactor())) as recorder:
        for _ in range(MOST_SILENCES):
            with pytest.raises(NoAnswer):
                recorder.send("GET", url, actor="a test", timeout=TIMEOUT)
        with pytest.raises(Blocked, match="not asked again"):
            recorder.send("GET", f"{url}?another=query", actor="a test", timeout=TIMEOUT)
        assert len(recorder.exchanges) == MOST_SILENCES


class TestPoliteness:
    def test_the_number_of_requests(self) -> None:
        """When the requests are used up the rest is blocked and says what would unblock it; cleaning up goes on."""
        politeness = Politeness(most_requests=3)
        politeness.before("http://a/")
        politeness.count()
        politeness.before("http://a/")
        with pytest.raises(Blocked, match=r"--max-requests 6, or limits.requests: 6 in the target file") as blocked:
            politeness.before("http://a/")
        assert blocked.value.reason == "the run has made the 3 requests that it may make"
        politeness.begin_cleaning_up()
        politeness.before("http://a/")
        assert politeness.made == 4

    def test_the_pace(self) -> None:
        """Requests that race each other go at once; in the long run there are no more than so many a second."""
        time_now, pauses = [100.0], [0.0]

        def sleep(seconds: float) -> None:
            pauses.append(seconds)
            time_now[0] += seconds

        politeness = Politeness(per_second=5, now=lambda: time_now[0], sleep=sleep)
        for _ in range(10):
            politeness.before("http://a/")
        assert sum(pauses) < 0.001
        for _ in range(50):
            politeness.before("http://a/")
        assert time_now[0] - 100.0 == pytest.approx(50 / 5)
