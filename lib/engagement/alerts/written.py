"""How alerts write figures and days."""

from __future__ import annotations

from datetime import date

from engagement.alerts.anomalies import Measure

_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def number(value: float) -> str:
    """Write a number: ``1,234``; with two decimals if it is small and not whole."""
    return f"{value:,.0f}" if abs(value) >= 100 or value == int(value) else f"{value:,.2f}"


def percent(share: float) -> str:
    """Write a share: ``4.2 %``; below one per cent with one more decimal."""
    return f"{share * 100:.1f} %" if share == 0 or share >= 0.01 else f"{share * 100:.2f} %"


def figure(value: float, measure: Measure, currency: str) -> str:
    """Write a measure's value."""
    match measure.kind:
        case "rate":
            return percent(value)
        case "money":
            return f"{value:,.2f} {currency}"
        case _:
            return number(value)


def weekday(day: date) -> str:
    """The English name of a day's weekday."""
    return _WEEKDAYS[day.weekday()]
