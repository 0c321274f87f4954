"""The owner's pages as the standards want them: what they ask, tell, take and give away."""

from __future__ import annotations

from typing import Any

from pytest_bdd import given, parsers, then, when

from pdpp_conformance import framing, markup, owner_watch
from pdpp_conformance import page_statements as statements
from pdpp_conformance.approver.approver import Decision, Page
from pdpp_conformance.framing import Framed
from pdpp_conformance.judgement import Judgement
from pdpp_conformance.markup import Probe
from pdpp_conformance.oauth_client import DeviceAuthorization, OAuthClient
from pdpp_conformance.owner_watch import Left, Watched
from pdpp_conformance.run import Run
from steps.device import KINDS

# -- before the decision -----------------------------------------------------------------------------------------------


@then("the verification URI takes the user code and then asks for the decision")
def takes_code(judge: Judgement, run: Run, device: DeviceAuthorization) -> None:
    statements.judge_takes_code(judge, run, device)


@when("somebody who is not signed in goes from the verification URI to the decision page", target_fixture="pages")
def goes_the_way(run: Run, device: DeviceAuthorization) -> list[Page]:
    return statements.pages_on_the_way(run, device)


@then("every page and every form on the way uses TLS")
def uses_tls(judge: Judgement, pages: list[Page]) -> None:
    statements.judge_tls(judge, pages)


@given(parsers.parse("the decision page of a request of the {kind} kind"), target_fixture="page")
def decision_page_of_kind(run: Run, kind: str) -> Page:
    return run.decision_page(KINDS[kind])


@then("the owner is told that access is given, and may approve or deny")
def offers_both(judge: Judgement, run: Run, page: Page) -> None:
    statements.judge_offers_both(judge, run, page)


@then("the owner is asked to compare the user code with the device's")
def asks_to_compare(judge: Judgement, page: Page, device: DeviceAuthorization) -> None:
    statements.judge_asks_to_compare(judge, page, device)


@then("the owner is told of a device, and asked whether it is in their possession")
def asks_for_possession(judge: Judgement, page: Page) -> None:
    statements.judge_possession(judge, page)


@then("the owner is told who asks")
def told_who_asks(judge: Judgement, run: Run, page: Page) -> None:
    statements.judge_who_asks(judge, run, page)


@then("the owner is told how the client came to be known")
def told_registering_party(judge: Judgement, page: Page) -> None:
    statements.judge_registering_party(judge, page)


@then("the owner is told exactly which stream of which source is asked for")
def told_exact_scope(judge: Judgement, run: Run, page: Page) -> None:
    statements.judge_exact_scope(judge, run, page)


@given("authorization details for several sources, with fields, a time range and an access mode", target_fixture="rich")
def rich_details(run: Run) -> list[dict[str, Any]]:
    return statements.rich_details(run)


@when("the client asks for them and the owner opens the request", target_fixture="page")
def opens_rich_request(run: Run, client: OAuthClient, rich: list[dict[str, Any]]) -> Page:
    return run.read_decision(client.start("grant_scoped_mcp", rich))


@then("the owner is told all of them")
def told_all_details(judge: Judgement, page: Page, rich: list[dict[str, Any]]) -> None:
    statements.judge_all_details(judge, page, rich)


@then("the owner is told to decline what they did not start")
def told_to_decline(judge: Judgement, page: Page) -> None:
    statements.judge_decline_advice(judge, page)


@then("denying is as prominent as approving, and approving does not have the focus")
def equally_prominent(judge: Judgement, run: Run, device: DeviceAuthorization) -> None:
    statements.judge_equal_prominence(judge, run, device)


@given("a client that names itself and a logo", target_fixture="boasting")
def client_with_a_logo(run: Run) -> OAuthClient:
    return statements.client_with_a_logo(run)


@when("the owner opens a request of that client", target_fixture="page")
def opens_request_of(run: Run, boasting: OAuthClient) -> Page:
    return run.read_decision(boasting.start("grant_scoped_mcp", run.one_stream()))


@then("its name is told as its own claim, and its logo is fetched from nowhere")
def told_as_claim(judge: Judgement, run: Run, boasting: OAuthClient, page: Page) -> None:
    statements.judge_untrusted(judge, run, boasting, page)


@given("the owner has approved a request of the client before")
def approved_before(run: Run) -> None:
    run.client_token()


@when("the owner opens the new request", target_fixture="asked")
def opens_new_request(run: Run, device: DeviceAuthorization) -> Page | None:
    return owner_watch.ask_again(run, device)


@then("the owner is asked again before anything is decided")
def asked_again(judge: Judgement, asked: Page | None, device: DeviceAuthorization) -> None:
    owner_watch.judge_asked_again(judge, device, asked)


# -- after the decision ------------------------------------------------------------------------------------------------


@when("the owner approves it on the page", target_fixture="decision")
def approves_on_the_page(run: Run, device: DeviceAuthorization) -> Decision:
    return run.approver.approve(device, on_the_page=True)


@then("the page sends the owner back to the device and carries no code and no token")
def sent_back(judge: Judgement, device: DeviceAuthorization, decision: Decision) -> None:
    statements.judge_sent_back(judge, device, decision)


@when("the owner approves it and follows every link, before and after the client redeems", target_fixture="watched")
def approves_and_looks_around(run: Run, device: DeviceAuthorization) -> Watched:
    return owner_watch.watch_approval(run, device)


@then("nothing that the owner comes by is a token, opens anything or yields anything")
def nothing_handed_over(judge: Judgement, run: Run, watched: Watched) -> None:
    owner_watch.judge_no_token_handed_over(judge, run, watched)


# -- what others put in or get out -------------------------------------------------------------------------------------


@when("the owner comes by the complete verification URI and leaves by a link to another origin", target_fixture="left")
def leaves_by_link(run: Run, device: DeviceAuthorization) -> Left:
    return owner_watch.leave_by_link(run, device)


@then("nobody is told the user code")
def code_kept(judge: Judgement, device: DeviceAuthorization, left: Left) -> None:
    owner_watch.judge_code_kept(judge, device, left)


@given(parsers.parse("the owner's {which}, which shows by itself"), target_fixture="framed")
def page_by_itself(run: Run, which: str) -> Framed:
    return framing.open_page(run, which)


@when("pages of other origins show it in a frame")
def shown_in_a_frame(run: Run, framed: Framed) -> None:
    framing.frame_it(run, framed)


@then("the frame shows nothing of it")
def frame_is_empty(judge: Judgement, framed: Framed) -> None:
    framing.judge_not_framed(judge, framed)


@given("a client whose name has markup in it", target_fixture="named_in_markup")
def client_named_in_markup(run: Run) -> tuple[OAuthClient, str]:
    return markup.client_named_in_markup(run)


@when("the owner opens a request of the client so named", target_fixture="probe")
def opens_request_of_named(run: Run, named_in_markup: tuple[OAuthClient, str]) -> Probe:
    return markup.look_at_name(run, *named_in_markup)


@when("the owner opens a request whose purpose has markup in it", target_fixture="probe")
def opens_request_with_purpose(run: Run) -> Probe:
    return markup.look_at_purpose(run)


@then("what was written is on the page, as text")
def shown_as_text(judge: Judgement, probe: Probe) -> None:
    markup.judge_escaped(judge, probe)


@when(parsers.re(r"the owner gives markup for a user code, by (?P<way>.+)"), target_fixture="probe")
def gives_markup_for_code(run: Run, device: DeviceAuthorization, way: str) -> Probe:
    return markup.look_at_code(run, device, way)


@then("what was written is on the page as text, or not at all")
def shown_as_text_or_not(judge: Judgement, probe: Probe) -> None:
    markup.judge_escaped_or_absent(judge, probe)
