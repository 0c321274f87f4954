"""Endpoints that were sent generated requests, and a kept request that is sent again."""

from __future__ import annotations

from pytest_bdd import parsers, then, when

from pdpp_conformance.fuzzing import verdicts
from pdpp_conformance.fuzzing.replay import Replayed
from pdpp_conformance.fuzzing.verdicts import Fuzzed
from pdpp_conformance.judgement import Judgement
from pdpp_conformance.run import Run


@when(parsers.re(r"(?P<endpoint>the .+) is sent requests of every form"), target_fixture="fuzzed")
def sent_every_form(run: Run, endpoint: str) -> Fuzzed:
    return verdicts.fuzzed(run, endpoint)


@then(parsers.re(r"it answers each of them (?P<rule>.+)"))
def answers_each(judge: Judgement, fuzzed: Fuzzed, rule: str) -> None:
    verdicts.judge_rule(judge, fuzzed, rule)


@when(parsers.re(r"(?P<endpoint>the .+) is sent$"), target_fixture="replayed")
def sent_as_kept(run: Run, endpoint: str, datatable: list[list[str]]) -> Replayed:
    return verdicts.sent_as_kept(run, endpoint, datatable)


@then(parsers.re(r"the answer comes (?P<rule>.+)"))
def answer_comes(judge: Judgement, replayed: Replayed, rule: str) -> None:
    verdicts.judge_replayed(judge, replayed, rule)
