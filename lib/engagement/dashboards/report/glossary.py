"""What the terms on the page mean."""

from __future__ import annotations

from engagement.alerts.anomalies import MINIMUM_WEEKS
from engagement.dashboards.report import pieces

_TERMS = (
    ("Users", "persons with at least one event."),
    (
        "New users",
        (
            "persons whose first event is in the period, unless their account was created more "
            "than a day before it."
        ),
    ),
    ("Session", "one visit of a person: it ends after a period of inactivity."),
    (
        "New visitor, returning visitor",
        "the first session of a new person is by a new visitor, every other by a returning one.",
    ),
    (
        "Engagement rate",
        (
            "the share of sessions with at least two views, longer than 10 seconds, or with an "
            "order. All other sessions are bounces."
        ),
    ),
    ("Conversion rate", "the share of sessions with at least one order that was not cancelled."),
    ("Orders", "orders that were not cancelled. Cancelled orders are only in figures named so."),
    (
        "Revenue",
        "the value of orders without tax and shipping, before refunds, on the day of the order.",
    ),
    ("Refunds", "revenue paid back to customers, on the day of the refund."),
    ("Net revenue", "revenue minus the refunds of the same days."),
    ("Item sales", "price times quantity of the items ordered, before discounts on the order."),
    ("Order total", "what customers were charged: revenue, tax and shipping."),
    ("Average order value", "revenue per order, for orders whose value is known."),
    (
        "Channel",
        (
            "the kind of source that brought a session, such as search, email or a paid ad; direct "
            "if there was none."
        ),
    ),
    (
        "Touch, journey",
        (
            "an arrival at the shop, from a source outside it or directly; and the touches of a "
            "person that led to an order."
        ),
    ),
    (
        "First, last, last not direct",
        "attribution models that credit an order to a single touch of its journey.",
    ),
    ("Linear", "every touch of the journey gets the same credit."),
    ("Position", "the first and the last touch get the most credit; those between share the rest."),
    ("Time decay", "the older a touch is at the time of the order, the less credit it gets."),
    (
        "Markov",
        (
            "a channel gets credit for the orders that would be lost without it, judged by how "
            "people move from channel to channel."
        ),
    ),
    (
        "Cohort, retention",
        "the new people of a week; and the share of them who were active in a later week.",
    ),
    (
        "Segment",
        (
            "buyers grouped by how recently (recency), how often (frequency) and for how much "
            "(monetary) they bought."
        ),
    ),
    ("Set aside", "records that could not be read as events; they are kept, with the reason."),
    (
        "Unusual",
        (
            "far from the median of the same weekday in the weeks before (for a period: of the "
            "periods before it), compared with how much the figure usually varies. At least "
            f"{MINIMUM_WEEKS} of them are needed to judge."
        ),
    ),
)


def glossary(settling_days: int) -> str:
    """Make the section that explains the page's terms."""
    unsettled = (
        "Not settled",
        (
            f"a day, period or cohort that begins in the first {settling_days} days of the data, "
            "when some people only seem new."
        ),
    )
    items = "".join(
        f"<dt>{pieces.escape(name)}</dt><dd>{pieces.escape(meaning)}</dd>\n"
        for name, meaning in (*_TERMS, unsettled)
    )
    return pieces.section("What the figures mean", f"<dl>\n{items}</dl>", anchor="glossary")
