"""Documents for people and agents, Markdown or HTML, read into what can be judged: passages, links, code and tables."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from urllib.parse import urldefrag, urljoin

from lxml import etree, html
from markdown_it import MarkdownIt
from markdown_it.token import Token

_FRONT_MATTER = re.compile(r"\A---\n.*?\n---\n", re.DOTALL)
_BLOCKS = ("p", "li", "pre", "dt", "dd", "td", "th", "figcaption", "summary")
_HEADINGS = ("h1", "h2", "h3", "h4", "h5", "h6")


@dataclass(frozen=True)
class Passage:
    """A paragraph, a list item or a row of a table, and the headings that it stands below, outermost first."""

    headings: tuple[str, ...]
    text: str
    cells: tuple[str, ...] = ()
    """The cells of a row of a table."""
    names: tuple[str, ...] = ()
    """What is set as code in it; of a row of a table, in its first cell."""

    @property
    def with_heading(self) -> str:
        """The text, with the heading right above it: what a reader has in mind when reading it."""
        return f"{self.headings[-1]}: {self.text}" if self.headings else self.text

    def below(self, word: str) -> bool:
        """Whether it stands below a heading with that word in it, whatever the case or number."""
        pattern = re.compile(rf"\b{re.escape(word)}s?\b", re.IGNORECASE)
        return any(pattern.search(heading) for heading in self.headings)


@dataclass(frozen=True)
class Guide:
    """One document.

    Args:
        name: how a report calls it.
        text: its source.
        place: where it was found, a URL or a path; relative links are resolved against it.
    """

    name: str
    text: str = field(repr=False)
    place: str
    is_html: bool = False
    exchange: int | None = None
    """The number of the exchange that brought it, if it was served."""

    @cached_property
    def passages(self) -> Sequence[Passage]:
        """Its passages, in order."""
        return list(_html_passages(self._tree) if self.is_html else _markdown_passages(self._tokens))

    @cached_property
    def links(self) -> Sequence[str]:
        """Where its links lead, absolute, without fragments, each once."""
        written = (
            [str(link) for link in self._tree.xpath("//main//a/@href")]
            if self.is_html
            else [str(token.attrs["href"]) for token in _inside(self._tokens) if token.type == "link_open"]
        )
        return list(dict.fromkeys(urldefrag(urljoin(self.place, link)).url for link in written))

    @cached_property
    def code_lines(self) -> Sequence[str]:
        """The lines of its blocks of code, those that end in a backslash joined with the next."""
        blocks = (
            [str(block.text_content()) for block in self._tree.iter("pre")]
            if self.is_html
            else [token.content for token in self._tokens if token.type in ("fence", "code_block")]
        )
        lines = [line.strip() for block in blocks for line in re.sub(r"\s*\\\n\s*", " ", block).splitlines()]
        return [line for line in lines if line]

    @cached_property
    def _tokens(self) -> list[Token]:
        return MarkdownIt("commonmark").enable("table").parse(_FRONT_MATTER.sub("", self.text))

    @cached_property
    def _tree(self) -> html.HtmlElement:
        try:
            return html.document_fromstring(self.text.encode(), parser=html.HTMLParser(encoding="utf-8"))
        except (etree.ParserError, etree.XMLSyntaxError, ValueError):
            return html.document_fromstring("<p></p>")


def _markdown_passages(tokens: Sequence[Token]) -> Iterator[Passage]:
    headings: list[tuple[int, str]] = []
    cells: list[Token] = []
    for token, next_token in zip(tokens, [*tokens[1:], None], strict=True):
        if token.type == "heading_open" and next_token is not None:
            level = int(token.tag[1])
            headings = [(above, text) for above, text in headings if above < level]
            headings.append((level, _plain(next_token)))
        elif token.type == "tr_open":
            cells = []
        elif token.type == "tr_close":
            texts = tuple(_plain(cell) for cell in cells)
            yield Passage(_texts(headings), " | ".join(texts), texts, _code(cells[:1]))
        elif token.type in ("td_open", "th_open") and next_token is not None:
            cells.append(next_token)
        elif token.type == "paragraph_open" and next_token is not None:
            yield Passage(_texts(headings), _plain(next_token), names=_code([next_token]))


def _texts(headings: Sequence[tuple[int, str]]) -> tuple[str, ...]:
    return tuple(text for _, text in headings)


def _inside(tokens: Sequence[Token]) -> Iterator[Token]:
    for token in tokens:
        yield token
        yield from token.children or ()


def _plain(inline: Token) -> str:
    pieces = (
        " " if child.type in ("softbreak", "hardbreak") else child.content
        for child in inline.children or ()
        if child.type in ("text", "code_inline", "softbreak", "hardbreak")
    )
    return " ".join("".join(pieces).split())


def _code(inlines: Sequence[Token]) -> tuple[str, ...]:
    return tuple(child.content for inline in inlines for child in inline.children or () if child.type == "code_inline")


def _html_passages(tree: html.HtmlElement) -> Iterator[Passage]:
    headings: list[tuple[int, str]] = []
    main = tree.xpath("//main|//*[@role='main']")
    for element in (main[0] if main else tree).iter(*_HEADINGS, *_BLOCKS):
        text = " ".join(str(element.text_content()).split())
        if element.tag in _HEADINGS:
            level = int(element.tag[1])
            headings = [*((above, told) for above, told in headings if above < level), (level, text)]
        elif text and not any(True for _ in element.iterdescendants(*_BLOCKS)):
            names = tuple(str(code.text_content()) for code in element.iter("code"))
            yield Passage(_texts(headings), text, names=names)
