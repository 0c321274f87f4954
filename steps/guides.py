"""Guidance: the documents of the repository, and what the deployment gives agents and people to read."""

from __future__ import annotations

from collections.abc import Sequence

from pytest_bdd import given, parsers, then

from pdpp_conformance import guide_checks as checks
from pdpp_conformance import guide_places as places
from pdpp_conformance import guide_statements as statements
from pdpp_conformance.guides import Guide
from pdpp_conformance.judgement import Judgement
from pdpp_conformance.run import Run

# -- where they are ----------------------------------------------------------------------------------------------------


@given("the research note", target_fixture="guides")
def research_note(run: Run) -> Sequence[Guide]:
    return [places.read_file(run, checks.NOTE)]


@given(
    parsers.re(
        r"the (?P<name>(hosted MCP|headless) setup document|(data-access|owner-agent) skill|overview for agents)"
    ),
    target_fixture="guides",
)
def document_of_repository(run: Run, name: str) -> Sequence[Guide]:
    return [places.read_file(run, places.PATHS[f"the {name}"])]


@given("the documents of the repository", target_fixture="guides")
def documents_of_repository(run: Run) -> Sequence[Guide]:
    return places.repository_guides(run)


@given("what the deployment gives agents and people to read", target_fixture="guides")
def served_documents(run: Run) -> Sequence[Guide]:
    return places.served_guides(run)


@given("the console's connect page", target_fixture="guides")
def connect_page(run: Run) -> Sequence[Guide]:
    return places.setup_pages(run)


@given("grant-scoped device authorization is advertised")
def device_authorization_advertised(run: Run) -> None:
    places.require_headless_path(run)


# -- what they say -----------------------------------------------------------------------------------------------------


@then(parsers.parse("it tells readers that {statement}"))
def says(judge: Judgement, guides: Sequence[Guide], statement: str) -> None:
    for guide in guides:
        statements.judge_says(judge, guide, statement)


@then(parsers.parse("it somewhere tells readers that {statement}"))
def says_somewhere(judge: Judgement, guides: Sequence[Guide], statement: str) -> None:
    statements.judge_said_somewhere(judge, guides, statement)


@then(parsers.parse("its conclusion tells readers that {statement}"))
def conclusion_says(judge: Judgement, guides: Sequence[Guide], statement: str) -> None:
    for guide in guides:
        statements.judge_section_says(judge, guide, "conclusion", statement)


@then(parsers.re(r"no sentence of (it|them) offers owner credentials as MCP setup"))
def offers_no_owner_credentials(judge: Judgement, guides: Sequence[Guide]) -> None:
    statements.judge_offers_no_owner_token(judge, guides)


# -- whether it is so --------------------------------------------------------------------------------------------------


@then("it asks a question and draws a conclusion")
def question_and_conclusion(judge: Judgement, guides: Sequence[Guide]) -> None:
    for guide in guides:
        checks.judge_question(judge, guide)


@then("each of its sources has a URL and the day on which it was read, and each is used")
def sources(judge: Judgement, guides: Sequence[Guide]) -> None:
    for guide in guides:
        checks.judge_sources(judge, guide)


@then("each link between them leads to a document")
def links_between(judge: Judgement, guides: Sequence[Guide]) -> None:
    checks.judge_files_linked(judge, guides)


@then("each of its links to the deployment resolves")
def links_resolve(judge: Judgement, run: Run, guides: Sequence[Guide]) -> None:
    checks.judge_links_resolve(judge, run, guides)


@then("each command in them exists, and its help knows the options that are documented")
def commands_exist(judge: Judgement, guides: Sequence[Guide]) -> None:
    checks.judge_commands(judge, guides)


@given("the tools that the MCP server lists", target_fixture="tools")
def tools_listed(run: Run) -> Sequence[str]:
    session = run.mcp(run.client_token().access_token, actor="the client")
    return [str(tool.get("name")) for tool in session.list_tools()]


@then("a document that lists tools lists exactly those")
def tools_are_fresh(judge: Judgement, guides: Sequence[Guide], tools: Sequence[str]) -> None:
    checks.judge_tools(judge, guides, tools)


@given(
    "the errors that a device is told that polls too early, with a wrong code, as nobody, and after a denial",
    target_fixture="errors",
)
def errors_told(run: Run) -> frozenset[str]:
    return checks.polling_errors(run)


@then("a document that lists errors of polling has each of them and invents none")
def errors_are_fresh(judge: Judgement, guides: Sequence[Guide], errors: frozenset[str]) -> None:
    checks.judge_errors(judge, guides, errors)


@then("each endpoint that it names is where the metadata says")
def endpoints_are_fresh(judge: Judgement, run: Run, guides: Sequence[Guide]) -> None:
    checks.judge_endpoints(judge, run.discovery, guides)
