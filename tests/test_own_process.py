"""Modules of ours in processes of their own; and of those, and of plays, only what a run's scenarios name."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from pdpp_conformance.client_bench.bench import Bench
from pdpp_conformance.client_bench.script import Play
from pdpp_conformance.client_bench.under_test import CommandClient
from pdpp_conformance.exchange import Recorder
from pdpp_conformance.fuzzing.words import ENDPOINTS, FLOW, wanted_of
from pdpp_conformance.own_process import hold_ready, let_go, start_module
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


def test_a_process_that_nobody_started_ends_when_it_is_let_go() -> None:
    """Its standard input ends; the next start is another process."""
    ready = start_module("json.tool")
    hold_ready(ready, "json.tool")
    let_go("json.tool")
    assert ready.poll() is not None
    let_go("json.tool")
    other = start_module("json.tool")
    assert other is not ready
    hold_ready(other, "json.tool")
    let_go("json.tool")


def test_a_process_gives_way_to_every_other() -> None:
    """Its niceness is raised, and where Linux schedules by sessions its session's, but not another process's."""
    tells = """
import os, sys
from pathlib import Path
from pdpp_conformance.own_process import give_way
group = Path("/proc/self/autogroup")
give_way()
print(os.nice(0), *group.read_text().split()[-1:] if group.exists() else [])
"""
    for leads in (True, False):
        told = subprocess.run(
            [sys.executable, "-c", tells], capture_output=True, text=True, check=True, start_new_session=leads
        )
        own, *session = map(int, told.stdout.split())
        assert own > os.nice(0)
        assert not session or (session == [own]) is leads


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
