"""What broke a rule, kept: a request, as a line for a shell too, or acts in their order; each as a scenario to add."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pdpp_conformance.fuzzing.acts import Act
from pdpp_conformance.fuzzing.placeholders import placeholder, placeholders_in
from pdpp_conformance.fuzzing.request import GeneratedRequest
from pdpp_conformance.fuzzing.words import ENDPOINTS, FLOW_RULES, RULES

FOLDER = "cases"
SCHEMA = "pdpp-conformance/case/1"
_MOST_CELL = 400
_MOST_FILE_BYTES = 1024 * 1024


class CaseError(Exception):
    """A case file is of no use; the message is one sentence with the next step."""


@dataclass(frozen=True)
class Case:
    """What broke a rule, and the rule: one request, or else acts in their order."""

    requirement: str
    expected: str
    observed: str
    seed: int
    request: GeneratedRequest | None = None
    acts: Sequence[Act] = ()


def write_cases(folder: Path, found: Sequence[Mapping[str, Any]], seed: int) -> list[Path]:
    """Write each found case to a file of its own and return the files.

    Args:
        folder: the report folder; the files lie in ``cases`` below it.
    """
    written = []
    for one in found:
        below = folder / FOLDER
        below.mkdir(parents=True, exist_ok=True)
        path = below / f"{one['requirement']}-{re.sub(r'[^a-z]+', '-', str(one['endpoint']))}.json"
        content = {"schema": SCHEMA, "seed": seed, **one, "scenario": scenario_of(one)}
        path.write_text(json.dumps(content, indent=1, ensure_ascii=True) + "\n", encoding="utf-8")
        written.append(path)
    return written


def read_case(path: Path) -> Case:
    """Read a case file.

    Raises:
        CaseError: it cannot be read, or is none.
    """
    try:
        if path.stat().st_size > _MOST_FILE_BYTES:
            raise CaseError(f"{path} is larger than any case; name a file of reports/…/{FOLDER}/")
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["schema"] != SCHEMA:
            raise CaseError(f"{path} is of another kind, or of another version; name a file of reports/…/{FOLDER}/")
        return Case(
            requirement=str(content["requirement"]),
            expected=str(content["expected"]),
            observed=str(content["observed"]),
            seed=int(content["seed"]),
            **_what_broke_it(content),
        )
    except OSError as error:
        raise CaseError(f"{path} cannot be read ({error.strerror}); name a file of reports/…/{FOLDER}/") from None
    except (KeyError, TypeError, ValueError, RecursionError):
        raise CaseError(f"{path} is no case of a fuzzing run; name a file of reports/…/{FOLDER}/") from None


def _what_broke_it(content: Mapping[str, Any]) -> dict[str, Any]:
    if "acts" in content:
        return {"acts": [Act.from_json(act) for act in content["acts"]]}
    return {"request": GeneratedRequest.from_json(content["request"])}


def shell_line(url: str, sent: GeneratedRequest) -> str:
    """Return a request as a curl line; each placeholder is a variable of the shell, ``$DEVICE_CODE`` for instance."""
    words = ["curl", "-sS", "-i", "-X", sent.method]
    for name, value in sent.headers:
        words += ["-H", f"{name}: {value}"]
    if sent.body is not None:
        words += ["--data-binary", _bytes_as_text(sent.body)]
    target = url.replace("{grant_id}", sent.path) if "{" in url else url
    return " ".join(_quoted(word) for word in (*words, target))


def scenario_of(found: Mapping[str, Any]) -> str | None:
    """Return a ready-made scenario that does again what was found, to be added to a feature.

    ``None`` for a request that is too long to be read, or for what no scenario has words: its file can be replayed.
    """
    return _scenario_of_acts(found) if "acts" in found else _scenario_of_request(found)


def _scenario_of_acts(found: Mapping[str, Any]) -> str | None:
    rule = next((words for words, (row, _) in FLOW_RULES.items() if row == found["requirement"]), None)
    if rule is None:
        return None
    rows = [[act["act"], str(act["request"] or ""), act["by"], act["detail"]] for act in found["acts"]]
    lines = [
        f"@{found['requirement']} @negative",
        f"Scenario: An order of acts that once ended with {_cell(str(found['observed']))[:60]}",
        "  When the parties of a flow act in this order",
        *(f"    | {' | '.join(map(_cell, row))} |" for row in [["act", "request", "by", "detail"], *rows]),
        f"  Then in this order, {rule}",
    ]
    return "\n".join(lines) + "\n"


def _scenario_of_request(found: Mapping[str, Any]) -> str | None:
    request = found["request"]
    endpoint = next((words for words, operation in ENDPOINTS.items() if operation == request["operation"]), None)
    rule = next((words for words, (row, _) in RULES.items() if row == found["requirement"]), None)
    parts = [(name, request[name]) for name in ("method", "path", "body", "body_latin1") if request.get(name)]
    cells = [(name, _cell(value)) for name, value in (*parts, *request["headers"])]
    if endpoint is None or rule is None or any(len(value) > _MOST_CELL for _, value in cells):
        return None
    lines = [
        f"@{found['requirement']} @negative",
        f"Scenario: A request that {endpoint} once answered with {_cell(str(found['observed']))[:60]}",
        f"  When {endpoint} is sent",
        "    | part | value |",
        *(f"    | {name} | {value} |" for name, value in cells),
        f"  Then the answer comes {rule}",
    ]
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    """Write a text as the inside of a JSON string, for a Gherkin table, which has escapes of its own."""
    return json.dumps(text, ensure_ascii=True)[1:-1].replace("\\", "\\\\").replace("|", "\\|")


def _bytes_as_text(body: bytes) -> str:
    return body.decode("utf-8", "backslashreplace")


def _quoted(word: str) -> str:
    names = placeholders_in(word.encode("utf-8", "surrogatepass"))
    if not names:
        return shlex.quote(word) if word.isprintable() else _ansi_quoted(word)
    quoted = shlex.quote(word) if word.isprintable() else _ansi_quoted(word)
    for name in names:
        quoted = quoted.replace(placeholder(name), f"'\"${name.upper()}\"'")
    return quoted if quoted.startswith(("'", "$'")) else f"'{quoted}'"


def _ansi_quoted(word: str) -> str:
    """Quote a word that holds control characters, as ``$'…'``."""
    written = "".join(
        character
        if character.isprintable() and character not in "'\\"
        else "".join(f"\\x{byte:02x}" for byte in character.encode("utf-8", "surrogatepass"))
        for character in word
    )
    return f"$'{written}'"
