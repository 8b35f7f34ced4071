"""Explorations: an analyst's own questions, answered from the tables that 04 built.

Each takes an open workbook and words, and returns a tidy frame. A word is a concept
(``product_viewed``), an event's name (``Product Viewed``; case and blanks do not matter) or a type
such as ``page``. Bots are left out where metrics leave them out, and nothing received after the
as-of date is seen.

>>> explore.funnel(book, ["product_viewed", "product_added", "order"], by="channel")
>>> explore.retention(book, cohort="order_completed", comes_back="order_completed", period="month")
>>> explore.paths(book, after="Product Added", steps=3)
>>> explore.events(book, "Products Searched", by="device_type")
>>> explore.compare(book, 28)
>>> explore.compare(book, ("2026-10-01", "2026-10-31"), ("2026-09-01", "2026-09-30"))
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Literal

import pandas as pd
from sqlglot import exp

from engagement.dashboards import questions
from engagement.dashboards.asking import (
    ATTRIBUTES,
    EVENTS,
    ORDER,
    OTHER,
    Asked,
    Book,
    ExploreError,
    asking,
    between,
    by_column,
    day,
)
from engagement.privacy import shown
from engagement.sql import dialect

Period = Literal["day", "week", "month"]

_MOST_NUMBERS = {"day": 90, "week": 520, "month": 120}


def funnel(
    book: Book, steps: Sequence[str], *, window_days: int | None = None, by: str | None = None
) -> pd.DataFrame:
    """How far people got through some steps, each strictly after the one before.

    The funnel is closed, as in ``marts.funnel_steps``: an attempt starts with the first step, all
    its steps lie within the window, and the attempt that got furthest counts for a person.

    Parameters
    ----------
    steps
        Two to eight words; ``order`` is an order that was not cancelled.
    window_days
        How long an attempt may take; by default ``funnel.window_days``.
    by
        An attribute of the session of the first step to group by, such as ``channel``.

    Returns
    -------
    DataFrame
        ``segment, step_number, step, persons, previous_persons, step_rate, first_persons,
        overall_rate``; the largest segments first.
    """
    if not 2 <= len(steps) <= 8:
        raise ExploreError(f"a funnel has two to eight steps, not {len(steps)}")
    window = book.settings.funnel.window_days if window_days is None else window_days
    between(window, "window_days", 1, 365)
    with asking(book) as asked:
        kinds = {
            f"step_{n}": asked.of_step(word) for n, word in enumerate(steps, 1) if word != ORDER
        }
        found = asked.ask(
            questions.funnel_query([word == ORDER for word in steps], by),
            "funnel",
            window=window,
            **kinds,
        )
    reached = {
        segment: dict(zip(part["steps_reached"], part["persons"], strict=True))
        for segment, part in found.groupby("segment", sort=True)
    }
    if by is None:
        reached.setdefault("all", {})
    rows = []
    for segment, ended in sorted(reached.items(), key=lambda one: (-sum(one[1].values()), one[0])):
        persons = [
            int(sum(many for last, many in ended.items() if last >= number))
            for number in range(1, len(steps) + 1)
        ]
        for place, (word, many) in enumerate(zip(steps, persons, strict=True)):
            before = persons[place - 1] if place else None
            rows.append(
                (
                    segment, place + 1, word, many, before, _rate(many, before),
                    persons[0], _rate(many, persons[0]),
                )
            )  # fmt: skip
    columns = "segment step_number step persons previous_persons step_rate first_persons"
    frame = pd.DataFrame(rows, columns=[*columns.split(), "overall_rate"])
    frame["previous_persons"] = frame["previous_persons"].astype("Int64")
    return shown(frame)


def retention(
    book: Book, *, cohort: str = "new", comes_back: str = "any", period: Period = "week"
) -> pd.DataFrame:
    """Of the people of each cohort, how many came back in each period since.

    Parameters
    ----------
    cohort
        ``new``: new people (``marts.arrivals``) by their first event. Otherwise a word: people by
        their first such event, or with ``order`` by their first order that was not cancelled.
    comes_back
        ``any``: any event; otherwise a word, or ``order``.
    period
        ``day``, ``week`` (from Monday) or ``month``; up to 90 days, 520 weeks or 120 months.

    Returns
    -------
    DataFrame
        ``cohort_start, period_number, is_mature, cohort_persons, retained_persons,
        retention_rate``: a row per cohort and period that has begun; empty where it has not ended.
    """
    if period not in _MOST_NUMBERS:
        raise ExploreError(f"a period is a day, a week or a month, not '{period}'")
    with asking(book) as asked:
        words = {
            f"{name}_kinds": asked.of_step(word)
            for name, word in (("cohort", cohort), ("back", comes_back))
            if word not in ("new", "any", ORDER)
        }
        found = asked.ask(
            questions.retention_query(cohort, comes_back, period), "retention", **words
        )
    last_whole = pd.Timestamp(asked.values["last_whole_day"])
    rows = []
    for start, part in found.groupby("cohort_start", sort=True):
        retained = dict(zip(part["period_number"], part["persons"], strict=True))
        size = int(part["cohort_persons"].iloc[0])
        for number in range(_MOST_NUMBERS[period] + 1):
            begins, ends = _bounds(pd.Timestamp(start), number, period)
            if begins > pd.Timestamp(asked.values["as_of"]):
                break
            is_mature = ends <= last_whole
            many = int(retained.get(number, 0)) if is_mature else None
            rows.append((_date(start), number, is_mature, size, many, _rate(many, size)))
    columns = "cohort_start period_number is_mature cohort_persons retained_persons retention_rate"
    frame = pd.DataFrame(rows, columns=columns.split())
    frame["retained_persons"] = frame["retained_persons"].astype("Int64")
    return frame


def _date(start: object) -> date:
    found: date = pd.Timestamp(str(start)).date()
    return found


def _bounds(start: pd.Timestamp, number: int, period: str) -> tuple[pd.Timestamp, pd.Timestamp]:
    """First and last day of a cohort's period."""
    if period == "month":
        begins = start + pd.DateOffset(months=number)
        return begins, begins + pd.DateOffset(months=1) - timedelta(days=1)
    length = 7 if period == "week" else 1
    begins = start + timedelta(days=length * number)
    return begins, begins + timedelta(days=length - 1)


def paths(
    book: Book,
    *,
    after: str | None = None,
    before: str | None = None,
    steps: int = 5,
    pages: bool = False,
    top: int = 8,
) -> pd.DataFrame:
    """What comes after an event in its session, or before it: the links of a path chart.

    Parameters
    ----------
    after, before
        One of the two: the event that paths lead from, or to. The first one in a session counts.
    steps
        How many steps to look at, up to ten.
    pages
        Name views by their page instead of calling them all ``page``.
    top
        How many of the most common names to show for each step; the others are ``(other)``.

    Returns
    -------
    DataFrame
        ``direction, anchor, step_number, from_step, to_step, sessions, anchor_sessions, share``, as
        ``marts.event_paths`` has them.
    """
    if (after is None) == (before is None):
        raise ExploreError(
            "name either the event that paths lead from (after) or the one they lead to (before)"
        )
    word, direction = (after, "next") if after is not None else (before or "", "previous")
    between(steps, "steps", 1, 10)
    between(top, "top", 1, 100)
    with asking(book) as asked:
        found = asked.ask(
            questions.paths_query(direction, pages=pages, steps=steps),
            "paths",
            anchors=asked.of_step(word),
            anchor=word,
        )
    links = _links(found, word, "(end)" if direction == "next" else "(start)", steps, top)
    links.insert(0, "anchor", word)
    links.insert(0, "direction", direction)
    return shown(links)


def _links(found: pd.DataFrame, anchor: str, end: str, steps: int, top: int) -> pd.DataFrame:
    """Links between steps, with the most common names of each step."""
    columns = [f"step_{n}" for n in range(1, steps + 1)]
    sessions = found["sessions"].astype("int64")
    named = found[columns].astype(object).where(found[columns].notna(), end)
    for place, column in enumerate(columns):
        if place:
            ended = named[columns[place - 1]].isin([end]) | named[columns[place - 1]].isna()
            named.loc[ended, column] = None
    for column in columns:
        sums = sessions.groupby(named[column]).sum().drop(end, errors="ignore")
        kept = sums.rename("n").rename_axis("name").reset_index()
        kept = kept.sort_values(["n", "name"], ascending=[False, True])["name"].head(top)
        rare = named[column].notna() & ~named[column].isin([*kept, end])
        named.loc[rare, column] = OTHER
    before = pd.Series(anchor, index=named.index, dtype=object)
    parts = []
    for number, column in enumerate(columns, 1):
        link = pd.DataFrame({"from_step": before, "to_step": named[column], "sessions": sessions})
        link = link[link["to_step"].notna()]
        part = link.groupby(["from_step", "to_step"], as_index=False)["sessions"].sum()
        part.insert(0, "step_number", number)
        parts.append(part.sort_values(["sessions", "from_step", "to_step"],
                                      ascending=[False, True, True]))  # fmt: skip
        before = named[column]
    links = pd.concat(parts, ignore_index=True)
    whole = int(sessions.sum())
    links["anchor_sessions"] = whole
    links["share"] = (links["sessions"] / whole).round(4) if whole else None
    return links


def events(book: Book, name: str, *, by: str | None = None, top: int = 20) -> pd.DataFrame:
    """How often an event happened and to how many people, by day or by a property.

    Parameters
    ----------
    name
        A word.
    by
        An attribute of the session (``channel``), or one of the event's own properties by the name
        of its column in ``events`` (``category``), over all days together. By default by day.
    top
        How many values to show; the others are ``(other)``. Values of the event's own properties
        that fewer than ten people sent are withheld.

    Returns
    -------
    DataFrame
        ``day, events, persons``, or ``value, events, persons, share`` the most events first.
    """
    between(top, "top", 1, 1_000)
    with asking(book) as asked:
        kinds = asked.of_step(name)
        if by is None:
            return asked.ask(
                f"""
                with events as ({EVENTS})
                select e.day, count(*) as events, count(distinct e.person_id) as persons
                from events as e where e.kind in (:kinds) group by e.day order by e.day
                """,
                "events",
                kinds=kinds,
            )
        own = None if by in ATTRIBUTES else _own_property(asked, kinds, by)
        value = "p.value" if own is not None else by_column(by)
        query = dialect.parse(
            questions.by_value_query(value, is_own=own is not None), source="events"
        )
        if own is not None:
            for node in list(query.find_all(exp.Table)):
                if node.name == "own_property":
                    node.replace(own.subquery(node.alias, copy=False))
        found = asked.ask(query, "events", kinds=kinds, top=top)
    found = found.sort_values(["events", "value"], ascending=[False, True], ignore_index=True)
    return shown(found, typed=["value"] if own is not None else [], people="persons")


def _own_property(asked: Asked, kinds: tuple[str, ...], by: str) -> exp.Query | None:
    """The values of an event's own property, by event; ``None`` if it is the session's."""
    parts = []
    for table in asked.tables_of(kinds):
        kind = asked.session.columns(table).get(by)
        if kind is not None:
            column = exp.column(by, quoted=True)
            parts.append(
                exp.select(
                    exp.column("id"),
                    exp.column("received_at_utc_date"),
                    exp.alias_(_text(column, kind), "value"),
                ).from_(table.node())
            )
    if not parts:
        by_column(by)
        return None
    query: exp.Query = parts[0]
    for part in parts[1:]:
        query = exp.union(query, part, distinct=False, copy=False)
    return query


def _text(column: exp.Column, kind: str) -> exp.Expr:
    """A column of a table of events as text."""
    base = kind.partition("(")[0]
    if base == "varchar":
        return column
    if base == "double":
        return exp.Anonymous(this="double_text", expressions=[column])
    if base == "timestamp":
        return exp.Anonymous(this="timestamp_text", expressions=[column])
    return exp.cast(column, "varchar")


Span = tuple[date | str, date | str]


def compare(book: Book, period: Span | int, earlier: Span | None = None) -> pd.DataFrame:
    """Key figures of two periods side by side, each from its first to its last day.

    Parameters
    ----------
    period
        A first and a last day, or a number of days up to the as-of date.
    earlier
        The period to compare with; by default as many days right before it.

    Returns
    -------
    DataFrame
        ``measure, value, before, difference, change``; the change is the difference divided by
        the earlier value. People and buyers are counted once in a period; ratios are those of the
        sums.
    """
    with asking(book) as asked:
        now_span = _span(period, "period", asked.values["as_of"])
        length = now_span[1] - now_span[0] + timedelta(days=1)
        before_span = now_span[0] - length, now_span[0] - timedelta(days=1)
        spans = [now_span, before_span if earlier is None else _span(earlier, "earlier")]
        now, then = (
            asked.ask(questions.COMPARED, "compare", from_day=first, to_day=last).iloc[0]
            for first, last in spans
        )
    rows = []
    for name in now.index:
        value, before = _number(now[name]), _number(then[name])
        known = value is not None and before is not None
        difference = round(value - before, 4) if known else None  # type: ignore[operator]
        rows.append((name, value, before, difference, _rate(difference, before)))
    return pd.DataFrame(rows, columns=["measure", "value", "before", "difference", "change"])


def _span(span: Span | int, name: str, last_day: date | None = None) -> tuple[date, date]:
    if isinstance(span, int) and last_day is not None:
        between(span, name, 1, 3_660)
        return last_day - timedelta(days=span - 1), last_day
    if isinstance(span, (str, int)) or len(span) != 2:
        raise ExploreError(f"{name}: give a first and a last day")
    first, last = day(span[0], name), day(span[1], name)
    if last < first:
        raise ExploreError(f"{name}: it ends ({last}) before it begins ({first})")
    return first, last


def _number(value: object) -> float | None:
    return None if value is None or pd.isna(value) else float(str(value))


def _rate(part: float | None, whole: float | None) -> float | None:
    return None if part is None or not whole else round(part / whole, 4)


__all__ = ["ExploreError", "compare", "events", "funnel", "paths", "retention"]
