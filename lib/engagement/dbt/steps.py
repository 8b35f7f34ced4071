"""In which order dbt and ``engagement build`` take turns: Python models come in between."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
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


def later(all_steps: Sequence[Step], step: Step) -> list[Step]:
    """The steps of dbt's after one."""
    return [one for one in all_steps if one.number > step.number and not one.is_python]


def ready_in(all_steps: Sequence[Step], names: Collection[str]) -> Step:
    """The first step of dbt's in which some models are all there, or being built."""
    needed = all_steps[0]
    for step in all_steps:
        if set(step.models) & set(names):
            needed = later(all_steps, step)[0] if step.is_python else step
    return needed


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
    made = [
        Step(number, phase % 2 == 1, tuple(m.name for m in ordered if phases[m.name] == phase))
        for phase, number in numbers.items()
    ]
    if made and made[-1].is_python:
        # What it fills is tested by dbt too.
        made.append(Step(made[-1].number + 1, False, ()))
    return made
