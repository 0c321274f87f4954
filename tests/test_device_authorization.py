"""Device authorization: the state table event by event, and the token endpoint over HTTP."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any, ClassVar, TypeVar

import httpx
import pytest
from sqlalchemy import select

from pdpp_reference.authorization_server.authorization_requests import (
    TRANSITIONS,
    Event,
    State,
)
from pdpp_reference.authorization_server.consent import NotDecidable, narrowed
from pdpp_reference.secrets_at_rest import USER_CODE_ALPHABET
from pdpp_reference.storage.tables import authorization_requests
from tests.conftest import BANK, DEVICE_CODE_GRANT, REDIRECT_URI, SPOTIFY, VERIFIER, Deployment

KINDS = ("grant_scoped_mcp", "trusted_owner_agent")
LIFETIME = 600
INTERVAL = 5

Answer = TypeVar("Answer")


def at_once(acts: list[Callable[[], Answer]]) -> list[Answer]:
    """Let everything happen at the same moment, each in a thread of its own; return what came of it."""
    barrier = Barrier(len(acts))

    def one(act: Callable[[], Answer]) -> Answer:
        barrier.wait(10)
        return act()

    with ThreadPoolExecutor(len(acts)) as pool:
        return list(pool.map(one, acts))


def refused(answer: httpx.Response, error: str, status: int = 400) -> httpx.Response:
    """Check that an answer is an error object of RFC 6749 §5.2 with this code."""
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/json"), answer.text
    assert answer.headers["cache-control"] == "no-store"
    members = answer.json()
    assert set(members) == {"error", "error_description", "request_id"}
    assert members["error"] == error, answer.text
    assert re.fullmatch(r"[\x20-\x21\x23-\x5b\x5d-\x7e]+", members["error_description"])
    return answer


def same_but_for_its_id(answer: httpx.Response) -> dict[str, Any]:
    return {**answer.json(), "request_id": None, "status": answer.status_code}


@pytest.fixture(scope="module")
def client_id(deployment: Deployment) -> str:
    return deployment.register()


@pytest.fixture(scope="module")
def stranger(deployment: Deployment) -> str:
    return deployment.register(client_name="Another client")


class TestStateTable:
    """Every state and every event, as the drawing in `authorization_requests` says."""

    DRAWN: ClassVar[dict[State, dict[Event, State]]] = {
        State.PENDING: {Event.APPROVE: State.APPROVED, Event.DENY: State.DENIED, Event.EXPIRE: State.EXPIRED},
        State.APPROVED: {Event.REDEEM: State.REDEEMED, Event.EXPIRE: State.EXPIRED},
        State.DENIED: {},
        State.REDEEMED: {},
        State.EXPIRED: {},
    }

    PATHS: ClassVar[dict[State, tuple[Event, ...]]] = {
        State.PENDING: (),
        State.APPROVED: (Event.APPROVE,),
        State.DENIED: (Event.DENY,),
        State.REDEEMED: (Event.APPROVE, Event.REDEEM),
        State.EXPIRED: (Event.EXPIRE,),
    }

    def test_the_table_is_the_drawing(self) -> None:
        """No transition exists that the drawing lacks, and none lacks."""
        drawn = {(state, event): target for state, events in self.DRAWN.items() for event, target in events.items()}
        assert drawn == TRANSITIONS

    @pytest.mark.parametrize("event", Event)
    @pytest.mark.parametrize("state", State)
    def test_an_event_leads_where_the_table_says_or_nowhere(
        self, deployment: Deployment, client_id: str, state: State, event: Event
    ) -> None:
        """An event the table knows happens; any other changes nothing."""
        request_id = self.reach(deployment, client_id, state)
        target = TRANSITIONS.get((state, event))
        assert self.fire(deployment, request_id, event) is (target is not None)
        assert self.stored_state(deployment, request_id) is (target or state)

    @pytest.mark.parametrize("event", [Event.APPROVE, Event.DENY, Event.REDEEM])
    def test_nothing_but_expiry_happens_after_its_time(
        self, deployment: Deployment, client_id: str, event: Event
    ) -> None:
        """Neither the owner nor the client changes a request whose time has run out."""
        state = State.APPROVED if event is Event.REDEEM else State.PENDING
        request_id = self.reach(deployment, client_id, state)
        deployment.clock.advance(LIFETIME)
        assert not self.fire(deployment, request_id, event)
        assert self.stored_state(deployment, request_id) is state

    @pytest.mark.parametrize("state", [State.PENDING, State.APPROVED])
    def test_nothing_expires_before_its_time(self, deployment: Deployment, client_id: str, state: State) -> None:
        """A request within its time does not expire."""
        request_id = self.reach(deployment, client_id, state)
        with deployment.server.parts.store.transaction() as connection:
            assert not deployment.server.parts.requests.fire(connection, request_id, Event.EXPIRE)

    def reach(self, deployment: Deployment, client_id: str, state: State) -> str:
        """Return the id of a request in this state."""
        request_id = deployment.pending(deployment.start_device(client_id)["user_code"]).request.id
        for event in self.PATHS[state]:
            assert self.fire(deployment, request_id, event)
        assert self.stored_state(deployment, request_id) is state
        return request_id

    def fire(self, deployment: Deployment, request_id: str, event: Event) -> bool:
        if event is Event.EXPIRE:
            deployment.clock.advance(LIFETIME)
        with deployment.server.parts.store.transaction() as connection:
            return deployment.server.parts.requests.fire(connection, request_id, event)

    def stored_state(self, deployment: Deployment, request_id: str) -> State:
        """Return the state as the row has it: reading a request lets it expire, so its table is asked directly."""
        with deployment.server.parts.store.transaction() as connection:
            row = select(authorization_requests.c.state).where(authorization_requests.c.id == request_id)
            return State(connection.execute(row).scalar_one())


class TestRequest:
    """The device authorization endpoint (RFC 8628 §3.1, §3.2)."""

    @pytest.mark.parametrize("kind", KINDS)
    def test_the_answer(self, deployment: Deployment, client_id: str, kind: str) -> None:
        """Codes of both kinds come in the same form, and no cache keeps them."""
        answer = deployment.post("/oauth/device_authorization", **deployment.device_parameters(client_id, kind))
        assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
        assert (answer.headers["cache-control"], answer.headers["pragma"]) == ("no-store", "no-cache")
        members = answer.json()
        user_code = members["user_code"]
        assert re.fullmatch(f"[{USER_CODE_ALPHABET}]{{4}}-[{USER_CODE_ALPHABET}]{{4}}", user_code)
        assert re.fullmatch(r"[A-Za-z0-9_\-]{43}", members.pop("device_code"))
        assert members == {
            "user_code": user_code,
            "verification_uri": f"{deployment.issuer}/device",
            "verification_uri_complete": f"{deployment.issuer}/device?user_code={user_code}",
            "expires_in": LIFETIME,
            "interval": INTERVAL,
        }
        assert deployment.pending(user_code).request.request_kind == kind

    def test_json_is_taken_too(self, deployment: Deployment, client_id: str) -> None:
        """A JSON object asks for the same, its authorization_details a text or an array."""
        parameters = deployment.device_parameters(client_id)
        as_text = deployment.http.post("/oauth/device_authorization", json=parameters)
        details = httpx.Response(200, text=parameters["authorization_details"]).json()
        as_array = deployment.http.post(
            "/oauth/device_authorization", json={**parameters, "authorization_details": details}
        )
        for answer in (as_text, as_array):
            request = deployment.pending(answer.json()["user_code"]).request
            assert request.request_kind == "grant_scoped_mcp"
            assert [detail.source_id for detail in request.authorization_details or ()] == [SPOTIFY]

    @pytest.mark.parametrize("missing", ["client_id", "resource", "authorization_details"])
    @pytest.mark.parametrize("empty", [False, True])
    def test_an_incomplete_mcp_request_gets_no_codes(
        self, deployment: Deployment, client_id: str, missing: str, empty: bool
    ) -> None:
        """Without one of its three parameters, left out or empty, an MCP request never becomes the owner's."""
        parameters = deployment.device_parameters(client_id)
        del parameters[missing]
        if empty:
            parameters[missing] = ""
        refused(deployment.post("/oauth/device_authorization", **parameters), "invalid_request")

    @pytest.mark.parametrize("name", ["resource", "authorization_details"])
    @pytest.mark.parametrize("as_json", [False, True])
    def test_an_empty_parameter_alone_makes_it_an_mcp_request(
        self, deployment: Deployment, client_id: str, name: str, as_json: bool
    ) -> None:
        """Presence decides the kind: an empty resource or authorization_details gets an error, never an owner code."""
        if as_json:
            answer = deployment.http.post("/oauth/device_authorization", json={"client_id": client_id, name: None})
        else:
            answer = deployment.post("/oauth/device_authorization", client_id=client_id, **{name: ""})
        refused(answer, "invalid_request")

    @pytest.mark.parametrize(
        "resource",
        [
            "{mcp}/",
            "{mcp}#fragment",
            "{mcp}?query",
            "{issuer}",
            "{issuer}/MCP",
            "mcp",
            "https://elsewhere.example/mcp",
            "%00",
        ],
    )
    def test_another_resource_is_no_target(self, deployment: Deployment, client_id: str, resource: str) -> None:
        """The resource is the MCP resource, code point for code point."""
        named = resource.format(mcp=deployment.mcp_resource, issuer=deployment.issuer)
        parameters = {**deployment.device_parameters(client_id), "resource": named}
        refused(deployment.post("/oauth/device_authorization", **parameters), "invalid_target")

    def test_several_resources_are_no_target(self, deployment: Deployment, client_id: str) -> None:
        """Of several resources none is silently dropped."""
        parameters: dict[str, Any] = deployment.device_parameters(client_id)
        parameters["resource"] = [deployment.mcp_resource, f"{deployment.issuer}/other"]
        refused(deployment.post("/oauth/device_authorization", **parameters), "invalid_target")

    @pytest.mark.parametrize("name", ["client_id", "authorization_details", "scope"])
    def test_a_repeated_parameter_is_refused(self, deployment: Deployment, client_id: str, name: str) -> None:
        """A parameter that counts occurs once, even where both values are equal."""
        parameters: dict[str, Any] = {**deployment.device_parameters(client_id), "scope": "pdpp:read"}
        parameters[name] = [parameters[name]] * 2
        refused(deployment.post("/oauth/device_authorization", **parameters), "invalid_request")

    def test_unknown_parameters_are_ignored(self, deployment: Deployment, client_id: str) -> None:
        """Parameters this server does not know change nothing, repeated or not."""
        parameters: dict[str, Any] = {**deployment.device_parameters(client_id), "unknown": ["a", "b"]}
        assert deployment.post("/oauth/device_authorization", **parameters).status_code == 200

    @pytest.mark.parametrize(
        "claim",
        [
            {"pdpp_token_kind": "owner"},
            {"token_kind": "owner"},
            {"request_kind": "trusted_owner_agent"},
            {"profile": "trusted_owner_agent"},
            {"scope": "pdpp:read", "token_use": "owner"},
        ],
    )
    def test_no_parameter_names_the_kind(self, deployment: Deployment, client_id: str, claim: dict[str, str]) -> None:
        """An MCP request stays one whatever else it says, at either endpoint."""
        codes = deployment.start_device(client_id, "grant_scoped_mcp", **claim)
        pending = deployment.pending(codes["user_code"]).request
        assert (pending.request_kind, pending.token_kind) == ("grant_scoped_mcp", "client")
        deployment.approve(pending.id)
        issued = deployment.poll(client_id, codes["device_code"], **claim).json()
        assert deployment.introspect(issued["access_token"])["pdpp_token_kind"] == "client"

    @pytest.mark.parametrize(("kind", "scope"), [("grant_scoped_mcp", "pdpp:owner"), ("trusted_owner_agent", "*")])
    def test_another_scope_is_refused(self, deployment: Deployment, client_id: str, kind: str, scope: str) -> None:
        """A kind has one scope."""
        parameters = {**deployment.device_parameters(client_id, kind), "scope": scope}
        refused(deployment.post("/oauth/device_authorization", **parameters), "invalid_scope")

    def test_clients(self, deployment: Deployment) -> None:
        """An unknown client is no client; one that did not declare the grant may not use it."""
        refused(deployment.post("/oauth/device_authorization", client_id="nobody"), "invalid_client")
        for grant_types in (["authorization_code"], ["authorization_code", "refresh_token"]):
            other = deployment.register(grant_types=grant_types)
            refused(deployment.post("/oauth/device_authorization", client_id=other), "unauthorized_client")

    def test_credentials_are_refused(self, deployment: Deployment, client_id: str) -> None:
        """Clients are public: a secret in header, body or address is never taken for one."""
        form = deployment.device_parameters(client_id)
        with_header = deployment.http.post("/oauth/device_authorization", data=form, auth=(client_id, "secret"))
        refused(with_header, "invalid_client", 401)
        assert with_header.headers["www-authenticate"].startswith("Basic ")
        refused(deployment.post("/oauth/device_authorization", **form, client_secret="s"), "invalid_client")
        in_address = deployment.http.post("/oauth/device_authorization", params={"client_id": client_id}, data={"a": 1})
        refused(in_address, "invalid_request")

    @pytest.mark.parametrize(
        "details",
        ["{", "{}", "[]", "null", "[1]", '[{"type":"unknown"}]', "[" * 9000, '[{"a":1,"a":2}]', "x" * (16 * 1024 + 1)],
    )
    def test_unusable_details_are_refused(self, deployment: Deployment, client_id: str, details: str) -> None:
        """authorization_details that say nothing usable stage nothing."""
        parameters = {**deployment.device_parameters(client_id), "authorization_details": details}
        refused(deployment.post("/oauth/device_authorization", **parameters), "invalid_authorization_details")

    def test_codes_are_fresh(self, deployment: Deployment, client_id: str) -> None:
        """No two requests share a code, and each keeps its own life."""
        answers = [deployment.start_device(client_id) for _ in range(20)]
        for name in ("device_code", "user_code"):
            assert len({answer[name] for answer in answers}) == len(answers)
        assert all(deployment.pending(answer["user_code"]) for answer in answers)


class TestPolling:
    """The device-code grant at the token endpoint (RFC 8628 §3.4, §3.5)."""

    @pytest.mark.parametrize("kind", KINDS)
    def test_the_way_to_a_token(self, deployment: Deployment, client_id: str, kind: str) -> None:
        """Pending until the owner approves; then one token response of the kind that was asked for."""
        codes = deployment.start_device(client_id, kind)
        refused(deployment.poll(client_id, codes["device_code"]), "authorization_pending")
        deployment.approve(deployment.pending(codes["user_code"]).request.id)
        answer = deployment.poll(client_id, codes["device_code"])
        assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
        assert answer.headers["pragma"] == "no-cache"
        issued = answer.json()
        assert (issued["token_type"], issued["expires_in"]) == ("Bearer", 3600)
        known = deployment.introspect(issued["access_token"])
        if kind == "grant_scoped_mcp":
            assert set(issued) == {
                *("access_token", "token_type", "expires_in", "scope", "resource"),
                *("refresh_token", "grant_id", "authorization_details"),
            }
            assert (known["pdpp_token_kind"], known["aud"]) == ("client", deployment.mcp_resource)
        else:
            assert set(issued) == {"access_token", "token_type", "expires_in", "scope", "resource"}
            assert (known["pdpp_token_kind"], known["aud"]) == ("owner", deployment.issuer)

    def test_what_the_owner_left_is_what_is_granted(self, deployment: Deployment, client_id: str) -> None:
        """Token response and introspection tell the narrowed grant, not the request."""
        codes = deployment.start_device(client_id, authorization_details=deployment.details(SPOTIFY, BANK))
        pending = deployment.pending(codes["user_code"]).request
        kept = narrowed(pending.authorization_details or (), {SPOTIFY: frozenset({"saved_tracks"})})
        deployment.approve(pending.id, kept)
        issued = deployment.poll(client_id, codes["device_code"]).json()
        assert [[s["name"] for s in entry["streams"]] for entry in issued["authorization_details"]] == [
            ["saved_tracks"]
        ]
        assert issued["grant_id"].startswith("grt_")
        known = deployment.introspect(issued["access_token"])
        assert known["authorization_details"] == issued["authorization_details"]

    def test_a_package(self, deployment: Deployment, client_id: str) -> None:
        """Two entries are granted as one package."""
        issued = deployment.device_tokens(client_id, authorization_details=deployment.details(SPOTIFY, BANK))
        assert issued["grant_package_id"].startswith("gpkg_")
        assert "grant_id" not in issued
        assert len(issued["authorization_details"]) == 2

    def test_single_use_has_no_refresh_token(self, deployment: Deployment, client_id: str) -> None:
        """Only continuous access is refreshed, and only for a client that declared the grant type."""
        details = deployment.details(access_mode="single_use")
        assert "refresh_token" not in deployment.device_tokens(client_id, authorization_details=details)
        without = deployment.register(grant_types=[DEVICE_CODE_GRANT])
        assert "refresh_token" not in deployment.device_tokens(without)

    @pytest.mark.parametrize("kind", KINDS)
    def test_denied_stays_denied(self, deployment: Deployment, client_id: str, kind: str) -> None:
        """A denial is told as often as it is asked for, also after the request's time."""
        codes = deployment.start_device(client_id, kind)
        deployment.deny(deployment.pending(codes["user_code"]).request.id)
        for _ in range(2):
            refused(deployment.poll(client_id, codes["device_code"]), "access_denied")
        deployment.clock.advance(LIFETIME)
        refused(deployment.poll(client_id, codes["device_code"]), "access_denied")

    @pytest.mark.parametrize("approved", [False, True])
    @pytest.mark.parametrize("kind", KINDS)
    def test_expired_is_expired_approved_or_not(
        self, deployment: Deployment, client_id: str, kind: str, approved: bool
    ) -> None:
        """Past expires_in a code gets no token, though the owner approved it in time."""
        codes = deployment.start_device(client_id, kind)
        request_id = deployment.pending(codes["user_code"]).request.id
        if approved:
            deployment.approve(request_id)
        deployment.clock.advance(LIFETIME)
        for _ in range(2):
            refused(deployment.poll(client_id, codes["device_code"]), "expired_token")
        with pytest.raises(NotDecidable):
            deployment.approve(request_id)

    def test_a_token_is_issued_until_the_last_second(self, deployment: Deployment, client_id: str) -> None:
        """An approved code is good to the end of its time."""
        codes = deployment.start_device(client_id)
        deployment.approve(deployment.pending(codes["user_code"]).request.id)
        deployment.clock.advance(LIFETIME - 10)
        assert deployment.poll(client_id, codes["device_code"]).status_code == 200

    def test_slow_down_grows_the_interval_of_this_code_alone(self, deployment: Deployment, client_id: str) -> None:
        """Each poll too soon adds 5 s for good, and no other code is slowed down."""
        hasty, patient = (deployment.start_device(client_id)["device_code"] for _ in range(2))
        refused(deployment.poll(client_id, hasty), "authorization_pending")
        refused(deployment.poll(client_id, patient), "authorization_pending")
        refused(deployment.poll(client_id, hasty), "slow_down")  # 10 s from here on
        deployment.clock.advance(INTERVAL)
        refused(deployment.poll(client_id, patient), "authorization_pending")
        refused(deployment.poll(client_id, hasty), "slow_down")  # 15 s
        deployment.clock.advance(12)
        refused(deployment.poll(client_id, patient), "authorization_pending")
        refused(deployment.poll(client_id, hasty), "slow_down")  # 20 s
        for _ in range(3):
            deployment.clock.advance(20)
            refused(deployment.poll(client_id, hasty), "authorization_pending")

    def test_a_poll_too_soon_after_the_decision_gets_the_decision(self, deployment: Deployment, client_id: str) -> None:
        """Once decided, a code is answered at once, whatever the interval."""
        codes = deployment.start_device(client_id)
        refused(deployment.poll(client_id, codes["device_code"]), "authorization_pending")
        refused(deployment.poll(client_id, codes["device_code"]), "slow_down")
        deployment.approve(deployment.pending(codes["user_code"]).request.id)
        assert deployment.poll(client_id, codes["device_code"]).status_code == 200

    def test_others_neither_slow_nor_use_up_a_code(self, deployment: Deployment, client_id: str, stranger: str) -> None:
        """Polls by another client, or with faults, leave a code as it was."""
        codes = deployment.start_device(client_id)
        code = codes["device_code"]
        refused(deployment.poll(client_id, code), "authorization_pending")
        for _ in range(3):
            refused(deployment.poll(stranger, code), "invalid_grant")
            refused(deployment.poll("nobody", code), "invalid_client")
            refused(deployment.poll(client_id, code, scope=["a", "b"]), "invalid_request")
        deployment.clock.advance(INTERVAL)
        refused(deployment.poll(client_id, code), "authorization_pending")
        deployment.approve(deployment.pending(codes["user_code"]).request.id)
        refused(deployment.poll(stranger, code), "invalid_grant")
        assert deployment.poll(client_id, code).status_code == 200

    def test_foreign_unknown_and_redeemed_are_alike(
        self, deployment: Deployment, client_id: str, stranger: str
    ) -> None:
        """Whether a code exists is nobody's business: one answer for unknown, foreign, redeemed and user codes."""
        codes = deployment.start_device(client_id)
        pending = deployment.poll(stranger, codes["device_code"])
        deployment.approve(deployment.pending(codes["user_code"]).request.id)
        approved = deployment.poll(stranger, codes["device_code"])
        assert deployment.poll(client_id, codes["device_code"]).status_code == 200
        answers = [
            pending,
            approved,
            deployment.poll(client_id, codes["device_code"]),
            deployment.poll(stranger, codes["device_code"]),
            deployment.poll(client_id, "unknown"),
            deployment.poll(client_id, codes["user_code"]),
            deployment.poll(client_id, "n" * 5000),
        ]
        refused(answers[0], "invalid_grant")
        assert [same_but_for_its_id(answer) for answer in answers] == [same_but_for_its_id(answers[0])] * len(answers)

    @pytest.mark.parametrize("kind", KINDS)
    def test_a_second_redemption_revokes_what_the_first_issued(
        self, deployment: Deployment, client_id: str, stranger: str, kind: str
    ) -> None:
        """A replay by the client ends access and refresh tokens; one by a stranger ends nothing."""
        codes = deployment.start_device(client_id, kind)
        deployment.approve(deployment.pending(codes["user_code"]).request.id)
        issued = deployment.poll(client_id, codes["device_code"]).json()
        refused(deployment.poll(stranger, codes["device_code"]), "invalid_grant")
        assert deployment.introspect(issued["access_token"])["active"] is True
        refused(deployment.poll(client_id, codes["device_code"]), "invalid_grant")
        assert deployment.introspect(issued["access_token"]) == {"active": False}
        if kind == "grant_scoped_mcp":
            refused(deployment.refresh(client_id, issued["refresh_token"]), "invalid_grant")

    @pytest.mark.parametrize("kind", KINDS)
    def test_another_resource_leaves_the_code_good(self, deployment: Deployment, client_id: str, kind: str) -> None:
        """A resource that was not approved is no target, and the code is redeemable afterwards."""
        codes = deployment.start_device(client_id, kind)
        deployment.approve(deployment.pending(codes["user_code"]).request.id)
        approved = deployment.mcp_resource if kind == "grant_scoped_mcp" else deployment.issuer
        other = deployment.issuer if kind == "grant_scoped_mcp" else deployment.mcp_resource
        for resource in (other, f"{approved}/", [approved, other]):
            refused(deployment.poll(client_id, codes["device_code"], resource=resource), "invalid_target")
        answer = deployment.poll(client_id, codes["device_code"], resource=approved)
        assert (answer.status_code, answer.json()["resource"]) == (200, approved)

    def test_a_scope_at_the_token_request_widens_nothing(self, deployment: Deployment, client_id: str) -> None:
        """The token has the scope of its kind, whatever is asked for."""
        codes = deployment.start_device(client_id)
        deployment.approve(deployment.pending(codes["user_code"]).request.id)
        answer = deployment.poll(client_id, codes["device_code"], scope="pdpp:owner").json()
        assert answer["scope"] == deployment.introspect(answer["access_token"])["scope"] == "pdpp:read"

    @pytest.mark.parametrize("missing", ["grant_type", "device_code", "client_id"])
    @pytest.mark.parametrize("empty", [False, True])
    def test_a_missing_parameter(self, deployment: Deployment, client_id: str, missing: str, empty: bool) -> None:
        """Without one of the three parameters the request is invalid."""
        form = {"grant_type": DEVICE_CODE_GRANT, "device_code": "unknown", "client_id": client_id}
        del form[missing]
        if empty:
            form[missing] = ""
        refused(deployment.post("/oauth/token", **form), "invalid_request")

    @pytest.mark.parametrize("repeated", ["grant_type", "device_code", "client_id"])
    def test_a_repeated_parameter(self, deployment: Deployment, client_id: str, repeated: str) -> None:
        """A parameter occurs once, and a code is not used up by a request that has one twice."""
        codes = deployment.start_device(client_id)
        deployment.approve(deployment.pending(codes["user_code"]).request.id)
        form: dict[str, Any] = {
            "grant_type": DEVICE_CODE_GRANT,
            "device_code": codes["device_code"],
            "client_id": client_id,
        }
        refused(deployment.post("/oauth/token", **{**form, repeated: [form[repeated]] * 2}), "invalid_request")
        assert deployment.post("/oauth/token", **form).status_code == 200

    @pytest.mark.parametrize(
        "grant_type", ["device_code", DEVICE_CODE_GRANT + "x", DEVICE_CODE_GRANT.upper(), "password", "implicit"]
    )
    def test_another_grant_type(self, deployment: Deployment, client_id: str, grant_type: str) -> None:
        """The URN is taken as it is."""
        form = {"grant_type": grant_type, "device_code": "unknown", "client_id": client_id}
        refused(deployment.post("/oauth/token", **form), "unsupported_grant_type")

    def test_a_client_without_the_grant_type(self, deployment: Deployment) -> None:
        """A client polls only if it declared the grant."""
        refused(deployment.poll(deployment.register(grant_types=["authorization_code"]), "x"), "unauthorized_client")


class TestOtherFlows:
    """A request belongs to one flow."""

    def test_a_device_code_is_no_authorization_code(self, deployment: Deployment, client_id: str) -> None:
        """An approved device code is not exchanged at authorization_code, and stays good where it belongs."""
        codes = deployment.start_device(client_id)
        deployment.approve(deployment.pending(codes["user_code"]).request.id)
        for code in (codes["device_code"], codes["user_code"]):
            refused(deployment.exchange(client_id, code), "invalid_grant")
            refused(deployment.exchange(client_id, code, redirect_uri=REDIRECT_URI), "invalid_grant")
            refused(deployment.refresh(client_id, code), "invalid_grant")
        assert deployment.poll(client_id, codes["device_code"]).status_code == 200

    def test_an_authorization_code_is_no_device_code(self, deployment: Deployment, client_id: str) -> None:
        """An authorization code and a request URI are not redeemed by polling."""
        pushed = deployment.post("/oauth/par", **deployment.code_parameters(client_id)).json()["request_uri"]
        refused(deployment.poll(client_id, pushed), "invalid_grant")
        code = deployment.authorization_code(client_id)
        refused(deployment.poll(client_id, code, code_verifier=VERIFIER), "invalid_grant")
        assert deployment.exchange(client_id, code).status_code == 200

    def test_a_device_request_has_no_decision_page_of_the_other_flow(
        self, deployment: Deployment, client_id: str
    ) -> None:
        """Neither of a device's codes is a request_uri."""
        codes = deployment.start_device(client_id)
        for code in (codes["device_code"], codes["user_code"]):
            with pytest.raises(NotDecidable):
                deployment.server.parts.consent.by_request_uri(code)
            answer = deployment.authorize(client_id=client_id, request_uri=code)
            assert (answer.status_code, answer.headers["content-type"]) == (400, "text/html; charset=utf-8")


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def racing(
    request: pytest.FixtureRequest, deployment: Deployment, start: Callable[..., Deployment]
) -> Iterator[Deployment]:
    """A deployment on each database."""
    if request.param == "sqlite":
        yield deployment
        return
    started = start(database_url=request.getfixturevalue("postgres_databases")())
    yield started
    started.http.close()
    started.server.stop()


class TestRaces:
    """What arrives together has one winner, over HTTP on both databases."""

    def test_of_16_redemptions_one_gets_a_token(self, racing: Deployment) -> None:
        """Sixteen polls of an approved code: one 200; the others are replays, which revoke what it got."""
        client_id = racing.register()
        codes = racing.start_device(client_id)
        racing.approve(racing.pending(codes["user_code"]).request.id)
        answers = at_once([lambda: racing.poll(client_id, codes["device_code"])] * 16)
        (issued,) = [answer.json() for answer in answers if answer.status_code == 200]
        for answer in answers:
            if answer.status_code != 200:
                refused(answer, "invalid_grant")
        assert racing.introspect(issued["access_token"]) == {"active": False}
        refused(racing.refresh(client_id, issued["refresh_token"]), "invalid_grant")

    def test_of_approval_and_denial_one_happens(self, racing: Deployment) -> None:
        """Whatever the owner's two browsers said together, the device hears one answer, and keeps hearing it."""
        client_id = racing.register()
        for _ in range(3):
            codes = racing.start_device(client_id)
            request_id = racing.pending(codes["user_code"]).request.id

            def approve(request_id: str = request_id) -> str | None:
                return self.outcome("approved", lambda: racing.approve(request_id))

            def deny(request_id: str = request_id) -> str | None:
                return self.outcome("denied", lambda: racing.deny(request_id))

            (winner,) = [outcome for outcome in at_once([approve, deny] * 3) if outcome is not None]
            answer = racing.poll(client_id, codes["device_code"])
            assert (answer.status_code == 200) is (winner == "approved")
            if winner == "denied":
                refused(answer, "access_denied")

    def test_of_polls_too_soon_each_is_told_to_slow_down(self, racing: Deployment) -> None:
        """Of polls that arrive together one is served; none of the others gets a terminal answer."""
        client_id = racing.register()
        code = racing.start_device(client_id)["device_code"]
        errors = [answer.json()["error"] for answer in at_once([lambda: racing.poll(client_id, code)] * 8)]
        assert errors.count("authorization_pending") == 1
        assert errors.count("slow_down") == 7

    def test_of_16_refreshes_one_gets_tokens(self, racing: Deployment) -> None:
        """Sixteen uses of one refresh token: one 200, and the replays end the family, the fresh pair included."""
        client_id = racing.register()
        issued = racing.device_tokens(client_id)
        answers = at_once([lambda: racing.refresh(client_id, issued["refresh_token"])] * 16)
        (fresh,) = [answer.json() for answer in answers if answer.status_code == 200]
        assert {answer.status_code for answer in answers} == {200, 400}
        for token in (issued["access_token"], fresh["access_token"]):
            assert racing.introspect(token) == {"active": False}
        refused(racing.refresh(client_id, fresh["refresh_token"]), "invalid_grant")

    def outcome(self, name: str, decide: Callable[[], Any]) -> str | None:
        try:
            decide()
        except NotDecidable:
            return None
        return name


def test_a_user_code_in_use_is_drawn_again(
    deployment: Deployment, client_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of two equal draws the second is thrown away, so that live requests never share a user code."""
    draws = iter(["BCDFGHJK", "BCDFGHJK", "LMNPQRST"])
    monkeypatch.setattr("pdpp_reference.authorization_server.device_authorization.new_user_code", lambda: next(draws))
    shown = [deployment.start_device(client_id)["user_code"] for _ in range(2)]
    assert shown == ["BCDF-GHJK", "LMNP-QRST"]
