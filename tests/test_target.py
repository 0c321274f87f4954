"""The target file says what discovery cannot know; a wrong one ends in one sentence, and no secret is in any."""

from __future__ import annotations

import json
import os
import shlex
import stat
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from pdpp_conformance.target import (
    ApproverWords,
    ClientToUse,
    Credentials,
    Limits,
    Target,
    TargetError,
    read_target,
)

SECRET = "hunter2 & more"
PRINT_SECRET = f"{shlex.quote(sys.executable)} -c \"print('{SECRET}')\""

EVERY_KEY = """
base_url: https://pdpp.example.org          # origin, issuer or MCP URL
authorization_server: https://as.example.org # only when discovery can't lead there (two origins)
mcp_url: https://rs.example.org/mcp          # only when discovery can't lead there
profile: pdpp                                # or rfc8628: any OAuth server with a device grant
owner:
  username_env: PDPP_OWNER_USERNAME          # where the login page has one
  password_env: PDPP_OWNER_PASSWORD          # or password_command: "pass show pdpp/owner"
introspection:
  client_id_env: PDPP_INTROSPECTION_CLIENT_ID
  client_secret_env: PDPP_INTROSPECTION_CLIENT_SECRET
client:
  registration: dynamic                      # dynamic | pre_registered | client_id_metadata_document
  client_id: pdpp_cli                        # for the last two
  scope: openid                              # profile rfc8628, where the server wants one
authorization_details:                       # what to ask for; a second entry makes package rows judgeable
  - type: https://pdpp.dev/data-access
    source: {kind: connector, id: "https://registry.pdpp.dev/connectors/spotify"}
    purpose_code: https://pdpp.dev/purpose/personal_ai_assistant
    purpose_description: Conformance run
    access_mode: continuous
    streams: [{name: top_artists}]
outside_the_grant:                           # something that exists and was not asked for
  stream: saved_tracks
approver:
  kind: browser                              # browser | http | manual | none
  approve: [Approve, Allow access, Authorize]
  deny: [Deny, Decline]
  continue: [Continue, Next, Sign in]
mcp_revision: "2025-11-25"                   # default: what the server negotiates
limits: {max_wait: 90, requests: 600, requests_per_second: 20, allow_fuzzing: false, allow_code_guessing: false, accept_residue: false}
window: {operator: ops@example.org, scope: post-deploy check, database: null}
attestations: {CDF-01: "risk assessment of 2026-09-01, docs/risk.md"}
setup_client: {command: [my-client, login, "{url}"]}
"""  # noqa: E501 - as it is published

Read = Callable[..., Target]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Reads a target file of this content; the environment is what the test says."""

    def read_content(
        content: str | bytes | None, environment: Mapping[str, str] | None = None, **options: Any
    ) -> Target:
        path = None
        if content is not None:
            path = tmp_path / "target.yaml"
            path.write_bytes(content.encode() if isinstance(content, str) else content)
        given = {"base_url": None, "approver": None, "max_wait": None, **options}
        return read_target(path, environment=environment or {}, **given)

    return read_content


class TestContent:
    def test_every_key(self, read: Read) -> None:
        """The published example is read whole."""
        target = read(
            EVERY_KEY,
            {
                "PDPP_OWNER_USERNAME": "ada",
                "PDPP_OWNER_PASSWORD": SECRET,
                "PDPP_INTROSPECTION_CLIENT_ID": "rs",
                "PDPP_INTROSPECTION_CLIENT_SECRET": f"{SECRET} 2",
            },
        )
        assert target == Target(
            base_url="https://pdpp.example.org",
            authorization_server="https://as.example.org",
            mcp_url="https://rs.example.org/mcp",
            profile="pdpp",
            owner_username="ada",
            owner_password=SECRET,
            introspection=Credentials("rs", f"{SECRET} 2"),
            client=ClientToUse("dynamic", "pdpp_cli", "openid"),
            authorization_details=(
                {
                    "type": "https://pdpp.dev/data-access",
                    "source": {"kind": "connector", "id": "https://registry.pdpp.dev/connectors/spotify"},
                    "purpose_code": "https://pdpp.dev/purpose/personal_ai_assistant",
                    "purpose_description": "Conformance run",
                    "access_mode": "continuous",
                    "streams": [{"name": "top_artists"}],
                },
            ),
            stream_outside_the_grant="saved_tracks",
            approver=ApproverWords(
                "browser",
                ("Approve", "Allow access", "Authorize"),
                ("Deny", "Decline"),
                ("Continue", "Next", "Sign in"),
            ),
            mcp_revision="2025-11-25",
            limits=Limits(90, 600, 20),
            window={"operator": "ops@example.org", "scope": "post-deploy check", "database": None},
            attestations={"CDF-01": "risk assessment of 2026-09-01, docs/risk.md"},
            setup_client=("my-client", "login", "{url}"),
        )

    def test_nothing_at_all(self, read: Read) -> None:
        """Without file, environment and options the bundled server is the target, and defaults hold."""
        assert read(None) == Target()
        assert read("{}") == Target()

    @pytest.mark.parametrize(
        ("content", "expected"),
        [
            ("profile: rfc8628", {"profile": "rfc8628"}),
            ("owner: {username: ada}", {"owner_username": "ada"}),
            (f"owner: {{password_command: {json.dumps(PRINT_SECRET)}}}", {"owner_password": SECRET}),
            (
                f"introspection: {{client_id: rs, client_secret_command: {json.dumps(PRINT_SECRET)}}}",
                {"introspection": Credentials("rs", SECRET)},
            ),
            ("introspection: {client_id: rs}", {"introspection": None}),
            ("client: {registration: pre_registered, client_id: x}", {"client": ClientToUse("pre_registered", "x")}),
            ("approver: {kind: none}", {"approver": ApproverWords("none")}),
            ("approver: {approve: [Ja]}", {"approver": ApproverWords(approve=("Ja",))}),
            ("limits: {accept_residue: true}", {"limits": Limits(accept_residue=True)}),
            ('mcp_revision: "2026-07-28"', {"mcp_revision": "2026-07-28"}),
            ("mcp_url: https://rs.example/mcp/", {"mcp_url": "https://rs.example/mcp/"}),
            ("base_url: https://pdpp.example/", {"base_url": "https://pdpp.example"}),
            ("console: https://pdpp.example/connect", {"console": "https://pdpp.example/connect"}),
        ],
    )  # fmt: skip
    def test_a_key_alone(self, read: Read, content: str, expected: dict[str, Any]) -> None:
        """Each key works without the others, which keep their defaults."""
        assert read(content) == Target(**expected)


class TestRepository:
    def test_the_folder_is_seen_from_the_file(self, read: Read, tmp_path: Path) -> None:
        (tmp_path / "pdpp").mkdir()
        assert read("repository: pdpp") == Target(repository=tmp_path / "pdpp")

    def test_what_is_no_folder_is_told(self, read: Read) -> None:
        with pytest.raises(TargetError, match="repository 'nowhere' is no folder"):
            read("repository: nowhere")


class TestPrecedence:
    def test_options_win(self, read: Read) -> None:
        """What is typed wins over the file."""
        target = read(EVERY_KEY, base_url="http://127.0.0.1:8080/mcp", approver="none", max_wait=5.5)
        assert target.base_url == "http://127.0.0.1:8080/mcp"
        assert (target.approver.kind, target.approver.approve[0]) == ("none", "Approve")
        assert (target.limits.max_wait, target.limits.requests) == (5.5, 600)
        assert read(EVERY_KEY, max_wait=0).limits.max_wait == 0

    def test_environment_wins(self, read: Read) -> None:
        """The environment wins over names and commands in the file, and stands in where the file is silent."""
        environment = {"PDPP_OWNER_USERNAME": "ada", "PDPP_OWNER_PASSWORD": SECRET}
        for content in (None, "owner: {username: bob, password_command: 'false'}"):
            target = read(content, environment)
            assert (target.owner_username, target.owner_password) == ("ada", SECRET)

    def test_variables_of_other_names(self, read: Read) -> None:
        """The file may name its own variables; then the usual ones are not looked at."""
        content = """
            owner: {username_env: WHO, password_env: PW}
            introspection: {client_id_env: ID, client_secret_env: SECRET}"""
        usual = {"PDPP_OWNER_USERNAME": "wrong", "PDPP_OWNER_PASSWORD": "wrong"}
        target = read(content, {**usual, "WHO": "ada", "PW": SECRET, "ID": "rs", "SECRET": SECRET})
        assert (target.owner_username, target.owner_password) == ("ada", SECRET)
        assert target.introspection == Credentials("rs", SECRET)
        assert read(content, usual).owner_password is None

    def test_an_empty_url_is_not_the_bundled_server(self, read: Read) -> None:
        """A shell variable that was never set must not end in a verdict on another deployment."""
        for content in (None, EVERY_KEY):
            with pytest.raises(TargetError, match="--base-url '' is no http or https URL"):
                read(content, base_url="")


class TestRefusals:
    @pytest.mark.parametrize(
        ("content", "told"),
        [
            ("nonsense: 1", "'nonsense' was unexpected"),
            ("owner: {password: x}", "owner: Additional properties are not allowed ('password' was unexpected)"),
            ("limits: {max_wait: soon}", "limits.max_wait: 'soon' is not of type 'number'"),
            ("limits: {max_wait: -1}", "limits.max_wait: -1 is less than the minimum of 0"),
            ("limits: {requests_per_second: 0}", "limits.requests_per_second"),
            ("limits: {allow_fuzzing: 'yes'}", "limits.allow_fuzzing: 'yes' is not of type 'boolean'"),
            ("profile: oidc", "profile: 'oidc' is not one of ['pdpp', 'rfc8628']"),
            ("approver: {kind: robot}", "approver.kind"),
            ("approver: {approve: []}", "approver.approve"),
            ("client: {registration: magic}", "client.registration"),
            ("authorization_details: []", "authorization_details"),
            ("authorization_details: [{streams: []}]", "authorization_details[0]: 'type' is a required property"),
            ("outside_the_grant: saved_tracks", "outside_the_grant: 'saved_tracks' is not of type 'object'"),
            ("mcp_revision: 2025-11-25", "mcp_revision"),
            ("attestations: {nonsense: x}", "attestations"),
            ("attestations: {CDF-01: 2026-09-01}", "attestations['CDF-01']: datetime.date"),
            ("window: {database: 7}", "window.database: 7 is not of type 'string', 'null'"),
            ("mcp_url: ftp://x", "mcp_url"),
            ("mcp_url: http://", "mcp_url"),
            ("base_url: http://host:0", "base_url 'http://host:0' is no http or https URL"),
            ("authorization_server: 'http://[::1'", "authorization_server 'http://[::1' is no http or https URL"),
            ("- a\n- list", "the file: ['a', 'list'] is not of type 'object'"),
            ("just text", "the file: 'just text' is not of type 'object'"),
            ("", "is empty; see targets/example.yaml"),
            ("# nothing yet", "is empty; see targets/example.yaml"),
            ("owner: {username: ada\nmcp_url: x", "not well-formed YAML near line"),
            ("a: [\tb: }", "not well-formed YAML near line 1"),
            ("base_url: 2026-13-45", "not well-formed YAML"),
            ("a: !!python/object/apply:os.getcwd []", "not well-formed YAML near line 1"),
            pytest.param("[" * 1200, "not well-formed YAML", id="deep"),
            ("a: &a [*a, *a]\n? *a\n: b", "not well-formed YAML near line"),
            (b"a: \xff\xfe", "cannot be read (UnicodeDecodeError)"),
            (b"a: \x00", "not well-formed YAML"),
        ],
    )
    def test_of_the_file(self, read: Read, tmp_path: Path, content: str | bytes, told: str) -> None:
        """One sentence that names the file, the place and the fault."""
        with pytest.raises(TargetError) as refusal:
            read(content)
        sentence = str(refusal.value)
        assert told in sentence
        assert "\n" not in sentence
        assert len(sentence) < 500
        assert str(tmp_path / "target.yaml") in sentence or " is no http or https URL" in sentence

    def test_no_file(self, tmp_path: Path) -> None:
        """A file that is not there, and a folder in its place."""
        for path, fault in ((tmp_path / "none.yaml", "FileNotFoundError"), (tmp_path, "IsADirectoryError")):
            with pytest.raises(TargetError, match=rf"cannot be read \({fault}\); check --target"):
                read_target(path, base_url=None, approver=None, max_wait=None, environment={})

    @pytest.mark.parametrize(
        "url",
        ["", "nonsense", "pdpp.example.org", "ftp://pdpp.example", "http://", "http://:80", "https://host:99999",
         "https://host:port", "https://host/?a=b", "https://host/#x", "http://[::1", "http://a b", "//host",
         "http:/host", "javascript:alert(1)", "http://host\n.example", "\u2603"],
    )  # fmt: skip
    def test_of_urls(self, read: Read, url: str) -> None:
        """What is no http or https URL is refused as what it is, on one line."""
        with pytest.raises(TargetError) as refusal:
            read(None, base_url=url)
        assert str(refusal.value) == (
            f"--base-url {url!r} is no http or https URL; give the origin, the issuer or the MCP URL"
        )
        assert "\n" not in str(refusal.value)

    @pytest.mark.parametrize(
        ("command", "told"),
        [
            ("false", "did not give a secret (CalledProcessError)"),
            ("no-such-program-anywhere", "did not give a secret (FileNotFoundError)"),
            ("echo 'unbalanced", "did not give a secret (ValueError)"),
            ("true", "printed nothing"),
            ("printf '\\377'", "did not give a secret (UnicodeDecodeError)"),
        ],
    )
    def test_of_commands(self, read: Read, command: str, told: str) -> None:
        """A command that gives no secret is named by its key, and not repeated."""
        for content, key in (
            (f"owner: {{password_command: {json.dumps(command)}}}", "owner.password_command"),
            (f"introspection: {{client_secret_command: {json.dumps(command)}}}", "introspection.client_secret_command"),
        ):
            with pytest.raises(TargetError) as refusal:
                read(content)
            assert str(refusal.value) == f"{key} {told}; run it by hand and mend it"

    def test_what_a_failed_command_printed(self, read: Read, tmp_path: Path) -> None:
        """What a command printed before it failed may be the secret, and is told to nobody."""
        script = tmp_path / "give-secret"
        script.write_text(f"#!/bin/sh\necho '{SECRET}'\necho '{SECRET}' >&2\nexit 3\n")
        script.chmod(script.stat().st_mode | stat.S_IXUSR)
        with pytest.raises(TargetError) as refusal:
            read(f"owner: {{password_command: {str(script)!r}}}")
        assert SECRET not in str(refusal.value)
        assert refusal.value.__suppress_context__


class TestSecrets:
    def test_never_shown(self, read: Read) -> None:
        """However a target is printed, its secrets are not."""
        target = read(None, {"PDPP_OWNER_PASSWORD": SECRET, "PDPP_INTROSPECTION_CLIENT_ID": "rs",
                             "PDPP_INTROSPECTION_CLIENT_SECRET": SECRET})  # fmt: skip
        assert target.owner_password == SECRET
        for shown in (repr(target), str(target), f"{target}", repr(target.introspection)):
            assert SECRET not in shown

    @pytest.mark.parametrize(
        "content",
        [
            f"owner: {{password_env: '{SECRET}'}}",
            f"owner: {{password_command: ['{SECRET}']}}",
            f"owner: '{SECRET}'",
            f"introspection: {{client_secret_env: '{SECRET}'}}",
            f"introspection: ['{SECRET}']",
            f"base_url: 'https://ada:{SECRET}@pdpp.example'",
            f"mcp_url: 'https://ada:{SECRET}@pdpp.example/mcp?x'",
            "authorization_server: 'https://ada:hunter2@as.example'",
        ],
    )
    def test_in_the_wrong_place(self, read: Read, content: str) -> None:
        """A credential that was put where its name belongs, or into a URL, is refused without being repeated."""
        with pytest.raises(TargetError) as refusal:
            read(content)
        assert "hunter2" not in str(refusal.value)

    @pytest.mark.parametrize("url", ["https://ada:hunter2@host", "http://hunter2@[::1", "ada:hunter2@host"])
    def test_in_the_url(self, read: Read, url: str) -> None:
        """User information in a URL is refused without being repeated."""
        with pytest.raises(TargetError, match="--base-url carries user information") as refusal:
            read(None, base_url=url)
        assert "hunter2" not in str(refusal.value)

    def test_a_path_with_an_at_sign(self, read: Read) -> None:
        """An @ in the path is no user information."""
        assert read(None, base_url="https://host/@ada/mcp").base_url == "https://host/@ada/mcp"


def test_the_real_environment_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    """Outside tests the process's own variables count."""
    for name in [name for name in os.environ if name.startswith("PDPP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PDPP_OWNER_PASSWORD", SECRET)
    assert read_target(None, base_url=None, approver=None, max_wait=None).owner_password == SECRET
