"""The database: the same on SQLite in memory, on an SQLite file and on PostgreSQL."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Barrier
from typing import TypeVar

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, func, insert, inspect, select

from pdpp_reference.authorization_server.authorization_requests import (
    AuthorizationRequest,
    AuthorizationRequests,
    DuplicateUserCode,
    Event,
    State,
)
from pdpp_reference.authorization_server.client_id_metadata_document import HttpsMetadataDocuments
from pdpp_reference.authorization_server.clients import Clients
from pdpp_reference.authorization_server.tokens import IssuedToken, StoredAccessTokens, Tokens
from pdpp_reference.clock import MovableClock
from pdpp_reference.errors import OAuthError
from pdpp_reference.grants.authorization_details import AuthorizationDetail, parse_authorization_details
from pdpp_reference.grants.grants import Grants
from pdpp_reference.sample_data import load_catalogue
from pdpp_reference.secrets_at_rest import USER_CODE_ALPHABET, digest
from pdpp_reference.settings import AUTHORIZATION_DETAILS_TYPE, Settings
from pdpp_reference.storage.store import StorageError, Store, open_store
from pdpp_reference.storage.tables import clients, metadata, owners
from tests.conftest import BANK, SPOTIFY, Deployment

ORIGIN = "http://127.0.0.1"
CLIENT = "client_of_the_test"
OWNER = "sub_of_the_test"
LIFETIME = 600
AT_ONCE = 8

Answer = TypeVar("Answer")


@pytest.fixture(params=["sqlite in memory", "sqlite file", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of each sort."""
    if request.param == "postgresql":
        return str(request.getfixturevalue("postgres_url"))
    return "sqlite://" if request.param == "sqlite in memory" else f"sqlite:///{tmp_path}/pdpp.sqlite3"


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    """The database, opened, with one owner and one client."""
    opened = open_store(database_url)
    with opened.transaction() as connection:
        connection.execute(insert(owners).values(subject_id=OWNER, password_hash="-"))
        connection.execute(
            insert(clients).values(
                client_id=CLIENT,
                registration_mode="dynamic",
                metadata='{"grant_types":["refresh_token"]}',
                issued_at=0.0,
            )
        )
    yield opened
    opened.close()


@dataclass(frozen=True)
class Parts:
    """What works on the tables."""

    store: Store
    clock: MovableClock
    clients: Clients
    requests: AuthorizationRequests
    grants: Grants
    tokens: Tokens

    def stage(self, *, device_code: str = "device code", user_code: str = "BCDFGHJK", client_id: str = CLIENT) -> str:
        with self.store.transaction() as connection:
            return self.requests.stage(
                connection,
                flow="device_authorization",
                request_kind="grant_scoped_mcp",
                client_id=client_id,
                resource=f"{ORIGIN}/mcp",
                authorization_details=DETAILS,
                lifetime=LIFETIME,
                device_code_digest=digest(device_code),
                user_code_digest=digest(user_code),
                interval=5,
            )

    def read(self, request_id: str) -> AuthorizationRequest:
        with self.store.transaction() as connection:
            request = self.requests.by_id(connection, request_id)
        assert request is not None
        return request

    def fire(self, request_id: str, event: Event) -> bool:
        values = {"subject_id": OWNER} if event in (Event.APPROVE, Event.DENY) else {}
        with self.store.transaction() as connection:
            return self.requests.fire(connection, request_id, event, **values)

    def redeemed(self, *, detail_count: int = 1, user_code: str = "BCDFGHJK") -> tuple[str, dict[str, str]]:
        """Return the id and the token response of a redeemed request."""
        request_id = self.stage(device_code=f"device code of {user_code}", user_code=user_code)
        self.fire(request_id, Event.APPROVE)
        self.fire(request_id, Event.REDEEM)
        request = self.read(request_id)
        with self.store.transaction() as connection:
            client = self.clients.known(connection, CLIENT)
            assert client is not None
            grants = self.grants.create(
                connection,
                request_id=request_id,
                client_id=CLIENT,
                subject_id=OWNER,
                resource=request.resource,
                details=DETAILS[:detail_count],
            )
            return request_id, self.tokens.issue(connection, request, client, grants)


@pytest.fixture
def parts(store: Store) -> Parts:
    clock = MovableClock()
    grants = Grants(clock)
    return Parts(
        store=store,
        clock=clock,
        clients=Clients(store, clock, HttpsMetadataDocuments(clock)),
        requests=AuthorizationRequests(clock),
        grants=grants,
        tokens=Tokens(Settings(issuer=ORIGIN, resource_origin=ORIGIN), clock, grants),
    )


def _details() -> tuple[AuthorizationDetail, ...]:
    text = Deployment.details(SPOTIFY, BANK)
    return parse_authorization_details(text, accepted_type=AUTHORIZATION_DETAILS_TYPE, catalogue=load_catalogue())


DETAILS = _details()


def at_once(act: Callable[[int], Answer], times: int = AT_ONCE) -> list[Answer]:
    """Let as many threads do the same at the same moment; return what came of each."""
    barrier = Barrier(times)

    def one(number: int) -> Answer:
        barrier.wait(10)
        return act(number)

    with ThreadPoolExecutor(times) as pool:
        return list(pool.map(one, range(times)))


class TestMigrations:
    def test_an_empty_database_gets_every_table(self, store: Store) -> None:
        """Migrations lead from nothing to every table of the models."""
        assert set(metadata.tables) <= set(inspect(store.engine).get_table_names())

    def test_they_agree_with_the_models(self, store: Store) -> None:
        """Alembic sees no difference between the migrated database and the models."""
        with store.engine.connect() as connection:
            context = MigrationContext.configure(connection, opts={"compare_type": True})
            assert compare_metadata(context, metadata) == []

    def test_opening_again_changes_nothing(self, tmp_path: Path, postgres_url: str) -> None:
        """A database that is opened a second time keeps what it holds."""
        for url in (f"sqlite:///{tmp_path}/pdpp.sqlite3", postgres_url):
            first = open_store(url)
            with first.transaction() as connection:
                connection.execute(insert(owners).values(subject_id=OWNER, password_hash="-"))
            first.close()
            second = open_store(url)
            with second.transaction() as connection:
                assert connection.execute(select(owners.c.subject_id)).scalars().all() == [OWNER]
            second.close()

    def test_servers_that_start_together_share_the_work(self, tmp_path: Path, postgres_url: str) -> None:
        """Servers that open one empty database at the same moment all open it, however often it is tried."""
        for url in (*(f"sqlite:///{tmp_path}/{number}.sqlite3" for number in range(40)), postgres_url):
            for opened in at_once(partial(self.open, url), 3):
                opened.close()

    def open(self, url: str, _: int) -> Store:
        return open_store(url)


class TestTransactions:
    def test_an_exception_rolls_back(self, store: Store) -> None:
        """Nothing of a transaction that failed is kept."""

        def fail() -> None:
            with store.transaction() as connection:
                connection.execute(insert(owners).values(subject_id="another", password_hash="-"))
                raise LookupError

        with pytest.raises(LookupError):
            fail()
        with store.transaction() as connection:
            assert connection.execute(select(func.count()).select_from(owners)).scalar_one() == 1


class TestStateTable:
    @pytest.mark.parametrize("winner", [Event.APPROVE, Event.DENY])
    def test_of_equal_decisions_one_happens(self, parts: Parts, winner: Event) -> None:
        """Of decisions that arrive together, one changes the row."""
        request_id = parts.stage()
        assert at_once(lambda _: parts.fire(request_id, winner)).count(True) == 1

    def test_of_opposite_decisions_one_happens(self, parts: Parts) -> None:
        """Of approvals and denials that arrive together, one wins, and the row says which."""
        request_id = parts.stage()
        events = [Event.APPROVE, Event.DENY] * (AT_ONCE // 2)
        happened = at_once(lambda number: parts.fire(request_id, events[number]))
        assert happened.count(True) == 1
        won = events[happened.index(True)]
        assert parts.read(request_id).state is (State.APPROVED if won is Event.APPROVE else State.DENIED)

    def test_of_redemptions_one_happens(self, parts: Parts) -> None:
        """Of redemptions that arrive together, one changes the row."""
        request_id = parts.stage()
        parts.fire(request_id, Event.APPROVE)
        assert at_once(lambda _: parts.fire(request_id, Event.REDEEM)).count(True) == 1

    @pytest.mark.parametrize("approved", [False, True])
    def test_polls_at_expiry_agree(self, parts: Parts, approved: bool) -> None:
        """Requests that read a row at the moment it expires all find it expired, whoever wrote that."""
        request_id = parts.stage()
        if approved:
            parts.fire(request_id, Event.APPROVE)
        parts.clock.advance(LIFETIME)
        assert {request.state for request in at_once(lambda _: parts.read(request_id))} == {State.EXPIRED}

    def test_one_of_two_polls_is_noted(self, parts: Parts) -> None:
        """Of polls that saw the same last poll, one is recorded, and the interval grows once."""
        request = parts.read(parts.stage())

        def note(_: int) -> bool:
            with parts.store.transaction() as connection:
                return parts.requests.note_poll(connection, request, slow_down_by=5)

        assert at_once(note).count(True) == 1
        assert parts.read(request.id).interval == 10

    def test_a_request_comes_back_as_it_was_staged(self, parts: Parts) -> None:
        """A staged request is found by both its codes, with every member."""
        request_id = parts.stage(device_code="device code", user_code="BCDFGHJK")
        with parts.store.transaction() as connection:
            found = parts.requests.by_device_code(connection, "device code")
            assert found == parts.requests.by_user_code(connection, "BCDFGHJK")
        assert found is not None
        assert (found.id, found.state, found.authorization_details) == (request_id, State.PENDING, DETAILS)
        assert (found.flow, found.request_kind, found.token_kind) == (
            "device_authorization",
            "grant_scoped_mcp",
            "client",
        )

    def test_no_code_is_found_by_the_other_flow(self, parts: Parts) -> None:
        """A device or user code is no authorization code and no request URI, even with the same digest."""
        parts.stage(device_code="device code", user_code="BCDFGHJK")
        with parts.store.transaction() as connection:
            for credential in ("device code", "BCDFGHJK"):
                assert parts.requests.by_code(connection, credential) is None
                assert parts.requests.by_request_uri(connection, credential) is None

    def test_a_user_code_in_use_is_refused(self, parts: Parts) -> None:
        """A second request with the same user code is told to draw another, and the first one stays."""
        first = parts.stage(device_code="one")
        with pytest.raises(DuplicateUserCode):
            parts.stage(device_code="two")
        assert parts.read(first).state is State.PENDING

    def test_a_client_that_is_gone_stages_nothing(self, parts: Parts) -> None:
        """A request of a client that was removed a moment ago is that client's fault, not a collision."""
        with pytest.raises(OAuthError, match="invalid_client"):
            parts.stage(client_id="client_removed")

    def test_finished_requests_are_forgotten(self, parts: Parts) -> None:
        """A day after its expiry a request is gone, and its user code is free again."""
        first = parts.stage(device_code="one")
        parts.clock.advance(LIFETIME + 24 * 3600 + 1)
        parts.stage(device_code="two")
        with parts.store.transaction() as connection:
            assert parts.requests.by_id(connection, first) is None


class TestClients:
    def test_a_client_comes_back_as_it_was_saved(self, parts: Parts) -> None:
        """A client's metadata, owner and mode survive, beyond ASCII too."""
        registered = {"client_name": "Nähe 近い", "grant_types": ["authorization_code"], "redirect_uris": ["app.a:/"]}
        with parts.store.transaction() as connection:
            saved = parts.clients.save(connection, "client_a", "dynamic", registered, subject_id=OWNER)
        assert parts.clients.get("client_a") == saved
        assert (saved.metadata, saved.subject_id, saved.name) == (registered, OWNER, "Nähe 近い")

    def test_a_client_first_seen_twice_at_once_is_saved_once(self, parts: Parts) -> None:
        """Two requests that fetched the same document at the same moment both save it."""

        def save(number: int) -> None:
            with parts.store.transaction() as connection:
                parts.clients.save(
                    connection, "https://a.example/c", "client_id_metadata_document", {"client_name": str(number)}
                )

        at_once(save)
        with parts.store.transaction() as connection:
            assert parts.clients.count(connection) == 2

    def test_removal_takes_everything_along(self, parts: Parts) -> None:
        """With a client go its requests, grants and tokens."""
        request_id, issued = parts.redeemed()
        with parts.store.transaction() as connection:
            assert parts.clients.remove(connection, CLIENT)
            assert not parts.clients.remove(connection, CLIENT)
            assert parts.requests.by_id(connection, request_id) is None
            assert parts.tokens.find(connection, issued["access_token"]) is None
            assert parts.grants.of_owner(connection, OWNER) == ()


class TestTokensAndGrants:
    def test_an_access_token_comes_back_with_its_grants(self, parts: Parts) -> None:
        """What a token stands for is read back as it was granted."""
        _, issued = parts.redeemed(detail_count=2)
        token = StoredAccessTokens(parts.store, parts.tokens).active(issued["access_token"])
        assert token is not None
        assert {grant.detail for grant in token.grants} == set(DETAILS)
        assert {grant.package_id for grant in token.grants} == {token.package_id} == {issued["grant_package_id"]}
        assert token.grant_id is None
        assert token.expires_at == token.issued_at + 3600

    def test_a_revoked_grant_ends_its_token(self, parts: Parts) -> None:
        """A grant is revoked once, and its token is active no longer."""
        _, issued = parts.redeemed()
        revoked = at_once(lambda _: self.in_transaction(parts, lambda c: parts.grants.revoke(c, issued["grant_id"])))
        assert revoked.count(True) == 1
        assert StoredAccessTokens(parts.store, parts.tokens).active(issued["access_token"]) is None

    def test_of_rotations_one_happens(self, parts: Parts) -> None:
        """Of requests that present one refresh token together, one gets a fresh pair."""
        _, issued = parts.redeemed()
        presented = self.in_transaction(parts, lambda c: parts.tokens.find(c, issued["refresh_token"]))
        assert presented is not None
        fresh = at_once(lambda _: self.in_transaction(parts, lambda c: parts.tokens.rotate(c, presented, ())))
        assert len([pair for pair in fresh if pair is not None]) == 1

    def test_replays_that_arrive_together_all_end(self, parts: Parts) -> None:
        """Transactions that rotate and then revoke the same family wait for each other, and never for good."""
        for user_code in USER_CODE_ALPHABET[:6]:
            _, issued = parts.redeemed(user_code=user_code)
            with parts.store.transaction() as connection:
                presented = parts.tokens.find(connection, issued["refresh_token"])
            assert presented is not None
            at_once(partial(self.replay, parts, presented))
            assert StoredAccessTokens(parts.store, parts.tokens).active(issued["access_token"]) is None

    def replay(self, parts: Parts, presented: IssuedToken, _: int) -> None:
        with parts.store.transaction() as connection:
            if parts.tokens.rotate(connection, presented, ()) is None:
                parts.tokens.revoke_family(connection, presented.request_id)

    def test_a_family_is_revoked_whole(self, parts: Parts) -> None:
        """Every token of one approval dies together."""
        request_id, issued = parts.redeemed()
        self.in_transaction(parts, lambda c: parts.tokens.revoke_family(c, request_id))
        for name in ("access_token", "refresh_token"):
            with parts.store.transaction() as connection:
                token = parts.tokens.find(connection, issued[name])
            assert token is not None
            assert token.revoked_at is not None

    def test_no_secret_is_stored_in_clear(self, parts: Parts) -> None:
        """No row of any table holds a code or a token, only digests."""
        _, issued = parts.redeemed()
        with parts.store.transaction() as connection:
            stored = "".join(repr(row) for table in metadata.sorted_tables for row in connection.execute(select(table)))
        for secret in (issued["access_token"], issued["refresh_token"], "device code of BCDFGHJK", "BCDFGHJK"):
            assert secret not in stored
        assert repr(digest(issued["access_token"])) in stored

    def in_transaction(self, parts: Parts, act: Callable[[Connection], Answer]) -> Answer:
        with parts.store.transaction() as connection:
            return act(connection)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "nonsense",
        "mysql://someone:hunter2@host/pdpp",
        "postgresql+asyncpg://someone:hunter2@host/pdpp",
        "postgresql://someone:hunter2@host:port/pdpp",
        "postgresql://someone:hunter2@[::1/pdpp",
        "postgresql://someone:hunter2@127.0.0.1:1/pdpp",
        "postgresql://someone:hunter2@127.0.0.1:1/pdpp?unknown=parameter",
        "sqlite+aiosqlite:///pdpp.sqlite3",
        "sqlite://host/pdpp.sqlite3",
        "sqlite:///pdpp.sqlite3?timeout=soon",
        "sqlite:////no/such/folder/pdpp.sqlite3",
        "sqlite:////",
    ],
)
def test_a_url_that_cannot_be_opened_is_told_in_one_sentence(url: str) -> None:
    """What cannot be opened is a StorageError, and its whole trace holds no password."""
    with pytest.raises(StorageError) as refusal:
        open_store(url)
    assert "\n" not in str(refusal.value)
    assert "hunter2" not in "".join(traceback.format_exception(refusal.value))


def test_a_database_of_a_later_version_is_not_opened(tmp_path: Path) -> None:
    """A database whose migrations this version does not know stays as it is."""
    url = f"sqlite:///{tmp_path}/pdpp.sqlite3"
    store = open_store(url)
    with store.transaction() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    store.close()
    with pytest.raises(StorageError):
        open_store(url)
