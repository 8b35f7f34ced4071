"""Alerts: what to look at before you trust the figures.

There are three kinds: an unusual figure on one of the last whole days
(:mod:`engagement.alerts.anomalies` says when), events that stopped arriving, and too many records
set aside. Thresholds are parameters, under ``alerts``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import pandas as pd

from engagement.alerts import anomalies
from engagement.alerts.written import figure, number, percent, weekday
from engagement.settings import Settings
from engagement.warehouse import Table, Warehouse

_OVERVIEW = "select * from marts.daily_overview order by day"
_RECEIVED = """
    select received_at_utc_date, records, quarantined
    from landing.ledger
    where records > 0
    order by received_at_utc_date
"""
_NEWEST = "select max(received_at) as newest from events.events"


@dataclass(frozen=True)
class Alert:
    """One thing to look at.

    Attributes
    ----------
    kind : {'anomaly', 'freshness', 'quarantine'}
    subject : str
        The figure, or what was measured.
    text : str
        A sentence with the number and what it was compared with.
    day : str, optional
        The day it is about, ``YYYY-MM-DD``.
    """

    kind: Literal["anomaly", "freshness", "quarantine"]
    subject: str
    text: str
    day: str | None = None


@dataclass(frozen=True)
class Data:
    """The data behind alerts; ``None`` where a table does not exist yet."""

    overview: pd.DataFrame | None = None
    received: pd.DataFrame | None = None
    newest: datetime | None = None


def look(warehouse: Warehouse, settings: Settings, now: datetime | None = None) -> list[Alert]:
    """Look for alerts in the tables of a warehouse.

    Parameters
    ----------
    now
        When freshness is measured; by default now.
    """
    return found(read(warehouse), settings, now or datetime.now(UTC))


def read(warehouse: Warehouse) -> Data:
    """Read the data behind alerts, as far as its tables exist."""
    if not warehouse.exists():
        return Data()
    with warehouse.session() as session:
        there = {
            name: bool(session.columns(Table.parse(name)))
            for name in ("marts.daily_overview", "landing.ledger", "events.events")
        }
        overview = (
            session.query(_OVERVIEW, label="alerts") if there["marts.daily_overview"] else None
        )
        received = session.query(_RECEIVED, label="alerts") if there["landing.ledger"] else None
        newest = None
        if there["events.events"]:
            newest = session.query(_NEWEST, label="alerts")["newest"].iloc[0]
    return Data(
        overview,
        received,
        newest.to_pydatetime() if newest is not None and pd.notna(newest) else None,
    )


def found(data: Data, settings: Settings, now: datetime) -> list[Alert]:
    """Find the alerts in the data: freshness first, then records set aside, then figures.

    Parameters
    ----------
    now
        A moment with a time zone.
    """
    alerts = _stale(data.newest, settings, now)
    if data.received is not None:
        alerts += _set_aside(data.received, settings)
    if data.overview is not None:
        alerts += _unusual(data.overview, settings)
    return alerts


def _stale(newest: datetime | None, settings: Settings, now: datetime) -> list[Alert]:
    hours = settings.alerts.freshness_hours
    if hours is None:
        return []
    limit = f"{number(hours)} hour{'' if hours == 1 else 's'}"
    if newest is None:
        return [Alert("freshness", "Newest event", "No event has been kept yet.")]
    age = now.astimezone(UTC).replace(tzinfo=None) - newest
    if age <= timedelta(hours=hours):
        return []
    came = f"{newest:%Y-%m-%d %H:%M} UTC"
    text = f"No event was received for more than {limit}: the newest came at {came}."
    return [Alert("freshness", "Newest event", text, newest.date().isoformat())]


def _set_aside(received: pd.DataFrame, settings: Settings) -> list[Alert]:
    last = received.tail(settings.alerts.quarantine_days)
    records, bad = int(last["records"].sum()), int(last["quarantined"].sum())
    limit = settings.alerts.quarantine_rate
    if not records or bad / records <= limit:
        return []
    days = "last received date" if len(last) == 1 else f"last {len(last)} received dates"
    text = (
        f"{percent(bad / records)} of the records of the {days} were set aside ({bad:,} of "
        f"{records:,}), more than {percent(limit)}."
    )
    return [
        Alert("quarantine", "Records set aside", text, str(last["received_at_utc_date"].iloc[-1]))
    ]


def _unusual(overview: pd.DataFrame, settings: Settings) -> list[Alert]:
    options = settings.alerts
    judged = anomalies.daily(
        overview, weeks=options.weeks, threshold=options.threshold, most_days=options.days
    )
    kinds = {measure.name: measure for measure in anomalies.MEASURES}
    alerts = []
    for row in judged[judged["verdict"].isin(["high", "low"])].itertuples(index=False):
        measure = kinds[str(row.measure)]
        value, expected = (
            figure(amount, measure, settings.currency.reporting)
            for amount in (float(row.value), float(row.expected))
        )
        text = (
            f"{measure.name} on {weekday(row.day)} {row.day} {_was(measure)} unusually "
            f"{row.verdict}: {value}, where {expected} would be usual."
        )
        alerts.append(Alert("anomaly", measure.name, text, row.day.isoformat()))
    return alerts


def _was(measure: anomalies.Measure) -> str:
    return "were" if measure.kind == "count" else "was"


def as_records(alerts: Sequence[Alert]) -> list[dict[str, Any]]:
    """Alerts as ``run.json`` holds them."""
    return [
        {"kind": one.kind, "subject": one.subject, "day": one.day, "text": one.text}
        for one in alerts
    ]
