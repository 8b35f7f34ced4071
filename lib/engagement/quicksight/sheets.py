"""What the dashboard shows: sheets and visuals, in the words of the tables that they read.

A visual names a table of ``marts`` and its columns. A figure that is a ratio is a :class:`Ratio`:
its parts are added up first, over whatever a reader has chosen, and then divided.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["kpi", "line", "area", "bar", "columns", "stacked", "table", "heat", "funnel"]


@dataclass(frozen=True)
class Ratio:
    """A figure that is the sum of one column by that of another.

    ``where_known`` counts the denominator only in rows in which that column is known; ``is_share``
    says whether it is shown in per cent; ``scale`` is what it is divided by in the end.
    """

    name: str
    numerator: str
    denominator: str
    is_share: bool = True
    where_known: str | None = None
    scale: int = 1

    @property
    def expression(self) -> str:
        """The formula, in QuickSight's terms."""
        below = f"sum({{{self.denominator}}})"
        if self.where_known is not None:
            below = f"sumIf({{{self.denominator}}}, isNotNull({{{self.where_known}}}))"
        scale = "" if self.scale == 1 else f" / {self.scale}"
        return f"sum({{{self.numerator}}}) / {below}{scale}"

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that it is made of."""
        known = () if self.where_known is None else (self.where_known,)
        return (self.numerator, self.denominator, *known)


@dataclass(frozen=True)
class Word:
    """A flag in words: ``new`` and ``returning`` rather than true and false."""

    name: str
    flag: str
    yes: str
    no: str

    @property
    def expression(self) -> str:
        """The formula, in QuickSight's terms."""
        return f"ifelse({{{self.flag}}}, '{self.yes}', '{self.no}')"

    @property
    def columns(self) -> tuple[str, ...]:
        """The column that it is made of."""
        return (self.flag,)


@dataclass(frozen=True)
class Visual:
    """One visual.

    Attributes
    ----------
    by
        What its rows, bars or points are: columns of texts, days or numbers, or a :class:`Word`.
        Of a heat map first what goes down, then what goes across.
    values
        Columns that are added up, and ratios.
    colour
        A column that tells several lines or bars apart.
    only
        Rows that it shows: columns with their only value.
    width, height
        In cells of the grid, which is 36 wide.
    """

    kind: Kind
    title: str
    table: str
    by: tuple[str | Word, ...]
    values: tuple[str | Ratio, ...]
    colour: str | None = None
    only: Mapping[str, str] = field(default_factory=dict)
    width: int = 18
    height: int = 9

    @property
    def formulas(self) -> tuple[Ratio | Word, ...]:
        """What is computed from columns."""
        return tuple(one for one in (*self.by, *self.values) if not isinstance(one, str))

    @property
    def columns(self) -> frozenset[str]:
        """Every column of its table that it reads."""
        plain = {one for one in (*self.by, *self.values) if isinstance(one, str)}
        made = {name for one in self.formulas for name in one.columns}
        return frozenset(plain | made | set(self.only) | ({self.colour} if self.colour else set()))


@dataclass(frozen=True)
class Sheet:
    """One sheet.

    ``choices`` are the columns, or words, that its readers may choose values of: each has one
    control, which holds for the visuals of all tables that have it.
    """

    name: str
    visuals: tuple[Visual, ...]
    choices: tuple[tuple[str, str | Word], ...] = ()


CONVERSION = Ratio("Conversion rate", "converting_sessions", "sessions")
ENGAGED = Ratio("Engagement rate", "engaged_sessions", "sessions")
ORDER_VALUE = Ratio("Average order value", "revenue", "valued_orders", is_share=False)
VISITORS = Word("Visitors", "is_new_visitor", "new", "returning")

DATES: Mapping[str, str] = {
    **dict.fromkeys(
        (
            *("daily_overview", "rolling_users", "acquisition_channels", "acquisition_sources"),
            *("acquisition_landing_pages", "technology", "countries", "orders_hourly"),
            *("page_engagement", "category_daily", "product_daily", "search_daily"),
            *("cart_abandonment", "event_daily"),
        ),
        "day",
    ),
    **dict.fromkeys(("attribution_channels", "attribution_sources"), "order_date"),
    "lifecycle_weekly": "week",
    "retention_weekly": "cohort_week",
}
"""The column that the date controls narrow down, by table. Tables that stand for the as-of day, or
for all days, have none."""


def _kpi(title: str, value: str | Ratio) -> Visual:
    return Visual("kpi", title, "daily_overview", (), (value,), width=6, height=5)


SHEETS = (
    Sheet(
        "Overview",
        (
            _kpi("Revenue", "revenue"),
            _kpi("Net revenue", "net_revenue"),
            _kpi("Orders", "orders"),
            _kpi("Sessions", "sessions"),
            _kpi("New users", "new_users"),
            _kpi("Conversion rate", CONVERSION),
            Visual("line", "Revenue and net revenue by day", "daily_overview", ("day",),
                   ("revenue", "net_revenue"), width=36),
            Visual("line", "Sessions by day", "daily_overview", ("day",),
                   ("sessions", "engaged_sessions")),
            Visual("line", "Conversion rate by day", "daily_overview", ("day",), (CONVERSION,)),
            Visual("line", "Users and new users by day", "daily_overview", ("day",),
                   ("users", "new_users")),
            Visual("line", "Average order value by day", "daily_overview", ("day",),
                   (ORDER_VALUE,)),
        ),
    ),
    Sheet(
        "Acquisition",
        (
            Visual("bar", "Sessions by channel", "acquisition_channels", ("channel",),
                   ("sessions",)),
            Visual("bar", "Revenue by channel", "acquisition_channels", ("channel",),
                   ("revenue",)),
            Visual("area", "Sessions by day and channel", "acquisition_channels", ("day",),
                   ("sessions",), colour="channel", width=36),
            Visual("columns", "New and returning visitors", "acquisition_channels", (VISITORS,),
                   ("sessions",), width=12),
            Visual("bar", "Conversion rate by channel", "acquisition_channels", ("channel",),
                   (CONVERSION,), width=24),
            Visual("table", "Sources and campaigns", "acquisition_sources",
                   ("source", "medium", "campaign"),
                   ("sessions", ENGAGED, CONVERSION, "orders", "revenue")),
            Visual("table", "Landing pages", "acquisition_landing_pages", ("landing_page",),
                   ("sessions", ENGAGED, CONVERSION, "orders", "revenue")),
        ),
        choices=(("Channel", "channel"), ("Visitors", VISITORS)),
    ),
    Sheet(
        "Engagement",
        (
            Visual("funnel", "From view to order, over all days", "funnel_steps", ("step",),
                   ("persons",)),
            Visual("bar", "Sessions by device", "technology", ("device_type",), ("sessions",)),
            Visual("table", "Pages", "page_engagement", ("page",),
                   ("views", "entries", "exits",
                    Ratio("Exits per view", "exits", "views"),
                    Ratio("Seconds per view", "milliseconds", "timed_views",
                          is_share=False, scale=1000)), width=36),
            Visual("bar", "Sessions by country", "countries", ("country",), ("sessions",)),
            Visual("line", "Searches by day", "search_daily", ("day",),
                   ("searches", "searches_without_results")),
            Visual("area", "Events by day", "event_daily", ("day",), ("events",), colour="event",
                   width=36),
        ),
    ),
    Sheet(
        "Retention",
        (
            Visual("heat", "Who comes back: share of a week's new people, by weeks since",
                   "retention_weekly", ("cohort_week", "week_number"),
                   (Ratio("Retention", "retained_persons", "cohort_persons",
                          where_known="retained_persons"),), width=36, height=12),
            Visual("line", "People of a day, a week and a month", "rolling_users", ("day",),
                   ("dau", "wau", "mau")),
            Visual("stacked", "Life cycle: people of a week", "lifecycle_weekly", ("week",),
                   ("new_persons", "retained_persons", "returning_persons")),
            Visual("line", "People who stayed away", "lifecycle_weekly", ("week",),
                   (Ratio("Churn rate", "churned_persons", "previous_active_persons"),)),
        ),
    ),
    Sheet(
        "Commerce",
        (
            Visual("bar", "Item sales by category", "category_daily", ("category",),
                   ("item_sales",)),
            Visual("line", "Carts by day", "cart_abandonment", ("day",),
                   ("carts", "ordered_carts", "abandoned_carts")),
            Visual("table", "Products", "product_daily", ("product_id", "name", "category"),
                   ("views", "adds", "orders", "units", "item_sales"), width=36),
            Visual("heat", "Orders by weekday (1: Monday) and hour", "orders_hourly",
                   ("weekday", "hour"), ("orders",)),
            Visual("line", "Abandoned carts, of those decided", "cart_abandonment", ("day",),
                   (Ratio("Abandonment rate", "abandoned_carts", "decided_carts"),)),
            Visual("table", "How the money adds up, over all days", "revenue_reconciliation",
                   ("step", "label"), ("amount",)),
        ),
        choices=(("Category", "category"),),
    ),
    Sheet(
        "Attribution",
        (
            Visual("bar", "Revenue by channel, as each model shares it out",
                   "attribution_channels", ("channel",), ("revenue",), colour="model", width=36,
                   height=14),
            Visual("table", "Sources, by model", "attribution_sources",
                   ("model", "source", "medium", "campaign"), ("credits", "revenue", "cost"),
                   width=36),
            Visual("table", "Ways to an order, over all days", "attribution_paths", ("path",),
                   ("journeys", "conversions", "revenue"), width=36),
        ),
        choices=(("Model", "model"), ("Channel", "channel")),
    ),
    Sheet(
        "Customers",
        (
            Visual("bar", "People by segment", "rfm_segments", ("rfm_segment",), ("persons",)),
            Visual("bar", "Spend by segment", "rfm_segments", ("rfm_segment",), ("spend",)),
            Visual("heat", "Buyers by recency and frequency (5: best)", "rfm_grid",
                   ("recency_score", "frequency_score"), ("persons",)),
            Visual("line", "Net revenue per new person, by weeks since", "cohort_revenue",
                   ("period_number",),
                   (Ratio("Net revenue per person", "cumulative_net_revenue", "cohort_persons",
                          is_share=False, where_known="cumulative_net_revenue"),),
                   only={"period": "week"}),
            Visual("table", "Stages and segments", "rfm_segments",
                   ("lifecycle_stage", "rfm_segment"), ("persons", "orders", "spend"), width=36),
        ),
        choices=(("Stage", "lifecycle_stage"),),
    ),
)  # fmt: skip
"""The sheets in their order."""


def tables() -> tuple[str, ...]:
    """The tables that visuals read, in the order in which they first do."""
    return tuple(dict.fromkeys(v.table for sheet in SHEETS for v in sheet.visuals))
