"""The macros of the as-of day, as dbt renders them: the same moments as ``engagement build``'s."""

from __future__ import annotations

import datetime
import re
from datetime import date
from types import SimpleNamespace

import jinja2
import pytest
import pytz

from engagement.as_of import end_of_day
from engagement.dbt.template import template
from engagement.dbt.text import quoted


class RaisedError(Exception):
    """What dbt's compiler would raise."""


def rendered(macro: str, zone: str, day: object, *, execute: bool = True) -> str:
    text = template("macros/as_of.sql", timezone=quoted(zone))

    def raise_compiler_error(said: str) -> None:
        raise RaisedError(said)

    environment = jinja2.Environment(extensions=["jinja2.ext.do"], autoescape=False)
    environment.globals.update(
        var=lambda name, default: default if day is None else day,
        execute=execute,
        exceptions=SimpleNamespace(raise_compiler_error=raise_compiler_error),
        modules=SimpleNamespace(pytz=pytz, datetime=datetime, re=re),
    )
    return environment.from_string(text + "\n{{ " + macro + "() }}").render().strip()


@pytest.mark.parametrize(
    ("zone", "day", "end"),
    [
        ("UTC", "2026-01-31", "2026-02-01 00:00:00.000"),
        ("Asia/Kolkata", "2026-01-31", "2026-01-31 18:30:00.000"),
        ("Europe/Berlin", "2026-03-28", "2026-03-28 23:00:00.000"),
        ("Europe/Berlin", "2026-03-29", "2026-03-29 22:00:00.000"),
        # There are two midnights at the end of this day: the first, still in summer time.
        ("America/Havana", "2025-11-01", "2025-11-02 04:00:00.000"),
        # There is no midnight at the end of this one: the clocks go from 24:00 to 01:00.
        ("America/Havana", "2025-03-08", "2025-03-09 05:00:00.000"),
        ("Africa/Cairo", "2025-04-24", "2025-04-24 22:00:00.000"),
    ],
)
def test_a_day_ends_when_it_does_for_engagement_build(zone: str, day: str, end: str) -> None:
    moment = end_of_day(date.fromisoformat(day), zone)
    assert moment.isoformat(sep=" ", timespec="milliseconds") == end
    assert rendered("as_of_end", zone, day) == end
    assert rendered("seen_before", zone, day) == end


def test_a_day_is_taken_as_a_text_and_as_a_date() -> None:
    for given in ("2026-01-31", " 2026-01-31", date(2026, 1, 31)):
        assert rendered("as_of", "UTC", given) == "2026-01-31"
        assert rendered("last_whole_day", "UTC", given) == "2026-01-31"


@pytest.mark.parametrize("given", [None, "latest", "2026-1-5", "2026-01-31'; drop table x; --"])
def test_anything_but_a_day_is_refused(given: str | None) -> None:
    with pytest.raises(RaisedError, match="2026-01-31"):
        rendered("as_of", "UTC", given)


def test_reading_the_project_needs_no_day() -> None:
    assert rendered("as_of", "UTC", None, execute=False) == "1970-01-01"
