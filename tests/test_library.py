"""What the reference server gives agents and people to read, and the setup page in a real browser."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from pdpp_conformance.approver.chromium import chromium_args, find_chromium
from pdpp_reference.library import EXAMPLE, SERVED, Library, repository
from pdpp_reference.settings import AUTHORIZATION_DETAILS_TYPE, Settings
from tests.conftest import Deployment

CHROMIUM = find_chromium()
URL = re.compile(r"https?://[^\s)>'\"`]+")


@pytest.mark.parametrize("path", SERVED)
def test_a_document_is_served_in_the_deployments_own_addresses(deployment: Deployment, path: str) -> None:
    answer = deployment.http.get(path)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == f"text/{'markdown' if path.endswith('.md') else 'plain'}; charset=utf-8"
    assert EXAMPLE not in answer.text
    assert deployment.issuer in answer.text
    assert deployment.http.post(path).status_code == 405


def test_the_metadata_leads_to_documents_that_are_there(deployment: Deployment) -> None:
    block = deployment.http.get("/.well-known/oauth-protected-resource/mcp").json()["pdpp_agent_discovery"]
    for name in ("skill", "llms_txt"):
        assert deployment.http.get(block[name]).status_code == 200


def test_a_deployment_of_another_shape_is_spelt_as_it_is() -> None:
    """An issuer with a path, a resource server of its own, another type of authorization details."""
    settings = Settings(
        issuer="https://as.example/auth",
        resource_origin="https://rs.example",
        authorization_details_type="https://types.example/data-access",
    )
    library = Library(settings, repository())
    text = "\n".join(library.text(path) for path in SERVED)
    assert EXAMPLE not in text
    assert AUTHORIZATION_DETAILS_TYPE not in text
    for spelt in (
        "https://rs.example/mcp",
        "https://rs.example/v1/streams",
        "https://rs.example/.well-known/oauth-protected-resource/mcp",
        "https://as.example/.well-known/oauth-authorization-server/auth",
        "https://as.example/auth/oauth/token",
        "https://types.example/data-access",
    ):
        assert spelt in URL.findall(text), spelt


def test_only_documents_that_are_there_are_served(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "llms.txt").write_text(f"See {EXAMPLE}/mcp.", encoding="utf-8")
    library = Library(Settings(issuer="https://as.example", resource_origin="https://as.example"), tmp_path)
    assert [route.path for route in library.routes()] == ["/llms.txt"]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=chromium_args())
        yield browser
        browser.close()


OpenedPage = Callable[..., Page]


@pytest.fixture
def opened(browser: Browser, deployment: Deployment) -> Iterator[OpenedPage]:
    """Opens the setup page in a browser context with these settings; nothing may go wrong on it."""
    contexts: list[BrowserContext] = []

    def opened(before: str | None = None, **settings: object) -> Page:
        context = browser.new_context(**settings)  # type: ignore[arg-type] # Playwright's keyword arguments
        contexts.append(context)
        page = context.new_page()
        if before is not None:
            page.add_init_script(before)
        page.on("pageerror", lambda error: pytest.fail(str(error)))
        page.goto(f"{deployment.issuer}/connect")
        return page

    yield opened
    for context in contexts:
        context.close()


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
class TestSetupPage:
    def test_every_copy_button_copies_exactly_its_text(self, opened: OpenedPage) -> None:
        page = opened(permissions=["clipboard-read", "clipboard-write"])
        page.locator("summary").click()
        blocks, buttons = page.locator("pre"), page.get_by_role("button", name="Copy:")
        assert blocks.count() == buttons.count() > 5
        for number in range(blocks.count()):
            buttons.nth(number).click()
            expect(buttons.nth(number)).to_have_text("Copied")
            copied = page.evaluate("navigator.clipboard.readText()")
            assert copied == blocks.nth(number).evaluate("block => block.textContent")

    def test_without_the_clipboard_api_copying_goes_the_older_way(self, opened: OpenedPage) -> None:
        """The clipboard is open to secure origins only, and a reference server on a private network is none."""
        page = opened("delete Navigator.prototype.clipboard")
        page.evaluate("document.addEventListener('copy', () => { window.copied = String(getSelection()); })")
        page.get_by_role("button", name="Copy: Claude Code command").click()
        page.get_by_role("status").filter(has_text="Copied").wait_for(state="attached")
        assert page.evaluate("window.copied").startswith("claude mcp add")

    def test_where_nothing_may_be_copied_the_text_is_selected(self, opened: OpenedPage) -> None:
        page = opened("delete Navigator.prototype.clipboard; document.execCommand = () => false")
        page.get_by_role("button", name="Copy: Claude Code command").click()
        page.get_by_role("status").filter(has_text="Selected").wait_for(state="attached")
        assert page.evaluate("String(getSelection())").startswith("claude mcp add")

    def test_without_scripts_nothing_is_missing_but_the_buttons(self, opened: OpenedPage) -> None:
        page = opened(java_script_enabled=False)
        assert page.get_by_role("button").count() == 0
        assert page.locator("pre").count() > 5

    @pytest.mark.parametrize("width", [320, 360, 768, 1280])
    def test_nothing_is_wider_than_the_window(self, opened: OpenedPage, width: int) -> None:
        """WCAG 2.2 §1.4.10."""
        page = opened(viewport={"width": width, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
