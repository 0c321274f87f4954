"""Reads what a tab shows, whole and in one go."""

from __future__ import annotations

from playwright.sync_api import Error
from playwright.sync_api import Page as Tab

from pdpp_conformance.approver.approver import Page
from pdpp_conformance.verdict import Blocked

_READ = """() => {
  const seen = (element) => element.checkVisibility({ visibilityProperty: true });
  const all = (selector) => Array.from(document.querySelectorAll(selector)).filter(seen);
  const name = (element) =>
    (element.getAttribute("aria-label") || (element.tagName === "INPUT" ? element.value : element.innerText) || "")
      .replace(/\\s+/g, " ").trim();
  const text = (selector) => all(selector).map((element) => element.innerText).join("\\n");
  const able = (element) => !element.disabled && element.getAttribute("aria-disabled") !== "true";
  const body = document.body || document.documentElement;
  return {
    url: location.href,
    title: document.title,
    text: body.innerText,
    main_text: (document.querySelector("main,[role=main]") || body).innerText,
    headings: all("h1,h2,h3,h4,[role=heading]").map(name),
    buttons: all("button,input[type=submit],input[type=button],[role=button]").filter(able).map(name),
    links: all("a[href]").map(name),
    link_targets: all("a[href]").map((element) => element.href),
    form_targets: Array.from(document.querySelectorAll("form")).map((form) => form.getAttribute("action") || "")
      .concat(Array.from(document.querySelectorAll("[formaction]")).map((button) => button.getAttribute("formaction")))
      .map((target) => { try { return new URL(target, document.baseURI).href; } catch { return target; } }),
    markup: document.documentElement.outerHTML,
    protocol_facts: text("[data-authorship=protocol]"),
    client_claims: text("[data-authorship=client]"),
    password_field: all("input[type=password]").length > 0,
    code_field: ["input[name=user_code]", "input[type=text]", "input:not([type])"]
      .map((selector) => selector + ":visible")
      .find((selector) => all(selector.replace(":visible", "")).length > 0) || "",
  };
}"""
"""A question at a time would cost a round trip each."""


def read_page(tab: Tab) -> Page:
    """Return what ``tab`` shows.

    Raises:
        Blocked: it shows nothing that can be read.
    """
    try:
        return Page(**tab.evaluate(_READ))
    except Error as error:
        raise Blocked(f"the page could not be read: {first_line(error)}", unblock="a page that loads") from None


def first_line(error: Error) -> str:
    """Return what a browser's error says, without the log that follows."""
    return error.message.splitlines()[0][:200]
