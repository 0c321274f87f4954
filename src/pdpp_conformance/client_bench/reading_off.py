"""What a person reads off the screen of a setup client that waits for approval: where to go, and with which code."""

from __future__ import annotations

import re
from dataclasses import dataclass

_URL = re.compile(r"https?://[^\s\"'<>()│|]+", re.IGNORECASE)
_LEADS = re.compile(
    r"\b(?:open|visit|go to|navigate|approv\w*|verif\w*|sign in|log in|authori[sz]e at)\b", re.IGNORECASE
)
_CODE = re.compile(r"\bcode\b[^:\n]{0,40}:?\s+([A-Za-z0-9]+(?:-[A-Za-z0-9]+)*)\s*$", re.IGNORECASE | re.MULTILINE)
_EXPIRY = re.compile(r"\bexpir", re.IGNORECASE)
_STATE = re.compile(r"\bpoll|\bwaiting|\bpending", re.IGNORECASE)
_PATH = re.compile(r"(?:~|(?<![\w:/])/)[^\s\"'<>()│|]+")
_ENDS = ".,;:"


@dataclass(frozen=True)
class ReadOff:
    """What there is to go by."""

    url: str
    """Where to go; without the code in it, if such a URL is shown."""
    user_code: str | None
    """The code, if it stands anywhere but in a URL."""
    tells_expiry: bool
    tells_state: bool
    """Whether it says that approval is waited for."""

    @property
    def is_complete(self) -> bool:
        """Whether there is nothing more to wait for before somebody approves."""
        return self.user_code is not None and self.tells_expiry and self.tells_state


def read_off(screen: str) -> ReadOff | None:
    """Read a screen; ``None`` where no line says which page to open."""
    urls = [
        url.rstrip(_ENDS)
        for line in screen.splitlines()
        if _LEADS.search(_URL.sub("", line)) or _URL.fullmatch(line.strip())
        for url in _URL.findall(line)
    ]
    if not urls:
        return None
    lines = [line for line in _URL.sub("", screen).splitlines() if "expire" not in line.lower()]
    said = _CODE.search("\n".join(lines))
    return ReadOff(
        next((url for url in urls if "?" not in url), urls[0]),
        said.group(1) if said else None,
        tells_expiry=_EXPIRY.search(screen) is not None,
        tells_state=_STATE.search(screen) is not None,
    )


def paths_on(screen: str) -> list[str]:
    """Return the files and folders that a screen names."""
    return [path.rstrip(_ENDS) for path in _PATH.findall(_URL.sub("", screen))]
