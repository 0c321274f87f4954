"""Deliberate defects, named after what is wrong, so that every check of the specification can be seen to fail.

A deployment with one of them is for testing conformance checks, on this machine, and for nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches

from starlette.types import ASGIApp

from pdpp_reference.app import Collaborators, create_app
from pdpp_reference.faults import (
    access_tokens,
    approval_page,
    authorization_details,
    authorization_server_metadata,
    bearer,
    challenges,
    client_secrets,
    codes,
    device_authorization,
    discovery,
    documents,
    error_responses,
    fuzzing,
    grants,
    introspection,
    logs,
    mcp_transport,
    other_flows,
    owner_decisions,
    owner_pages,
    owner_session,
    polling,
    protected_resource_metadata,
    refresh,
    registration,
    request_kind,
    revocation,
    setup_client,
    token_response,
    user_codes,
)
from pdpp_reference.faults.fault import Fault

__all__ = ["FAULTS", "Fault", "UnknownFault", "create_faulty_app", "faults_named"]


class UnknownFault(Exception):
    """There is no fault of that name; the message is one sentence with the names that come close."""


def _registry(declared: Iterable[Fault]) -> Mapping[str, Fault]:
    registry: dict[str, Fault] = {}
    for fault in declared:
        if fault.name in registry:
            raise ValueError(f"two faults are called {fault.name}")
        registry[fault.name] = fault
    return registry


FAULTS: Mapping[str, Fault] = _registry(
    fault
    for module in (
        authorization_server_metadata,
        protected_resource_metadata,
        device_authorization,
        codes,
        client_secrets,
        error_responses,
        authorization_details,
        request_kind,
        polling,
        token_response,
        introspection,
        bearer,
        access_tokens,
        challenges,
        mcp_transport,
        owner_pages,
        registration,
        revocation,
        refresh,
        grants,
        other_flows,
        discovery,
        logs,
        owner_decisions,
        owner_session,
        user_codes,
        approval_page,
        setup_client,
        documents,
        fuzzing,
    )
    for fault in module.declared.faults
)
"""Every fault by its name."""


def faults_named(names: Sequence[str]) -> tuple[Fault, ...]:
    """Return the faults with these names, in this order.

    Raises:
        UnknownFault: one of them does not exist.
    """
    for name in names:
        if name not in FAULTS:
            close = get_close_matches(name, FAULTS, n=3, cutoff=0.5)
            hint = f"did you mean {' or '.join(close)}?" if close else "see pdpp_reference.faults.FAULTS for all names"
            raise UnknownFault(f"there is no fault called {name[:80]!r}; {hint}")
    return tuple(FAULTS[name] for name in names)


def create_faulty_app(parts: Collaborators, faults: Sequence[Fault]) -> ASGIApp:
    """Return the application with these faults in it; without any it is the conforming one."""
    for fault in faults:
        fault.apply(parts)
    app = create_app(parts)
    for fault in faults:
        if fault.wrap is not None:
            app = fault.wrap(app)
    return app
