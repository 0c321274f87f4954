"""What a verdict rests on: of what was made for several parts of a run, what each of them used."""

from __future__ import annotations

import pytest

from pdpp_conformance import testimony as taken_down
from pdpp_conformance.exchange import Exchange, Recorder
from pdpp_conformance.redaction import Redactor


@pytest.fixture
def recorder() -> Recorder:
    recorder = Recorder(Redactor())
    recorder.scenario = "a scenario"
    return recorder


def _exchange() -> Exchange:
    return Exchange(
        number=0,
        scenario=None,
        actor="the client",
        at=0.0,
        method="POST",
        url="http://127.0.0.1/oauth/token",
        request_headers=[],
        request_body=None,
        status=200,
    )


def test_of_several_that_were_made_in_a_row_the_used_one_counts(recorder: Recorder) -> None:
    testimony = taken_down.Testimony(recorder)
    for _ in range(2):
        with testimony.making("a token"):
            recorder.record(_exchange())
    testimony.using("a token", 1)
    assert testimony.shared["a scenario"] == [2]


def test_what_could_not_be_made_counts_for_who_asked(recorder: Recorder) -> None:
    testimony = taken_down.Testimony(recorder)

    def fail() -> None:
        with testimony.making("a token"):
            recorder.record(_exchange())
            raise ValueError("no token")

    with pytest.raises(ValueError, match="no token"):
        fail()
    assert testimony.shared["a scenario"] == [1]
