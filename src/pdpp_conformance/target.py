"""The target: what the operator says about the deployment under test, by file, environment and options."""

from __future__ import annotations

import difflib
import json
import os
import re
import shlex
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import jsonschema
import yaml

from pdpp_conformance.bounded_http import trusting
from pdpp_conformance.specification import specification_root

ApproverKind = Literal["browser", "http", "manual", "none"]
Profile = Literal["pdpp", "rfc8628"]

_COMMAND_TIMEOUT_SECONDS = 30


class TargetError(Exception):
    """The target is not usable as given; the message is one sentence with the next step."""


@dataclass(frozen=True)
class Credentials:
    """An identifier and its secret."""

    identifier: str
    secret: str = field(repr=False)


@dataclass(frozen=True)
class ClientToUse:
    """How the harness comes by its OAuth clients."""

    registration: Literal["dynamic", "pre_registered", "client_id_metadata_document"] = "dynamic"
    client_id: str | None = None
    scope: str | None = None


@dataclass(frozen=True)
class ApproverWords:
    """Who plays the owner, and the visible names of the buttons that the owner presses, most telling first."""

    kind: ApproverKind = "browser"
    approve: tuple[str, ...] = ("Approve", "Allow access", "Allow", "Authorize", "Accept", "Confirm")
    deny: tuple[str, ...] = ("Deny", "Decline", "Reject", "Refuse")
    proceed: tuple[str, ...] = ("Continue", "Next", "Sign in", "Log in", "Login", "Submit", "Verify", "Review")
    grants: tuple[str, ...] = ("Grants", "Connected", "Authorized", "Permissions", "Manage access")
    revoke: tuple[str, ...] = ("Revoke", "Remove", "Disconnect", "Withdraw")
    sign_out: tuple[str, ...] = ("Sign out", "Log out", "Logout", "Sign off")


@dataclass(frozen=True)
class Limits:
    """Bounds of a run. ``None`` leaves the default of the kind of run, bundled or against a URL."""

    max_wait: float | None = None
    requests: int | None = None
    requests_per_second: float | None = None
    allow_fuzzing: bool = False
    flow_runs: int = 0
    allow_code_guessing: bool = False
    accept_residue: bool = False


@dataclass(frozen=True)
class Target:
    """The deployment under test, before anything was asked of it."""

    base_url: str | None = None
    """``None`` for the bundled server."""
    authorization_server: str | None = None
    mcp_url: str | None = None
    profile: Profile = "pdpp"
    """``rfc8628``: any OAuth server with a device grant, judged by the standards alone."""
    owner_username: str | None = None
    owner_password: str | None = field(default=None, repr=False)
    introspection: Credentials | None = None
    client: ClientToUse = ClientToUse()
    authorization_details: tuple[Mapping[str, Any], ...] | None = None
    stream_outside_the_grant: str | None = None
    approver: ApproverWords = ApproverWords()
    mcp_revision: str | None = None
    repository: Path | None = None
    """The folder of the repository whose documents are judged along with the deployment."""
    console: str | None = None
    """The URL of the deployment's setup page, where no document leads to it."""
    limits: Limits = Limits()
    certification_authorities: Path | None = None
    """Certificates (PEM) that are trusted besides the public ones."""
    window: Mapping[str, Any] = field(default_factory=dict)
    attestations: Mapping[str, str] = field(default_factory=dict)
    setup_client: tuple[str, ...] | None = None
    """The command of a setup client to judge, with ``{url}`` where the MCP server's URL belongs."""


def read_target(
    path: Path | None,
    *,
    base_url: str | None,
    approver: ApproverKind | None,
    max_wait: float | None,
    max_requests: int | None = None,
    environment: Mapping[str, str] = os.environ,
) -> Target:
    """Put the target together: the file, then the environment, then the options, the later winning.

    Raises:
        TargetError: the file is unreadable or does not fit schemas/target.schema.json, or a URL is none.
    """
    content = {} if path is None else _read_file(path)
    chosen, where = (content.get("base_url"), "base_url") if base_url is None else (base_url, "--base-url")
    approver_words = _approver(content.get("approver", {}))
    limits = Limits(**content.get("limits", {}))
    return Target(
        base_url=None if chosen is None else _checked_url(chosen, where).rstrip("/"),
        authorization_server=_checked_url(content["authorization_server"], "authorization_server")
        if "authorization_server" in content
        else None,
        mcp_url=_checked_url(content["mcp_url"], "mcp_url") if "mcp_url" in content else None,
        profile=content.get("profile", "pdpp"),
        owner_username=_owner_username(content.get("owner", {}), environment),
        owner_password=_owner_password(content.get("owner", {}), environment),
        introspection=_introspection(content.get("introspection", {}), environment),
        client=ClientToUse(**content.get("client", {})),
        authorization_details=tuple(content["authorization_details"]) if "authorization_details" in content else None,
        stream_outside_the_grant=content.get("outside_the_grant", {}).get("stream"),
        approver=replace(approver_words, kind=approver) if approver else approver_words,
        mcp_revision=content.get("mcp_revision"),
        repository=_folder(content["repository"], path) if path and "repository" in content else None,
        console=_checked_url(content["console"], "console") if "console" in content else None,
        limits=replace(
            limits,
            max_wait=limits.max_wait if max_wait is None else max_wait,
            requests=limits.requests if max_requests is None else max_requests,
        ),
        certification_authorities=_authorities(content, path, environment),
        window=content.get("window", {}),
        attestations=content.get("attestations", {}),
        setup_client=tuple(content["setup_client"]["command"]) if "setup_client" in content else None,
    )


def read_place(path: Path | None, base_url: str | None) -> tuple[str | None, dict[str, Any]]:
    """Return the deployment's URL and the target file's window settings, and look up no credentials.

    Raises:
        TargetError: the file is unusable, or the URL is none.
    """
    content = {} if path is None else _read_file(path)
    chosen = content.get("base_url") if base_url is None else base_url
    return None if chosen is None else _checked_url(chosen, "the URL").rstrip("/"), content.get("window", {})


def _read_file(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise TargetError(f"the target file {path} cannot be read ({type(error).__name__}); check --target") from None
    try:
        content = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        line = getattr(getattr(error, "problem_mark", None), "line", None)
        where = f" near line {line + 1}" if line is not None else ""
        raise TargetError(f"the target file {path} is not well-formed YAML{where}; mend it and run again") from None
    if content is None:
        raise TargetError(f"the target file {path} is empty; see targets/example.yaml")
    schema = json.loads((specification_root() / "schemas" / "target.schema.json").read_text(encoding="utf-8"))
    problem = jsonschema.exceptions.best_match(jsonschema.Draft202012Validator(schema).iter_errors(content))
    if problem is not None:
        raise TargetError(f"the target file {path}: {_told(problem)}; mend it and run again")
    assert isinstance(content, dict)
    return content


def _told(problem: jsonschema.exceptions.ValidationError) -> str:
    """Say what is wrong, and where; a value that may be a credential in the wrong place is not repeated."""
    place = problem.json_path.removeprefix("$.") if problem.path else "the file"
    credential = problem.path and (problem.path[0] in ("owner", "introspection") or "@" in str(problem.instance))
    if credential and problem.validator != "additionalProperties":
        return f"{place}: not what belongs there; see schemas/target.schema.json"
    return f"{place}: {problem.message[:200]}{_meant(problem)}"


def _meant(problem: jsonschema.exceptions.ValidationError) -> str:
    """Say which key was probably meant, where one is unknown, and which there are."""
    if problem.validator != "additionalProperties" or not isinstance(problem.instance, dict):
        return ""
    known = list(problem.schema.get("properties", {})) if isinstance(problem.schema, Mapping) else []
    close = [
        match
        for name in problem.instance
        if name not in known
        for match in difflib.get_close_matches(str(name), known, n=1)
    ]
    return f"; did you mean {', '.join(close)}?" if close else f"; there are {', '.join(known)}"


def _checked_url(url: str, where: str) -> str:
    if "@" in re.split(r"[/?#]", url.rpartition("://")[2])[0]:
        raise TargetError(f"{where} carries user information, which would stand in every report; leave it out")
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and not parts.query and not parts.fragment
        usable = usable and not any(character.isspace() for character in url) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise TargetError(f"{where} {url[:200]!r} is no http or https URL; give the origin, the issuer or the MCP URL")
    return url


def _folder(named: str, file: Path) -> Path:
    """Return a folder that the target file names, relative to itself."""
    folder = (file.parent / named).resolve()
    if not folder.is_dir():
        raise TargetError(f"repository {named[:200]!r} is no folder, seen from the target file {file}; correct it")
    return folder


def _authorities(content: Mapping[str, Any], path: Path | None, environment: Mapping[str, str]) -> Path | None:
    """Return the file of certificates to trust: the target file's, looked for beside it, or else SSL_CERT_FILE.

    Raises:
        TargetError: it holds none.
    """
    where = "certification_authorities" if "certification_authorities" in content else "SSL_CERT_FILE"
    named = content.get("certification_authorities") or environment.get("SSL_CERT_FILE")
    if not named:
        return None
    file = Path(named) if path is None or where == "SSL_CERT_FILE" else path.parent / named
    try:
        trusting(file)
    except OSError as error:  # ssl.SSLError is one
        raise TargetError(
            f"{where}: {file} holds no certificates in PEM ({type(error).__name__}); name the file of the authority"
        ) from None
    return file


def _approver(content: Mapping[str, Any]) -> ApproverWords:
    words = ApproverWords()
    return ApproverWords(
        kind=content.get("kind", words.kind),
        approve=tuple(content.get("approve", words.approve)),
        deny=tuple(content.get("deny", words.deny)),
        proceed=tuple(content.get("continue", words.proceed)),
        grants=tuple(content.get("grants", words.grants)),
        revoke=tuple(content.get("revoke", words.revoke)),
        sign_out=tuple(content.get("sign_out", words.sign_out)),
    )


def _owner_username(content: Mapping[str, str], environment: Mapping[str, str]) -> str | None:
    named = environment.get(content.get("username_env", "PDPP_OWNER_USERNAME"))
    return named or content.get("username")


def _owner_password(content: Mapping[str, str], environment: Mapping[str, str]) -> str | None:
    named = environment.get(content.get("password_env", "PDPP_OWNER_PASSWORD"))
    if named or "password_command" not in content:
        return named
    return _run(content["password_command"], "owner.password_command")


def _introspection(content: Mapping[str, str], environment: Mapping[str, str]) -> Credentials | None:
    identifier = environment.get(content.get("client_id_env", "PDPP_INTROSPECTION_CLIENT_ID")) or content.get(
        "client_id"
    )
    secret = environment.get(content.get("client_secret_env", "PDPP_INTROSPECTION_CLIENT_SECRET"))
    if not secret and "client_secret_command" in content:
        secret = _run(content["client_secret_command"], "introspection.client_secret_command")
    return Credentials(identifier, secret) if identifier and secret else None


def _run(command: str, key: str) -> str:
    try:
        done = subprocess.run(  # noqa: S603 - the operator's own command, from the operator's file
            shlex.split(command), capture_output=True, text=True, timeout=_COMMAND_TIMEOUT_SECONDS, check=True
        )
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        raise TargetError(f"{key} did not give a secret ({type(error).__name__}); run it by hand and mend it") from None
    secret = done.stdout.rstrip("\r\n")
    if not secret:
        raise TargetError(f"{key} printed nothing; run it by hand and mend it")
    return secret
