"""How documents are read, and what counts as said in them."""

from __future__ import annotations

import pytest

from pdpp_conformance.guide_checks import commands_of
from pdpp_conformance.guide_statements import STATEMENTS, judge_offers_no_owner_token, judge_says
from pdpp_conformance.guides import Guide
from pdpp_conformance.judgement import Judgement
from pdpp_conformance.verdict import Unmet

PLACE = "https://pdpp.example.org/docs/setup.md"


def markdown(text: str) -> Guide:
    return Guide("setup.md", text, PLACE)


def page(markup: str) -> Guide:
    return Guide("connect", f"<main>{markup}</main>", PLACE, is_html=True)


class TestReading:
    def test_a_passage_knows_the_headings_that_it_stands_below(self) -> None:
        guide = markdown("# A\n\none\n\n## B\n\n- two\n  lines\n\n## C\n\nthree\n")
        told = [(passage.headings, passage.text) for passage in guide.passages]
        assert told == [(("A",), "one"), (("A", "B"), "two lines"), (("A", "C"), "three")]

    def test_a_row_of_a_table_is_a_passage_named_by_the_code_in_its_first_cell(self) -> None:
        rows = markdown("## Tools\n\n| tool | for |\n| --- | --- |\n| `fetch` | one `record` |\n").passages
        assert [(row.cells, row.names) for row in rows] == [
            (("tool", "for"), ()),
            (("fetch", "one record"), ("fetch",)),
        ]
        assert all(row.below("tool") for row in rows)

    def test_front_matter_is_no_text(self) -> None:
        assert [passage.text for passage in markdown("---\nname: x\n---\n\nText\n").passages] == ["Text"]

    def test_links_are_absolute_and_told_once(self) -> None:
        guide = markdown("[a](other.md#x), [b](other.md), <https://rfc.example/1>\n")
        assert guide.links == ["https://pdpp.example.org/docs/other.md", "https://rfc.example/1"]

    def test_lines_that_go_on_are_one(self) -> None:
        assert markdown("```sh\ncurl x \\\n  --data y\n\npdpp connect\n```\n").code_lines == [
            "curl x --data y",
            "pdpp connect",
        ]

    def test_a_page_is_read_like_a_document(self) -> None:
        guide = page("<h1>A</h1><h2>B</h2><p>one</p><ul><li>two <b>words</b></li></ul><pre>pdpp connect</pre>")
        assert [(passage.headings[-1], passage.text) for passage in guide.passages] == [
            ("B", "one"),
            ("B", "two words"),
            ("B", "pdpp connect"),
        ]
        assert guide.code_lines == ["pdpp connect"]

    @pytest.mark.parametrize("text", ["", "<", "\0", "<main>"])
    def test_what_is_no_page_has_no_passages(self, text: str) -> None:
        assert not Guide("x", text, PLACE, is_html=True).passages

    def test_commands_are_told_with_their_options(self) -> None:
        guide = markdown("```sh\npdpp owner-agent onboard https://x.example --timeout=5 --json\npdppx y\n```\n")
        (command,) = commands_of([guide])
        assert (command.path, command.options) == (("owner-agent", "onboard"), ("--timeout", "--json"))


SAID = {
    "browser-capable clients use authorization code + PKCE": [
        "Clients that can open a browser use the authorization-code flow with PKCE.",
        "Use the authorization code grant (PKCE, S256) if a browser is at hand.",
    ],
    "headless clients use grant-scoped device authorization": [
        "Over SSH, use grant-scoped device authorization.",
        "## Headless\n\nThe device flow gives you a client token.",
    ],
    "grant-scoped device authorization issues client tokens": [
        "MCP device authorization issues client tokens, each for one grant.",
    ],
    "owner-agent device authorization issues owner tokens": [
        "Owner agent device codes: each redeems into an owner token.",
    ],
    "/mcp rejects owner tokens": [
        "Owner tokens are rejected at /mcp.",
        "The MCP server does not accept owner tokens.",
    ],
    "/mcp rejects that bearer by design": ["That bearer fails at /mcp, by design."],
    "owner-agent onboarding is owner-level local automation for /v1": [
        "This is owner-level automation on your local machine, for /v1/**.",
    ],
    "owner-agent credentials are owner-level REST credentials and no MCP credentials": [
        "It is an owner-level REST credential, not an MCP credential.",
    ],
}
UNSAID = {
    "browser-capable clients use authorization code + PKCE": "Use a browser and the authorization code.",
    "headless clients use grant-scoped device authorization": "Over SSH, never use grant-scoped device authorization.",
    "grant-scoped device authorization issues client tokens": "Device authorization issues no client token.",
    "owner-agent device authorization issues owner tokens": "Owner-agent device authorization issues client tokens.",
    "/mcp rejects owner tokens": "/mcp no longer rejects owner tokens.",
    "/mcp rejects that bearer by design": "/mcp rejects that bearer.",
    "owner-agent onboarding is owner-level local automation for /v1": "Automation for /v1.",
    "owner-agent credentials are owner-level REST credentials and no MCP credentials": "A REST credential.",
}


class TestStatements:
    def test_each_has_examples_for_and_against(self) -> None:
        assert set(SAID) == set(UNSAID) == set(STATEMENTS)

    @pytest.mark.parametrize(("what", "text"), [(what, text) for what, texts in SAID.items() for text in texts])
    def test_said(self, what: str, text: str) -> None:
        judge_says(Judgement(), markdown(text), what)

    @pytest.mark.parametrize(("what", "text"), UNSAID.items())
    def test_unsaid(self, what: str, text: str) -> None:
        with pytest.raises(Unmet):
            judge_says(Judgement(), markdown(text), what)

    def test_words_of_different_passages_say_nothing(self) -> None:
        with pytest.raises(Unmet):
            judge_says(Judgement(), markdown("Owner tokens exist.\n\n/mcp rejects.\n"), "/mcp rejects owner tokens")

    @pytest.mark.parametrize(
        "text",
        [
            "In a hurry, give the client an owner token for /mcp.",
            "The MCP server also accepts owner tokens.",
            "Connect your MCP client with an owner-agent code.",
        ],
    )
    def test_an_offer_is_found(self, text: str) -> None:
        with pytest.raises(Unmet):
            judge_offers_no_owner_token(Judgement(), [markdown(text)])

    @pytest.mark.parametrize(
        "text",
        [
            "Never give an MCP client an owner token for /mcp.",
            "The MCP server does not accept owner tokens.",
            "Use the owner token below /v1. To connect an MCP client, ask for a grant.",
        ],
    )
    def test_a_warning_is_no_offer(self, text: str) -> None:
        judge_offers_no_owner_token(Judgement(), [markdown(text)])
