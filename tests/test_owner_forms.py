"""The owner without a browser: pages as they are read, forms as they are sent, and where redirects lead."""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import replace

import pytest

from pdpp_conformance.exchange import Recorder
from pdpp_conformance.html_pages import HtmlPage, named, ticked, with_values
from pdpp_conformance.owner_decisions import Shape, shape_of, wrong_code
from pdpp_conformance.owner_sessions import missing_attributes
from pdpp_conformance.redaction import Redactor
from pdpp_conformance.visitor import Visit, resolve
from tests.reverse_proxy import LocalServer, Passing, Reply

DECISION = HtmlPage(
    "https://as.example/device?user_code=BCDF-GHJK",
    b"""<!doctype html><title>A  device</title><body><nav><a href="/out">Sign out</a></nav>
    <main><h1>Allow <b>this</b>?</h1><p>One.<br>Two.</p><script>never()</script><p hidden>unseen</p>
    <form method="post" action="decide?x=1"><input type="hidden" name="csrf" value="k">
      <label for="s">songs</label><input id="s" type="checkbox" name="stream" value="songs" checked>
      <label><input type="checkbox" name="sure" required> It is my device</label>
      <select name="mode"><option value="once">Once</option><option value="ever" selected>Ever</option></select>
      <button name="act" value="deny">Decline</button>
      <button name="act" value="approve" formaction="/review">Allow access</button>
      <button type="button">Allow nothing</button></form>
    <input form="f" name="user_code"><form id="f" action="/device"></form></main>""",
)


def test_the_recorder_keeps_no_cookies() -> None:
    """Whoever is not given the owner's session does not come with it: what one answer set, the next request lacks."""

    def answer(passing: Passing) -> Reply:
        asked = {name.lower(): value for name, value in passing.headers.items()}
        headers = (("Set-Cookie", "session=secret; Path=/"), ("Content-Type", "application/json"))
        return Reply(200, headers, json.dumps(asked).encode())

    with LocalServer(answer) as server, closing(Recorder(Redactor())) as recorder:
        for _ in range(2):
            answered = recorder.send("GET", server.url, actor="somebody")
            assert answered.member("host") is not None
            assert answered.member("cookie") is None


class TestPages:
    def test_visible_words_are_read_a_line_a_block(self) -> None:
        """Scripts and hidden parts are no words of a page, and inline marks do not part a sentence."""
        assert DECISION.main_text.splitlines()[:3] == ["Allow this?", "One.", "Two."]
        assert "never" not in DECISION.text
        assert "unseen" not in DECISION.text
        assert DECISION.title == "A device"

    def test_a_button_sends_its_form_as_it_stands(self) -> None:
        """Hidden fields, checked boxes, chosen options and the pressed button go along; unchecked boxes do not."""
        deny = DECISION.offers(["Deny", "Decline"])
        assert deny is not None
        assert (deny.form.method, deny.form.url) == ("POST", "https://as.example/decide?x=1")
        assert deny.pairs == (("csrf", "k"), ("stream", "songs"), ("mode", "ever"), ("act", "deny"))

    def test_a_button_may_send_it_elsewhere(self) -> None:
        """A button's own action wins over its form's, and what has to be ticked can be."""
        approve = DECISION.offers(["Approve", "Allow"])
        assert approve is not None
        assert approve.form.url == "https://as.example/review"
        assert ("sure", "on") in approve.filled(ticked).pairs
        assert ("sure", "on") not in approve.pairs

    def test_a_button_without_a_form_is_not_pressed(self) -> None:
        """What only a script answers is no way on."""
        assert [choice.name for choice in named(DECISION.buttons, ["Allow"])] == ["Allow access"]

    def test_the_code_field_is_found_by_its_name_or_alone(self) -> None:
        """A control outside the form that it names belongs to that form."""
        entry = DECISION.code_entry
        assert entry is not None
        assert entry.filled(with_values({"user_code": "B C"})).as_query() == "https://as.example/device?user_code=B+C"
        alone = HtmlPage("https://as.example/", b"<form><input type=text name=c></form>").code_entry
        assert alone is not None
        assert HtmlPage("https://as.example/", b"<form><input name=a><input name=b></form>").code_entry is None

    def test_a_sign_in_form_has_a_password(self) -> None:
        """A form with a password is the sign-in form, and takes no user code."""
        page = HtmlPage("https://as.example/", b"<form method=post><input name=u><input type=password name=p></form>")
        assert page.sign_in is not None
        assert page.code_entry is None

    @pytest.mark.parametrize("body", [b"", b"\x00\xff", b"{}", b"<p>" * 3000, b"<form action='http://[x'>"])
    def test_rubbish_is_a_page_without_forms_to_press(self, body: bytes) -> None:
        """Whatever a target answers, reading it is no fault of the harness."""
        page = HtmlPage("https://as.example/", body)
        assert page.buttons == ()
        assert page.sign_in is None
        assert isinstance(page.text, str)

    def test_pages_that_need_scripts_are_told(self) -> None:
        """A page with scripts and no form leads nowhere without a browser."""
        assert HtmlPage("https://as.example/", b"<div id=root></div><script src=a.js></script>").needs_javascript
        assert not DECISION.needs_javascript


@pytest.mark.parametrize(
    ("location", "leads"),
    [
        ("/device", "https://as.example/device"),
        ("//elsewhere.example/", "https://elsewhere.example/"),
        ("/\\elsewhere.example/", "https://elsewhere.example/"),
        ("/\t/elsewhere.example/", "https://elsewhere.example/"),
        ("\\\\elsewhere.example", "https://elsewhere.example"),
        ("///elsewhere.example/", "https://elsewhere.example/"),
        (" https:\\\\elsewhere.example/", "https://elsewhere.example/"),
        ("http:elsewhere.example/", "http://elsewhere.example/"),
        ("https:device", "https://as.example/owner/device"),
        ("javascript:alert(1)", "javascript:alert(1)"),
        ("/a?next=\\\\b", "https://as.example/a?next=\\\\b"),
    ],
)
def test_redirects_lead_where_a_browser_goes(location: str, leads: str) -> None:
    """What looks like a path and names a host is seen as one."""
    assert resolve("https://as.example/owner/login", location) == leads


def test_answers_are_compared_without_what_changes_each_time() -> None:
    """Two answers that differ in a code, a number or a key only are alike; another word makes them differ."""

    def shape(code: str, text: str) -> Shape:
        page = HtmlPage("https://as.example/device/4711", text.encode())
        return shape_of(Visit((), page), code)

    first = shape("BCDF-GHJK", "<p>No code bcdf ghjk at 12:30, key 0a1b2c3d4e5f6071</p>")
    assert first == shape("LMNP-QRST", "<p>No code LMNPQRST at 12:31, key ffeeddccbbaa9988</p>")
    assert first != shape("LMNP-QRST", "<p>Expired code LMNPQRST at 12:31, key ffeeddccbbaa9988</p>")
    assert first != replace(first, statuses=(302,))


def test_a_wrong_code_looks_like_a_right_one() -> None:
    """It has the letters and the punctuation of an issued one, and is another, also where all letters are one."""
    made = wrong_code("BCDF-GHJK")
    assert made != "BCDF-GHJK"
    assert (len(made), made[4]) == (9, "-")
    assert set(made) <= set("BCDF-GHJK")
    assert wrong_code("111-111") != "111-111"


@pytest.mark.parametrize(
    ("header", "https", "missing"),
    [
        ("s=1; Path=/; HttpOnly; SameSite=Lax", False, []),
        ("s=1; httponly; samesite=strict; secure", True, []),
        ("s=1; HttpOnly; SameSite=Lax", True, ["Secure"]),
        ("s=1; HttpOnly; SameSite=None; Secure", True, ["SameSite"]),
        ("s=HttpOnly", False, ["HttpOnly", "SameSite"]),
    ],
)
def test_cookie_attributes_are_read_as_browsers_read_them(header: str, https: bool, missing: list[str]) -> None:
    """Names are taken without case; a value is no attribute; SameSite=None protects nothing."""
    assert missing_attributes(header, https=https) == missing
