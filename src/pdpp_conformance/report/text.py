"""Foreign text made safe to show: control characters become visible, lengths are bounded.

What a target sends is evidence, so nothing is dropped silently. A control character could move a terminal's cursor,
break an XML document or, as a bidirectional override, make a line read differently from what it says; each is shown
as its number instead. Escaping for HTML or XML comes after this and is the writer's own.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime

_BIDI_CONTROLS = (0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A))
_LINE_CONTROLS = (0x2028, 0x2029)
_NONCHARACTERS = (0xFFFE, 0xFFFF)
_SURROGATES = range(0xD800, 0xE000)

_VISIBLE: dict[int, str] = {
    **{code: f"\\x{code:02x}" for code in (*range(0x20), *range(0x7F, 0xA0)) if chr(code) not in "\t\n"},
    **{code: f"⟦U+{code:04X}⟧" for code in (*_BIDI_CONTROLS, *_LINE_CONTROLS)},
    **{code: f"\\u{code:04x}" for code in (*_NONCHARACTERS, *_SURROGATES)},
}
INVISIBLE = re.compile("[" + "".join(re.escape(chr(code)) for code in _VISIBLE) + "]")
"""A control character that is to be made visible."""

_MARKUP = re.compile(r"(`[^`\n]+`|\*\*[^*\n]+\*\*)")


def printable(text: str) -> str:
    """The text with CRLF as a line feed and every other control character but tab and line feed made visible."""
    return INVISIBLE.sub(lambda match: _VISIBLE[ord(match[0])], text.replace("\r\n", "\n"))


def shorten(text: str, limit: int) -> str:
    """At most `limit` characters of the text; what was left out is said at its end."""
    if len(text) <= limit:
        return text
    return f"{text[:limit]} … ({len(text) - limit:,} more characters)"


def one_line(text: str, limit: int) -> str:
    """The text on one line, safe to print, at most `limit` characters."""
    return shorten(" ".join(printable(text).split()), limit)


def inline(text: str) -> list[tuple[str, str]]:
    """The catalogue's light markup as pieces: `("code", …)` for backticks, `("strong", …)` for `**`, else `("", …)`."""
    pieces: list[tuple[str, str]] = []
    for part in _MARKUP.split(text):
        if part.startswith("`") and part.endswith("`") and len(part) > 2:
            pieces.append(("code", part[1:-1]))
        elif part.startswith("**") and part.endswith("**") and len(part) > 4:
            pieces.append(("strong", part[2:-2]))
        elif part:
            pieces.append(("", part))
    return pieces


def plain(text: str) -> str:
    """The catalogue's sentence without its light markup."""
    return "".join(piece for _, piece in inline(text))


def duration(seconds: float) -> str:
    """A duration for people: `12 ms`, `17.2 s`, `3 min 4 s`."""
    if seconds and seconds < 0.9995:
        return f"{max(1, round(seconds * 1000))} ms"
    if seconds < 59.95:
        return f"{seconds:.1f} s" if seconds else "0 s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if rest else f"{minutes} min"


def moment(timestamp: str) -> str:
    """An RFC 3339 time for people, in UTC; a text that is none is returned as it stands."""
    try:
        at = datetime.fromisoformat(timestamp)
    except ValueError:
        return timestamp
    return f"{at.astimezone(UTC):%-d %B %Y, %H:%M:%S} UTC"


def counted(number: int, singular: str, plural: str | None = None) -> str:
    """`1 row`, `3 rows`, `1,200 rows`."""
    return f"{number:,} {singular if number == 1 else plural or singular + 's'}"


def sentence_of(item: object) -> str:
    """A list entry of `run.json` that is a sentence or an object of a few named values, as one line of text."""
    if isinstance(item, dict):
        return " · ".join(f"{key}: {value}" for key, value in item.items() if value is not None)
    return str(item)
