"""Client ID metadata documents, judged: which are used, and what is never fetched (CIMD draft-02 §4, §8.6)."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from pdpp_conformance.discovery import DEVICE_CODE_GRANT
from pdpp_conformance.document_host import Canary, DocumentHost, Page
from pdpp_conformance.exchange import Answer, NoAnswer, is_loopback
from pdpp_conformance.judgement import Judgement
from pdpp_conformance.oauth_client import OAuthClient
from pdpp_conformance.run import CLIENT_NAME, Run
from pdpp_conformance.verdict import Blocked, Excluded


def document_of(url: str) -> dict[str, Any]:
    """Return a document with everything that the draft and MCP ask for, for the URL at which it stands."""
    return {
        "client_id": url,
        "client_name": f"{CLIENT_NAME}: client metadata document",
        "redirect_uris": ["http://127.0.0.1/callback"],
        "grant_types": [DEVICE_CODE_GRANT, "authorization_code"],
        "response_types": ["code"],
        "token_endpoint_auth_method": "none",
    }


def _changed(**members: Any) -> Callable[[str], bytes]:
    def write(url: str) -> bytes:
        document = {**document_of(url), **members}
        return json.dumps({name: value for name, value in document.items() if value is not None}).encode()

    return write


DEFECTS: Mapping[str, Callable[[str], bytes]] = {
    "names another client": _changed(client_id="https://client.example/other.json"),
    "names itself with a slash more": lambda url: json.dumps({**document_of(url), "client_id": f"{url}/"}).encode(),
    "names itself in capitals": lambda url: json.dumps(
        {**document_of(url), "client_id": url.replace("https://", "HTTPS://")}
    ).encode(),
    "does not name itself": _changed(client_id=None),
    "is no JSON": lambda url: json.dumps(document_of(url)).encode()[:-1],
    "is a list": lambda url: json.dumps([document_of(url)]).encode(),
    "has no client name": _changed(client_name=None),
    "has no redirect URIs": _changed(redirect_uris=None),
}
"""What is wrong with a document, and how it is written for its URL."""


def client_with_document(run: Run) -> OAuthClient:
    """Return a client that is known by a right document alone.

    Raises:
        Blocked: there is no public place for one, and the target file names none.
    """
    wanted = run.target.client
    if wanted.registration == "client_id_metadata_document" and wanted.client_id is not None:
        return _client(run, wanted.client_id)
    return _client(run, _host(run).standing("right.json", lambda url: json.dumps(document_of(url)).encode()))


def client_with_defect(run: Run, defect: str) -> OAuthClient:
    """Return a client whose document has one of the named defects.

    Raises:
        Blocked: there is no public place for a document at all.
        Excluded: there is one for the target file's document, and none for others.
    """
    documents = _host(run)
    url = documents.url("client.json")
    documents.publish(url, Page(DEFECTS[defect](url)))
    return _client(run, url)


def client_under_another_url(run: Run) -> OAuthClient:
    """Return a client that goes by another URL of a right document than the one the document names.

    Raises:
        Blocked: no document is known, or the other URL does not serve it.
    """
    run.rests_beyond("what the server asked of other hosts")
    known = client_with_document(run).client_id
    other = f"{known}{'&' if '?' in known else '?'}conformance=1"
    if run.bundled is not None:
        run.bundled.documents.publish(other, Page(json.dumps(document_of(known)).encode()))
    else:
        try:
            served = run.recorder.send("GET", other, actor="a reader of the document")
        except NoAnswer as error:
            raise Blocked(f"{other} cannot be read ({error.observed})", unblock="a document at a public URL") from None
        if served.status != 200 or served.member("client_id") != known:
            raise Blocked(
                f"the client metadata document is not served with a query added ({served.summary})",
                unblock="a document whose host ignores an unknown query",
            )
    return _client(run, other)


def ask_for_codes(run: Run, client: OAuthClient) -> Answer:
    """Request a device authorization as that client."""
    return client.ask(client.request_parameters("grant_scoped_mcp", run.one_stream()).items())


def require_documents_work(run: Run) -> None:
    """The positive control: a client with a right document gets codes.

    Raises:
        Blocked: it does not.
    """
    answer = ask_for_codes(run, client_with_document(run))
    if answer.member("device_code") is None:
        raise Blocked(
            f"a client with a right metadata document was answered {answer.summary}, so that a refusal proves nothing",
            unblock="a deployment that takes client ID metadata documents, as its metadata says",
        )


@dataclass(frozen=True)
class Lured:
    """What was answered to a client whose document stands where no server may look, and who looked."""

    answer: Answer
    connections: int | None
    """How many connections the canary saw; ``None`` where it cannot sit."""


GUARDED: Mapping[str, str] = {
    "the loopback address": "127.0.0.1",
    "the loopback address of IPv6": "[::1]",
    "the name of loopback": "localhost",
    "the loopback address as a number": "2130706433",
    "the loopback address in IPv6": "[::ffff:127.0.0.1]",
    "the unspecified address": "0.0.0.0",  # noqa: S104 - nothing is bound to it
}
_ELSEWHERE: Mapping[str, str] = {
    "a private address": "10.255.255.1",
    "a link-local address": "169.254.1.1",
}


def lure(run: Run, where: str) -> Lured:
    """Request a device authorization as a client whose document would stand at a guarded address.

    Raises:
        Excluded: the deployment is not on this machine, so that nobody here could see it look.
    """
    with _canary(run) as canary:
        host = GUARDED.get(where)
        url = f"https://{host or _ELSEWHERE[where]}:{canary.port if host else 443}/{canary.port}/client.json"
        answer = ask_for_codes(run, _client(run, url))
        return Lured(answer, canary.seen() if host else None)


def lure_by_redirect(run: Run) -> Lured:
    """Request a device authorization as a client whose document's URL redirects to loopback."""
    with _canary(run) as canary:
        documents = _host(run)
        url = documents.url("redirecting.json")
        target = f"https://127.0.0.1:{canary.port}/client.json"
        documents.publish(url, Page(status=302, headers={"Location": target}))
        answer = ask_for_codes(run, _client(run, url))
        if documents.asked_for(url) == 0:
            raise Blocked(
                "the deployment did not ask for the document that redirects", unblock="a deployment that fetches"
            )
        return Lured(answer, canary.seen())


# -- judging -----------------------------------------------------------------------------------------------------------


def judge_accepted(judge: Judgement, answer: Answer) -> None:
    """The client is known by its document."""
    judge.that(answer.member("device_code") is not None, "codes for a client with a right document", answer.summary)


def judge_refused(judge: Judgement, answer: Answer) -> None:
    """The client is refused as one that nobody knows, and gets no codes."""
    judge.error(answer, ["invalid_client"], statuses=(400, 401))
    judge.that(answer.member("device_code") is None, "no codes", answer.summary)


def judge_guarded(judge: Judgement, lured: Lured) -> None:
    """Refused, and where the canary could sit, without a look."""
    if lured.connections is None:
        judge.note("for addresses beyond this machine the refusal alone is judged: no canary can sit there")
    else:
        judge.that(lured.connections == 0, "no connection to the guarded address", f"{lured.connections} at the canary")
    judge_refused(judge, lured.answer)


# -- the documents' place ----------------------------------------------------------------------------------------------


def _host(run: Run) -> DocumentHost:
    run.rests_beyond("what the server asked of other hosts")
    if run.bundled is not None:
        return run.bundled.documents
    if run.target.client.registration == "client_id_metadata_document" and run.target.client.client_id is not None:
        raise Excluded(
            "it needs a defective document at a public https URL, and the target file's document is a right one"
        )
    raise Blocked(
        "a client metadata document has to stand at a public https URL, and this run has none",
        unblock="client.registration: client_id_metadata_document and client.client_id in the target file",
    )


@contextmanager
def _canary(run: Run) -> Iterator[Canary]:
    run.rests_beyond("what the server asked of other hosts")
    if not is_loopback(run.discovery.issuer):
        raise Excluded(
            "whether the deployment looks at its own loopback can be seen on its own machine alone, and no deployment "
            "elsewhere is lured into its network unseen"
        )
    with Canary() as canary:
        yield canary


def _client(run: Run, client_id: str) -> OAuthClient:
    return OAuthClient(
        client_id,
        name="a client with a metadata document",
        recorder=run.recorder,
        discovery=run.discovery,
        waiting=run.waiting,
        scope=run.target.client.scope,
    )
