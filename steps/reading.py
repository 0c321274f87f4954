"""Reading granted data at the MCP resource, and being refused what was not granted."""

from __future__ import annotations

from typing import Any

from pytest_bdd import given, parsers, step, then, when

from pdpp_conformance import granted_details, other_tools, searching
from pdpp_conformance import reading_checks as checks
from pdpp_conformance.exchange import Answer
from pdpp_conformance.judgement import Judgement
from pdpp_conformance.mcp_client import SdkSmoke, ToolResult
from pdpp_conformance.oauth_client import TokenResponse
from pdpp_conformance.run import Run


@given("a client token for one stream with one of its fields left out", target_fixture="narrow")
def token_without_field(run: Run) -> checks.Narrow:
    return checks.without_a_field(run)


@given("a client token for one stream within part of its time", target_fixture="narrow")
def token_within_time(run: Run) -> checks.Narrow:
    return checks.within_part_of_time(run)


@given(
    parsers.re(
        r"a client token whose stream is granted (?P<limits>with one of its fields left out|within part of its time)"
    ),
    target_fixture="narrow",
)
def token_within_limits(run: Run, limits: str) -> checks.Narrow:
    return checks.token_within_limits(run, limits)


@when("the resource server introspects that token", target_fixture="introspection")
def introspects_narrow(run: Run, narrow: checks.Narrow) -> Answer:
    return run.introspect(narrow.token.access_token)


@then("the authorization details in its token response have the limits that were asked for and approved")
def limits_as_granted(judge: Judgement, narrow: checks.Narrow) -> None:
    granted_details.judge_as_asked(judge, narrow.token.answer, narrow.asked)


@then("introspection tells the same limits as the token response")
def limits_alike(judge: Judgement, narrow: checks.Narrow, introspection: Answer) -> None:
    granted_details.judge_same_details(judge, narrow.token.answer, introspection)


@step("the client reads the granted stream", target_fixture="result")
def reads_granted(run: Run, request: Any) -> ToolResult:
    return checks.read_granted(run, request)


@given("the client reads the stream that the owner left in")
def reads_left_in(run: Run, token: TokenResponse) -> None:
    checks.reader(run, token).query(run.first_of_two_streams())


@when("the client reads another stream", target_fixture="refusal")
def reads_another(run: Run, token: TokenResponse) -> ToolResult:
    return checks.reader(run, token).query(checks.another_stream(run))


@when("the client reads a stream that is in neither grant", target_fixture="refusal")
def reads_beyond_package(run: Run, token: TokenResponse) -> ToolResult:
    return checks.reader(run, token).query(checks.stream_beyond_package(run))


@when("the client reads the stream that the owner left out", target_fixture="refusal")
def reads_left_out(run: Run, token: TokenResponse) -> ToolResult:
    return checks.reader(run, token).query(run.second_stream())


@when("the client reads a stream that does not exist", target_fixture="other_refusal")
def reads_nonexistent(run: Run, token: TokenResponse) -> ToolResult:
    return checks.reader(run, token).query(checks.NO_STREAM)


@when("the client reads that field", target_fixture="refusal")
def reads_that_field(narrow: checks.Narrow) -> ToolResult:
    return narrow.reader.query(narrow.stream, fields=[narrow.left_out])


@when("the client reads the schema", target_fixture="result")
def reads_schema(run: Run, token: TokenResponse) -> ToolResult:
    return checks.reader(run, token).schema()


@step("the client reads a stream of each source", target_fixture="results")
def reads_both(run: Run, token: TokenResponse) -> list[ToolResult]:
    return [checks.reader(run, token).query(source.streams[0].name) for source in run.offer().two_sources()]


@then("records come back")
def records_come(judge: Judgement, result: ToolResult) -> None:
    checks.judge_records(judge, result)


@then("records come back from both")
def records_from_both(judge: Judgement, results: list[ToolResult]) -> None:
    for result in results:
        checks.judge_records(judge, result)


@then("the tool refuses, and nothing of the owner is told")
def tool_refuses(judge: Judgement, run: Run, refusal: ToolResult, request: Any) -> None:
    checks.judge_refusal(judge, run, refusal, request)


@then("both refusals are alike")
def refusals_alike(judge: Judgement, run: Run, refusal: ToolResult, other_refusal: ToolResult) -> None:
    checks.judge_alike(judge, run, refusal, other_refusal)


@then("no record holds that field or its value")
def field_is_absent(judge: Judgement, narrow: checks.Narrow, result: ToolResult) -> None:
    checks.judge_field_absent(judge, narrow, result)


@then("every record lies within the granted time, and some records exist outside it")
def within_time(judge: Judgement, narrow: checks.Narrow, result: ToolResult) -> None:
    checks.judge_within_time(judge, narrow, result)


@when("the client asks the other tools for another stream", target_fixture="asked")
def asks_for_another(run: Run, token: TokenResponse, result: ToolResult) -> other_tools.Asked:
    return other_tools.ask_for_another_stream(run, token, result)


@when("the client asks the other tools for that field", target_fixture="asked")
def asks_for_field(narrow: checks.Narrow, result: ToolResult) -> other_tools.Asked:
    return other_tools.ask_for_left_out_field(narrow, result)


@when("the client asks for a record of another stream by its identifier", target_fixture="fetched")
def asks_for_foreign_record(run: Run, token: TokenResponse, result: ToolResult) -> other_tools.Fetched:
    return other_tools.ask_for_foreign_record(run, checks.reader(run, token), result)


@then("nothing of that record is told")
def foreign_record_untold(judge: Judgement, fetched: other_tools.Fetched) -> None:
    other_tools.judge_foreign_record_untold(judge, fetched)


@then("each of them refuses")
def each_tool_refuses(judge: Judgement, asked: other_tools.Asked) -> None:
    other_tools.judge_all_refuse(judge, asked)


@then("none of them tells anything of the field")
def no_tool_tells_field(judge: Judgement, narrow: checks.Narrow, asked: other_tools.Asked) -> None:
    other_tools.judge_field_untold(judge, narrow, asked)


@when("the client searches everywhere for words of another stream", target_fixture="searched")
def searches_for_another(run: Run, token: TokenResponse, result: ToolResult) -> searching.Searched:
    return searching.search_for_another_stream(run, checks.reader(run, token), result)


@when("the client searches everywhere for words of that field", target_fixture="searched")
def searches_for_field(run: Run, narrow: checks.Narrow, result: ToolResult) -> searching.Searched:
    return searching.search_for_left_out_field(run, narrow, result)


@when("the client searches everywhere for a word of records outside that time", target_fixture="searched")
def searches_outside_time(run: Run, narrow: checks.Narrow) -> searching.Searched:
    return searching.search_outside_time(run, narrow)


@then(parsers.re(r"the search tells nothing of (?P<what>that stream|that field|what lies outside the granted time)"))
def search_tells_nothing(judge: Judgement, searched: searching.Searched, what: str) -> None:
    searching.judge_nothing_told(judge, searched, what)


@then("the schema names the field less often than to a client that was granted it")
def schema_leaves_field_out(judge: Judgement, run: Run, narrow: checks.Narrow) -> None:
    checks.judge_schema_without_field(judge, run, narrow)


@then("counting the stream counts the granted records alone")
def counts_are_bounded(judge: Judgement, run: Run, narrow: checks.Narrow) -> None:
    other_tools.judge_counts(judge, run, narrow)


@then("the schema names the granted stream and no other")
def schema_is_bounded(judge: Judgement, run: Run, result: ToolResult) -> None:
    checks.judge_schema(judge, run, result)


# -- the official client -----------------------------------------------------------------------------------------------


@when(
    parsers.parse("the official MCP client connects with it, {era}, lists the tools and queries the granted stream"),
    target_fixture="smoke",
)
def official_client(run: Run, token: TokenResponse, era: str) -> SdkSmoke:
    return checks.official_client(run, token, era)


@then("it gets the tools and the records")
def gets_tools_and_records(judge: Judgement, smoke: SdkSmoke) -> None:
    checks.judge_smoke(judge, smoke)


@when("the official MCP client connects with the owner token", target_fixture="smoke")
def official_client_with_owner_token(run: Run, token: TokenResponse) -> SdkSmoke:
    return checks.official_client(run, token, "with the handshake", plain=True)


@then("it gets neither tools nor records")
def gets_nothing(judge: Judgement, smoke: SdkSmoke) -> None:
    judge.that(
        smoke.problem is not None and not smoke.tools,
        "the client to fail before it has a tool",
        smoke.problem or f"{len(smoke.tools)} tools",
    )
