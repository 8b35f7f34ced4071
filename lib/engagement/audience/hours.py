"""Quiet hours: from when until when a person may be contacted, by the person's time zone."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from functools import cache, lru_cache
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

from engagement.settings.audience import QuietHours

ZONES = """
    select z.person_id, z.time_zone
    from (
        select
            s.person_id,
            s.timezone as time_zone,
            row_number() over (
                partition by s.person_id
                order by s."timestamp" desc, s.received_at desc, s.id desc,
                    s.received_at_utc_date desc
            ) as place
        from marts.session_events as s
        where s.timezone is not null and not s.is_server
    ) as z
    where z.place = 1
"""
"""The time zone of the device that each person used last."""


@cache
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())


def zone_or(text: Any, otherwise: str) -> str:
    """A time zone as a device sent it, or another one where that is none of the IANA database."""
    return text if isinstance(text, str) and text in _zones() else otherwise


@lru_cache(maxsize=1_000)
def contact_hours(zone: str, day: date, quiet: QuietHours) -> tuple[str, str]:
    """From when until when, in UTC, nobody's quiet hours are broken in a zone on a day.

    Returns
    -------
    tuple of str
        Such as ``2026-10-31T07:00Z`` and ``2026-10-31T20:00Z``.
    """
    start, end = time.fromisoformat(quiet.start), time.fromisoformat(quiet.end)
    until_day = day if start > end else day + timedelta(days=1)
    first = datetime.combine(day, end, ZoneInfo(zone))
    last = datetime.combine(until_day, start, ZoneInfo(zone))
    return _utc(first), _utc(last)


def _utc(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%MZ")
