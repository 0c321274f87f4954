"""One picture of each page that looks different, for the report."""

from __future__ import annotations

import base64
import re
from pathlib import Path

from playwright.sync_api import Error
from playwright.sync_api import Page as Tab

from pdpp_conformance.approver.approver import Attachment, Page

_MOST_PIXELS = 8_000
"""Pixels after which a picture of a page ends, across and down."""

_AT_REST = """() => {
  for (const animation of document.getAnimations()) {
    try { animation.finish(); } catch { animation.cancel(); }
  }
}"""

_VOLATILE = re.compile(r"[A-Z0-9]{4}-[A-Z0-9]{4}|\d|[0-9a-f]{12,}|\S{24,}")


class Pictures:
    """The pictures of a run.

    Args:
        folder: where they are kept.
        report_dir: the report folder, which attachment paths are relative to.
    """

    def __init__(self, folder: Path, report_dir: Path) -> None:
        self._folder = folder
        self._report_dir = report_dir
        self._taken: dict[str, Attachment] = {}
        self._seen: list[Attachment] = []

    def of(self, tab: Tab, page: Page, what: str) -> Attachment | None:
        """Return the picture of a page; none is taken where one like it was."""
        looks_like = _VOLATILE.sub("", f"{page.title}\n{page.text}")
        if looks_like not in self._taken:
            self._folder.mkdir(parents=True, exist_ok=True)
            path = self._folder / f"page-{len(self._taken) + 1:02d}.png"
            try:
                path.write_bytes(_picture(tab))
            except Error:
                return None
            self._taken[looks_like] = Attachment(
                name=path.name,
                path=str(path.relative_to(self._report_dir)),
                media_type="image/png",
                caption=f"{what}: {page.title}",
            )
        self._seen.append(self._taken[looks_like])
        return self._taken[looks_like]

    def take_seen(self) -> list[Attachment]:
        """Return the pictures of the pages seen since the last call."""
        seen, self._seen = self._seen, []
        return list(dict.fromkeys(seen))


def _picture(tab: Tab) -> bytes:
    """Return the whole page as a PNG file.

    Chromium's own protocol is spoken because it can be told to be quick: Playwright takes the time for small files.
    """
    tab.evaluate(_AT_REST)
    protocol = tab.context.new_cdp_session(tab)
    try:
        page = protocol.send("Page.getLayoutMetrics")["cssContentSize"]
        width, height = (min(page[side], _MOST_PIXELS) for side in ("width", "height"))
        clip = {"x": 0, "y": 0, "width": width, "height": height, "scale": 1}
        how = {"format": "png", "captureBeyondViewport": True, "optimizeForSpeed": True, "clip": clip}
        return base64.b64decode(protocol.send("Page.captureScreenshot", how)["data"])
    finally:
        protocol.detach()
