"""Where the specification lies: the folder that holds `features/` and `schemas/`.

In a checkout that is the repository's root; in an installed wheel the same two folders travel inside the package.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

_PACKAGE = Path(__file__).resolve().parent
_CHECKOUT = _PACKAGE.parents[1]
_INSTALLED = _PACKAGE / "_specification"


def specification_root() -> Path:
    """The folder that holds `features/` and `schemas/`.

    Raises:
        FileNotFoundError: neither a checkout nor an installed wheel surrounds this module.
    """
    for root in (_CHECKOUT, _INSTALLED):
        if (root / "features").is_dir() and (root / "schemas").is_dir():
            return root
    raise FileNotFoundError(f"no features/ and schemas/ in {_CHECKOUT} or {_INSTALLED}")


def load_schema(name: str) -> dict[str, Any]:
    """The JSON Schema `schemas/<name>.schema.json`, e.g. `load_schema("run")`.

    Raises:
        FileNotFoundError: there is no schema of that name.
    """
    path = specification_root() / "schemas" / f"{name}.schema.json"
    schema: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return schema
