"""In which order dbt and ``engagement build`` take turns."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from engagement.dbt.steps import Step, ready_in, steps


def made(**needs: str) -> dict[str, Any]:
    """Models by what they need; those whose names begin with py are Python functions."""
    return {
        name: SimpleNamespace(
            name=name,
            needs=frozenset(text.split()),
            document=SimpleNamespace(python=object() if name.startswith("py") else None),
        )
        for name, text in needs.items()
    }


def test_a_python_model_comes_between_what_it_reads_and_what_reads_it() -> None:
    # a ─▶ py_b ─▶ c; d reads neither; py_e reads py_b; py_f reads c.
    models = made(a="", py_b="a", c="py_b", d="", py_e="py_b", py_f="c", g="py_f a")
    assert steps(models) == [
        Step(1, False, ("a", "d")),
        Step(2, True, ("py_b", "py_e")),
        Step(3, False, ("c",)),
        Step(4, True, ("py_f",)),
        Step(5, False, ("g",)),
    ]


def test_what_a_last_python_model_fills_is_tested() -> None:
    found = steps(made(a="", py_b="a"))
    assert found == [Step(1, False, ("a",)), Step(2, True, ("py_b",)), Step(3, False, ())]
    assert ready_in(found, ["a"]).number == 1
    assert ready_in(found, ["a", "py_b"]).number == 3


def test_models_of_sql_alone_are_one_step() -> None:
    assert steps(made(a="", b="a")) == [Step(1, False, ("a", "b"))]


def test_a_python_model_without_needs_comes_first() -> None:
    found = steps(made(py_a="", b="py_a"))
    assert [(step.number, step.is_python) for step in found] == [(1, True), (2, False)]
    assert ready_in(found, ["py_a", "b"]).number == 2
