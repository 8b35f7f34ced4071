"""The end of a run, as a person needs it: what came out, what was set aside, where to look next.

Everything in full is in ``run.json`` and in what ``engagement tables`` lists.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from engagement.as_of import AsOf, end_of_day
from engagement.audience import segments
from engagement.audience.segments import AudienceError
from engagement.messages import counted
from engagement.models.concepts import mapping_in
from engagement.runs.batch import RunRecord
from engagement.runs.history import one_run
from engagement.settings import Settings
from engagement.warehouse import Session, Table, Warehouse

WIDTH = 100
_LABEL = 12
_MOST_WARNINGS = 4
_MOST_REASONS = 6
_DAYS = 30

_LEDGER = Table("landing", "ledger")
_REASONS = Table("landing", "quarantine_reasons")
_FILES = Table("landing", "files")
_CUSTOMERS = Table("marts", "customer_360")
_PERIODS = Table("marts", "overview_periods")


@dataclass(frozen=True)
class Figures:
    """What a run came to; ``None``, or empty, where it did not get that far.

    Attributes
    ----------
    taken : mapping, optional
        ``records, events, duplicates, quarantined`` of the whole landing.
    reasons : mapping
        Records that were set aside, by reason.
    unread : int
        Files that could not be read.
    people, buyers : int, optional
        People without bots, and those of them who have ordered.
    period : mapping, optional
        The row of ``marts.overview_periods`` for 30 days.
    segment : tuple, optional
        The exported segment's name and how many people are in it.
    warnings, unmapped : sequence of str, int
        Of the mapping of events: what is wrong with it, and names that no concept is mapped to.
    """

    taken: Mapping[str, int] | None = None
    reasons: Mapping[str, int] = field(default_factory=dict)
    unread: int = 0
    people: int | None = None
    buyers: int | None = None
    period: Mapping[str, Any] | None = None
    segment: tuple[str, int] | None = None
    warnings: Sequence[str] = ()
    unmapped: int = 0


def figures(warehouse: Warehouse, settings: Settings, record: RunRecord) -> Figures:
    """Read the figures of a run: those of notebooks that it ran, since others may be of another
    day.
    """
    if not warehouse.exists():
        return Figures()
    ran = {notebook.name[:2] for notebook in record.notebooks}
    with warehouse.session() as session:
        taken, reasons, unread = _taken(session)
        people, buyers = _people(session) if "03" in ran else (None, None)
        period = _period(session) if "04" in ran else None
        mapped = mapping_in(session, settings)
    return Figures(
        taken=taken,
        reasons=reasons,
        unread=unread,
        people=people,
        buyers=buyers,
        period=period,
        segment=_segment(warehouse, settings, record) if "05" in ran else None,
        warnings=mapped.warnings() if mapped else (),
        unmapped=len(mapped.unmapped) if mapped else 0,
    )


def as_numbers(found: Figures) -> dict[str, int | float]:
    """The figures by name, those that are known: for ``run.json``, to compare runs by."""
    named: dict[str, Any] = {**(found.taken or {}), "people": found.people, "buyers": found.buyers}
    for name in ("orders", "revenue", "net_revenue"):
        value = (found.period or {}).get(name)
        named[f"{name}_{_DAYS}_days"] = value if isinstance(value, int) else _number(value)
    if found.segment is not None:
        named["people_in_segment"] = found.segment[1]
    return {name: value for name, value in named.items() if value is not None}


def _number(value: Any) -> float | None:
    return None if value is None else float(value)


def _taken(session: Session) -> tuple[dict[str, int] | None, dict[str, int], int]:
    if not session.columns(_LEDGER):
        return None, {}, 0
    names = ("records", "events", "duplicates", "quarantined")
    sums = ", ".join(f"coalesce(sum({name}), 0) as {name}" for name in names)
    found = session.query(f"select {sums} from {_LEDGER}", label="figures").iloc[0]
    reasons: dict[str, int] = {}
    if session.columns(_REASONS):
        rows = session.query(
            f"select reason, sum(records) as records from {_REASONS} "
            "group by reason order by 2 desc, 1",
            label="figures",
        )
        reasons = {str(r): int(n) for r, n in rows.itertuples(index=False, name=None)}
    unread = 0
    if session.columns(_FILES):
        query = f"select count_if(error is not null) as n from {_FILES}"
        unread = int(session.query(query, label="figures")["n"].iloc[0])
    return {name: int(found[name]) for name in names}, reasons, unread


def _people(session: Session) -> tuple[int | None, int | None]:
    if not session.columns(_CUSTOMERS):
        return None, None
    found = session.query(
        "select count(*) as people, count_if(orders_total > 0) as buyers "
        f"from {_CUSTOMERS} where not is_bot",
        label="figures",
    ).iloc[0]
    return int(found["people"]), int(found["buyers"])


def _period(session: Session) -> dict[str, Any] | None:
    if not session.columns(_PERIODS):
        return None
    found = session.query(
        "select to_day, is_complete, orders, revenue, net_revenue, previous_orders, "
        f"previous_revenue, previous_net_revenue from {_PERIODS} where window_days = {_DAYS}",
        label="figures",
    )
    if found.empty:
        return None
    row = found.iloc[0].to_dict()
    return {name: None if value != value else value for name, value in row.items()}  # NaN


def _segment(warehouse: Warehouse, settings: Settings, record: RunRecord) -> tuple[str, int] | None:
    if record.as_of is None or record.as_of_end is None:
        return None
    known = _people_in_segment(settings, record)
    if known is not None:
        try:
            return segments.load(settings.path(settings.audience.segment)).name, known
        except AudienceError:
            return None
    day, end = date.fromisoformat(record.as_of), datetime.fromisoformat(record.as_of_end)
    as_of = AsOf(day, end, is_latest=end != end_of_day(day, settings.timezone))
    try:
        segment = segments.load(settings.path(settings.audience.segment))
        found = segments.select(warehouse, segment, as_of, settings=settings)
        return segment.name, len(found.people)
    except AudienceError:
        return None  # 05 has said why


def _people_in_segment(settings: Settings, record: RunRecord) -> int | None:
    """How many people were in the segment when 05 was executed, if that was another run.

    To select them again takes as long as everything else together.
    """
    for one in record.notebooks:
        if one.name.startswith("05") and one.executed_in:
            figures = one_run(settings, one.executed_in).record.get("figures", {})
            found = figures.get("people_in_segment")
            return found if isinstance(found, int) else None
    return None


def lines(record: RunRecord, folder: str, found: Figures, currency: str) -> list[str]:
    """What to print at the end of a run.

    Parameters
    ----------
    folder
        The run's folder as a person would type it.
    """
    said = [_head(record)]
    said += _unchanged(record)
    said += _taken_lines(found)
    said += _business(found, currency)
    said += _warnings(found)
    said += _alerts(record)
    exports = any(name.startswith("exports/") for name in record.files)
    report = "report.html" in record.files
    if report:
        said += [_path("report", f"{folder}/report.html")]
    if exports:
        said += [_path("exports", f"{folder}/exports/")]
    said += [
        _path("notebooks", f"{folder}/notebooks/"),
        _path("in full", f"{folder}/run.json"),
    ]
    return [*said, *_next(record, found, report=report)]


def _head(record: RunRecord) -> str:
    seconds = _seconds(record)
    took = f" in {seconds:,.0f} s" if seconds is not None else ""
    day = f", as of {record.as_of}" if record.as_of else ""
    cost = f", {record.statements['usd']:,.2f} USD" if record.statements.get("usd") else ""
    return f"{record.status}{took}: run {record.id}{day}{cost}"


def _unchanged(record: RunRecord) -> list[str]:
    """How many notebooks were not executed, and whose pages stand for them."""
    runs = [notebook.executed_in for notebook in record.notebooks if notebook.executed_in]
    if not runs:
        return []
    several = sorted(set(runs))
    whose = f"run {several[0]}" if len(several) == 1 else f"runs {', '.join(several[:3])}"
    more = " …" if len(several) > 3 else ""
    return _labelled(
        "unchanged",
        f"{len(runs)} of {counted(len(record.notebooks), 'notebook')}, since nothing that they "
        f"read has changed: pages of {whose}{more}; 'engagement run --force' executes them",
    )


def _seconds(record: RunRecord) -> float | None:
    if record.ended is None:
        return None
    ended, started = (datetime.fromisoformat(text) for text in (record.ended, record.started))
    return (ended - started).total_seconds()


def _taken_lines(found: Figures) -> list[str]:
    if found.taken is None:
        return []
    taken = found.taken
    said = _labelled(
        "events",
        f"{taken['events']:,} kept of {counted(taken['records'], 'record')}; "
        f"{counted(taken['duplicates'], 'duplicate')}, {taken['quarantined']:,} set aside",
    )
    if found.reasons:
        shown = list(found.reasons.items())[:_MOST_REASONS]
        words = ", ".join(f"{count:,} {reason.replace('_', ' ')}" for reason, count in shown)
        more = ", …" if len(found.reasons) > len(shown) else ""
        said += _labelled("set aside", f"{words}{more}; 'engagement status' shows them by day")
    if found.unread:
        said += _labelled(
            "unreadable",
            f"{counted(found.unread, 'file')}; the column error of landing.files says why",
        )
    return said


def _business(found: Figures, currency: str) -> list[str]:
    said: list[str] = []
    if found.people is not None:
        said += _labelled("people", f"{found.people:,}, of whom {found.buyers or 0:,} have ordered")
    period = found.period
    if period is not None and not period["is_complete"]:
        said += _labelled(f"{_DAYS} days", f"there are not {_DAYS} whole days of data yet")
    elif period is not None:
        figures = [
            f"{counted(int(period['orders']), 'order')}{_change(period, 'orders')}",
            *(
                f"{name.replace('_', ' ')} {period[name]:,.2f} {currency}{_change(period, name)}"
                for name in ("revenue", "net_revenue")
                if period[name] is not None
            ),
        ]
        said += _labelled(f"{_DAYS} days", ", ".join(figures))
    if found.segment is not None:
        name, people = found.segment
        in_it = counted(people, "person", "people")
        said += _labelled("segment", f"{name}: {in_it}")
    return said


def _change(period: Mapping[str, Any], name: str) -> str:
    """How a figure compares with that of the 30 days before, where they can be compared."""
    before = period[f"previous_{name}"]
    if before is None or period[name] is None or float(before) <= 0:
        return ""
    return f" ({(float(period[name]) / float(before) - 1) * 100:+.0f} % on the {_DAYS} before)"


def _warnings(found: Figures) -> list[str]:
    said: list[str] = []
    for warning in found.warnings[:_MOST_WARNINGS]:
        said += _labelled("warning", warning)
    more = len(found.warnings) - _MOST_WARNINGS
    if more > 0:
        said += _labelled("", f"and {counted(more, 'warning')} more: 'engagement check' lists them")
    return said


def _alerts(record: RunRecord) -> list[str]:
    said: list[str] = []
    for alert in record.alerts[:_MOST_WARNINGS]:
        said += _labelled("alert", str(alert["text"]))
    more = len(record.alerts) - _MOST_WARNINGS
    if more > 0:
        said += _labelled("", f"and {counted(more, 'alert')} more: the report shows them all")
    return said


def _next(record: RunRecord, found: Figures, *, report: bool) -> list[str]:
    steps = ["open the report"] if report else []
    if found.warnings and found.unmapped:
        names = counted(found.unmapped, "event name")
        verb = "is" if found.unmapped == 1 else "are"
        steps.append(
            f"{names} {verb} mapped to no concept: map under 'events:' in {record.params} those "
            "that mean one"
        )
    tables = counted(len(record.tables), "table")
    steps.append(
        f"'engagement tables' describes {tables}"
        if record.tables
        else "'engagement run --from 02' makes the tables"
    )
    return _labelled("next", "; ".join(steps))


def _labelled(label: str, text: str) -> list[str]:
    # A command stays on one line.
    whole = _COMMAND.sub(lambda found: found[0].replace(" ", _NO_BREAK), text)
    wrapped = textwrap.wrap(
        whole,
        WIDTH,
        initial_indent=f"  {label:<{_LABEL}}",
        subsequent_indent=" " * (_LABEL + 2),
        break_long_words=False,
        break_on_hyphens=False,
    )
    return [line.replace(_NO_BREAK, " ") for line in wrapped]


_COMMAND = re.compile(r"'engagement [a-z0-9 -]+'")
_NO_BREAK = "\u00a0"


def _path(label: str, path: str) -> str:
    """A path on a line of its own, whole, however long: it is to be copied."""
    return f"  {label:<{_LABEL}}{path}"
