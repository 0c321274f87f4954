"""Endpoints that were sent generated requests, flows in every order, and kept cases that are tried again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pytest_bdd import parsers, then, when

from pdpp_conformance.fuzzing import flow_verdicts, verdicts
from pdpp_conformance.fuzzing.acts import Act
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


@when("the parties of a flow act in every order", target_fixture="flows")
def every_order(run: Run) -> Mapping[str, Any]:
    return flow_verdicts.flows_of(run)


@then(parsers.re(r"whatever the order, (?P<rule>.+)"))
def whatever_the_order(judge: Judgement, run: Run, flows: Mapping[str, Any], rule: str) -> None:
    flow_verdicts.judge_flows(judge, run, flows, rule)


@when("the parties of a flow act in this order", target_fixture="acts")
def this_order(datatable: list[list[str]]) -> Sequence[Act]:
    return flow_verdicts.acts_of(datatable)


@then(parsers.re(r"in this order, (?P<rule>.+)"))
def in_this_order(judge: Judgement, run: Run, acts: Sequence[Act], rule: str) -> None:
    flow_verdicts.judge_order(judge, run, acts, rule)
