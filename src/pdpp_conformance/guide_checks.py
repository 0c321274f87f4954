"""Whether guidance is so: its links, its commands, and its lists of tools, errors and endpoints."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from urllib.parse import unquote, urlsplit

from pdpp_conformance import drawing
from pdpp_conformance.discovery import DEVICE_CODE_GRANT, Discovery
from pdpp_conformance.exchange import NoAnswer
from pdpp_conformance.guides import Guide
from pdpp_conformance.judgement import Judgement
from pdpp_conformance.run import Run
from pdpp_conformance.verdict import Blocked, NotApplicable

NOTE = "docs/research/mcp-oauth-headless-auth-prior-art-2026-06-12.md"

_POLLING_ERRORS = frozenset({"authorization_pending", "slow_down", "access_denied", "expired_token"})
_TOKEN_ERRORS = frozenset(
    {
        "invalid_request",
        "invalid_client",
        "invalid_grant",
        "unauthorized_client",
        "unsupported_grant_type",
        "invalid_scope",
        "invalid_target",
        "invalid_authorization_details",
    }
)
"""RFC 6749 §5.2, RFC 8707 §2, RFC 9396 §5."""

_COMMAND_SECONDS = 60.0
_DATE = re.compile(r"\b(\d{4})-(\d{2})-(\d{2})\b")
_URL = re.compile(r"https://[^\s>)\]]+")
_SOURCE = re.compile(r"^\[\^([\w-]+)\]:(.*?)(?=^\[\^|\Z)", re.DOTALL | re.MULTILINE)
_REFERENCE = re.compile(r"\[\^([\w-]+)\](?!:)")


# -- the research note -------------------------------------------------------------------------------------------------


def judge_sources(judge: Judgement, note: Guide) -> None:
    """Every source of the note has its URL and the day on which it was read; each is used, and none is missing."""
    sources: Mapping[str, str] = dict(_SOURCE.findall(note.text))
    used = set(_REFERENCE.findall(note.text))
    judge.that(len(sources) >= 10, "ten sources at least", f"{len(sources)} sources")
    faults = [f"{name}: no URL" for name, told in sources.items() if not _URL.search(told)]
    faults += [f"{name}: no access date" for name, told in sources.items() if not _has_date(told)]
    faults += [f"{name}: not used" for name in sources.keys() - used]
    faults += [f"{name}: not listed" for name in used - sources.keys()]
    judge.that(not faults, "a URL and an access date with each source", "; ".join(sorted(faults))[:400] or "all have")


def _has_date(told: str) -> bool:
    try:
        return any(date(int(year), int(month), int(day)) for year, month, day in _DATE.findall(told))
    except ValueError:
        return False


def judge_question(judge: Judgement, note: Guide) -> None:
    """The note asks a question and draws a conclusion, each below its heading."""
    for section in ("Question", "Conclusion"):
        words = sum(len(passage.text.split()) for passage in note.passages if passage.below(section))
        judge.that(words >= 40, f"a {section.lower()} that says something", f"{words} words below {section}")


# -- links -------------------------------------------------------------------------------------------------------------


def judge_files_linked(judge: Judgement, guides: Sequence[Guide]) -> None:
    """Each link between the repository's documents leads to a file."""
    files = [(guide.name, link) for guide in guides for link in guide.links if link.startswith("file:")]
    dead = [f"{name} → {link.rsplit('/', 2)[-1]}" for name, link in files if not _file_of(link).is_file()]
    judge.that(bool(files), "links between the documents", f"{len(files)} links")
    judge.that(not dead, "each link to lead to a document", "; ".join(dead)[:400] or f"{len(files)} of {len(files)} do")


def _file_of(link: str) -> Path:
    return Path(unquote(urlsplit(link).path))


def judge_links_resolve(judge: Judgement, run: Run, guides: Sequence[Guide]) -> None:
    """Each link of the served documents to the deployment resolves; those to elsewhere are not followed.

    Metadata documents are judged where they are required.
    """
    read = {guide.place for guide in guides}
    links = {link: guide.name for guide in guides for link in guide.links}
    own = {link: name for link, name in links.items() if run.recorder.is_allowed(link) and "/.well-known/" not in link}
    dead = []
    for link, name in own.items():
        if link in read:
            continue
        try:
            answer = run.recorder.send("GET", link, actor="a reader")
        except NoAnswer as error:
            dead.append(f"{name} → {link}: {error.observed}")
        else:
            if not 200 <= answer.status < 400:
                dead.append(f"{name} → {link}: {answer.summary}")
    if not own:
        raise NotApplicable("the deployment's documents do not link to the deployment")
    judge.note(f"{len(links) - len(own)} links to metadata or to elsewhere were not followed")
    judge.that(not dead, "each link to resolve", "; ".join(dead)[:400] or f"{len(own)} of {len(own)} do")


# -- commands ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Command:
    """A documented use of `pdpp`."""

    guide: str
    path: tuple[str, ...]
    """The names of command and subcommand."""
    options: tuple[str, ...]


def commands_of(guides: Sequence[Guide]) -> Iterator[Command]:
    """Yield every line of code in the documents that starts `pdpp`."""
    for guide in guides:
        for line in guide.code_lines:
            name, *words = line.split()
            if name == "pdpp":
                path: list[str] = []
                for word in words:
                    if not re.fullmatch(r"[a-z][a-z-]*", word):
                        break
                    path.append(word)
                options = tuple(word.partition("=")[0] for word in words if word.startswith("--"))
                yield Command(guide.name, tuple(path), options)


def judge_commands(judge: Judgement, guides: Sequence[Guide]) -> None:
    """Each documented command exists, and its help knows each option that is documented with it.

    Raises:
        Blocked: `pdpp` is not installed beside the harness.
    """
    commands = list(commands_of(guides))
    judge.that(bool(commands), "commands in the documents", f"{len(commands)} commands")
    helps = _helps(sorted({command.path for command in commands}))
    faults = []
    for command in commands:
        called = f"{command.guide}: pdpp {' '.join(command.path)}"
        told = helps[command.path]
        known = re.findall(r"(?<![\w-])--[a-z][a-z-]*", told or "")
        faults += [called] if told is None else [f"{called} {name}" for name in command.options if name not in known]
    observed = "; ".join(dict.fromkeys(faults))[:400] or f"{len(commands)} uses of {len(helps)} commands"
    judge.that(not faults, "each documented command and option to exist", observed)


_SHOW_HELPS = """
import contextlib, importlib.metadata, io, json, sys
(script,) = importlib.metadata.entry_points(group="console_scripts", name="pdpp")
main, told = script.load(), []
for path in json.load(sys.stdin):
    sys.argv, said, status = ["pdpp", *path, "--help"], io.StringIO(), 0
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(io.StringIO()):
        try:
            main()
        except SystemExit as end:
            status = end.code
    told.append(None if status else said.getvalue())
json.dump(told, sys.stdout)
"""
"""Asks the installed command for the help of each of several subcommands; a process for each would take seconds."""


def _helps(paths: Sequence[tuple[str, ...]]) -> Mapping[tuple[str, ...], str | None]:
    """Return what `pdpp … --help` says of each command; ``None`` where there is no such command."""
    try:
        done = subprocess.run(  # noqa: S603 - this interpreter
            [sys.executable, "-c", _SHOW_HELPS],
            input=json.dumps(paths),
            capture_output=True,
            text=True,
            timeout=_COMMAND_SECONDS,
            check=True,
            env={**os.environ, "COLUMNS": "200", "NO_COLOR": "1", "TERM": "dumb"},
        )
    except (OSError, subprocess.SubprocessError):
        raise Blocked("the installed command pdpp does not show its help", unblock="make set-up") from None
    return dict(zip(paths, json.loads(done.stdout), strict=True))


# -- lists -------------------------------------------------------------------------------------------------------------


def _listed(guides: Sequence[Guide], word: str, known: Set[str]) -> Mapping[str, set[str]]:
    """Return what tables below headings with ``word`` list, by document, where any of it is ``known``."""
    lists = {
        guide.name: {name for row in guide.passages if row.cells and row.below(word) for name in row.names}
        for guide in guides
    }
    return {name: listed for name, listed in lists.items() if listed & known}


def judge_tools(judge: Judgement, guides: Sequence[Guide], tools: Sequence[str]) -> None:
    """A document that lists the tools of the MCP server lists exactly those that it has.

    Raises:
        NotApplicable: no document lists them.
    """
    lists = _listed(guides, "tool", set(tools))
    if not lists:
        raise NotApplicable("no document of the deployment lists the tools of its MCP server in a table")
    for name, listed in lists.items():
        judge.that(listed == set(tools), f"{name} to list {', '.join(sorted(tools))}", ", ".join(sorted(listed)))


def polling_errors(run: Run) -> frozenset[str]:
    """Let a device poll in every way that needs no waiting; return the device grant's errors that it was told."""
    client = run.client()
    device = client.start("grant_scoped_mcp", run.one_stream())
    answers = [device.poll_at_once(), device.poll_at_once(), client.redeem(drawing.token_urlsafe(32))]
    answers.append(
        client.request_token(
            [
                ("grant_type", DEVICE_CODE_GRANT),
                ("device_code", device.device_code),
                ("client_id", f"unknown-{drawing.token_hex(8)}"),
            ]
        )
    )
    run.denied(device)
    answers.append(device.poll_decided())
    return frozenset(answer.error for answer in answers if answer.error) & (_POLLING_ERRORS | _TOKEN_ERRORS)


def judge_errors(judge: Judgement, guides: Sequence[Guide], told: frozenset[str]) -> None:
    """A document that lists the errors of polling has each that the server tells, and none that no standard has.

    Raises:
        NotApplicable: no document lists them.
    """
    lists = _listed(guides, "error", _POLLING_ERRORS)
    if not lists:
        raise NotApplicable("no document of the deployment lists the errors of polling in a table")
    for name, listed in lists.items():
        missing, unknown = told - listed, listed - _POLLING_ERRORS - _TOKEN_ERRORS
        faults = [f"{error} is not listed" for error in sorted(missing)]
        faults += [f"{error} is listed, and no such error is defined" for error in sorted(unknown)]
        judge.that(not faults, f"{name} to list the errors of polling", "; ".join(faults) or ", ".join(sorted(listed)))


def judge_endpoints(judge: Judgement, discovery: Discovery, guides: Sequence[Guide]) -> None:
    """An endpoint that a document names by its member of the metadata is where the metadata says.

    Raises:
        NotApplicable: no document names one.
    """
    named = [
        (guide.name, passage.names[0], passage.cells[1])
        for guide in guides
        for passage in guide.passages
        if len(passage.cells) > 1 and passage.names and passage.names[0].endswith("_endpoint")
    ]
    if not named:
        raise NotApplicable("no document of the deployment names its endpoints in a table")
    wrong = [f"{guide}: {member} is {url}" for guide, member, url in named if url not in _told_of(discovery, member)]
    judge.that(not wrong, "each endpoint to be where the metadata says", "; ".join(wrong)[:400] or f"{len(named)} are")


def _told_of(discovery: Discovery, member: str) -> set[object]:
    """Return every value of a member in the metadata, wherever it stands: that they agree is judged elsewhere."""

    def values(content: object) -> Iterator[object]:
        if isinstance(content, Mapping):
            yield from (value for name, value in content.items() if name == member)
            for value in content.values():
                yield from values(value)

    return {value for document in discovery.documents for value in values(document.content) if isinstance(value, str)}
