"""Where the owner's password goes: to the origins under test, over TLS or on this machine, and nowhere else."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from pdpp_conformance.approver.http import HttpApprover
from pdpp_conformance.exchange import OffLimits, Recorder
from pdpp_conformance.patience import Patience
from pdpp_conformance.redaction import Redactor
from pdpp_conformance.target import ApproverWords
from pdpp_conformance.verdict import Blocked
from tests.loopback import listening
from tests.vacuous_targets import Vacuous

PASSWORD = "the owner's own & secret password"


class SignIn(Vacuous):
    """Asks for a password at every address, with a form that leads to ``action``; answers it as ``answer_to`` says."""

    action = "/login"
    method = "post"
    redirect: tuple[int, str] | None = None
    received: list[str]

    def answer(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length).decode()
        self.received.append(f"{self.path}\n{self.headers}\n{body}")
        sent = self.command == "POST" or "password=" in self.path
        if sent and self.redirect is not None:
            self.send_response(self.redirect[0])
            self.send_header("Location", self.redirect[1])
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        page = f"""<!doctype html><title>Sign in</title><form method="{self.method}" action="{self.action}">
            <input type="password" name="password"><button>Sign in</button></form>""".encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        self.wfile.write(page)

    do_GET = do_HEAD = do_POST = answer  # noqa: N815


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    made = Recorder(Redactor())
    yield made
    made.close()


def approver(recorder: Recorder) -> HttpApprover:
    return HttpApprover(
        ApproverWords(), recorder, Patience(lambda _seconds, _why: None), username=None, password=PASSWORD
    )


def site(stack: ExitStack, **members: Any) -> tuple[str, list[str]]:
    """Start a site with a sign-in page; return its origin and all that it is sent."""
    received: list[str] = []
    handler = type("Site", (SignIn,), {"received": received, **members})
    return stack.enter_context(listening(handler)), received


def passwords(received: list[str]) -> int:
    """How many of the requests held the password, as forms and queries write it."""
    return sum("password=the+owner" in text for text in received)


class TestByForm:
    """The owner without a browser."""

    def test_the_sign_in_form_of_the_deployment_gets_it(self, recorder: Recorder) -> None:
        """The control: to the deployment itself the password is sent."""
        with ExitStack() as stack:
            url, received = site(stack)
            recorder.allow_origin(url)
            with pytest.raises(Blocked, match="was not accepted"):
                approver(recorder).visit(f"{url}/device")
            assert passwords(received) == 1

    @pytest.mark.parametrize("method", ["post", "get"])
    def test_a_form_that_leads_elsewhere_does_not(self, method: str, recorder: Recorder) -> None:
        with ExitStack() as stack:
            elsewhere, fished = site(stack)
            url, received = site(stack, action=f"{elsewhere}/login", method=method)
            recorder.allow_origin(url)
            with pytest.raises(Blocked, match="which is not under test"):
                approver(recorder).visit(f"{url}/device")
            assert fished == []
            assert passwords(received) == 0

    @pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
    def test_a_redirect_elsewhere_is_not_followed(self, status: int, recorder: Recorder) -> None:
        """Not even with GET, let alone with the password once more."""
        with ExitStack() as stack:
            elsewhere, fished = site(stack)
            url, received = site(stack, redirect=(status, f"{elsewhere}/login"))
            recorder.allow_origin(url)
            approver(recorder).visit(f"{url}/device")
            assert passwords(received) == 1
            assert fished == []

    @pytest.mark.parametrize("status", [307, 308])
    def test_a_redirect_within_the_deployment_is_followed_without_it(self, status: int, recorder: Recorder) -> None:
        """Though RFC 9110 §15.4.8 has it sent again."""
        with ExitStack() as stack:
            url, received = site(stack, redirect=(status, "/another"))
            recorder.allow_origin(url)
            with pytest.raises(Blocked, match="was not accepted"):
                approver(recorder).visit(f"{url}/device")
            assert passwords(received) == 1
            assert received[-1].startswith("/another\n")


class TestByTheRecorder:
    """Whoever sends a credential sends it through the recorder."""

    def test_never_over_plain_http_but_to_this_machine(self, recorder: Recorder) -> None:
        """That an origin is under test does not make its network a safe one; nothing is sent before that is decided."""
        for url in ("http://deployment.example/login", "http://192.0.2.1/login"):
            recorder.allow_origin(url)
            assert not recorder.is_allowed(url)
            with pytest.raises(OffLimits):
                recorder.send("POST", url, actor="the owner", form={"password": PASSWORD})
        recorder.allow_origin("https://deployment.example")
        assert recorder.is_allowed("https://deployment.example/login")
        assert not recorder.is_allowed("http://deployment.example/login")
        assert recorder.exchanges == []

    @pytest.mark.parametrize(
        "url",
        [
            "https://deployment.example.evil.example/login",
            "https://deployment.example@evil.example/login",
            "https://deployment.example:8443/login",
            "https://evil.example/https://deployment.example/login",
        ],
    )
    def test_never_to_an_origin_that_looks_like_the_one_under_test(self, url: str, recorder: Recorder) -> None:
        recorder.allow_origin("https://deployment.example")
        assert not recorder.is_allowed(url)
        with pytest.raises(OffLimits):
            recorder.send("POST", url, actor="the owner", form={"password": PASSWORD})

    def test_no_exception_holds_it(self, recorder: Recorder) -> None:
        recorder.redactor.register(PASSWORD, "password")
        with pytest.raises(OffLimits) as told:
            recorder.send("POST", f"https://evil.example/?password={PASSWORD}", actor="x", form={"password": PASSWORD})
        assert PASSWORD not in str(told.value)
