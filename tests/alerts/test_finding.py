"""Alerts: what is said of figures, of events that stopped and of records that were set aside."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pandas as pd
import pytest

from engagement import alerts
from engagement.alerts import Data
from engagement.alerts.anomalies import MEASURES
from engagement.settings import Settings

MONDAY = date(2026, 1, 5)
NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
MakeSettings = Callable[..., Settings]
STALE = "No event was received for more than 26 hours: the newest came at 2026-03-01 09:59 UTC."
SET_ASIDE = (
    "2.5 % of the records of the last 2 received dates were set aside (5 of 200), more than 2.0 %."
)


def overview(**last: Any) -> pd.DataFrame:
    """Eight weeks and a day of the same figures, the last day's as given."""
    usual: dict[str, Any] = {
        "users": 100,
        "new_users": 40,
        "sessions": 120,
        "events": 1000,
        "engaged_sessions": 60,
        "converting_sessions": 6,
        "orders": 6,
        "valued_orders": 6,
        "revenue": Decimal("600.00"),
        "net_revenue": Decimal("600.00"),
    }
    rows = [
        {
            "day": MONDAY + timedelta(days=n),
            "is_complete": True,
            "is_settled": True,
            **usual,
            **(last if n == 56 else {}),
        }
        for n in range(57)
    ]
    return pd.DataFrame(rows)


def received(*days: tuple[int, int]) -> pd.DataFrame:
    return pd.DataFrame(
        [
            (f"2026-02-{20 + n:02}", records, quarantined)
            for n, (records, quarantined) in enumerate(days)
        ],
        columns=["received_at_utc_date", "records", "quarantined"],
    )


def texts(data: Data, settings: Settings) -> list[str]:
    return [one.text for one in alerts.found(data, settings, NOW)]


def test_usual_figures_are_no_alert(make_settings: MakeSettings) -> None:
    assert texts(Data(overview(), received((100, 0))), make_settings()) == []
    assert texts(Data(), make_settings()) == []


def test_an_unusual_figure_is_told_with_its_day_and_what_would_be_usual(
    make_settings: MakeSettings,
) -> None:
    data = Data(overview(users=20, revenue=Decimal("1600.50"), converting_sessions=40))
    day = "on Monday 2026-03-02"
    assert texts(data, make_settings(currency={"reporting": "EUR"})) == [
        f"Users {day} were unusually low: 20, where 100 would be usual.",
        f"Conversion rate {day} was unusually high: 33.3 %, where 5.0 % would be usual.",
        f"Revenue {day} was unusually high: 1,600.50 EUR, where 600.00 EUR would be usual.",
        f"Average order value {day} was unusually high: 266.75 EUR, where 100.00 EUR would be usual.",  # noqa: E501
    ]


def test_only_the_last_days_are_an_alert(make_settings: MakeSettings) -> None:
    frame = overview()
    frame.loc[55, "users"] = 20
    assert texts(Data(frame), make_settings()) == []
    [text] = texts(Data(frame), make_settings(alerts={"days": 2}))
    assert text.startswith("Users on Sunday 2026-03-01")


def test_the_threshold_is_a_parameter(make_settings: MakeSettings) -> None:
    data = Data(overview(users=20))
    assert texts(data, make_settings(alerts={"threshold": 20})) == []


@pytest.mark.parametrize(
    ("newest", "words"),
    [
        (datetime(2026, 3, 1, 10), []),  # 26 hours to the second
        (
            datetime(2026, 3, 1, 9, 59),
            [STALE],
        ),
        (datetime(2026, 3, 5), []),
        (None, ["No event has been kept yet."]),
    ],
)
def test_events_that_stopped_coming(
    make_settings: MakeSettings, newest: datetime | None, words: list[str]
) -> None:
    settings = make_settings(alerts={"freshness_hours": 26})
    assert texts(Data(newest=newest), settings) == words
    assert texts(Data(newest=newest), make_settings()) == []


def test_records_set_aside_are_held_against_a_share_of_the_last_days(
    make_settings: MakeSettings,
) -> None:
    settings = make_settings(alerts={"quarantine_days": 2, "quarantine_rate": 0.02})
    # 4 of 200 is the share itself; the day before, which was worse, is out of reach.
    assert texts(Data(received=received((100, 90), (100, 4), (100, 0))), settings) == []
    assert texts(Data(received=received((100, 0), (100, 4), (100, 1))), settings) == [(SET_ASIDE)]
    assert texts(Data(received=received().head(0)), settings) == []


def test_alerts_are_written_as_json(make_settings: MakeSettings) -> None:
    found = alerts.found(Data(overview(users=20)), make_settings(), NOW)
    assert json.loads(json.dumps(alerts.as_records(found))) == [
        {"kind": "anomaly", "subject": "Users", "day": "2026-03-02", "text": found[0].text}
    ]


def test_every_measure_can_be_told(make_settings: MakeSettings) -> None:
    """Of a day on which nothing was as usual, no figure is left out."""
    tripled = {
        name: value * 3 if name != "engaged_sessions" else 360
        for name, value in overview().iloc[0].items()
        if name not in ("day", "is_complete", "is_settled", "valued_orders", "converting_sessions")
    }
    frame = overview(**tripled, converting_sessions=300, valued_orders=6)
    found = alerts.found(Data(frame), make_settings(), NOW)
    assert [one.subject for one in found] == [measure.name for measure in MEASURES]
