"""In which order dbt and ``engagement build`` take turns: Python models come in between."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from engagement.models.definition import Model, in_order


@dataclass(frozen=True)
class Step:
    """Models that are built in one go.

    Attributes
    ----------
    number
        From 1 on.
    is_python
        Whether ``engagement build`` makes them, not dbt.
    """

    number: int
    is_python: bool
    models: tuple[str, ...]

    @property
    def tag(self) -> str:
        """What dbt selects it by."""
        return f"step_{self.number}"


def steps(models: Mapping[str, Model]) -> list[Step]:
    """The fewest turns that let each model come after what it reads."""
    phases: dict[str, int] = {}
    ordered = in_order(models.values())
    for model in ordered:
        is_python = model.document.python is not None
        # dbt has the even turns.
        phase = 1 if is_python else 0
        for name in model.needs & models.keys():
            same = (models[name].document.python is not None) == is_python
            phase = max(phase, phases[name] + (0 if same else 1))
        phases[model.name] = phase
    numbers = {phase: n for n, phase in enumerate(sorted(set(phases.values())), start=1)}
    return [
        Step(number, phase % 2 == 1, tuple(m.name for m in ordered if phases[m.name] == phase))
        for phase, number in numbers.items()
    ]
