"""Modules of ours in processes of their own; and of those, and of plays, only what a run's scenarios name."""

from __future__ import annotations

import pytest

from pdpp_conformance.client_bench.bench import Bench
from pdpp_conformance.client_bench.script import Play
from pdpp_conformance.client_bench.under_test import CommandClient
from pdpp_conformance.exchange import Recorder
from pdpp_conformance.fuzzing.words import ENDPOINTS, FLOW, wanted_of
from pdpp_conformance.own_process import hold_ready, start_module
from pdpp_conformance.redaction import Redactor


def test_a_module_is_talked_to_until_its_input_ends() -> None:
    """What it reads and writes crosses pipes, and the end of its input ends it."""
    process = start_module("json.tool", "--compact")
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(b'{ "a": 1 }')
    process.stdin.close()
    assert process.stdout.read() == b'{"a":1}\n'
    assert process.wait(30) == 0
    process.stdout.close()


def test_a_process_that_is_ready_is_taken_once() -> None:
    """It serves the next start with its arguments alone; the one after that starts another."""
    ready = start_module("json.tool")
    hold_ready(ready, "json.tool")
    other = start_module("json.tool", "--compact")
    assert other is not ready
    assert start_module("json.tool") is ready
    third = start_module("json.tool")
    assert third is not ready
    for process in (ready, other, third):
        process.kill()
        process.wait(30)
        for pipe in (process.stdin, process.stdout):
            assert pipe is not None
            pipe.close()


@pytest.mark.parametrize(
    ("steps", "wanted"),
    [
        ([], {}),
        (["the client asks for codes", "the token endpoint is sent"], {}),
        (["the token endpoint is sent requests of every form"], {"token": set()}),
        (["the parties of a flow act in every order"], {FLOW: set()}),
        (
            [f"{endpoint} is sent requests of every form" for endpoint in ENDPOINTS],
            {key: set() for key in ENDPOINTS.values()},
        ),
        (
            [
                "the token endpoint is sent requests of every form",
                "it answers each of them with no fault of its own",
                "the parties of a flow act in every order",
                "whatever the order, a code gives one bearer",
                "the token endpoint is sent requests of every form",
                "it answers each of them with no token for a denied code",
            ],
            {"token": {"ERR-01", "POL-08"}, FLOW: {"POL-12"}},
        ),
    ],
)
def test_what_is_to_be_fuzzed_is_read_from_the_steps(steps: list[str], wanted: dict[str, set[str]]) -> None:
    """An endpoint that no scenario names is left alone, and so are the flows; of each it is told what is judged."""
    assert wanted_of(steps) == wanted


def test_only_the_plays_that_are_named_are_played() -> None:
    """The others begin when somebody asks for them, if ever."""
    bench = Bench(CommandClient(["false"]), Recorder(Redactor()), {"one": Play(), "other": Play()})
    try:
        bench.begin(["one", "none of this name"])
        assert bench.play("one").last.status == 1
        assert list(bench._playing) == ["one"]
        assert bench.play("other").last.status == 1
    finally:
        bench.stop()
