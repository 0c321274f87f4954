"""Discovery: what the metadata documents promise, held against what is so."""

from __future__ import annotations

from pytest_bdd import given, then

from pdpp_conformance import code_flow
from pdpp_conformance import discovery_checks as checks
from pdpp_conformance.discovery import Document
from pdpp_conformance.judgement import Judgement
from pdpp_conformance.run import Run


@then("each endpoint in it answers an empty request")
def endpoints_answer(judge: Judgement, run: Run) -> None:
    checks.judge_advertised_answer(judge, run)


@then("no endpoint for introspection, revocation or registration answers without being in it")
def answering_are_advertised(judge: Judgement, run: Run) -> None:
    checks.judge_answering_advertised(judge, run)


@then("it says that client id metadata documents are supported")
def cimd_supported(judge: Judgement, document: Document) -> None:
    checks.judge_cimd(judge, document)


@given("an authorization response to the owner's approval", target_fixture="response")
def authorization_response(run: Run) -> code_flow.AuthorizationResponse:
    return code_flow.shared_response(run)


@then("it carries the state of its request")
def carries_state(judge: Judgement, response: code_flow.AuthorizationResponse) -> None:
    checks.judge_state(judge, response)


@then("the metadata announces an issuer in it exactly if it names one, and it is the right one")
def iss_announced(judge: Judgement, run: Run, response: code_flow.AuthorizationResponse) -> None:
    checks.judge_iss(judge, run, response)


@then("it names the resource, and its scopes where the challenge names one")
def name_and_scopes(judge: Judgement, run: Run, document: Document) -> None:
    checks.judge_name_and_scopes(judge, run, document)


@then("its scopes leave offline access out")
def no_offline_access(judge: Judgement, document: Document) -> None:
    checks.judge_no_offline_access(judge, document)


@then("its keys, if any, are protected by TLS, and none is no signing algorithm of it")
def keys_are_protected(judge: Judgement, document: Document) -> None:
    checks.judge_keys(judge, document)


@then("its signed metadata, if any, is signed and names who signed it")
def signed_metadata(judge: Judgement, document: Document) -> None:
    checks.judge_signed_metadata(judge, document)


@then("it may be cached, and for a day at most")
def may_be_cached(judge: Judgement, document: Document) -> None:
    checks.judge_caching(judge, document)
