"""Where the project is, which paths start from, and where what comes with the code is.

There are two ways to work. In a checkout, the project is the checkout: notebooks, parameters and
code in one place. With the package installed, a team's repository is the project: the folder that
``engagement init`` has laid notebooks and parameters into, and marked with :data:`MARKER`. It is
looked for from the working directory upwards; ``ENGAGEMENT_PROJECT`` names it from elsewhere.
"""

from __future__ import annotations

import os
from pathlib import Path

VARIABLE = "ENGAGEMENT_PROJECT"

MARKER = "engagement.json"
"""File that marks a project's folder; it says which version laid down what."""

LAID_DOWN = "laid_down"
"""Folder of the installed package with what is no code: ``setup.py`` puts it there."""

MODELS, SEEDS = "models", "seeds"
"""Folders of a project with a team's own models, by layer, and seeds."""

PACKAGE = Path(__file__).resolve().parent
"""Where the code is."""


def checkout() -> Path | None:
    """The checkout that this code is in; ``None`` where it was installed."""
    folder = PACKAGE.parents[1]
    is_one = (folder / "pyproject.toml").is_file() and (folder / "notebooks").is_dir()
    return folder if is_one else None


def find(start: Path | None = None) -> Path:
    """The project's folder, seen from a folder or from the working directory."""
    named = os.environ.get(VARIABLE)
    if named and start is None:
        return Path(named).expanduser().resolve()
    here = (start or Path.cwd()).resolve()
    for folder in (here, *here.parents):
        if (folder / MARKER).is_file():
            return folder
    return checkout() or here


def packaged(name: str) -> Path:
    """A file or folder that comes with the code, such as ``notebooks``."""
    return (checkout() or PACKAGE / LAID_DOWN) / name


ROOT = find()
"""The project's folder."""
