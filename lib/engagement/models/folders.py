"""Where models are: the package's own, and a team's beside them, which go before by their names.

A team's models are in ``models/<layer>/<name>.{sql,yml}`` of its project. A name that the package
has, too, stands for the team's model then, in whichever layer it is; a name that it has not is one
more model of that layer. The package's files are never touched.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

from engagement.project import MODELS, ROOT, SEEDS

OWN_MODELS = ROOT / MODELS
"""Folder of a team's models."""

OWN_SEEDS = ROOT / SEEDS
"""Folder of a team's seeds, where the parameters name no other."""


@dataclass(frozen=True)
class Layer:
    """The files of one layer: a team's, then the package's.

    Attributes
    ----------
    own, packaged
        The two folders; ``None`` where there is none.
    hidden
        Names of the package's models that the team has written itself.
    """

    name: str
    own: Path | None
    packaged: Traversable | None
    hidden: frozenset[str]

    def files(self) -> list[str]:
        """Names of the files in it, sorted."""
        found = {one.name for one in self.own.iterdir()} if self.own else set()
        if self.packaged:
            files = (one.name for one in self.packaged.iterdir())
            found |= {file for file in files if _model(file) not in self.hidden}
        return sorted(file for file in found if not file.startswith((".", "_")))

    def __truediv__(self, file: str) -> Traversable:
        own = self.own / file if self.own else None
        if own is not None and own.is_file():
            return own
        if self.packaged is not None and _model(file) not in self.hidden:
            there = self.packaged / file
            if own is None or there.is_file():
                return there
        # A file that is still to be written is written beside the team's.
        return own or OWN_MODELS / self.name / file


def layers() -> list[Layer]:
    """All layers, by name."""
    packaged = {one.name: one for one in _packaged().iterdir() if one.is_dir()}
    own = {
        one.name: one
        for one in (OWN_MODELS.iterdir() if OWN_MODELS.is_dir() else ())
        if one.is_dir() and not one.name.startswith((".", "_"))
    }
    files = {file.name for folder in own.values() for file in folder.iterdir()}
    hidden = frozenset(_model(file) for file in files if file.endswith(".yml"))
    return [
        Layer(name, own.get(name), packaged.get(name), hidden)
        for name in sorted(packaged.keys() | own.keys())
    ]


def layer_of(name: str) -> Layer:
    """One layer."""
    return next(layer for layer in layers() if layer.name == name)


def _packaged() -> Traversable:
    return resources.files("engagement.models") / "sql"


def _model(file: str) -> str:
    return file.rpartition(".")[0]
