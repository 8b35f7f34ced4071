"""The sections about people: who came back, who came at all, what they are worth."""

from __future__ import annotations

import pandas as pd

from engagement.dashboards import behaviour_charts, charts, value_charts
from engagement.dashboards.report import periods, pieces
from engagement.dashboards.report.periods import Days
from engagement.dashboards.report.sections import Frames, unknown

_ACTIVE_DAYS = 14
_LIFECYCLE_WEEKS = 12
_COHORTS = 12
_COHORT_WEEKS = 12
_CURVES = 8


def active(frames: Frames, days: Days | None) -> str:
    """How many people came in a day, a week and a month."""
    frame = frames.get("rolling")
    if frame is None or frame.empty:
        return ""
    frame = frame.sort_values("day").tail(_ACTIVE_DAYS)
    numbers = pieces.table(
        pd.DataFrame(
            {
                "day": [day.isoformat() for day in frame["day"]],
                "of the day": frame["dau"],
                "of 7 days": _if(frame["wau"], frame["is_wau_complete"]),
                "of 30 days": _if(frame["mau"], frame["is_mau_complete"]),
                "day as share of 30 days": pieces.shares(frame["stickiness"]),
            }
        ),
        numbers=("of 7 days", "of 30 days", "day as share of 30 days"),
    )
    note = (
        f"{periods.last(_ACTIVE_DAYS, days)} People with an event on the day, and in the 7 and 30 "
        "days up to it; each is counted once. A dash means that the data does not go back that far."
    )
    return pieces.block("Active people", pieces.note(note) + numbers)


def _if(column: pd.Series, condition: pd.Series) -> list[str]:
    return [
        f"{int(value):,}" if able and pd.notna(value) else "–"
        for value, able in zip(column, condition, strict=True)
    ]


def lifecycle(frames: Frames) -> str:
    """Where the people of a week came from, and who stayed away."""
    frame = frames.get("lifecycle")
    if frame is None or frame.empty:
        return ""
    frame = frame.sort_values("week").tail(_LIFECYCLE_WEEKS)
    numbers = pieces.table(
        pd.DataFrame(
            {
                "week of": [week.isoformat() for week in frame["week"]],
                "active": frame["active_persons"],
                "new": frame["new_persons"],
                "retained": frame["retained_persons"],
                "returning": frame["returning_persons"],
                "active the week before": frame["previous_active_persons"],
                "churned": frame["churned_persons"],
                "churn rate": pieces.shares(frame["churn_rate"]),
            }
        ),
        numbers=("churn rate",),
    )
    first, last = frame["week"].iloc[0], frame["week"].iloc[-1]
    note = (
        f"Whole weeks from that of {first} to that of {last}. Retained people were active the week "
        "before too, returning people only earlier, and churned people the week before only."
    )
    drawn = pieces.drawn(
        frame,
        behaviour_charts.life_cycle,
        2,
        "There is only one whole week yet.",
        counting="active_persons",
    )
    return pieces.block("Life cycle", pieces.note(note) + pieces.shown(drawn, numbers))


def segments(frames: Frames, currency: str, days: Days | None) -> str:
    """People by stage and segment, with what they spent."""
    frame = frames.get("segments")
    if frame is None or frame.empty:
        return ""
    numbers = pieces.table(
        pd.DataFrame(
            {
                "stage": frame["lifecycle_stage"].map(unknown),
                "segment": frame["rfm_segment"].map(unknown),
                "people": frame["persons"],
                "share of people": pieces.shares(frame["share_of_persons"]),
                "orders": frame["orders"],
                f"spend ({currency})": frame["spend"],
                "share of spend": pieces.shares(frame["share_of_spend"]),
            }
        ),
        numbers=("share of people", "share of spend"),
    )
    note = (
        f"{periods.every(days)} Segments tell how recently, how often and for how much people "
        "bought; spend is net revenue."
    )
    drawn = pieces.drawn(
        frame[frame["rfm_segment"] != "(none)"],
        charts.bars,
        1,
        "Nobody has bought anything yet.",
        counting="spend",
        category="rfm_segment",
        value="spend",
        name="Spend",
        unit=currency,
    )
    return pieces.block("Segments", pieces.note(note) + pieces.shown(drawn, numbers))


def values(frames: Frames, currency: str, days: Days | None) -> str:
    """What a new person has brought, by weeks since they came."""
    frame = frames.get("values")
    if frame is None or frame.empty:
        return ""
    drawn = pieces.drawn(
        frame,
        value_charts.value_curves,
        1,
        "No cohort's first week is over yet.",
        counting="is_mature",
        unit=currency,
    )
    known = frame[frame["is_mature"].astype(bool)]
    parts = ["cohort_persons", "cumulative_net_revenue"]
    sums = known.groupby("period_number")[parts].sum()
    per_person = f"per person ({currency})"
    numbers = pieces.table(
        pd.DataFrame(
            {
                "weeks since": [str(int(week)) for week in sums.index],
                "people": sums["cohort_persons"].to_list(),
                f"net revenue so far ({currency})": [
                    f"{float(net):,.2f}" for net in sums["cumulative_net_revenue"]
                ],
                per_person: [_each(row) for _, row in sums.iterrows()],
            }
        ),
        numbers=("weeks since", f"net revenue so far ({currency})", per_person),
    )
    numbers += _curves(known.groupby(["cohort_start", "period_number"])[parts].sum())
    note = (
        f"{periods.every(days)} Each row counts the cohorts that are that many weeks old, so later "
        "weeks stand for fewer people."
    )
    return pieces.block("Value of a new person", pieces.note(note) + pieces.shown(drawn, numbers))


def _curves(sums: pd.DataFrame) -> str:
    """The chart's lines, one of the newest cohorts each: what a person of it has brought so far."""
    if sums.empty:
        return ""
    cells = sums.assign(each=[_each(row) for _, row in sums.iterrows()])
    people = cells["cohort_persons"].groupby("cohort_start").first()
    newest = [start for start in sorted(people.index) if people[start] > 0][-_CURVES:]
    table = cells["each"].unstack("cohort_start").reindex(columns=newest).fillna("–")
    columns = {f"{start} ({int(people[start]):,} people)": table[start] for start in newest}
    weeks = [str(int(week)) for week in table.index]
    return pieces.table(
        pd.DataFrame({"weeks since": weeks, **{k: v.to_list() for k, v in columns.items()}}),
        numbers=("weeks since", *columns),
    )


def _each(row: pd.Series) -> str:
    people = int(row["cohort_persons"])
    return f"{float(row['cumulative_net_revenue']) / people:,.2f}" if people else "–"


def retention(retention: pd.DataFrame, settling_days: int) -> str:
    """How many of the new people of a week come back."""
    drawn = pieces.drawn(
        retention[retention["week_number"] > 0],
        charts.retention,
        1,
        "No cohort's first week after its own is over yet: too little data for retention.",
        counting="is_mature",
    )
    note = (
        "The share of a week's new people who were active again in each week after it. Cohorts "
        f"that began in the first {settling_days} days of the data are marked: some of their "
        "people only seem new."
    )
    numbers = ""
    if isinstance(drawn, pieces.Drawn):
        cells = cohort_cells(retention)
        cohorts = cells["cohort_week"]
        note = f"Cohorts of the weeks from {cohorts.min()} to {cohorts.max()}. {note}"
        numbers = _cohorts(cells) + pieces.table(
            _retention_by_people(retention), numbers=("everyone", "identified", "guests")
        )
    return pieces.block(
        "Who comes back", pieces.note(note) + pieces.shown(drawn, numbers, live="retention")
    )


def cohort_cells(retention: pd.DataFrame) -> pd.DataFrame:
    """What the chart shows: the newest cohorts, in their first weeks that are over."""
    cells = charts.retention_cells(retention, "everyone")
    cells = cells[cells["week_number"].between(1, _COHORT_WEEKS) & (cells["cohort_persons"] > 0)]
    newest = sorted(cells["cohort_week"].unique())[-_COHORTS:]
    return cells[cells["cohort_week"].isin(newest) & cells["rate"].notna()].sort_values(
        ["cohort_week", "week_number"]
    )


def _cohorts(cells: pd.DataFrame) -> str:
    marks = ["" if flag else " (not settled)" for flag in cells["is_settled"].astype(bool)]
    return pieces.table(
        pd.DataFrame(
            {
                "new in the week of": [
                    f"{week}{mark}" for week, mark in zip(cells["cohort_week"], marks, strict=True)
                ],
                "weeks since": cells["week_number"].astype(int).to_list(),
                "new people": cells["cohort_persons"].astype(int).to_list(),
                "came back": cells["retained_persons"].astype(int).to_list(),
                "share": pieces.shares(cells["rate"]),
            }
        ),
        numbers=("share",),
    )


def _retention_by_people(retention: pd.DataFrame) -> pd.DataFrame:
    """The share that came back per week, of all cohorts that are old enough, by kind of people."""
    settled = retention[retention["is_settled"].astype(bool) & retention["is_mature"].astype(bool)]
    chosen, which = retention, "all cohorts"
    if settled["week_number"].gt(0).any():
        chosen, which = settled, "settled cohorts"
    parts, columns = pd.DataFrame(), {}
    for people in ("everyone", "identified", "guests"):
        cells = charts.retention_cells(chosen, people)
        cells = cells[cells["week_number"].between(1, 8) & cells["rate"].notna()]
        sums = cells.groupby("week_number")[["cohort_persons", "retained_persons"]].sum()
        columns[people] = sums["retained_persons"] / sums["cohort_persons"]
        parts = sums if people == "everyone" else parts
    table = pd.DataFrame(columns)
    parts = parts.reindex(table.index).astype(int)
    return pd.DataFrame(
        {
            f"weeks since ({which})": [str(week) for week in table.index],
            "new people": parts["cohort_persons"].to_list(),
            "came back": parts["retained_persons"].to_list(),
            **{name: pieces.shares(table[name]) for name in columns},
        }
    )
