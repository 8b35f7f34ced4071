"""What the words on the page mean."""

from __future__ import annotations

from engagement.alerts.anomalies import MINIMUM_WEEKS
from engagement.dashboards.report import pieces

_TERMS = (
    ("Users", "persons with at least one event."),
    (
        "New users",
        "persons whose first event was then, unless their account is more than a day older.",
    ),
    ("Session", "what a person does in one go: it ends after a pause."),
    (
        "New visitor, returning visitor",
        "whose session it is: the first of a new person, or any other.",
    ),
    (
        "Engagement rate",
        "sessions with two views, of more than 10 seconds or with an order; all others bounce.",
    ),
    ("Conversion rate", "sessions with an order that stands, of all sessions."),
    ("Orders", "those that stand: a cancelled order is in no figure but its own."),
    (
        "Revenue",
        "what orders brought without tax and shipping, before refunds, on the day of the order.",
    ),
    ("Refunds", "what refunds took off revenue, on the day of the refund."),
    ("Net revenue", "revenue less the refunds of the same days."),
    ("Item sales", "price times quantity of what was ordered, before discounts on the order."),
    ("Order total", "what customers were charged: revenue, tax and shipping."),
    ("Average order value", "revenue per order whose worth is known."),
    (
        "Channel",
        "the kind of source that brought a session: search, email, a paid ad, or none (direct).",
    ),
    (
        "Touch, journey",
        (
            "a visit by way of a source outside the shop; and all of a person's touches before an "
            "order."
        ),
    ),
    (
        "First, last, last not direct",
        "attribution models that give an order to one touch of its journey.",
    ),
    ("Linear", "every touch of the journey has the same share."),
    ("Position", "the first and the last touch have the most; those between share the rest."),
    ("Time decay", "a touch has the less, the longer before the order it was."),
    (
        "Markov",
        (
            "a channel has as much as orders would be fewer if nobody came by it, after how people "
            "go from channel to channel."
        ),
    ),
    (
        "Cohort, retention",
        "the new people of a week; and the share of them that was active in a later one.",
    ),
    (
        "Segment",
        (
            "buyers by how lately (recency), how often (frequency) and for how much (monetary) "
            "they bought."
        ),
    ),
    ("Set aside", "records that could not be read as an event; kept, with the reason."),
    (
        "Unusual",
        (
            "far from the median of the same weekday, or of the periods of the same length, in the "
            "weeks before, as measured by how much the figure varies. It takes at least "
            f"{MINIMUM_WEEKS} of them."
        ),
    ),
)


def glossary(settling_days: int) -> str:
    """The section that explains the page's terms."""
    unsettled = (
        "Not settled",
        f"a day, period or cohort that begins in the first {settling_days} days of the data.",
    )
    items = "".join(
        f"<dt>{pieces.escape(name)}</dt><dd>{pieces.escape(meaning)}</dd>\n"
        for name, meaning in (*_TERMS, unsettled)
    )
    return pieces.section("What the figures mean", f"<dl>\n{items}</dl>", anchor="glossary")
