"""One picture of each page that looks different, for the report."""

from __future__ import annotations

import re
from pathlib import Path

from playwright.sync_api import Error
from playwright.sync_api import Page as Tab

from pdpp_conformance.approver.approver import Attachment, Page

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
                tab.screenshot(path=path, full_page=True, animations="disabled")
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
