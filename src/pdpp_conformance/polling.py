"""Whole conversations of polling devices, which take their time while other things are judged (RFC 8628 §3.5)."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pdpp_conformance.exchange import Answer
from pdpp_conformance.judgement import Judgement
from pdpp_conformance.oauth_client import DeviceAuthorization, OAuthClient
from pdpp_conformance.verdict import Blocked, Conclusion, NotApplicable
from pdpp_conformance.waiting import SERVER_TRUNCATION_SECONDS, Waiting, wait

if TYPE_CHECKING:
    from pdpp_conformance.run import Run

_JOIN_SECONDS = 30.0
"""What the answers of a conversation may take beyond its waits."""

TOO_SOON = 0.2
"""The part of the interval after which an early poll comes."""


@dataclass
class Conversation:
    """A device's polls: each answer by what is special about the poll, in order."""

    answers: dict[str, Answer] = field(default_factory=dict)
    ends_at: float = 0.0
    """When the last poll is due at the latest, on the clock of the conversation."""


Script = Callable[[OAuthClient, OAuthClient | None, Conversation], None]
"""What a client does, and another one where there is another; both wait on the client's clock."""


def _start(client: OAuthClient) -> DeviceAuthorization:
    """Start a device; polling is the same for both kinds, and the owner-agent kind needs nothing to ask for."""
    return client.start("trusted_owner_agent")


def _polls_too_soon(client: OAuthClient, conversation: Conversation) -> DeviceAuthorization:
    device = _start(client)
    conversation.ends_at = client.waiting.now() + device.interval * (2 + TOO_SOON) + 5 + 2 * SERVER_TRUNCATION_SECONDS
    conversation.answers["first"] = device.poll()
    wait(client.waiting, device.interval * TOO_SOON, "a part of the interval")
    conversation.answers["too early"] = device.poll_at_once()
    return device


def _impatient(client: OAuthClient, _other: OAuthClient | None, conversation: Conversation) -> None:
    """Poll, poll too soon, and then after the interval that was told at first."""
    device = _polls_too_soon(client, conversation)
    if conversation.answers["too early"].error == "slow_down":
        wait(client.waiting, device.told_interval + SERVER_TRUNCATION_SECONDS, "the interval before slow_down")
        conversation.answers["next"] = device.poll_at_once()


def _obedient(client: OAuthClient, _other: OAuthClient | None, conversation: Conversation) -> None:
    """Poll, poll too soon, and then after the interval in force, which slow_down has made longer."""
    device = _polls_too_soon(client, conversation)
    if conversation.answers["too early"].error == "slow_down":
        conversation.answers["next"] = device.poll()


def _patient(client: OAuthClient, _other: OAuthClient | None, conversation: Conversation) -> None:
    """Poll three times, each time a little after the interval."""
    device = _start(client)
    conversation.ends_at = client.waiting.now() + 2 * (device.interval + SERVER_TRUNCATION_SECONDS)
    for number in ("first", "second", "third"):
        conversation.answers[number] = device.poll()


def _disturbed(client: OAuthClient, other: OAuthClient | None, conversation: Conversation) -> None:
    """Poll; let another client poll with this code, and the same one with another code; poll after the interval.

    Raises:
        Blocked: there is no other client.
    """
    if other is None:
        raise Blocked("there is no second client to poll", unblock="a deployment with a second client")
    device, another = _start(client), _start(client)
    conversation.ends_at = client.waiting.now() + device.interval + SERVER_TRUNCATION_SECONDS
    conversation.answers["first"] = device.poll()
    other.redeem(device.device_code)
    another.poll_at_once()
    another.poll_at_once()
    conversation.answers["next"] = device.poll()


_SCRIPTS: Mapping[str, Script] = {
    "impatient": _impatient,
    "obedient": _obedient,
    "patient": _patient,
    "disturbed": _disturbed,
}


class _BesidesTheRun:
    """The real clock of a conversation that goes on beside the run: its waits take nothing of the run's own time."""

    moved_by_hand = False

    def __init__(self, stopped: threading.Event) -> None:
        self.waited_s = 0.0
        self._stopped = stopped

    @property
    def left_s(self) -> float:
        return 0.0  # nothing of the run's own time is to be had here

    def spend(self, seconds: float) -> None:
        self.waited_s += seconds

    def now(self) -> float:
        return time.monotonic()

    def until(self, moment: float, what_for: str) -> None:
        if self._stopped.wait(max(0.0, moment - self.now())):
            raise Blocked(f"the run ended while a device waited for {what_for}", unblock="a run that comes to its end")


class _UnderWay:
    """A conversation in a thread of its own."""

    def __init__(self, run: Run, name: str, script: Script, client: OAuthClient, other: OAuthClient | None) -> None:
        self.conversation = Conversation()
        self._run = run
        self._name = name
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._hold, args=(script, client, other), daemon=True)
        self._thread.start()

    def _hold(self, script: Script, client: OAuthClient, other: OAuthClient | None) -> None:
        try:
            with self._run.recorder.beside_the_scenarios(f"a {self._name} device"):
                script(client, other, self.conversation)
        except BaseException as failure:  # told to the scenario that asks for the conversation
            self._failure = failure

    def join(self) -> None:
        self._thread.join(_JOIN_SECONDS)

    def finished(self, waiting: Waiting, name: str) -> Conversation:
        """Return the conversation when it is over.

        Raises:
            Blocked: that takes longer than the run may wait, or a poll is not answered.
            Conclusion: the conversation could not be held.
        """
        if self._thread.is_alive():
            waiting.until(self.conversation.ends_at, f"the {name} device's last poll")
            self.join()
        if self._thread.is_alive():
            raise Blocked("a polling device got no answer", unblock="a token endpoint that answers every poll")
        if self._failure is not None:
            raise self._failure
        return self.conversation


class Conversations:
    """The conversations of a run: begun together, each judged when it is over.

    On a clock that is moved by hand there is nothing to wait beside: a conversation is held when it is asked for.
    """

    def __init__(self, run: Run) -> None:
        self._run = run
        self._stopped = threading.Event()
        self._under_way: dict[str, _UnderWay] = {}
        self._over: dict[str, Conversation] = {}

    def begin(self) -> None:
        """Begin every conversation; they end by themselves, or with the run.

        Raises:
            Blocked: the deployment gives the harness no client.
        """
        if self._run.bundled is not None or self._under_way:
            return
        clock = self._run.clock(_BesidesTheRun(self._stopped))
        client = self._run.client().on_clock(clock)
        other = self._another_client()
        for name, script in _SCRIPTS.items():
            self._under_way[name] = _UnderWay(self._run, name, script, client, other)

    def of(self, name: str) -> Conversation:
        """Return a conversation that is over.

        Raises:
            Conclusion: it could not be held, or takes longer than the run may wait.
        """
        if name not in self._over:
            self.begin()
            self._over[name] = (
                self._hold(_SCRIPTS[name])
                if self._run.bundled is not None
                else self._under_way[name].finished(self._run.waiting, name)
            )
        return self._over[name]

    def stop(self) -> None:
        """End what is still under way."""
        self._stopped.set()
        for one in self._under_way.values():
            one.join()

    def _hold(self, script: Script) -> Conversation:
        conversation = Conversation()
        script(self._run.client(), self._another_client(), conversation)
        return conversation

    def _another_client(self) -> OAuthClient | None:
        try:
            return self._run.client("another client")
        except Conclusion:
            return None


def judge_poll(judge: Judgement, conversation: Conversation, which: str, code: str, permitted: str | None) -> None:
    """One poll of a conversation is answered with an error code, or with another that is permitted and told.

    Raises:
        NotApplicable: the conversation came to no such poll, because nobody was told to slow down.
    """
    answer = conversation.answers.get(which)
    if answer is None:
        raise NotApplicable("the server told nobody to slow down, which it may")
    judge.rests_on(*conversation.answers.values())
    judge.error(answer, [code] if permitted is None else [code, permitted])
    judge.remark(answer.error == code, code, answer.summary)


def judge_no_bearer(judge: Judgement, conversation: Conversation) -> None:
    """No poll of a conversation is answered with a token."""
    judge.rests_on(*conversation.answers.values())
    for answer in conversation.answers.values():
        judge.no_bearer(answer)


def judge_all_pending(judge: Judgement, conversation: Conversation) -> None:
    """Every poll of a conversation is told ``authorization_pending``."""
    judge.rests_on(*conversation.answers.values())
    for which, answer in conversation.answers.items():
        judge.that(
            answer.error == "authorization_pending",
            f"authorization_pending, {which} poll",
            f"{answer.summary}, {which}",
        )
