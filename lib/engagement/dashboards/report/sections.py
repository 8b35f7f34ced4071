"""The sections of the page after the first screen: each figure with its chart and its numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from engagement.dashboards import behaviour_charts, charts, style, value_charts
from engagement.dashboards.report import pieces
from engagement.models.concepts import EventMapping

Frames = Mapping[str, pd.DataFrame]

_LAST_30 = "Of the last 30 days."


def visits(frames: Frames, name: str, title: str, by: Mapping[str, str], currency: str) -> str:
    """A table of sessions and what came of them, by source, page, device or country.

    Parameters
    ----------
    by
        Columns of the frame that rows are told apart by, and what they are called.
    """
    frame = frames.get(name)
    if frame is None:
        return ""
    if frame.empty:
        return pieces.block(title, pieces.words("There was no session in the last 30 days."))
    numbers = pieces.table(
        pd.DataFrame(
            {
                **{shown: frame[column].map(_unknown) for column, shown in by.items()},
                "sessions": frame["sessions"],
                "engaged": pieces.shares(frame["engagement_rate"]),
                "with an order": pieces.shares(frame["conversion_rate"]),
                "orders": frame["orders"],
                f"revenue ({currency})": frame["revenue"],
            }
        ),
        numbers=("engaged", "with an order"),
    )
    return pieces.block(title, pieces.note(_LAST_30) + numbers)


def _unknown(value: object) -> str:
    return "–" if pd.isna(value) else str(value)


def channels(channels: pd.DataFrame, currency: str) -> str:
    """Sessions and orders by channel."""
    title = "Sessions by channel"
    drawn = pieces.drawn(
        channels,
        charts.bars,
        1,
        "There is no session yet.",
        counting="sessions",
        category="channel",
        value="sessions",
        name="Sessions",
        unit="sessions",
    )
    numbers = pieces.table(
        pd.DataFrame(
            {
                "channel": channels["channel"],
                "sessions": channels["sessions"],
                "engaged": pieces.shares(channels["engagement_rate"]),
                "with an order": pieces.shares(channels["conversion_rate"]),
                f"revenue by session ({currency})": channels["session_revenue"],
            }
        ),
        numbers=("engaged", "with an order"),
    )
    return pieces.block(title, pieces.shown(drawn, numbers, live="channels"))


def pages(frames: Frames) -> str:
    """The pages that were viewed most."""
    frame = frames.get("pages")
    if frame is None or frame.empty:
        return ""
    numbers = pieces.table(
        pd.DataFrame(
            {
                "page": frame["page"].map(_unknown),
                "views": frame["views"],
                "sessions began": frame["entries"],
                "sessions ended": frame["exits"],
                "exits per view": pieces.shares(frame["exit_rate"]),
                "mean time": _seconds(frame["mean_seconds"]),
            }
        ),
        numbers=("exits per view", "mean time"),
    )
    note = f"{_LAST_30} Time is that to the next view, or of the last view to the session's end."
    return pieces.block("Pages", pieces.note(note) + numbers)


def _seconds(column: pd.Series) -> list[str]:
    return ["–" if pd.isna(value) else style.duration(float(value)) for value in column]


def people(frames: Frames) -> str:
    """How many people came in a day, a week and a month."""
    frame = frames.get("rolling")
    if frame is None or frame.empty:
        return ""
    frame = frame.sort_values("day").tail(14)
    numbers = pieces.table(
        pd.DataFrame(
            {
                "day": [day.isoformat() for day in frame["day"]],
                "of the day": frame["dau"],
                "of 7 days": _if(frame["wau"], frame["is_wau_complete"]),
                "of 30 days": _if(frame["mau"], frame["is_mau_complete"]),
                "day by 30 days": pieces.shares(frame["stickiness"]),
            }
        ),
        numbers=("of 7 days", "of 30 days", "day by 30 days"),
    )
    note = (
        "People with an event in the 1, 7 and 30 days that end on a day, each counted once; a dash "
        "where the days begin before the data."
    )
    return pieces.block("People of a day, a week and a month", pieces.note(note) + numbers)


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
    frame = frame.sort_values("week").tail(12)
    numbers = pieces.table(
        pd.DataFrame(
            {
                "week of": [week.isoformat() for week in frame["week"]],
                "active": frame["active_persons"],
                "new": frame["new_persons"],
                "active the week before": frame["retained_persons"],
                "back after a break": frame["returning_persons"],
                "stayed away": frame["churned_persons"],
                "share that stayed away": pieces.shares(frame["churn_rate"]),
            }
        ),
        numbers=("share that stayed away",),
    )
    note = "People of each week that is over; who stayed away was active the week before."
    drawn = pieces.drawn(
        frame, behaviour_charts.life_cycle, 2, "There is one week yet.", counting="active_persons"
    )
    return pieces.block("Life cycle", pieces.note(note) + pieces.shown(drawn, numbers))


def carts(frames: Frames) -> str:
    """What became of the carts that were begun."""
    frame = frames.get("carts")
    if frame is None or frame.empty or not frame["carts"].iloc[0]:
        return ""
    row = frame.iloc[0]
    total = int(row["carts"])
    rows = [
        (name, pieces.count(row[column]), style.percent(int(row[column]) / total))
        for name, column in (
            ("Carts begun", "carts"),
            ("Ordered", "ordered_carts"),
            ("Ordered, and the order was cancelled", "cancelled_carts"),
            ("Abandoned", "abandoned_carts"),
            ("Still open", "open_carts"),
        )
    ]
    numbers = pieces.table(
        pd.DataFrame(rows, columns=["what", "carts", "of all"]), numbers=("carts", "of all")
    )
    rate = row["abandonment_rate"]
    seen = (
        "" if pd.isna(rate) else f" Of those decided, {style.percent(float(rate))} were abandoned."
    )
    return pieces.block("Carts", pieces.note(_LAST_30 + seen) + numbers)


def categories(frames: Frames, currency: str) -> str:
    """The categories that sold most."""
    frame = frames.get("categories")
    if frame is None or frame.empty:
        return ""
    numbers = pieces.table(
        pd.DataFrame(
            {
                "category": frame["category"].map(_unknown),
                "viewers": frame["viewers"],
                "put into cart by": frame["adders"],
                "buyers": frame["buyers"],
                "orders": frame["orders"],
                "units": frame["units"],
                f"item sales ({currency})": frame["item_sales"],
            }
        )
    )
    note = "The ten categories with the most item sales: before discounts on the order and refunds."
    return pieces.block("Categories", pieces.note(note) + numbers)


_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def hours(frames: Frames) -> str:
    """When people order: orders by weekday and part of the day."""
    frame = frames.get("hours")
    if frame is None or frame.empty or not frame["orders"].sum():
        return ""
    parts = frame.assign(part=frame["hour"].astype(int) // 4)
    table = parts.pivot_table(
        index="weekday", columns="part", values="orders", aggfunc="sum", fill_value=0
    )
    rows = {
        "weekday": [_WEEKDAYS[int(weekday) - 1] for weekday in table.index],
        **{f"{part * 4:02}–{part * 4 + 3:02} h": table[part].to_list() for part in table.columns},
        "all day": table.sum(axis=1).to_list(),
    }
    note = "Orders by weekday and hour, in the reporting time zone, over the last 400 days."
    drawn = pieces.drawn(frame, behaviour_charts.hours, 1, "There is no order yet.")
    numbers = pieces.table(pd.DataFrame(rows))
    return pieces.block("When people order", pieces.note(note) + pieces.shown(drawn, numbers))


_MODELS = {
    "first": "first",
    "last": "last",
    "last_non_direct": "last not direct",
    "linear": "linear",
    "position": "position",
    "time_decay": "time decay",
    "markov": "Markov",
}


def models(frames: Frames, currency: str) -> str:
    """Revenue by channel as each attribution model shares it out."""
    frame = frames.get("models")
    if frame is None or frame.empty:
        return ""
    table = frame.pivot_table(index="channel", columns="model", values="revenue", aggfunc="sum")
    known = [model for model in _MODELS if model in table.columns]
    table = table[known].fillna(0)
    table = table.assign(most=table.max(axis=1)).sort_values(["most"], ascending=False)
    numbers = pieces.table(
        pd.DataFrame(
            {
                "channel": table.index.astype(str),
                **{_MODELS[model]: [f"{v:,.2f}" for v in table[model]] for model in known},
            }
        ),
        numbers=tuple(_MODELS[model] for model in known),
    )
    note = (
        f"Revenue in {currency} of the same orders, shared out by each model: every column adds up "
        "to the same total, to the cent. Where columns differ, the model decides, not the data."
    )
    drawn = pieces.drawn(
        frame,
        value_charts.attribution_models,
        1,
        "There is no order with revenue yet.",
        counting="revenue",
        unit=currency,
    )
    return pieces.block("Models side by side", pieces.note(note) + pieces.shown(drawn, numbers))


def paths(frames: Frames, currency: str) -> str:
    """The commonest ways to an order."""
    frame = frames.get("paths")
    if frame is None or frame.empty:
        return ""
    numbers = pieces.table(
        pd.DataFrame(
            {
                "channels in order": frame["path"].map(_unknown),
                "journeys": frame["journeys"],
                "orders": frame["conversions"],
                "with an order": pieces.shares(frame["conversion_rate"]),
                f"revenue ({currency})": frame["revenue"],
                "mean days": frame["mean_days"],
            }
        ),
        numbers=("with an order",),
    )
    note = (
        "The channels that people came by before they ordered, repeats as one: the commonest ten."
    )
    return pieces.block("Ways to an order", pieces.note(note) + numbers)


def segments(frames: Frames, currency: str) -> str:
    """People by stage and segment, with what they spent."""
    frame = frames.get("segments")
    if frame is None or frame.empty:
        return ""
    numbers = pieces.table(
        pd.DataFrame(
            {
                "stage": frame["lifecycle_stage"].map(_unknown),
                "segment": frame["rfm_segment"].map(_unknown),
                "people": frame["persons"],
                "of all": pieces.shares(frame["share_of_persons"]),
                "orders": frame["orders"],
                f"spend ({currency})": frame["spend"],
                "of all spend": pieces.shares(frame["share_of_spend"]),
            }
        ),
        numbers=("of all", "of all spend"),
    )
    note = "By how lately, how often and for how much people bought; spend is net revenue."
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


def values(frames: Frames, currency: str) -> str:
    """What a new person has brought, by weeks since they came."""
    frame = frames.get("values")
    if frame is None or frame.empty:
        return ""
    drawn = pieces.drawn(
        frame,
        value_charts.value_curves,
        1,
        "No week of a cohort is over yet.",
        counting="is_mature",
        unit=currency,
    )
    known = frame[frame["is_mature"].astype(bool)]
    sums = known.groupby("period_number")[["cohort_persons", "cumulative_net_revenue"]].sum()
    name = f"net revenue per person so far ({currency})"
    numbers = pieces.table(
        pd.DataFrame(
            {
                "weeks since": [str(int(week)) for week in sums.index],
                "people": sums["cohort_persons"].to_list(),
                name: [
                    f"{float(net) / int(people):,.2f}" if people else "–"
                    for people, net in zip(
                        sums["cohort_persons"], sums["cumulative_net_revenue"], strict=True
                    )
                ],
            }
        ),
        numbers=("weeks since", name),
    )
    note = "Of the new people whose cohort is old enough: later weeks stand for fewer people."
    return pieces.block("Value of a new person", pieces.note(note) + pieces.shown(drawn, numbers))


_FUNNEL = ("product_added", "checkout_started", "order_completed")


def funnel(funnel: pd.DataFrame, window_days: int, mapped: EventMapping) -> str:
    """How many people get from a view to an order."""
    nobody = mapped.unless_mapped("Nobody has viewed a product yet.", "product_viewed")
    drawn = pieces.drawn(funnel, charts.funnel, 1, nobody, counting="persons")
    note = (
        f"Persons who took each step strictly after the one before it, all within {window_days} "
        "days of the view. Who is counted at a step is counted at every step before it."
    )
    if isinstance(drawn, pieces.Drawn):
        note = " ".join([note, *mapped.missing(*_FUNNEL)])
    numbers = pieces.table(
        pd.DataFrame(
            {
                "step": funnel["step"],
                "persons": funnel["persons"],
                "of the step before": pieces.shares(funnel["step_rate"]),
                "of all": pieces.shares(funnel["overall_rate"]),
                "still within their window": funnel["persons_waiting"],
            }
        )
    )
    return pieces.block(
        "From view to order", pieces.note(note) + pieces.shown(drawn, numbers, live="funnel")
    )


def retention(retention: pd.DataFrame, settling_days: int) -> str:
    """How many of the new people of a week come back."""
    drawn = pieces.drawn(
        retention[retention["week_number"] > 0],
        charts.retention,
        1,
        "No week after a cohort's own is over yet: too little data for retention.",
        counting="is_mature",
    )
    note = (
        "Of the new people of a week, the share that was active in each week since. Cohorts that "
        f"began in the first {settling_days} days of the data are marked: in them are people who "
        "only seem new."
    )
    numbers = (
        pieces.table(_retention_by_people(retention)) if isinstance(drawn, pieces.Drawn) else ""
    )
    return pieces.block(
        "Who comes back", pieces.note(note) + pieces.shown(drawn, numbers, live="retention")
    )


def _retention_by_people(retention: pd.DataFrame) -> pd.DataFrame:
    """The share that came back per week, of all cohorts that are old enough, by kind of people."""
    settled = retention[retention["is_settled"].astype(bool) & retention["is_mature"].astype(bool)]
    chosen, which = retention, "all cohorts"
    if settled["week_number"].gt(0).any():
        chosen, which = settled, "settled cohorts"
    columns: dict[str, Any] = {}
    for people in ("everyone", "identified", "guests"):
        cells = charts.retention_cells(chosen, people)
        cells = cells[cells["week_number"].between(1, 8) & cells["rate"].notna()]
        sums = cells.groupby("week_number")[["cohort_persons", "retained_persons"]].sum()
        columns[people] = sums["retained_persons"] / sums["cohort_persons"]
    table = pd.DataFrame(columns)
    shares = {name: pieces.shares(table[name]) for name in columns}
    return pd.DataFrame({f"weeks since ({which})": [str(week) for week in table.index], **shares})


def attribution(
    channels: pd.DataFrame, currency: str, lookback_days: int, mapped: EventMapping
) -> str:
    """Revenue by channel: of the last touch, and of the order's session."""
    drawn = pieces.drawn(
        channels,
        charts.attribution,
        1,
        mapped.unless_mapped(
            "There is no order with revenue yet, so there is nothing to attribute.",
            "order_completed",
        ),
        counting="revenue",
        unit=currency,
    )
    note = (
        f"Each order's revenue goes to the last touch of the {lookback_days} days before it that "
        "was not direct, and to direct where there was no other."
    )
    numbers = pieces.table(
        pd.DataFrame(
            {
                "channel": channels["channel"],
                "sessions": channels["sessions"],
                "engaged": pieces.shares(channels["engagement_rate"]),
                "with an order": pieces.shares(channels["conversion_rate"]),
                f"revenue by session ({currency})": channels["session_revenue"],
                "credited orders": channels["credits"],
                f"credited revenue ({currency})": channels["revenue"],
            }
        )
    )
    return pieces.block("Last touch and session", pieces.note(note) + pieces.shown(drawn, numbers))


def products(products: pd.DataFrame, currency: str, mapped: EventMapping) -> str:
    """The products that sold most."""
    if products.empty:
        words = "No product was viewed or bought yet."
        concepts = "product_viewed", "product_added", "order_completed"
        return pieces.block("Products", pieces.words(mapped.unless_mapped(words, *concepts)))
    numbers = pieces.table(
        pd.DataFrame(
            {
                "product": [
                    row["product_id"] if pd.isna(row["name"]) else row["name"]
                    for _, row in products.iterrows()
                ],
                "viewers": products["viewers"],
                "put into cart by": products["adders"],
                "orders": products["orders"],
                "units": products["units"],
                f"item sales ({currency})": products["item_sales"],
            }
        )
    )
    note = "The ten products with the most item sales: before discounts on the order and refunds."
    return pieces.block("Products", pieces.note(note) + numbers)


def searches(searches: pd.DataFrame, mapped: EventMapping) -> str:
    """What people looked for and did not find."""
    title = "Searches that found nothing"
    if searches.empty:
        words = mapped.unless_mapped("No search came back empty.", "products_searched")
        return pieces.block(title, pieces.words(words))
    numbers = pieces.table(
        pd.DataFrame(
            {
                "term": searches["term"],
                "searches": searches["searches"],
                "of these without results": searches["searches_without_results"],
                "share": pieces.shares(searches["no_result_rate"]),
            }
        ),
        numbers=("share",),
    )
    return pieces.block(title, numbers)


def money(reconciliation: pd.DataFrame, currency: str, mapped: EventMapping) -> str:
    """Why the sums of money differ."""
    note = (
        "Why item sales, revenue, net revenue and order totals differ, over all orders that stand. "
        "The items difference is what the lines of orders do not explain."
    )
    if reconciliation.empty:
        words = mapped.unless_mapped("No order was placed yet.", "order_completed")
        return pieces.block("How the money adds up", pieces.words(words))
    amounts = [
        f"{'= ' if row['is_result'] else ''}{row['amount']:,}"
        for _, row in reconciliation.iterrows()
    ]
    numbers = pieces.table(
        pd.DataFrame({"step": reconciliation["label"], f"amount ({currency})": amounts}),
        numbers=(f"amount ({currency})",),
    )
    return pieces.block("How the money adds up", pieces.note(note) + numbers)


def quality(frames: Mapping[str, pd.DataFrame]) -> str:
    """What became of the landed records, and what the figures above are without."""
    title = "What became of the records"
    note = "Each landed record is kept, a repeated delivery, or set aside with its reason."
    ledger, reasons = frames.get("ledger"), frames.get("reasons")
    if ledger is None or ledger.empty or pd.isna(ledger["newest"].iloc[0]):
        return pieces.block(title, pieces.words("No event was kept of the landing."))
    total = ledger.iloc[0]
    records = int(total["records"])
    rows = [
        ("Records landed", pieces.count(records), ""),
        ("Events kept", pieces.count(total["events"]), style.percent(total["events"] / records)),
        (
            "Delivered again",
            pieces.count(total["duplicates"]),
            _share_of(total["duplicates"], records),
        ),
        ("Set aside", pieces.count(total["quarantined"]), _share_of(total["quarantined"], records)),
        ("Files that could not be read", pieces.count(total["unreadable_files"]), ""),
        ("Event times not believed", pieces.count(total["unbelieved_timestamps"]), ""),
        ("Values that did not fit their column", pieces.count(total["discards"]), ""),
        ("Orders of unknown worth", pieces.count(frames["overview"]["unvalued_orders"].sum()), ""),
        ("Newest event received", f"{total['newest']:%Y-%m-%d %H:%M} UTC", ""),
    ]
    numbers = pieces.table(pd.DataFrame(rows, columns=["what", "how many", "of the records"]))
    if reasons is not None and len(reasons):
        numbers += pieces.table(reasons.rename(columns={"reason": "set aside because"}))
    return pieces.block(title, pieces.note(note) + numbers)


def _share_of(value: Any, whole: int) -> str:
    return style.percent((0 if pd.isna(value) else int(value)) / whole)
