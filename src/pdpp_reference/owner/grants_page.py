"""``/grants``: what the owner has given to whom, and the way to take it back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection
from starlette.responses import Response

from pdpp_reference.authorization_server.clients import Clients
from pdpp_reference.grants.access import Grant
from pdpp_reference.grants.grants import Grants
from pdpp_reference.http import Incoming
from pdpp_reference.owner import wording
from pdpp_reference.owner.decision import claim
from pdpp_reference.owner.forms import OwnForms
from pdpp_reference.owner.login import login_location
from pdpp_reference.owner.pages import PageRefusal, Pages, parameter
from pdpp_reference.owner.sessions import OwnerSession, OwnerSessions
from pdpp_reference.sources import SourceCatalogue
from pdpp_reference.storage.store import Store

GRANTS_PATH = "/grants"


@dataclass(frozen=True)
class StreamLine:
    """One stream of a grant."""

    name: str
    fields: tuple[str, ...] | None
    time_range: str


@dataclass(frozen=True)
class GrantView:
    """One grant, as the list shows it."""

    id: str
    source: str
    source_id: str
    access_mode: str
    streams: tuple[StreamLine, ...]
    since: wording.Moment
    ended: wording.Moment | None
    csrf_token: str


@dataclass(frozen=True)
class ApprovalView:
    """The grants of one approval: a package, or a grant of its own."""

    client_id: str
    client_name: str | None
    package_id: str | None
    grants: tuple[GrantView, ...]


class GrantsPage:
    """The owner's grants, listed and revoked."""

    def __init__(
        self,
        pages: Pages,
        forms: OwnForms,
        sessions: OwnerSessions,
        store: Store,
        grants: Grants,
        clients: Clients,
        catalogue: SourceCatalogue,
    ) -> None:
        self._pages = pages
        self._forms = forms
        self._sessions = sessions
        self._store = store
        self._grants = grants
        self._clients = clients
        self._catalogue = catalogue

    def show(self, incoming: Incoming) -> Response:
        """GET /grants"""
        session = self._sessions.current(incoming.request)
        if session is None:
            return self._pages.see_other(login_location(GRANTS_PATH))
        with self._store.transaction() as connection:
            listed = self._grants.of_owner(connection, session.subject_id)
            names = {client_id: self._name(connection, client_id) for client_id in _client_ids(listed)}
        active = [grant for grant in listed if grant.revoked_at is None]
        ended = [grant for grant in listed if grant.revoked_at is not None]
        just_revoked = parameter(incoming, "revoked")
        return self._pages.render(
            "grants.html",
            signed_in=True,
            active=self._approvals(session, active, names),
            ended=self._approvals(session, ended, names),
            just_revoked=any(grant.id == just_revoked for grant in ended),
        )

    def revoke(self, incoming: Incoming) -> Response:
        """POST /grants/{grant_id}/revoke, from the page's own form; to revoke twice is to revoke."""
        form = self._forms.read(incoming)
        session = self._sessions.current(incoming.request)
        if session is None:
            return self._pages.see_other(login_location(GRANTS_PATH))
        grant_id = str(incoming.request.path_params["grant_id"])
        self._forms.require_token(form, session.cookie, f"revoke {grant_id}")
        with self._store.transaction() as connection:
            grant = self._grants.by_id(connection, grant_id)
            if grant is None or grant.subject_id != session.subject_id:
                raise PageRefusal(404)
            self._grants.revoke(connection, grant_id)
        return self._pages.see_other(f"{GRANTS_PATH}?revoked={grant.id}")

    def _name(self, connection: Connection, client_id: str) -> str | None:
        client = self._clients.known(connection, client_id)
        return None if client is None else claim(client, "client_name")

    def _approvals(
        self, session: OwnerSession, grants: Sequence[Grant], names: dict[str, str | None]
    ) -> list[ApprovalView]:
        together: dict[str, list[Grant]] = {}
        for grant in grants:
            together.setdefault(grant.package_id or grant.id, []).append(grant)
        return [
            ApprovalView(
                client_id=members[0].client_id,
                client_name=names[members[0].client_id],
                package_id=members[0].package_id,
                grants=tuple(self._grant(session, grant) for grant in members),
            )
            for members in together.values()
        ]

    def _grant(self, session: OwnerSession, grant: Grant) -> GrantView:
        detail = grant.detail
        source = self._catalogue.find(detail.source_kind, detail.source_id)
        return GrantView(
            id=grant.id,
            source=detail.source_id if source is None else source.display_name,
            source_id=detail.source_id,
            access_mode=wording.ACCESS_MODES[detail.access_mode][0],
            streams=tuple(
                StreamLine(stream.name, stream.fields, wording.time_range(stream)) for stream in detail.streams
            ),
            since=wording.moment(grant.created_at),
            ended=None if grant.revoked_at is None else wording.moment(grant.revoked_at),
            csrf_token=self._forms.token(session.cookie, f"revoke {grant.id}"),
        )


def _client_ids(grants: Sequence[Grant]) -> set[str]:
    return {grant.client_id for grant in grants}
