"""A comparison of a rule as a condition that is true or false, never unknown."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sqlglot import exp

from engagement.audience.conditions import (
    NUMBER,
    TEXT,
    TIME,
    YES_OR_NO,
    data_type,
    family_of,
)
from engagement.audience.rules import Comparison, Window
from engagement.sql.dialect import literal, typed

_LARGEST = 2**63
_MOST_DIGITS = 28

_TEXTS = ("contains", "starts_with", "has")
_BOUNDS = {"more_than": exp.GT, "at_least": exp.GTE, "less_than": exp.LT, "at_most": exp.LTE}
_KEYS_OF = {
    NUMBER: {"is", "is_not", "one_of", "none_of", "missing", *_BOUNDS},
    TEXT: {"is", "is_not", "one_of", "none_of", "missing", *_TEXTS},
    TIME: {"is", "is_not", "one_of", "none_of", "missing", *_BOUNDS, "within", "before"},
    YES_OR_NO: {"is", "is_not", "missing"},
}


def kind_of(type_: str) -> str | None:
    """What a column of an Athena type holds, in words."""
    return family_of(data_type(type_))


def mistakes(comparison: Comparison, name: str, type_: str) -> Iterator[str]:
    """What is wrong with a comparison of a column of this type, a sentence per mistake."""
    kind = kind_of(type_)
    if kind is None:
        yield f"{name} is {type_}, which cannot be compared"
        return
    for key, value in comparison.tests().items():
        if key not in _KEYS_OF[kind]:
            allowed = ", ".join(sorted(_KEYS_OF[kind]))
            yield f"{name} is {kind}: '{key}' does not apply to it; use {allowed}"
        elif key in ("within", "before"):
            if type_ == "date" and value.hours is not None:
                yield f"{name} is a day: write days, not hours"
        elif key != "missing":
            for one in value if isinstance(value, tuple) else (value,):
                problem = _misfit(one, kind, type_)
                if problem:
                    yield f"{name} is {kind}, {problem}"


def _misfit(value: Any, kind: str, type_: str) -> str | None:
    if kind == TIME:
        try:
            as_time(value, type_)
        except ValueError:
            example = "2026-10-30" if type_ == "date" else "2026-10-30 12:00"
            return f"{value!r} is not one, such as {example}"
        return None
    given = (
        YES_OR_NO
        if isinstance(value, bool)
        else NUMBER
        if isinstance(value, (int, float, Decimal))
        else TEXT
    )
    if given != kind:
        return f"{value!r} is {given}"
    if kind == NUMBER and (abs(value) >= _LARGEST or _digits(value) > _MOST_DIGITS):
        return f"{value!r} is beyond what can be compared"
    return None


def _digits(value: int | float | Decimal) -> int:
    text = f"{Decimal(str(value)):f}"
    return sum(letter.isdigit() for letter in text)


def as_time(value: Any, type_: str) -> date | datetime:
    """A date or time as a rule writes it; a time without a zone is UTC."""
    if type_ == "date":
        if isinstance(value, date) and not isinstance(value, datetime):
            return value
        return date.fromisoformat(str(value))
    return datetime.fromisoformat(str(value))


def number(value: int | float | Decimal, type_: str) -> exp.Expr:
    """A number as a literal that goes with a column's type."""
    if type_ == "double":
        text = repr(abs(float(value)))
        double = exp.Literal.number(text if "e" in text else f"{text}e0")
        return exp.Neg(this=double) if value < 0 else double
    if isinstance(value, int):
        return exp.Literal.number(value)
    exact = Decimal(str(value))
    text = f"{exact:f}"
    bare = exp.Literal.number(text.lstrip("-") if "." in text else f"{text.lstrip('-')}.0")
    return exp.Neg(this=bare) if exact < 0 else bare


def value_of(value: Any, type_: str) -> exp.Expr:
    """A value as a literal that goes with a column's type."""
    kind = kind_of(type_)
    if kind == NUMBER:
        return number(value, type_)
    if kind == TIME:
        return literal(as_time(value, type_))
    return literal(value)


def compared(column: exp.Expr, type_: str, comparison: Comparison) -> exp.Condition:
    """The condition that a column is what a comparison says."""
    parts = [_test(column.copy(), type_, key, value) for key, value in comparison.tests().items()]
    return exp.and_(*parts)


def _test(column: exp.Expr, type_: str, key: str, value: Any) -> exp.Condition:
    match key:
        case "is":
            return _certain(exp.EQ(this=column, expression=value_of(value, type_)))
        case "is_not":
            return exp.not_(_certain(exp.EQ(this=column, expression=value_of(value, type_))))
        case "one_of" | "none_of":
            among = exp.In(this=column, expressions=[value_of(one, type_) for one in value])
            return _certain(among) if key == "one_of" else exp.not_(_certain(among))
        case "contains":
            return _certain(_holds(column, literal(value)))
        case "starts_with":
            return _certain(exp.StartsWith(this=column, expression=literal(value)))
        case "has":
            bar = exp.Literal.string("|")
            members = exp.DPipe(this=exp.DPipe(this=bar, expression=column), expression=bar.copy())
            return _certain(_holds(members, literal(f"|{value}|")))
        case "missing":
            missing = exp.Is(this=column, expression=exp.null())
            return missing if value else exp.not_(missing)
        case "within" | "before":
            test = in_window(column, value, type_, is_before=key == "before")
            return _certain(test)
    return _certain(_BOUNDS[key](this=column, expression=value_of(value, type_)))


def bounded(value: exp.Expr, tests: dict[str, Any], type_: str) -> exp.Condition:
    """The condition that a number lies within bounds."""
    return exp.and_(
        *(
            _certain(_BOUNDS[key](this=value.copy(), expression=number(bound, type_)))
            for key, bound in tests.items()
        )
    )


def _holds(text: exp.Expr, part: exp.Expr) -> exp.Expr:
    position = exp.StrPosition(this=text, substr=part)
    return exp.GT(this=position, expression=exp.Literal.number(0))


def _certain(test: exp.Expr) -> exp.Condition:
    return exp.Coalesce(this=test, expressions=[exp.false()])


def in_window(
    column: exp.Expr, window: Window, type_: str, *, is_before: bool = False
) -> exp.Condition:
    """Whether a day or a moment is in the last days or hours, or before them.

    The last N days are the as-of day and the N - 1 before it, and what counts on a later day; the
    last N hours go back from the as-of moment.
    """
    if window.hours is not None:
        end, unit, length = exp.Placeholder(this="as_of_end"), "hour", window.hours
        bound: exp.Expr = _ago(end, unit, length)
        return (exp.LT if is_before else exp.GTE)(this=column, expression=bound)
    if type_ != "date":
        column = day_of(column)
    bound = typed(_ago(exp.Placeholder(this="as_of"), "day", window.days or 0), "date")
    return (exp.LTE if is_before else exp.GT)(this=column, expression=bound)


def _ago(end: exp.Expr, unit: str, length: int) -> exp.Expr:
    return exp.DateAdd(
        this=end,
        expression=exp.Neg(this=exp.Literal.number(length)),
        unit=exp.var(unit.upper()),
    )


def day_of(moment: exp.Expr) -> exp.Expr:
    """The day of a moment in the reporting time zone."""
    zone = exp.Placeholder(this="timezone")
    return typed(exp.Anonymous(this="local_time", expressions=[moment, zone]), "date")
