"""A page states the source where the server says so, and not where its name happens to stand."""

from __future__ import annotations

import pytest

from pdpp_conformance.approver.approver import Page
from pdpp_conformance.source_statements import states_source

SOURCE = "https://registry.pdpp.dev/connectors/google-calendar"
STREAM = "shared_events"


def page(main_text: str, *, text: str = "", claims: str = "") -> Page:
    return Page(
        url="https://as.example/device",
        title="A device asks",
        text=text or main_text,
        main_text=main_text,
        headings=(),
        buttons=(),
        links=(),
        link_targets=(),
        form_targets=(),
        markup="",
        protocol_facts="",
        client_claims=claims,
        password_field=False,
        code_field="",
    )


@pytest.mark.parametrize(
    "text",
    [
        f"Reads\n{SOURCE}\n{STREAM}",
        f"It asks for ({SOURCE}).",
        "Google Calendar\nshared events\nAll fields",
        f"google-calendar: {STREAM}",
        "Longview would like to read data from Google Calendar.\nNext",
        "Source: Google Calendar",
        "\n".join(["Your Google Calendar account", *["…"] * 40, STREAM]),
        f"{STREAM}\nLearn more at https://docs.example/google-calendar\nfrom google calendar",
    ],
)
def test_stated(text: str) -> None:
    """By its identifier, beside its streams, or as the source."""
    assert states_source(page(text), SOURCE, [STREAM])


@pytest.mark.parametrize(
    ("text", "claims"),
    [
        (f"Streams\n{STREAM}", ""),
        (f"{STREAM}\nhttps://docs.example/google-calendar/help", ""),
        (f"{STREAM}\n{SOURCE}/archive", ""),
        (f"{STREAM}\ngoogle-calendar-export", ""),
        (f"{STREAM}\nIn its words\nTidies up your Google Calendar", "In its words\nTidies up your Google Calendar"),
        (f"{STREAM}\nSource\n{SOURCE}", f"Source\n{SOURCE}"),
        ("\n".join([STREAM, *["…"] * 40, "Google Calendar fans built this page"]), ""),
    ],
)
def test_not_stated(text: str, claims: str) -> None:
    """Not in an address, not as a part of another word, not in the client's words, not far off."""
    assert not states_source(page(text, claims=claims), SOURCE, [STREAM])


def test_a_menu_states_nothing() -> None:
    """What stands outside the main part is not about this request."""
    assert not states_source(page(STREAM, text=f"Google Calendar\n{STREAM}"), SOURCE, [STREAM])
