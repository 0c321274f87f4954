"""Python's collector of garbage, in a process whose objects mostly last as long as it does."""

from __future__ import annotations

import gc


def spare_what_lasts() -> None:
    """Let the collector pass over what there is now, and look less often: it would find no garbage in it."""
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)
