"""Files of an exported project that are the same for every model."""

from __future__ import annotations

import re
from importlib import resources


def template(name: str, **given: str) -> str:
    """A file of the template with what it leaves open."""
    folder = resources.files(__name__)
    text = (folder / f"{name}.jinja").read_text(encoding="utf-8")
    return re.sub(r"@@(\w+)@@", lambda found: given[found[1]], text)
