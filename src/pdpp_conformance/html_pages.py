"""An HTML page as somebody without JavaScript reads it: its words, its links, its forms and what each button sends."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import islice
from urllib.parse import urlencode, urljoin, urlunsplit

from lxml import etree, html

from pdpp_conformance.urls import parts_of

Pairs = tuple[tuple[str, str], ...]

MOST_ELEMENTS = 150
"""How many forms, buttons, links or controls of a page are read: each control is looked for from each button."""

_INVISIBLE = frozenset({"head", "script", "style", "template", "svg", "datalist", "option", "textarea"})
_INLINE = frozenset(
    {"a", "abbr", "b", "bdi", "bdo", "cite", "code", "em", "i", "kbd", "mark", "q", "s", "small", "span", "strong"}
    | {"sub", "sup", "time", "u", "var", "wbr", "label", "input", "img"}
)
_NOT_DISPLAYED = re.compile(r"display\s*:\s*none", re.IGNORECASE)
_SPACES = re.compile(r"\s+")
_TEXT_KINDS = frozenset({"text", "tel", "number", ""})
_BUTTON_KINDS = frozenset({"submit", "image", "button", "reset"})


@dataclass(frozen=True)
class Control:
    """A control of a form that holds a value."""

    name: str
    kind: str
    """The type of an ``input`` in lower case, ``select`` or ``textarea``."""
    value: str
    label: str
    checked: bool = False
    required: bool = False

    @property
    def is_sent(self) -> bool:
        """Whether the form sends it: boxes and radio buttons only when they are checked."""
        return bool(self.name) and (self.checked or self.kind not in ("checkbox", "radio"))


@dataclass(frozen=True)
class Form:
    """A form, with the values that its controls have or were given."""

    url: str
    method: str
    """``GET`` or ``POST``."""
    controls: tuple[Control, ...] = ()

    def filled(self, change: Callable[[Control], Control]) -> Form:
        """Return the form after ``change`` was applied to each of its controls."""
        return replace(self, controls=tuple(change(control) for control in self.controls))

    def only(self, *kinds: str) -> Control | None:
        """Return the one control of these kinds, ``None`` where there are none or several."""
        found = [control for control in self.controls if control.kind in kinds and control.name]
        return found[0] if len(found) == 1 else None

    @property
    def code_field(self) -> Control | None:
        """The control that takes a user code: the one that is called so, or else the only text field."""
        named = [control for control in self.controls if control.name == "user_code" and control.kind in _TEXT_KINDS]
        return named[0] if named else None if self.only("password") else self.only(*_TEXT_KINDS)


@dataclass(frozen=True)
class Choice:
    """Something to press, by its visible name: a button of a form, or a link."""

    name: str
    form: Form
    sent: Pairs = ()
    """What the button itself adds to the form."""
    is_link: bool = False
    element: html.HtmlElement | None = field(default=None, repr=False, compare=False)

    @property
    def pairs(self) -> Pairs:
        """What is sent when it is pressed."""
        return (*((c.name, c.value) for c in self.form.controls if c.is_sent), *self.sent)

    def filled(self, change: Callable[[Control], Control]) -> Choice:
        """Return the choice on a form after ``change`` was applied to each control."""
        return replace(self, form=self.form.filled(change))

    def as_query(self) -> str:
        """Return the URL under which a GET form asks: its own query gives way to what is sent."""
        if self.is_link:
            return self.form.url
        return urlunsplit((*parts_of(self.form.url)[:3], urlencode(self.pairs), ""))

    def surroundings(self, read: dict[html.HtmlElement, str]) -> Iterator[str]:
        """Yield what stands around it, the nearest first: the text, addresses and hidden values of each block.

        Args:
            read: what other choices of the page read already; they share most of their blocks.
        """
        element = self.element
        while element is not None:
            if element not in read:
                values = [value for part in element.iter("form", "a", "input", "button") for value in part.values()]
                read[element] = " ".join((_text(element), *map(str, values)))
            yield read[element]
            element = element.getparent()


@dataclass(frozen=True)
class HtmlPage:
    """One page that was read.

    Args:
        url: where it was found; relative addresses are resolved against it.
    """

    url: str
    body: bytes = field(repr=False)

    @cached_property
    def _root(self) -> html.HtmlElement | None:
        try:
            return html.document_fromstring(self.body, parser=html.HTMLParser(encoding="utf-8"))
        except (etree.ParserError, etree.XMLSyntaxError, ValueError):
            return None  # nothing that could be a page

    def _all(self, *tags: str) -> list[html.HtmlElement]:
        if self._root is None:
            return []
        if tags not in self._visible:
            first = islice(self._root.iter(*tags), MOST_ELEMENTS)
            self._visible[tags] = [element for element in first if not _is_hidden(element)]
        return self._visible[tags]

    @cached_property
    def _visible(self) -> dict[tuple[str, ...], list[html.HtmlElement]]:
        """The elements of some tags, once they were looked for."""
        return {}

    @cached_property
    def _read_forms(self) -> dict[html.HtmlElement, Form]:
        """The forms that were read, of which every button of theirs is asked."""
        return {}

    @cached_property
    def title(self) -> str:
        return "" if self._root is None else _squeezed(self._root.findtext(".//title") or "")

    @cached_property
    def text(self) -> str:
        """The visible words, a line a block."""
        return "" if self._root is None else _text(self._root)

    @cached_property
    def main_text(self) -> str:
        """The visible words of the main part, where the page marks one."""
        marked = [] if self._root is None else self._root.xpath("//main|//*[@role='main']")
        return _text(marked[0]) if marked else self.text

    @property
    def headings(self) -> list[str]:
        """The visible headings."""
        return [_name(element) for element in self._all("h1", "h2", "h3", "h4")]

    def text_marked(self, attribute: str, value: str) -> str:
        """The visible words of every element that bears an attribute with this value."""
        marked = [] if self._root is None else self._root.xpath("//*[@*[name()=$a]=$v]", a=attribute, v=value)
        return "\n".join(_text(element) for element in marked)

    @cached_property
    def needs_javascript(self) -> bool:
        """Whether it has scripts and no form, so that without them it leads nowhere."""
        return bool(self._root is not None and self._root.xpath("//script")) and not self.forms

    @cached_property
    def _base(self) -> str:
        bases = [] if self._root is None else self._root.xpath("//base/@href")
        return _joined(self.url, str(bases[0])) if bases else self.url

    @cached_property
    def buttons(self) -> tuple[Choice, ...]:
        """The buttons that send a form, in their order."""
        return tuple(
            choice for element in self._all("button", "input") if (choice := self._button(element)) is not None
        )

    @cached_property
    def links(self) -> tuple[Choice, ...]:
        """The links, in their order."""
        return tuple(
            Choice(_name(element), Form(_joined(self._base, element.get("href")), "GET"), is_link=True, element=element)
            for element in self._all("a")
            if element.get("href")
        )

    @cached_property
    def forms(self) -> tuple[Choice, ...]:
        """Each form as its first button sends it, or as it is sent without one."""
        return tuple(self._first_choice(element) for element in self._all("form"))

    def offers(self, names: Sequence[str], *, links: bool = True) -> Choice | None:
        """Return the first button, or else link, whose visible name begins with one of ``names``."""
        found = [*named(self.buttons, names), *named(self.links if links else (), names)]
        return found[0] if found else None

    @property
    def sign_in(self) -> Choice | None:
        """The form that takes a password, with its button."""
        return next((choice for choice in self.forms if choice.form.only("password")), None)

    @property
    def code_entry(self) -> Choice | None:
        """The form that takes a user code, with its button."""
        found = [choice for choice in self.forms if choice.form.code_field is not None]
        named = (choice for choice in found if choice.form.code_field.name == "user_code")  # type: ignore[union-attr]
        return next(named, found[0] if found else None)

    # -- forms -------------------------------------------------------------------------------------------------------

    def _form_of(self, element: html.HtmlElement) -> html.HtmlElement | None:
        """The form a control belongs to: the one it names, or else the one it stands in."""
        named = element.get("form")
        if named is not None and self._root is not None:
            found = self._root.xpath("//form[@id=$id]", id=named)
            return found[0] if found else None
        return next(element.iterancestors("form"), None)

    def _button(self, element: html.HtmlElement) -> Choice | None:
        kind = _kind(element)
        form = self._form_of(element)
        if kind not in ("submit", "image") or form is None or element.get("disabled") is not None:
            return None
        read = self._form(form)
        read = replace(
            read,
            url=_joined(self._base, element.get("formaction")) if element.get("formaction") else read.url,
            method=(element.get("formmethod") or read.method).upper(),
        )
        name = element.get("name")
        sent = ((name, element.get("value") or ""),) if name else ()
        return Choice(_name(element), read, sent, element=element)

    def _first_choice(self, element: html.HtmlElement) -> Choice:
        own = [button for button in self._all("button", "input") if self._form_of(button) is element]
        choices = [choice for button in own if (choice := self._button(button)) is not None]
        return choices[0] if choices else Choice("", self._form(element), element=element)

    def _form(self, element: html.HtmlElement) -> Form:
        if element not in self._read_forms:
            self._read_forms[element] = self._form_as_written(element)
        return self._read_forms[element]

    def _form_as_written(self, element: html.HtmlElement) -> Form:
        controls = [
            self._control(control)
            for control in islice(
                () if self._root is None else self._root.iter("input", "select", "textarea"), MOST_ELEMENTS
            )
            if self._form_of(control) is element and control.get("disabled") is None
        ]
        return Form(
            url=_joined(self._base, element.get("action") or self.url),
            method="POST" if (element.get("method") or "").strip().lower() == "post" else "GET",
            controls=tuple(control for control in controls if control.kind not in _BUTTON_KINDS),
        )

    def _control(self, element: html.HtmlElement) -> Control:
        kind = _kind(element)
        value = element.get("value")
        if kind == "select":
            options = list(element.iter("option"))
            chosen = next((option for option in options if option.get("selected") is not None), (options or [None])[0])
            value = "" if chosen is None else chosen.get("value", _squeezed(chosen.text_content()))
        elif kind == "textarea":
            value = element.text_content()
        return Control(
            name=element.get("name") or "",
            kind=kind,
            value=value if value is not None else "on" if kind in ("checkbox", "radio") else "",
            label=self._label(element),
            checked=element.get("checked") is not None,
            required=element.get("required") is not None,
        )

    def _label(self, element: html.HtmlElement) -> str:
        said = element.get("aria-label")
        if said:
            return _squeezed(said)
        labels = list(element.iterancestors("label"))
        if element.get("id") and self._root is not None:
            labels += self._root.xpath("//label[@for=$id]", id=element.get("id"))
        return _squeezed(" ".join(_text(label) for label in labels))


def named(choices: Sequence[Choice], names: Sequence[str]) -> list[Choice]:
    """Return the choices whose visible names begin with one of ``names``, in the order of ``names``."""
    begins = [re.compile(rf"\s*{re.escape(name)}\b", re.IGNORECASE) for name in names]
    return [choice for pattern in begins for choice in choices if pattern.match(choice.name)]


def with_values(values: Mapping[str, str]) -> Callable[[Control], Control]:
    """Return the change that gives the controls of these names these values."""
    return lambda control: replace(control, value=values[control.name]) if control.name in values else control


def as_it_is(control: Control) -> Control:
    """Change nothing."""
    return control


def ticked(control: Control) -> Control:
    """Tick a box that has to be ticked before the form can be sent."""
    return replace(control, checked=True) if control.kind == "checkbox" and control.required else control


def _joined(base: str, reference: str | None) -> str:
    try:
        return urljoin(base, (reference or "").strip())
    except ValueError:
        return base


def _kind(element: html.HtmlElement) -> str:
    tag, kind = str(element.tag), (element.get("type") or "").strip().lower()
    if tag == "button":
        return kind if kind in ("button", "reset") else "submit"
    return kind if tag == "input" else tag


def _is_hidden(element: html.HtmlElement) -> bool:
    return any(_hides(part) or part.tag == "template" for part in (element, *element.iterancestors()))


def _hides(element: html.HtmlElement) -> bool:
    """Whether an element hides itself, with what is in it."""
    style = element.get("style")
    return element.get("hidden") is not None or (style is not None and bool(_NOT_DISPLAYED.search(style)))


def _name(element: html.HtmlElement) -> str:
    """The name under which a reader knows a button, a link or a heading."""
    value = element.get("value") if element.tag == "input" else None
    return _squeezed(element.get("aria-label") or value or _text(element))


def _text(element: html.HtmlElement) -> str:
    pieces: list[str] = []
    _collect(element, pieces)
    lines = (_squeezed(line) for line in "".join(pieces).split("\n"))
    return "\n".join(line for line in lines if line)


def _collect(element: html.HtmlElement, pieces: list[str]) -> None:
    """Gather the visible text below an element; libxml2 keeps the depth of a page within bounds."""
    if element.tag in _INVISIBLE or _hides(element):
        return
    edge = "" if element.tag in _INLINE else "\n"
    pieces += (edge, _squeezed_inside(element.text))
    for child in element:
        if isinstance(child.tag, str):
            _collect(child, pieces)
        pieces.append(_squeezed_inside(child.tail))
    pieces.append(edge)


def _squeezed_inside(text: str | None) -> str:
    return _SPACES.sub(" ", text) if text else ""


def _squeezed(text: str) -> str:
    return " ".join(text.split())
