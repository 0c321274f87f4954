"""The mutants: each is another program, made in place, and the sample is the same each time."""

from __future__ import annotations

import importlib
import multiprocessing
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from pdpp_reference.authorization_server.authorization_requests import TRANSITIONS
from tests.mutants.mutant import AREAS, Mutant, mutants

SURVIVORS = Path(__file__).parent / "mutants" / "survivors.yaml"


@pytest.fixture(scope="module")
def sample() -> list[Mutant]:
    return list(mutants(60))


def test_the_sample_is_the_same_each_time(sample: list[Mutant]) -> None:
    """Every area has its share, and no mutant is there twice."""
    again = mutants(60)
    assert [mutant.name for mutant in again] == [mutant.name for mutant in sample]
    assert len({mutant.identifier for mutant in sample}) == len(sample)
    assert set(Counter(mutant.area for mutant in sample)) == set(AREAS)


def in_a_process_of_its_own(act: Callable[[], object]) -> object:
    """Return what an act comes to in a process that is forked for it."""
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe()
    process = context.Process(target=lambda: theirs.send(act()))
    process.start()
    assert ours.poll(30)
    process.join()
    return ours.recv()


def test_a_mutant_changes_the_running_program(sample: list[Mutant]) -> None:
    """It is there in the process that puts it in, and in no other."""
    checked = 0
    for mutant in sample:
        function, _, _ = mutant.name.partition(":")
        if function != "TRANSITIONS" and function.count(".") != 2:
            continue  # a method; found as functions are

        def changed(mutant: Mutant = mutant, function: str = function) -> bool:
            before = _state_of(function)
            mutant.put_in()
            return _state_of(function) != before

        before = _state_of(function)
        assert in_a_process_of_its_own(changed), mutant.name
        assert _state_of(function) == before
        checked += 1
    assert checked > 10


def _state_of(function: str) -> object:
    if function == "TRANSITIONS":
        return dict(TRANSITIONS)
    module, _, name = function.rpartition(".")
    return getattr(importlib.import_module(f"pdpp_reference.{module}"), name).__code__


def test_explanations_say_why() -> None:
    explained = yaml.safe_load(SURVIVORS.read_text(encoding="utf-8"))
    assert all(len(why) > 20 for why in explained.values())
