"""`pdpp target check`: what a target file enables, in sentences, without a single request."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from pdpp_conformance.catalogue import read_catalogue
from pdpp_conformance.exchange import is_loopback, origin_of
from pdpp_conformance.foresight import Foreseen, Words, foresee, scenarios_below
from pdpp_conformance.fuzzing_plan import fuzzing_lines
from pdpp_conformance.plan import plan
from pdpp_conformance.run import DEFAULT_MAX_WAIT_SECONDS
from pdpp_conformance.specification import specification_root
from pdpp_conformance.target import Target
from pdpp_conformance.verdict import Verdict

_MOST_IDS = 12
_WAYS_TO_CLIENTS: Mapping[str, str] = {
    "dynamic": "throwaway clients are registered where the metadata names a registration endpoint, else the "
    "pre-registered public clients that it lists are used",
    "pre_registered": "the client {client_id} is used and nothing is registered",
    "client_id_metadata_document": "the client that its own document {client_id} describes is used",
}


def explain(target: Target) -> Iterator[str]:
    """Yield what a run with this target will be like, a line each."""
    root = specification_root()
    catalogue = read_catalogue(root / "features" / "catalogue", root / "schemas" / "catalogue.schema.json")
    scenarios = list(scenarios_below(root / "features"))
    foreseen = foresee(target, catalogue, scenarios)
    yield from _where(target)
    yield from _who(target)
    yield from _rows(foreseen)
    yield from _cost(target, foreseen, scenarios)
    if target.base_url is not None:
        yield from fuzzing_lines(target, catalogue)
    yield from _traces(target)


def _where(target: Target) -> Iterator[str]:
    yield f"target     {target.base_url or 'the bundled server'}, profile {target.profile}"
    own = {origin_of(url) for url in (target.base_url, target.authorization_server, target.mcp_url) if url is not None}
    clear = [origin for origin in own if origin.startswith("http://") and not is_loopback(origin)]
    yield f"secrets    go to {' and '.join(sorted(own - set(clear))) or 'no origin'} and nowhere else"
    if clear:
        yield f"           never to {', '.join(clear)}: it is plain http over a network; give the https URL"
    if target.certification_authorities is not None:
        yield f"tls        the authorities in {target.certification_authorities} are trusted besides the public ones"


def _who(target: Target) -> Iterator[str]:
    password = "with a password" if target.owner_password is not None else "without a password"
    named = f" as {target.owner_username}" if target.owner_username is not None else ""
    yield f"owner      played by {target.approver.kind}{named}, {password}"
    told = "with credentials" if target.introspection is not None else "without credentials"
    yield f"tokens     introspected {told}"
    way = _WAYS_TO_CLIENTS[target.client.registration].format(client_id=target.client.client_id or "(none named)")
    yield f"clients    {way}"
    if target.profile == "pdpp":
        asked = "as authorization_details say" if target.authorization_details else "the first stream that is found"
        yield f"asked for  {asked}"


def _rows(foreseen: Sequence[Foreseen]) -> Iterator[str]:
    groups: dict[tuple[Verdict, str], list[str]] = defaultdict(list)
    for one in foreseen:
        groups[one.verdict, one.why or ""].append(one.requirement.id)
    judged = sum(len(ids) for (verdict, _), ids in groups.items() if verdict is Verdict.PASS)
    yield f"judged     {judged} of {len(foreseen)} requirements, as far as this file decides it"
    for verdict in (Verdict.BLOCKED, Verdict.ATTESTED, Verdict.NOT_APPLICABLE, Verdict.EXCLUDED):
        for (found, why), ids in groups.items():
            if found is verdict:
                yield f"{verdict.value}  {len(ids)}: {why} ({_listed(ids)})"


def _cost(target: Target, foreseen: Sequence[Foreseen], scenarios: Sequence[Words]) -> Iterator[str]:
    judged = {one.requirement.id for one in foreseen if one.verdict is Verdict.PASS}
    chosen = [words for words in scenarios if judged & words.tags]
    wait = DEFAULT_MAX_WAIT_SECONDS if target.limits.max_wait is None else target.limits.max_wait
    waits = [words for words in chosen if {"expires", "paced"} & words.tags]
    planned = plan(target, rows=len(judged), scenarios=len(chosen), waits=len(waits), max_wait=wait)
    yield from planned.lines
    expiring = {row for words in waits if "expires" in words.tags for row in words.tags & judged}
    yield (
        f"waits      {len(expiring)} requirements wait until codes expire, which are told with the codes (300 to 600 s "
        f"are usual): where that is more than {wait:g} s they are BLOCKED with the --max-wait that would do"
    )


def _traces(target: Target) -> Iterator[str]:
    if target.approver.kind == "none" or (target.owner_password is None and target.approver.kind != "manual"):
        made = "clients and codes, and no grant"
    else:
        made = "clients, codes, grants of one or two streams, and their tokens; one owner token"
    if target.profile == "rfc8628":
        made = made.replace("grants of one or two streams", "grants").replace("; one owner token", "")
    yield f"creates    {made if target.client.registration == 'dynamic' else made.replace('clients, ', '')}"
    yield (
        "removes    every token by revocation and every client it registered; codes are left to expire; what cannot be "
        "removed is listed" + (" and accepted" if target.limits.accept_residue else " and fails the run")
    )


def _listed(ids: Sequence[str]) -> str:
    more = f" and {len(ids) - _MOST_IDS} more" if len(ids) > _MOST_IDS else ""
    return ", ".join(ids[:_MOST_IDS]) + more
