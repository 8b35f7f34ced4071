"""What a run of the generator wrote: the truth that readers of the files can be held to."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class DayTruth:
    """What one received date holds; records = events + duplicates + quarantined.

    A record is a JSON object, or a non-blank line from which none can be read. A duplicate repeats
    the ``messageId`` of a record that was received on the same date or within seven days before.
    `bad` counts the quarantined records by kind.
    """

    received_at_utc_date: str
    files: int
    bytes: int
    lines: int
    blank_lines: int
    records: int
    events: int
    duplicates: int
    quarantined: int
    bad: Mapping[str, int]


@dataclass(frozen=True)
class GeneratorReport:
    """Counts of all that was written.

    Attributes
    ----------
    dirt
        By kind, as in `Dirt`: copies for the duplicates, lines for ``joined_lines``,
        ``blank_lines`` and ``non_objects``, else records, copies not counted. Two more are parts
        of others: ``events_again`` are later copies beyond seven days, which count as events;
        ``unbelieved_times`` are events with a skewed clock whose ``timestamp`` is before 2000 or
        more than a day after ``receivedAt``.
    event_names
        Kept events: by name for tracks, by type for others; those with odd names together.
    people, registered, devices
        Those who came, those who were known by a user id at some time, devices that were used.
    sessions
        Sessions that began, crawlers' not counted.
    orders, order_lines
        Orders completed and their lines, each order once.
    repeated_orders
        Further events ``Order Completed`` for an order that was completed before.
    """

    events: int
    records: int
    lines: int
    files: int
    bytes: int
    seconds: float
    dirt: Mapping[str, int]
    days: tuple[DayTruth, ...]
    event_names: Mapping[str, int]
    people: int
    registered: int
    devices: int
    sessions: int
    orders: int
    order_lines: int
    repeated_orders: int
