"""The sections about visits, orders and money: each figure with its chart and its numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from engagement.dashboards import behaviour_charts, charts, style, value_charts
from engagement.dashboards.report import periods, pieces
from engagement.dashboards.report.periods import Days
from engagement.models.concepts import EventMapping

Frames = Mapping[str, pd.DataFrame]

_LISTED = 10


def visits(
    frames: Frames,
    name: str,
    title: str,
    by: Mapping[str, str],
    currency: str,
    days: Days | None,
) -> str:
    """A table of sessions and what came of them, by source, page, device or country.

    Parameters
    ----------
    by
        The columns of the frame that it is grouped by, and what they are called.
    """
    frame = frames.get(name)
    if frame is None:
        return ""
    if frame.empty:
        none = f"There were no sessions in the last {periods.LIST_DAYS} days."
        return pieces.block(title, pieces.words(none))
    numbers = pieces.table(
        pd.DataFrame(
            {
                **{shown: frame[column].map(unknown) for column, shown in by.items()},
                "sessions": frame["sessions"],
                "engaged": pieces.shares(frame["engagement_rate"]),
                "with an order": pieces.shares(frame["conversion_rate"]),
                "orders": frame["orders"],
                f"revenue ({currency})": frame["revenue"],
            }
        ),
        numbers=("engaged", "with an order"),
    )
    note = periods.last(periods.LIST_DAYS, days)
    if len(frame) >= _LISTED:
        note += " The ten with the most sessions."
    return pieces.block(title, pieces.note(note) + numbers)


def unknown(value: object) -> str:
    """A text of the data, or a dash where there is none."""
    return "–" if pd.isna(value) else str(value)


def channels(channels: pd.DataFrame, currency: str, days: Days | None) -> str:
    """Sessions and orders by channel."""
    title = "Sessions by channel"
    drawn = pieces.drawn(
        channels,
        charts.bars,
        1,
        "There were no sessions in these days.",
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
                "engaged sessions": channels["engaged_sessions"],
                "engagement rate": pieces.shares(channels["engagement_rate"]),
                "sessions with an order": channels["converting_sessions"],
                "conversion rate": pieces.shares(channels["conversion_rate"]),
                "orders": channels["orders"],
                f"revenue ({currency})": channels["revenue"],
            }
        ),
        numbers=("engagement rate", "conversion rate"),
    )
    note = periods.last(periods.RECENT_DAYS, days)
    return pieces.block(title, pieces.note(note) + pieces.shown(drawn, numbers, live="channels"))


def pages(frames: Frames, days: Days | None) -> str:
    """The pages that were viewed most."""
    frame = frames.get("pages")
    if frame is None or frame.empty:
        return ""
    numbers = pieces.table(
        pd.DataFrame(
            {
                "page": frame["page"].map(unknown),
                "views": frame["views"],
                "entries": frame["entries"],
                "exits": frame["exits"],
                "exit rate": pieces.shares(frame["exit_rate"]),
                "mean time": _seconds(frame["mean_seconds"]),
            }
        ),
        numbers=("exit rate", "mean time"),
    )
    note = (
        f"{periods.last(periods.LIST_DAYS, days)} The ten most viewed. Time on a page runs to the "
        "next view or, for the last one, to the end of the session."
    )
    return pieces.block("Pages", pieces.note(note) + numbers)


def _seconds(column: pd.Series) -> list[str]:
    return ["–" if pd.isna(value) else style.duration(float(value)) for value in column]


def carts(frames: Frames, days: Days | None) -> str:
    """What became of the carts of the last days."""
    frame = frames.get("carts")
    if frame is None or frame.empty or not frame["carts"].iloc[0]:
        return ""
    row = frame.iloc[0]
    total = int(row["carts"])
    rows = [
        (name, pieces.count(row[column]), style.percent(int(row[column]) / total))
        for name, column in (
            ("Started", "carts"),
            ("Ordered", "ordered_carts"),
            ("Ordered, then cancelled", "cancelled_carts"),
            ("Abandoned", "abandoned_carts"),
            ("Still open", "open_carts"),
        )
    ]
    numbers = pieces.table(
        pd.DataFrame(rows, columns=["", "carts", "share"]), numbers=("carts", "share")
    )
    rate = row["abandonment_rate"]
    seen = (
        ""
        if pd.isna(rate)
        else f" Of those no longer open, {style.percent(float(rate))} were abandoned."
    )
    note = f"Carts by the day they were started. {periods.last(periods.LIST_DAYS, days)}{seen}"
    return pieces.block("Carts", pieces.note(note) + numbers)


_ITEM_SALES = "Item sales are before discounts on the order and before refunds."


def categories(frames: Frames, currency: str, days: Days | None) -> str:
    """The categories that sold most."""
    frame = frames.get("categories")
    if frame is None or frame.empty:
        return ""
    numbers = pieces.table(
        pd.DataFrame(
            {
                "category": frame["category"].map(unknown),
                "viewers": frame["viewers"],
                "added to cart by": frame["adders"],
                "buyers": frame["buyers"],
                "orders": frame["orders"],
                "units": frame["units"],
                f"item sales ({currency})": frame["item_sales"],
            }
        )
    )
    note = f"{periods.every(days)} The ten categories with the most item sales. {_ITEM_SALES}"
    return pieces.block("Categories", pieces.note(note) + numbers)


_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def hours(frames: Frames, days: Days | None) -> str:
    """When people order: orders by weekday and hour."""
    frame = frames.get("hours")
    if frame is None or frame.empty or not frame["orders"].sum():
        return ""
    table = frame.pivot_table(
        index="hour", columns="weekday", values="orders", aggfunc="sum", fill_value=0
    )
    counted = frame.groupby("weekday")["day"].nunique()
    rows = {
        "hour": [f"{int(hour):02}:00" for hour in table.index] + ["all day", "days counted"],
        **{
            _WEEKDAYS[int(weekday) - 1]: [
                *table[weekday].to_list(),
                int(table[weekday].sum()),
                int(counted[weekday]),
            ]
            for weekday in table.columns
        },
    }
    note = (
        f"{periods.last(periods.MOST_DAYS, days)} Orders by weekday and hour in the reporting time "
        "zone. The chart shows the mean of the days counted."
    )
    drawn = pieces.drawn(frame, behaviour_charts.hours, 1, "There are no orders yet.")
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


def models(frames: Frames, currency: str, days: Days | None) -> str:
    """Revenue by channel as each attribution model divides it."""
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
        f"{periods.every(days)} Revenue in {currency} of the same orders, divided among the "
        "channels by each model. Every column adds up to the same total, to the cent: where they "
        "differ, the model makes the difference, not the data."
    )
    drawn = pieces.drawn(
        frame,
        value_charts.attribution_models,
        1,
        "There are no orders with revenue yet.",
        counting="revenue",
        unit=currency,
    )
    return pieces.block("Models side by side", pieces.note(note) + pieces.shown(drawn, numbers))


def paths(frames: Frames, currency: str, days: Days | None) -> str:
    """The most common paths to an order."""
    frame = frames.get("paths")
    if frame is None or frame.empty:
        return ""
    numbers = pieces.table(
        pd.DataFrame(
            {
                "channels in order": frame["path"].map(unknown),
                "journeys": frame["journeys"],
                "orders": frame["conversions"],
                "share with an order": pieces.shares(frame["conversion_rate"]),
                f"revenue ({currency})": frame["revenue"],
                "mean days": frame["mean_days"],
            }
        ),
        numbers=("share with an order",),
    )
    note = (
        f"{periods.every(days)} The channels through which people came before they ordered, "
        "repeats counted once: the ten paths with the most orders."
    )
    return pieces.block("Paths to an order", pieces.note(note) + numbers)


_FUNNEL = ("product_added", "checkout_started", "order_completed")


def funnel(funnel: pd.DataFrame, window_days: int, mapped: EventMapping, days: Days | None) -> str:
    """How many people get from a view to an order."""
    nobody = mapped.unless_mapped("Nobody has viewed a product yet.", "product_viewed")
    drawn = pieces.drawn(funnel, charts.funnel, 1, nobody, counting="persons")
    within = "day" if window_days == 1 else f"{window_days} days"
    note = (
        f"{periods.every(days)} People who took each step after the one before it, all within "
        f"{within} of the view. Whoever is counted at a step is counted at every step before it."
    )
    if isinstance(drawn, pieces.Drawn):
        note = " ".join([note, *mapped.missing(*_FUNNEL)])
    numbers = pieces.table(
        pd.DataFrame(
            {
                "step": funnel["step"],
                "persons": funnel["persons"],
                "share of the step before": pieces.shares(funnel["step_rate"]),
                "share of the first step": pieces.shares(funnel["overall_rate"]),
                "median time since the step before": _seconds(
                    funnel["median_seconds_from_previous"]
                ),
                "still have time for the next": funnel["persons_waiting"],
            }
        ),
        numbers=(
            "share of the step before",
            "share of the first step",
            "median time since the step before",
        ),
    )
    return pieces.block(
        "From view to order", pieces.note(note) + pieces.shown(drawn, numbers, live="funnel")
    )


def attribution(
    channels: pd.DataFrame,
    currency: str,
    lookback_days: int,
    mapped: EventMapping,
    days: Days | None,
) -> str:
    """Revenue by channel: of the last touch, and of the order's session."""
    drawn = pieces.drawn(
        channels,
        charts.attribution,
        1,
        mapped.unless_mapped(
            "There are no orders with revenue yet, so there is nothing to attribute.",
            "order_completed",
        ),
        counting="revenue",
        unit=currency,
    )
    before = "day" if lookback_days == 1 else f"{lookback_days} days"
    note = (
        f"{periods.every(days)} Each order's revenue goes to the last touch in the {before} before "
        "it that was not direct, or to direct if there was no other."
    )
    numbers = pieces.table(
        pd.DataFrame(
            {
                "channel": channels["channel"],
                "orders by session": channels["session_orders"],
                f"revenue by session ({currency})": channels["session_revenue"],
                "orders by last touch": channels["credits"],
                f"revenue by last touch ({currency})": channels["revenue"],
            }
        )
    )
    return pieces.block("Last touch and session", pieces.note(note) + pieces.shown(drawn, numbers))


def products(products: pd.DataFrame, currency: str, mapped: EventMapping, days: Days | None) -> str:
    """The products that sold most."""
    if products.empty:
        words = "No product has been viewed or bought yet."
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
                "added to cart by": products["adders"],
                "orders": products["orders"],
                "units": products["units"],
                f"item sales ({currency})": products["item_sales"],
            }
        )
    )
    note = f"{periods.every(days)} The ten products with the most item sales. {_ITEM_SALES}"
    return pieces.block("Products", pieces.note(note) + numbers)


def searches(searches: pd.DataFrame, mapped: EventMapping, days: Days | None) -> str:
    """What people looked for and did not find."""
    title = "Searches without results"
    if searches.empty:
        words = mapped.unless_mapped("Every search found something.", "products_searched")
        return pieces.block(title, pieces.words(words))
    numbers = pieces.table(
        pd.DataFrame(
            {
                "term": searches["term"],
                "searches": searches["searches"],
                "without results": searches["searches_without_results"],
                "share": pieces.shares(searches["no_result_rate"]),
            }
        ),
        numbers=("share",),
    )
    note = f"{periods.every(days)} The ten terms that most often found nothing."
    return pieces.block(title, pieces.note(note) + numbers)


def money(
    reconciliation: pd.DataFrame, currency: str, mapped: EventMapping, days: Days | None
) -> str:
    """Why the sums of money differ."""
    note = (
        f"{periods.every(days)} Why item sales, revenue, net revenue and order totals differ, for "
        "all orders except cancelled ones. The items difference is the part of revenue that the "
        "items of the orders do not explain."
    )
    if reconciliation.empty:
        words = mapped.unless_mapped("No order has been placed yet.", "order_completed")
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
    """What became of the landed records, and what the figures above leave out."""
    title = "What became of the records"
    note = (
        "All records that have landed. Each is kept as an event, recognised as delivered again, or "
        "set aside with a reason."
    )
    ledger, reasons = frames.get("ledger"), frames.get("reasons")
    if ledger is None or ledger.empty or pd.isna(ledger["newest"].iloc[0]):
        return pieces.block(title, pieces.words("None of the landed records was kept as an event."))
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
        ("Events whose time was not believed", pieces.count(total["unbelieved_timestamps"]), ""),
        ("Values that did not fit their column", pieces.count(total["discards"]), ""),
        ("Orders of unknown value", pieces.count(frames["overview"]["unvalued_orders"].sum()), ""),
        ("Newest event received", f"{total['newest']:%Y-%m-%d %H:%M} UTC", ""),
    ]
    numbers = pieces.table(pd.DataFrame(rows, columns=["", "count", "share of records"]))
    if reasons is not None and len(reasons):
        numbers += pieces.table(reasons.rename(columns={"reason": "reason for setting aside"}))
    return pieces.block(title, pieces.note(note) + numbers)


def _share_of(value: Any, whole: int) -> str:
    return style.percent((0 if pd.isna(value) else int(value)) / whole)
