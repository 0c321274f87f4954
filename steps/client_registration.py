"""Clients becoming known: dynamic registration (RFC 7591) and client ID metadata documents."""

from __future__ import annotations

from pytest_bdd import given, parsers, then, when

from pdpp_conformance import metadata_document_checks as documents
from pdpp_conformance import registration_checks as checks
from pdpp_conformance.exchange import Answer
from pdpp_conformance.judgement import Judgement
from pdpp_conformance.oauth_client import OAuthClient
from pdpp_conformance.run import Run


@given("a client registered with well-formed metadata", target_fixture="registered")
def registered_client(run: Run) -> checks.Registered:
    return checks.require_registrable(run)


@given("a client registered without the device grant", target_fixture="asking_client")
def registered_without_device_grant(run: Run) -> OAuthClient:
    return checks.client_without_device_grant(run)


@given("clients are known by their metadata documents")
def documents_work(run: Run) -> None:
    documents.require_documents_work(run)


@given("a client whose metadata document is right", target_fixture="asking_client")
def client_with_document(run: Run) -> OAuthClient:
    return documents.client_with_document(run)


@given(
    parsers.re(r"a client whose metadata document (?P<defect>(?!is right$).+)"),
    target_fixture="asking_client",
)
def client_with_defective_document(run: Run, defect: str) -> OAuthClient:
    return documents.client_with_defect(run, defect)


@given("a client that goes by another URL of a right document", target_fixture="asking_client")
def client_under_another_url(run: Run) -> OAuthClient:
    return documents.client_under_another_url(run)


@when("a client registers with well-formed metadata", target_fixture="registered")
def registers(run: Run) -> checks.Registered:
    return checks.register(run, checks.whole(run))


@when(
    "a client registers and leaves its grant types and response types to the server",
    target_fixture="registered",
)
def registers_without_defaults(run: Run) -> checks.Registered:
    return checks.register_without_defaults(run)


@when("a client registers for the device grant alone, without redirect URIs", target_fixture="registered")
def registers_for_device_alone(run: Run) -> checks.Registered:
    return checks.register_for_device_alone(run)


@when(
    parsers.re(r"a client registers with an unknown member, (?P<member>.+)"), target_fixture="registered_with_unknown"
)
def registers_with_unknown_member(run: Run, member: str) -> checks.Registered:
    return checks.register_with_unknown(run, member)


@when(
    parsers.re(r"a client registers with (?P<defect>(?!well-formed|an unknown member).+)"),
    target_fixture="defective",
)
def registers_with_defect(run: Run, defect: str) -> checks.Registered:
    return checks.register_with_defect(run, defect)


@when(
    parsers.re(r"a client registers a redirect URI with (?P<part>.+) for (?P<grants>.+)"),
    target_fixture="defective",
)
def registers_redirect_uri(run: Run, part: str, grants: str) -> checks.Registered:
    return checks.register_redirect_uri(run, part, grants)


@when("it asks for device codes", target_fixture="answer")
def asks_for_codes(run: Run, asking_client: OAuthClient) -> Answer:
    return documents.ask_for_codes(run, asking_client)


@when("a client asks for device codes whose document redirects to loopback", target_fixture="lured")
def lured_by_redirect(run: Run) -> documents.Lured:
    return documents.lure_by_redirect(run)


@when(
    parsers.re(r"a client asks for device codes whose document would stand at (?P<where>.+)"),
    target_fixture="lured",
)
def lured_to(run: Run, where: str) -> documents.Lured:
    return documents.lure(run, where)


@then("it is registered with a client id")
def is_registered(judge: Judgement, registered: checks.Registered) -> None:
    checks.judge_success(judge, registered)


@then("the answer tells all that was registered")
def all_told(judge: Judgement, registered: checks.Registered) -> None:
    checks.judge_told_back(judge, registered)


@then("it is registered as without the unknown member")
def unknown_ignored(
    judge: Judgement, registered_with_unknown: checks.Registered, registered: checks.Registered
) -> None:
    checks.judge_ignored(judge, registered_with_unknown, registered)


@then(parsers.re(r"the registration with (?P<defect>.+) is refused as RFC 7591 says"))
def defect_refused(judge: Judgement, defective: checks.Registered, defect: str) -> None:
    checks.judge_defect(judge, defective, defect)


@then("the registration is refused with invalid_redirect_uri")
def redirect_uri_refused(judge: Judgement, defective: checks.Registered) -> None:
    checks.judge_refusal(judge, defective, ["invalid_redirect_uri"])


@then("the device grant is registered and works, is replaced visibly, or is refused")
def device_grant_alone(judge: Judgement, run: Run, registered: checks.Registered) -> None:
    checks.judge_device_only(judge, run, registered)


@then("there are no codes in the answer")
def no_codes(judge: Judgement, answer: Answer) -> None:
    judge.that(answer.member("device_code") is None, "no codes", answer.summary)


@then("it gets device codes")
def gets_device_codes(judge: Judgement, answer: Answer) -> None:
    documents.judge_accepted(judge, answer)


@then("it is refused as a client that nobody knows")
def refused_as_nobody(judge: Judgement, answer: Answer) -> None:
    documents.judge_refused(judge, answer)


@then("it is refused, and nobody has looked there")
def nobody_looked(judge: Judgement, lured: documents.Lured) -> None:
    documents.judge_guarded(judge, lured)
