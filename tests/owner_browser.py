"""The owner's browser as a program: opens the URL it is started with, signs in where asked, and shares one stream.

Started by way of ``BROWSER``; the password is in ``PDPP_OWNER_PASSWORD``.
"""

from __future__ import annotations

import os
import sys

from playwright.sync_api import sync_playwright

from pdpp_conformance.approver.chromium import chromium_args, find_chromium


def main() -> None:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=chromium_args())
        page = browser.new_page()
        page.set_default_timeout(20_000)
        page.goto(sys.argv[1])
        password = page.locator("input[type=password]")
        if password.count():
            password.fill(os.environ["PDPP_OWNER_PASSWORD"])
            page.get_by_role("button", name="Sign in").click()
        page.get_by_role("checkbox", name="top_artists").check()
        page.get_by_role("radio", name="Continuous").check()
        page.get_by_role("button", name="Approve").click()
        page.get_by_text("You can close this window").wait_for()
        browser.close()


if __name__ == "__main__":
    main()
