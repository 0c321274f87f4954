"""What the shape of a deployment is: how a correct one may differ from the bundled default."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from starlette.types import ASGIApp

from pdpp_reference.app import Collaborators
from pdpp_reference.settings import Settings


def _as_they_are(settings: Settings) -> Settings:
    """Change no setting."""
    return settings


def _as_it_is(parts: Collaborators) -> None:
    """Replace no part."""


@dataclass(frozen=True)
class Shape:
    """One way in which a correct deployment may differ.

    Like a fault it never lives in the conforming code: it changes settings, replaces parts before the application is
    made, or stands in front of the finished application.
    """

    name: str
    what: str
    """What is different, in a sentence."""
    permitted_by: str
    """Which text says that it may be so."""
    settle: Callable[[Settings], Settings] = _as_they_are
    apply: Callable[[Collaborators], None] = _as_it_is
    wrap: Callable[[ASGIApp, Settings], ASGIApp] | None = None
    two_origins: bool = False
    """Whether the resource server listens on a port, and so an origin, of its own."""
    introspection_told: bool = True
    """Whether those who judge the deployment are given the resource server's credentials."""
    owner_username: str | None = None
    """The name that the owner signs in with, where the sign-in page asks for one."""
