"""No secret of a run stands in its report, in any spelling, and the scan that says so can fail."""

from __future__ import annotations

import base64
import html
import json
import random
import re
import string
import sys
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pdpp_conformance.redaction import SECRET_PARAMETERS, SHORTEST_SECRET, Redactor

SECRETS = (
    "8f-Zq_31.xT~",
    "p&ss \"w<o>r'd/ü+=",
    "ключ-ключ-ключ",
    "\x07tab\there\\back\nslash",
    "𝔘nicode of four bytes",
)
CANARY = "canary/Wz7+Qk2=Lr9~Xv4?Nb6"

SPELLINGS: dict[str, Callable[[str], str]] = {
    "clear": str,
    "quoted": lambda secret: quote(secret, safe=""),
    "quoted but for slashes": quote,
    "quoted as a form": quote_plus,
    "quoted in lower case": lambda secret: "".join(
        chr(byte) if chr(byte) in f"{string.ascii_letters}{string.digits}-._~" else f"%{byte:02x}"
        for byte in secret.encode()
    ),
    "escaped for HTML": html.escape,
    "escaped for HTML, quotes kept": lambda secret: html.escape(secret, quote=False),
    "escaped for HTML, quotes by number": lambda secret: (
        html.escape(secret).replace("&quot;", "&#34;").replace("&#x27;", "&#39;")
    ),
    "escaped for JSON": lambda secret: json.dumps(secret)[1:-1],
    "escaped for JSON, letters kept": lambda secret: json.dumps(secret, ensure_ascii=False)[1:-1],
    "base64": lambda secret: base64.b64encode(secret.encode()).decode(),
    "base64 without padding": lambda secret: base64.b64encode(secret.encode()).decode().rstrip("="),
    "base64 for URLs": lambda secret: base64.urlsafe_b64encode(secret.encode()).decode(),
    "base64 for URLs without padding": lambda secret: (
        base64.urlsafe_b64encode(secret.encode()).decode().rstrip("=")
    ),
}  # fmt: skip


def redactor_of(secrets: Iterable[str], word: str = "token") -> Redactor:
    redactor = Redactor()
    for secret in secrets:
        redactor.register(secret, word)
    return redactor


class TestReplacing:
    @pytest.mark.parametrize("secret", SECRETS)
    @pytest.mark.parametrize("spelling", SPELLINGS)
    def test_every_spelling(self, secret: str, spelling: str) -> None:
        """However a secret is written, its label stands there instead."""
        redacted = redactor_of([secret]).redact(f"({SPELLINGS[spelling](secret)})")
        assert redacted.rstrip("=)") == "(⟨token:1⟩"

    @pytest.mark.parametrize("secret", SECRETS)
    def test_in_json_of_json(self, secret: str) -> None:
        """A body that is JSON is itself written as a JSON text; only the label is left of its secret."""
        redactor = redactor_of([secret])
        written = json.dumps(redactor.redact_all({"body": json.dumps({"access_token": secret})}), ensure_ascii=False)
        assert json.loads(json.loads(written)["body"]) == {"access_token": "⟨token:1⟩"}

    def test_equal_secrets_equal_labels(self) -> None:
        """The evidence tells which secret is which, and the first word that one was met under stays."""
        redactor = Redactor()
        for secret, word in (("first code", "device_code"), ("other code", "device_code"), ("first code", "bearer")):
            redactor.register(secret, word)
        assert redactor.redact("other code, first code, first code") == (
            "⟨device_code:2⟩, ⟨device_code:1⟩, ⟨device_code:1⟩"
        )

    @pytest.mark.parametrize(
        "written", ["BCDF-GHJK", "BCDFGHJK", "bcdf-ghjk", "bcdfghjk", "BCDF GHJK", "bcdf+ghjk", "bcdf%20ghjk"]
    )
    @pytest.mark.parametrize("registered", ["BCDF-GHJK", "BCDFGHJK", "BCDF GHJK"])
    def test_user_codes(self, registered: str, written: str) -> None:
        """An owner types a user code as they like."""
        assert redactor_of([registered], "user_code").redact(f"<{written}>") == "<⟨user_code:1⟩>"

    @pytest.mark.parametrize("order", [1, -1])
    def test_a_secret_in_a_secret(self, order: int) -> None:
        """The longer one wins where both stand, whichever was learned first."""
        redactor = redactor_of(["abcdefgh", "cdef", "abcdefghijkl"][::order])
        labels = {secret: redactor.redact(secret) for secret in redactor.secrets}
        assert len(set(labels.values())) == 3
        for secret in labels:
            assert redactor.redact(f"-{secret}-") == f"-{labels[secret]}-"

    def test_overlapping_secrets(self) -> None:
        """Of two secrets that share a stretch neither is left whole."""
        redacted = redactor_of(["abcdefgh", "efghijkl"]).redact("abcdefghijkl")
        assert redacted == "⟨token:1⟩ijkl"

    def test_too_short_to_be_secret(self) -> None:
        """A value of three characters occurs everywhere."""
        assert SHORTEST_SECRET == 4
        assert redactor_of(["abc", ""]).redact("abc") == "abc"

    def test_texts_at_every_depth(self) -> None:
        """Members' names, lists and tuples are redacted; what is no text stays as it is."""
        redacted = redactor_of(["secret text"]).redact_all(
            {"a secret text": ["secret text", ("secret text",), 7, None]}
        )
        assert redacted == {"a ⟨token:1⟩": ["⟨token:1⟩", ["⟨token:1⟩"], 7, None]}

    def test_half_a_surrogate_pair(self, tmp_path: Path) -> None:
        """What JSON allows and UTF-8 does not is a secret like any other."""
        redactor = redactor_of([json.loads('"half \\ud800 a pair"')])
        assert redactor.redact("<half \ud800 a pair>") == "<⟨token:1⟩>"
        (tmp_path / "run.json").write_text('{"token": "half \\ud800 a pair"}')
        assert redactor.leaks(tmp_path) == ["run.json: ⟨token:1⟩"]

    def test_nothing_registered(self) -> None:
        """Text without secrets is left alone."""
        assert Redactor().redact("text") == "text"
        assert redactor_of(["something else"]).redact("text") == "text"


class TestLearning:
    @pytest.mark.parametrize("name", SECRET_PARAMETERS)
    def test_from_forms(self, name: str) -> None:
        """A form's secret parameters, decoded."""
        redactor = Redactor()
        redactor.register_from_form(f"client_id=a+client&{name}=a%2Fsecret+text&grant_type=x&{name}=another+one")
        assert list(redactor.secrets) == ["a/secret text", "another one"]
        assert redactor.redact("a/secret text") == f"⟨{SECRET_PARAMETERS[name]}:1⟩"

    def test_from_urls(self) -> None:
        """A URL's query: verification URIs carry user codes."""
        redactor = Redactor()
        redactor.register_from_url("https://as.example/device?user_code=BCDF-GHJK&lang=en#fragment")
        assert list(redactor.secrets) == ["BCDF-GHJK"]

    def test_from_json(self) -> None:
        """JSON members at every depth; an error's code is no authorization code."""
        redactor = Redactor()
        redactor.register_from_json(
            {
                "access_token": "the access token",
                "nested": [{"refresh_token": "the refresh token"}, {"deeper": {"device_code": "the device code"}}],
                "error": {"code": "permission_error"},
                "user_code": None,
            }
        )
        assert set(redactor.secrets) == {"the access token", "the refresh token", "the device code"}

    @pytest.mark.parametrize(
        ("name", "value", "secret"),
        [
            ("Authorization", "Bearer the-bearer-token", "the-bearer-token"),
            ("authorization", "bearer   the-bearer-token ", "the-bearer-token"),
            ("Authorization", "Basic dXNlcjpwYXNzd29yZA==", "dXNlcjpwYXNzd29yZA=="),
            ("AUTHORIZATION", "the-bearer-token", "the-bearer-token"),
            ("Set-Cookie", "session=0123456789abcdef; HttpOnly; Path=/", "0123456789abcdef"),
            ("Set-Cookie", 'session="0123456789abcdef"; Secure', "0123456789abcdef"),
            ("Cookie", "lang=en; session=0123456789abcdef", "0123456789abcdef"),
            ("Cookie", "session=AbCdEfGhIjKlMnOpQrStUv", "AbCdEfGhIjKlMnOpQrStUv"),
            ("Location", "https://client.example/cb?code=the-code&state=s", "the-code"),
        ],
    )
    def test_from_headers(self, name: str, value: str, secret: str) -> None:
        """Bearers, basic credentials, cookies, and what a redirection carries."""
        redactor = Redactor()
        redactor.register_from_headers([("Accept", "text/html, application/json;q=0.9"), (name, value)])
        assert list(redactor.secrets) == [secret]

    def test_an_identifier_tried_as_a_bearer(self) -> None:
        """What a server names a client or a grant by is public; a token it was given for a name stays a secret."""
        redactor = Redactor()
        redactor.register_from_json({"client_id": "client_39749f17fe1d", "grant_id": "the-token-itself"})
        redactor.register_from_headers([("Authorization", "Bearer client_39749f17fe1d")])
        redactor.register_from_json({"access_token": "the-token-itself"})
        assert redactor.redact("client_39749f17fe1d the-token-itself") == "client_39749f17fe1d ⟨access_token:1⟩"

    def test_an_identifier_tried_before_it_was_told_of(self, tmp_path: Path) -> None:
        """It is labelled, for it could have been a code; that a journal names it is no leak. Of a code it would be."""
        redactor = Redactor()
        redactor.register_from_form("device_code=grt_39749f17fe1d&code=a-code-that-was-given-out")
        redactor.register_from_headers([("Location", "/callback?code=another-code-given-out")])
        redactor.register_from_json({"access_token": "a-code-that-was-given-out"})
        codes = ("a-code-that-was-given-out", "another-code-given-out")
        for name in ("grt_39749f17fe1d", *codes):
            redactor.register_from_json({"grant_id": name})
        (tmp_path / "journal.jsonl").write_text(f"grt_39749f17fe1d {' '.join(codes)}")
        assert redactor.redact("grt_39749f17fe1d") == "⟨device_code:1⟩"
        assert redactor.leaks(tmp_path) == [f"journal.jsonl: ⟨authorization_code:{number}⟩" for number in (1, 2)]

    def test_from_html(self) -> None:
        """Hidden values and CSRF tokens, unescaped; not what a page says in plain words."""
        redactor = Redactor()
        redactor.register_from_html(
            """<meta name="csrf-token" content="meta-0123456789abc">
            <INPUT TYPE=HIDDEN name=a value='one&amp;0123456789ab'>
            <input type="hidden" name="next" value="/owner/grants/and/more">
            <input type="text" value="visible-0123456789">
            <input type="hidden" name="b" value="short"><input type="hidden" name="c" value="Characteristically">
            <input type="hidden" name="d"><input type="hidden" name="e" value="https://client.example/cb?x=y">"""
        )
        assert list(redactor.secrets) == ["meta-0123456789abc", "one&0123456789ab"]

    @pytest.mark.parametrize("depth", [0, 118, 119, 120, 254, 256, 1000])
    def test_from_html_of_any_depth(self, depth: int) -> None:
        """A hidden value is learned however deep in the page it stands."""
        redactor = Redactor()
        redactor.register_from_html("<div>" * depth + '<input type="hidden" name="a" value="deep-0123456789abc">')
        assert list(redactor.secrets) == ["deep-0123456789abc"]


class TestLeakScan:
    @pytest.mark.parametrize("spelling", SPELLINGS)
    @pytest.mark.parametrize("canary", [CANARY, *SECRETS])
    def test_finds_every_spelling(self, tmp_path: Path, canary: str, spelling: str) -> None:
        """A planted canary is found as it is written, and told by its label alone."""
        (tmp_path / "deep" / "er").mkdir(parents=True)
        (tmp_path / "deep" / "er" / "page.html").write_text(f"before {SPELLINGS[spelling](canary)} after", "utf-8")
        assert redactor_of([canary]).leaks(tmp_path) == [f"{Path('deep/er/page.html')}: ⟨token:1⟩"]

    @pytest.mark.parametrize("alphabet", [base64.b64encode, base64.urlsafe_b64encode])
    @pytest.mark.parametrize("before", range(4))
    @pytest.mark.parametrize("after", range(3))
    @pytest.mark.parametrize("canary", [CANARY, "ü-12345", "??>>~~8ch"])
    def test_finds_it_inside_base64(
        self, tmp_path: Path, canary: str, before: int, after: int, alphabet: Callable[[bytes], bytes]
    ) -> None:
        """However a secret is aligned in a longer text that was encoded whole, it is found."""
        whole = b"x" * (30 + before) + canary.encode() + b"y" * (30 + after)
        (tmp_path / "file").write_bytes(b"data:;base64," + alphabet(whole))
        assert redactor_of([canary]).leaks(tmp_path) == ["file: ⟨token:1⟩"]

    def test_finds_it_among_bytes(self, tmp_path: Path) -> None:
        """A screenshot's bytes are no text, and are read all the same."""
        (tmp_path / "page.png").write_bytes(bytes(range(256)) * 40 + CANARY.encode() + bytes(range(255, -1, -1)))
        assert redactor_of([CANARY]).leaks(tmp_path) == ["page.png: ⟨token:1⟩"]

    def test_a_label_is_no_leak(self, tmp_path: Path) -> None:
        """A password that is a word of its own label is only found where it stands by itself."""
        redactor = redactor_of(["password"], "password")
        (tmp_path / "redacted").write_text(redactor.redact("password=password"), "utf-8")
        (tmp_path / "leaking").write_text("⟨password:1⟩=password", "utf-8")
        assert redactor.leaks(tmp_path) == ["leaking: ⟨password:1⟩"]

    def test_names_each_file_and_each_secret_once(self, tmp_path: Path) -> None:
        """One line a leak, sorted, and never the secret."""
        for name, text in (("b", f"{CANARY} {CANARY}"), ("a", f"{CANARY} other secret"), ("c", "nothing")):
            (tmp_path / name).write_text(text)
        leaks = redactor_of([CANARY, "other secret"]).leaks(tmp_path)
        assert leaks == ["a: ⟨token:1⟩", "a: ⟨token:2⟩", "b: ⟨token:1⟩"]

    def test_finds_nothing_in_what_was_redacted(self, tmp_path: Path) -> None:
        """Redacted text is clean, as is text of others."""
        redactor = redactor_of([CANARY, *SECRETS])
        everything = "\n".join(write(secret) for write in SPELLINGS.values() for secret in redactor.secrets)
        (tmp_path / "redacted").write_text(redactor.redact(everything), "utf-8")
        (tmp_path / "other").write_bytes(bytes(range(256)) * 500)
        (tmp_path / "part").write_text(CANARY[:-1])
        assert redactor.leaks(tmp_path) == []
        assert Redactor().leaks(tmp_path) == []


SECRET_TEXT = st.text(st.characters(codec="utf-8", exclude_characters="⟨⟩:"), min_size=SHORTEST_SECRET, max_size=40)
TOKEN_TEXT = st.text(st.sampled_from("ab-_/+=%& \"'<"), min_size=SHORTEST_SECRET, max_size=8)


class TestProperties:
    @given(
        secrets=st.lists(SECRET_TEXT | TOKEN_TEXT, min_size=1, max_size=8),
        order=st.lists(st.tuples(st.integers(0, 7), st.sampled_from(sorted(SPELLINGS))), max_size=12),
        between=st.text(max_size=5),
    )
    @example(
        secrets=["aaaa", "aaab", "aaa a"], order=[(0, "clear"), (1, "clear"), (2, "quoted as a form")], between="a"
    )
    @settings(max_examples=150, derandomize=True, database=None, deadline=None)
    def test_no_secret_is_left(self, secrets: list[str], order: list[tuple[int, str]], between: str) -> None:
        """Whatever is registered and however it is written in a row, the redacted text has none of it."""
        redactor = redactor_of(secrets, "9")
        text = between.join(SPELLINGS[spelling](secrets[index % len(secrets)]) for index, spelling in order)
        redacted = redactor.redact(text)
        for piece in redacted.replace("⟩", "⟨").split("⟨")[::2]:
            assert [secret for secret in secrets if secret in piece] == []


def test_thousands_of_secrets_stay_fast(tmp_path: Path) -> None:
    """A long run's secrets are replaced in its evidence, and looked for in its report, in seconds."""
    chance = random.Random(1)  # noqa: S311 - repeatable, not secret
    alphabet = string.ascii_letters + string.digits + "-_"
    secrets = ["".join(chance.choices(alphabet, k=43)) for _ in range(3000)]
    filler = "".join(chance.choices(alphabet + " \n", k=1600))
    text = "".join(f"{filler}{secret}" for secret in secrets)
    assert len(text) > 4_900_000
    redactor = redactor_of(secrets)
    started = time.process_time()
    redacted = redactor.redact(text)
    assert time.process_time() - started < 2
    assert redacted.count("⟨token:") == 3000
    (tmp_path / "redacted").write_text(redacted, "utf-8")
    started = time.process_time()
    assert redactor.leaks(tmp_path) == []
    assert time.process_time() - started < 4


def test_what_is_learned_while_others_write() -> None:
    """A secret that one thread learns while another redacts is redacted from then on, under a label of its own."""
    redactor, learned = Redactor(), [[f"secret-{thread}-{number}" for number in range(400)] for thread in range(4)]
    over = threading.Event()

    def write() -> None:
        while not over.is_set():
            redactor.redact("nothing that is secret")

    def learn(secrets: Iterable[str]) -> None:
        for secret in secrets:
            redactor.register(secret, "word")

    writer = threading.Thread(target=write)
    writer.start()
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        with ThreadPoolExecutor(len(learned)) as pool:
            list(pool.map(learn, learned))
    finally:
        sys.setswitchinterval(interval)
        over.set()
        writer.join()
    labels = [redactor.redact(secret) for secrets in learned for secret in secrets]
    assert all(re.fullmatch(r"⟨word:\d+⟩", label) for label in labels)
    assert len(set(labels)) == len(labels)
