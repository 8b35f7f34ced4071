"""What scripts add to the page: filters, and charts that show their values.

BokehJS draws the charts. Its script comes with the package ``bokeh`` of the lock file and is
written into the page; ``live.js`` makes the charts from the page's data. Nothing is loaded: the
page's policy names these scripts by their digests and allows no other script, no evaluated text
and no address. docs/decisions/0023 says why Bokeh.
"""

from __future__ import annotations

import base64
import hashlib
import importlib.util
import json
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import pandas as pd

from engagement.alerts import anomalies
from engagement.dashboards.report import people, periods, pieces

_LIBRARY = ("bokeh.min.js", "bokeh-api.min.js")
_JUDGED = {"revenue": "Revenue", "sessions": "Sessions", "conversion": "Conversion rate"}


def scripts(frames: Mapping[str, pd.DataFrame]) -> Sequence[str]:
    """The page's scripts, in order; none where there is nothing to filter."""
    frame = frames.get("live")
    if frame is None or frame.empty:
        return ()
    return (*_library(), (resources.files(__package__) / "live.js").read_text("utf-8"))


@cache
def _library() -> tuple[str, ...]:
    """BokehJS, from the package as it is installed."""
    spec = importlib.util.find_spec("bokeh")
    if spec is None or not spec.submodule_search_locations:
        raise FileNotFoundError("the package 'bokeh' is not installed: run 'make run' again")
    folder = Path(spec.submodule_search_locations[0]) / "server/static/js"
    return tuple((folder / name).read_text("utf-8") for name in _LIBRARY)


def policy(found: Sequence[str]) -> str:
    """What the page may load: nothing; run: its own scripts."""
    digests = (hashlib.sha256(text.encode("utf-8")).digest() for text in found)
    names = " ".join(f"'sha256-{base64.b64encode(digest).decode('ascii')}'" for digest in digests)
    rules = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
    return f"{rules}; script-src {names}" if names else rules


def bar() -> str:
    """The controls; a script shows them, because without scripts they would do nothing."""
    return (
        '<form id="filters" hidden>\n'
        '<label>From <input type="date" id="filter-from"></label>\n'
        '<label>To <input type="date" id="filter-to"></label>\n'
        '<label>Channel <select id="filter-channel"></select></label>\n'
        '<label>Visitors <select id="filter-visitors"></select></label>\n'
        '<button type="reset">Reset</button>\n'
        '<output id="filter-totals"></output>\n'
        '<p class="note">These controls change the charts of days and channels. Tables, other '
        "charts and the printed page stay as they are.</p>\n"
        "</form>"
    )


def tags(
    found: Sequence[str],
    frames: Mapping[str, pd.DataFrame],
    currency: str,
    *,
    weeks: int,
    threshold: float,
) -> str:
    """The data and the scripts as they are written into the page."""
    if not found:
        return ""
    content = _json(data(frames, currency, weeks=weeks, threshold=threshold))
    held = f'<script type="application/json" id="live-data">{content}</script>\n'
    return held + "\n".join(f"<script>{text}</script>" for text in found)


def _json(content: Mapping[str, Any]) -> str:
    """The charts' data as JSON that cannot close the element it is in."""
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    for sign in "<>&\u2028\u2029":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return text


def data(
    frames: Mapping[str, pd.DataFrame], currency: str, *, weeks: int, threshold: float
) -> dict[str, Any]:
    """What the charts are made from.

    ``start`` is the place of the day that they open on. ``rows`` holds, per day, channel and kind
    of visitors: the day's place in ``days``, the channel's in ``channels``, 1 for new visitors,
    sessions, engaged and converting ones, orders, and revenue in hundredths.
    """
    overview = frames["overview"].sort_values("day").tail(periods.MOST_DAYS)
    days = [day.isoformat() for day in overview["day"]]
    place = {day: number for number, day in enumerate(days)}
    frame = frames["live"]
    channels = sorted({str(channel) for channel in frame["channel"]})
    number = {channel: at for at, channel in enumerate(channels)}
    rows = [
        [
            place[row.day.isoformat()],
            number[str(row.channel)],
            int(bool(row.is_new_visitor)),
            int(row.sessions),
            int(row.engaged_sessions),
            int(row.converting_sessions),
            int(row.orders),
            round(row.revenue * 100),
        ]
        for row in frame.itertuples(index=False)
        if row.day.isoformat() in place
    ]
    return {
        "currency": currency,
        "days": days,
        "start": max(len(days) - periods.RECENT_DAYS, 0),
        "complete": [int(flag) for flag in overview["is_complete"].astype(bool)],
        "settled": [int(flag) for flag in overview["is_settled"].astype(bool)],
        "channels": channels,
        "rows": rows,
        "unusual": _unusual(frames["overview"], place, weeks=weeks, threshold=threshold),
        "funnel": _funnel(frames["funnel"]),
        "retention": _retention(frames["retention"]),
    }


def _unusual(
    overview: pd.DataFrame, place: Mapping[str, int], *, weeks: int, threshold: float
) -> dict[str, list[int]]:
    """Places of the days on which a figure was unusual."""
    measures = [
        measure
        for measure in anomalies.MEASURES
        if measure.name in _JUDGED.values()
        and {measure.column, measure.over or "day"} <= set(overview.columns)
    ]
    flags = anomalies.daily(overview, weeks=weeks, threshold=threshold, measures=measures)
    odd = flags[flags["verdict"].isin(["high", "low"])]
    return {
        chart: [
            place[day.isoformat()]
            for day in odd.loc[odd["measure"] == name, "day"]
            if day.isoformat() in place
        ]
        for chart, name in _JUDGED.items()
    }


def _funnel(funnel: pd.DataFrame) -> list[list[Any]]:
    steps = funnel.sort_values("step_number")
    return [
        [str(row.step), int(row.persons), share]
        for row, share in zip(
            steps.itertuples(index=False), pieces.shares(steps["step_rate"]), strict=True
        )
    ]


def _retention(retention: pd.DataFrame) -> list[list[Any]]:
    """Cells of everyone: cohort, week, its people, who came back, whether it is settled."""
    return [
        [row.cohort_week.isoformat(), int(row.week_number), int(row.cohort_persons),
         int(row.retained_persons), int(bool(row.is_settled))]
        for row in people.cohort_cells(retention).itertuples(index=False)
    ]  # fmt: skip
