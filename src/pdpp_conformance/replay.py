"""A run's parties, answered from its record in place of the network, the clock and the owner."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, NoReturn

from pdpp_conformance.approver.approver import Arrival, Decision, Page
from pdpp_conformance.exchange import MADE, Answer, Exchange, Headers, NoAnswer, Recorder
from pdpp_conformance.oauth_client import DeviceRequest, Kind
from pdpp_conformance.record import Record
from pdpp_conformance.redaction import Redactor
from pdpp_conformance.stand_ins import StandIns
from pdpp_conformance.verdict import Blocked

_UNBLOCK = "a run against the deployment itself"


class NotRecorded(Blocked):
    """What a scenario asks for is not in the record."""

    def __init__(self, what: str) -> None:
        super().__init__(f"the record does not hold {what}", unblock=_UNBLOCK)


class ReplayedRecorder(Recorder):
    """Answers each request with the recorded exchange of the same part and actor that has the same request.

    Requests are the same when they are so but for the values that labels stand for. Of several recorded alike the
    first that was not read yet answers.
    """

    def __init__(self, redactor: Redactor, record: Record) -> None:
        super().__init__(redactor)
        self.stand_ins = StandIns(redactor, record.evidence["forms"])
        self.missed: dict[str, str] = {}
        """What was first asked for in vain, by part."""
        self._reading = threading.RLock()
        self._unread: dict[str, list[Mapping[str, Any]]] = {}
        self._by_others: deque[Mapping[str, Any]] = deque()
        """The exchanges that somebody else made, which nobody will ask for."""
        observed = set(record.evidence["observed"])
        self.beside = {int(number): what for number, what in record.evidence["beside"].items()}
        for line in sorted(record.exchanges, key=lambda line: int(line["number"])):
            if line["number"] in observed:
                self._by_others.append(line)
            else:
                part = self.beside.get(line["number"]) or line["scenario"] or ""
                self._unread.setdefault(part, []).append(line)

    def unread(self, part: str) -> list[int]:
        """Return the numbers of the exchanges of a part that nobody has asked for."""
        return [line["number"] for line in self._unread.get(part, ())]

    def catch_up(self, number: int) -> None:
        """Take in what others made before the exchange of that number was."""
        with self._reading:
            while self._by_others and self._by_others[0]["number"] <= number:
                line = self._by_others.popleft()
                self._take(line, self._exchange_of(line))

    def catch_up_with(self, scenario: str) -> None:
        """Take in what others made in a scenario that is over."""
        with self._reading:
            numbers = [line["number"] for line in self._by_others if line["scenario"] == scenario]
            self.catch_up(max(numbers, default=0))

    def _exchange(
        self, method: str, url: str, actor: str, headers: Headers, body: bytes | None, timeout: float
    ) -> Answer:
        part = self.part
        text = None if body is None else body.decode("utf-8", "replace")
        with self._reading:
            line = self._recorded(part, actor, method, url, headers, text)
            if line is None:
                what = f"{method} {url} by {actor}"
                self.missed.setdefault(part, what)
                raise NotRecorded(self.redactor.redact(what)[:300])
            self._unread[part].remove(line)
            # What goes on beside the scenarios is not where the scenarios are; what is made for them is.
            if self.beside.get(line["number"], MADE).startswith(MADE):
                self.catch_up(line["number"])
            exchange = self._exchange_of(line)
            exchange.url, exchange.request_headers, exchange.request_body = url, headers, text
            self._take(line, exchange)
        if exchange.status is None or exchange.error is not None:
            raise NoAnswer("an HTTP answer", self.redactor.redact(exchange.error or "none"))
        return Answer(exchange, (exchange.response_body or "").encode("utf-8", "surrogatepass"))

    def _recorded(
        self, part: str, actor: str, method: str, url: str, headers: Headers, body: str | None
    ) -> Mapping[str, Any] | None:
        for line in self._unread.get(part, ()):
            request = line["request"]
            same = (line["actor"], request["method"], request["body"] is None) == (actor, method, body is None)
            if not same:
                continue
            if [name for name, _ in request["headers"]] != [name for name, _ in headers]:
                continue
            pairs = [(request["url"], url), (request["body"] or "", body or "")]
            pairs += [(was, value) for (_, was), (_, value) in zip(request["headers"], headers, strict=True)]
            if self._agree(pairs):
                return line
        return None

    def _agree(self, pairs: Sequence[tuple[str, str]]) -> bool:
        found: dict[str, str] = {}
        for recorded, sent in pairs:
            values = self.stand_ins.agree(recorded, sent)
            if values is None or any(found.get(label, value) != value for label, value in values.items()):
                return False
            found |= values
        for label, value in found.items():
            self.stand_ins.bind(label, value)
        return True

    def _exchange_of(self, line: Mapping[str, Any]) -> Exchange:
        put = self.stand_ins.put_into
        request, response = line["request"], line["response"] or {}
        return Exchange(
            number=line["number"],
            scenario=line["scenario"],
            actor=line["actor"],
            at=datetime.fromisoformat(line["at"]).timestamp(),
            method=request["method"],
            url=put(request["url"]),
            request_headers=[(name, put(value)) for name, value in request["headers"]],
            request_body=None if request["body"] is None else put(request["body"]),
            elapsed_s=line["elapsed_s"],
            status=response.get("status"),
            response_headers=[(name, put(value)) for name, value in response.get("headers", ())],
            response_body=None if response.get("body") is None else put(response["body"]),
            response_bytes=response.get("body_bytes", 0),
            truncated=response.get("truncated", False),
            error=None if line["error"] is None else put(line["error"]),
        )

    def _take(self, line: Mapping[str, Any], exchange: Exchange) -> None:
        self.exchanges.append(exchange)
        self._learn(exchange)


class ReplayedClock:
    """Reads the clock as the run read it; no wait takes any time."""

    waited_s = 0.0
    left_s = 0.0

    def __init__(self, testimony: Mapping[str, Any], part: Callable[[], str], *, moved_by_hand: bool) -> None:
        self.moved_by_hand = moved_by_hand
        self._readings = {name: deque(readings) for name, readings in testimony["readings"].items()}
        self._waits = {name: deque(waits) for name, waits in testimony["waits"].items()}
        self._part = part
        self._last = 0.0

    def now(self) -> float:
        readings = self._readings.get(self._part())
        if readings:
            self._last = readings.popleft()
        return self._last

    def spend(self, seconds: float) -> None:
        """Nobody is waited for."""

    def until(self, moment: float, what_for: str) -> None:
        waits = self._waits.get(self._part())
        problem = waits.popleft() if waits else None
        if problem is not None:
            raise Blocked(problem[0], unblock=problem[1])


class ReplayedOwner:
    """The owner, who does what the owner of the run did, and sees the same."""

    def __init__(self, kind: str, testimony: Mapping[str, Any], recorder: ReplayedRecorder) -> None:
        self.kind = kind
        self._recorder = recorder
        self._events = {name: deque(events) for name, events in testimony["owner"].items()}

    def prepare(self) -> None:
        """There is nothing to start."""

    def knows_presses(self, kind: Kind) -> bool:
        """Whether the owner of the run knew; who did not approved a request first."""
        events = self._events.get(self._recorder.part)
        return not events or events[0]["act"] != "approve"

    def read(self, device: DeviceRequest, *, complete: bool = False) -> Page:
        return Page(**self._next("read", device.user_code))

    def approve(
        self, device: DeviceRequest, *, without_streams: Sequence[str] = (), on_the_page: bool = False
    ) -> Decision:
        return _decision(self._next("approve", device.user_code))

    def deny(self, device: DeviceRequest) -> Decision:
        return _decision(self._next("deny", device.user_code))

    def enter_code(self, user_code: str, verification_uri: str) -> Page:
        return Page(**self._next("enter_code", user_code))

    def visit(self, url: str) -> Page:
        return Page(**self._next("visit", url))

    def answer_client(self, url: str, redirect_uri: str, *, approve: bool | None) -> Arrival:
        saw = self._next("answer_client", url)
        return Arrival(Page(**saw["page"]), saw["asks"], saw["redirected_to"])

    def session_cookies(self) -> Sequence[tuple[str, str]]:
        return [(name, value) for name, value in self._next("session_cookies", "")]

    def sessions_of_cookies(self) -> Sequence[Sequence[tuple[str, str]]]:
        return ()

    def close(self) -> None:
        """Nothing was started."""

    def _next(self, act: str, about: str) -> Any:
        part, recorder = self._recorder.part, self._recorder
        events = self._events.get(part)
        event = events[0] if events else None
        values = recorder.stand_ins.agree(event["about"], about) if event and event["act"] == act else None
        if events is None or event is None or values is None:
            what = f"that the owner does this now: {act.replace('_', ' ')}"
            recorder.missed.setdefault(part, what)
            raise NotRecorded(what)
        events.popleft()
        for label, value in values.items():
            recorder.stand_ins.bind(label, value)
        recorder.catch_up(event["after"])
        if "blocked" in event:
            raise Blocked(*recorder.stand_ins.put_into_all(event["blocked"][:1]), unblock=event["blocked"][1])
        return recorder.stand_ins.put_into_all(event["saw"])


class ReplayedServer:
    """The bundled server of the run: what was done to it is done, and its answers are in the record.

    Args:
        issuer: its issuer identifier.
    """

    def __init__(self, issuer: str) -> None:
        self.issuer = issuer

    def restart(self) -> None:
        """It was restarted then."""

    def stop(self) -> None:
        """It was stopped then."""

    def log_text(self) -> NoReturn:
        """Nobody kept its log."""
        raise NotRecorded("the server's log")

    def setup_client(self) -> NoReturn:
        """Nobody kept what the setup client did."""
        raise NotRecorded("what the setup client did")

    def now(self) -> NoReturn:
        """Nobody kept the time that others than the scenarios read of it."""
        raise NotRecorded("the server's clock")

    @property
    def repository(self) -> NoReturn:
        """Nobody kept the documents."""
        raise NotRecorded("the documents of the repository")

    @property
    def documents(self) -> NoReturn:
        """Nobody kept what the server asked of other hosts."""
        raise NotRecorded("what the server asked of other hosts")


def _decision(saw: Mapping[str, Any]) -> Decision:
    return Decision(Page(**saw["asked"]), Page(**saw["concluded"]))
