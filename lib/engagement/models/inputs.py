"""What models read: sources, a contract over the flattened tables, and seeds.

A model names its inputs as ``sources.pages`` or ``seeds.click_ids``; both are replaced by a
subquery before the model runs. A source has the columns and types that ``sources.yml`` promises,
whatever the events table holds today: a column that no event has sent yet is NULL, a table that no
event has made yet is empty, and a concept such as ``product_viewed`` is the union of the tables of
every event name that the parameters map to it. Nothing received after the as-of date is in it.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache, lru_cache
from importlib import resources
from typing import Any

from sqlglot import exp

from engagement.as_of import AsOf, whole_day
from engagement.errors import WrongInputError
from engagement.flatten.names import column_name, table_name
from engagement.models import seed_files, settings_seeds
from engagement.models.seed_files import SeedError
from engagement.settings import Concept, Events, Settings, read_yaml
from engagement.sql.conversions import (
    BIGINT,
    BOOLEAN,
    DOUBLE,
    IS_INTEGRAL,
    TIMESTAMP,
    VARCHAR,
    from_text,
)
from engagement.sql.dialect import Table, literal, parse, typed
from engagement.warehouse.protocol import Session

SOURCES = "sources"
SEEDS = "seeds"


class InputError(WrongInputError):
    """A model asks for an input that there is not."""


@dataclass(frozen=True)
class Contracts:
    """Columns and types per source; ``default`` ones are in each, ``groups`` in several."""

    default: dict[str, str]
    sources: dict[str, dict[str, str]]
    groups: dict[str, dict[str, str]]

    def columns(self, source: str) -> dict[str, str]:
        """Columns and types of a source.

        Raises
        ------
        InputError
            When there is no such source.
        """
        if source not in self.sources:
            raise InputError(
                f"there is no source '{source}'; models/sources.yml has: "
                + ", ".join(sorted(self.sources))
            )
        return {**self.default, **self.sources[source]}


@cache
def contracts() -> Contracts:
    """The contracts of ``models/sources.yml``."""
    with resources.as_file(resources.files("engagement.models") / "sources.yml") as path:
        document = read_yaml(path)
    groups = document["groups"]
    sources = {}
    for name, content in document["sources"].items():
        columns: dict[str, str] = {}
        for group in content.get("groups", []):
            columns.update(groups[group])
        sources[name] = {**columns, **content.get("columns", {})}
    return Contracts(document["default"], sources, groups)


PARAMETERS = {
    "as_of": "date",
    "as_of_end": TIMESTAMP,
    "seen_before": TIMESTAMP,
    "last_whole_day": "date",
    "timezone": VARCHAR,
    "session_gap_minutes": BIGINT,
    "session_silence_hours": BIGINT,
    "max_users_per_device": BIGINT,
    "placeholder_ids": VARCHAR,
    "own_domains": VARCHAR,
    "exclude_bots": BOOLEAN,
    "settling_days": BIGINT,
    "unanswered_is_yes": BOOLEAN,
    "reporting_currency": VARCHAR,
    "funnel_window_days": BIGINT,
    "lookback_days": BIGINT,
    "attribution_reset": VARCHAR,
    "interest_half_life_days": BIGINT,
    "trend_half_life_days": BIGINT,
    "for_you_method": VARCHAR,
    "for_you_length": BIGINT,
    "show_bought": BOOLEAN,
    "factors": BIGINT,
    "tested_people": BIGINT,
    "resamples": BIGINT,
    "half_life_milliseconds": BIGINT,
    "position_first_percent": BIGINT,
    "position_last_percent": BIGINT,
}
"""Types of what a model may use as ``:name``; of lists, the type of their items."""


def parameters(settings: Settings, as_of: AsOf | date) -> dict[str, Any]:
    """What a model may use as ``:name``; a plain date means its end.

    ``as_of`` is the last day that a model sees, in the reporting time zone, ``as_of_end`` the
    moment, in UTC, that windows in hours count back from, ``seen_before`` the first moment at
    which events were received too late to be seen, and ``last_whole_day`` the last day that had
    ended by then.
    """
    seen = as_of if isinstance(as_of, AsOf) else whole_day(as_of, settings.timezone)
    return {
        "as_of": seen.day,
        "as_of_end": seen.end,
        "seen_before": seen.seen_before,
        "last_whole_day": seen.last_whole_day,
        "timezone": settings.timezone,
        "session_gap_minutes": settings.sessions.gap_minutes,
        "session_silence_hours": settings.sessions.silence_hours,
        "max_users_per_device": settings.identity.max_users_per_device,
        # Ids of people are compared trimmed and in lower case, ids of orders as sent.
        "placeholder_ids": tuple(
            dict.fromkeys(
                (*settings.identity.bare_placeholder_ids, *settings.identity.placeholder_ids)
            )
        ),
        "own_domains": settings.traffic.hosts,
        "exclude_bots": settings.metrics.exclude_bots,
        "settling_days": settings.metrics.settling_days,
        "unanswered_is_yes": settings.consent.unanswered == "allow",
        "reporting_currency": settings.currency.reporting,
        "funnel_window_days": settings.funnel.window_days,
        "lookback_days": settings.attribution.lookback_days,
        "attribution_reset": settings.attribution.reset,
        "interest_half_life_days": settings.recommendations.interest_half_life_days,
        "trend_half_life_days": settings.recommendations.trend_half_life_days,
        "for_you_method": settings.recommendations.for_you,
        "for_you_length": settings.recommendations.length,
        "show_bought": settings.recommendations.show_bought,
        "factors": settings.recommendations.factors,
        "tested_people": settings.recommendations.tested_people,
        "resamples": settings.recommendations.resamples,
        "half_life_milliseconds": round(settings.attribution.half_life_days * 86_400_000),
        "position_first_percent": settings.attribution.position[0],
        "position_last_percent": settings.attribution.position[2],
    }


def columns(input_: Table) -> dict[str, str] | None:
    """Columns and types of a source or a seed; ``None`` where there is none of that name."""
    if input_.database == SOURCES:
        known = contracts()
        return known.columns(input_.name) if input_.name in known.sources else None
    if input_.name in settings_seeds.COLUMNS:
        return settings_seeds.COLUMNS[input_.name]
    return seed_files.header(input_.name)


def expand(query: exp.Query, session: Session, settings: Settings) -> exp.Query:
    """Replace ``sources.*`` and ``seeds.*`` by what they stand for.

    Raises
    ------
    InputError
        When there is no such source or seed, or a seed holds a pattern that the engines would
        read differently.
    """
    query = query.copy()
    for node in list(query.find_all(exp.Table)):
        if node.db == SOURCES:
            inner = _source(node.name, session, settings)
        elif node.db == SEEDS:
            inner = _seed(node.name, settings)
        else:
            continue
        node.replace(inner.copy().subquery(node.alias or node.name, copy=False))
    return with_own_members(query, settings)


def with_own_members(query: exp.Query, settings: Settings) -> exp.Query:
    """Let a query read products in lists by the shop's own names too; the tree is changed."""
    members = _members_of_products(settings)
    for call in [n for n in query.find_all(exp.Anonymous) if n.name.lower() == "json_text"]:
        item, path = call.expressions
        shops_own = members.get(path.name.removeprefix("$."))
        if shops_own:
            own = exp.Anonymous(
                this="json_text",
                expressions=[item.copy(), exp.Literal.string(_json_path(shops_own))],
            )
            call.replace(exp.Coalesce(this=own, expressions=[call.copy()]))
    return query


def _members_of_products(settings: Settings) -> dict[str, str]:
    """What the shop calls the properties of a product in lists of products.

    The names are those of all concepts that list products: a shop calls them alike everywhere.
    """
    products = contracts().groups["product"]
    found: dict[str, str] = {}
    for name in Events.model_fields:
        if "products" not in contracts().columns(name):
            continue
        concept: Concept = getattr(settings.events, name)
        for column, written in concept.properties.items():
            own = column in _OF_LISTS.get(name, ())
            if column in products and not own and not _FIRST_MEMBER.match(written):
                found.setdefault(column, written)
    return found


_OF_LISTS = {"product_list_viewed": ("category",)}
"""Properties of a list itself that are called like those of its products."""


def mapping_problems(settings: Settings) -> list[str]:
    """What is wrong with the properties that the parameters map, a sentence per mistake."""
    problems = []
    products = contracts().groups["product"]
    for name in Events.model_fields:
        columns = contracts().columns(name)
        known = sorted({*columns, *(products if "products" in columns else ())})
        concept: Concept = getattr(settings.events, name)
        for column, written in concept.properties.items():
            key = f"events.{name}.properties.{column}"
            first = _FIRST_MEMBER.match(written)
            if column not in known:
                near = difflib.get_close_matches(column, known, n=1)
                hint = f"; did you mean '{near[0]}'?" if near else f": it has {', '.join(known)}"
                problems.append(f"{key}: the concept has no such property{hint}")
            elif ("[" in written and not first) or (first and not _NAME.match(first["member"])):
                problems.append(
                    f"{key}: '{written}' cannot be read; write a property's name, "
                    "'object.property', or 'list[0].property' for a list's first member"
                )
    return problems


_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")


@dataclass(frozen=True)
class Held:
    """Where a table holds what a contract promises: a column, or a member of its first product.

    ``kind`` is the column's type in the table, ``None`` where the table has no such column.
    """

    column: str
    kind: str | None
    member: str = ""


def _source(name: str, session: Session, settings: Settings) -> exp.Query:
    places = source_places(name, settings)
    tables = []
    for table in source_tables(name, settings):
        found = session.columns(Table("events", table))
        if found:
            held = [
                tuple(
                    Held(column, found.get(column), member)
                    for n, (column, member) in enumerate(where, start=1)
                    # What the parameters name may be missing; the contract's own comes last.
                    if column in found or n == len(where)
                )
                for where in places.values()
            ]
            tables.append((table, tuple(held)))
    return _union(name, tuple(tables))


def source_tables(name: str, settings: Settings) -> tuple[str, ...]:
    """Tables of events that a source is the union of, of those that there are."""
    if name not in Events.model_fields:
        return (name,)
    concept: Concept = getattr(settings.events, name)
    return tuple(sorted({table_name(event) for event in concept.names} - {""}))


def source_places(name: str, settings: Settings) -> dict[str, tuple[tuple[str, str], ...]]:
    """Where a table may hold each column of a source: the first of them that has a value counts.

    Each place is a column and, where it is a list of objects, the first one's member.
    """
    shops_own: dict[str, str] = {}
    if name in Events.model_fields:
        concept: Concept = getattr(settings.events, name)
        shops_own = concept.properties
    origins = {}
    if name == "identifies":
        # The parameters say which trait answers for which channel.
        origins = {f"consent_{channel}": c for channel, c in settings.consent.traits.items()}
    return {
        column: (*_shops_own(shops_own.get(column)), (origins.get(column, column), ""))
        for column in contracts().columns(name)
    }


_FIRST_MEMBER = re.compile(r"^(?P<list>[^\[\]]+)\[0\][.](?P<member>[^\[\]]+)\Z")


def _shops_own(written: str | None) -> tuple[tuple[str, str], ...]:
    """Where a table holds a property that the parameters name."""
    if written is None:
        return ()
    first = _FIRST_MEMBER.match(written)
    return ((column_name(first["list"] if first else written), first["member"] if first else ""),)


@lru_cache
def _union(name: str, tables: tuple[tuple[str, tuple[tuple[Held, ...], ...]], ...]) -> exp.Query:
    """A source over the tables that there are, each with where it holds what is promised.

    Kept, since every model that reads a source asks for the same again.
    """
    columns = contracts().columns(name)
    parts = [_conform(table, held, columns) for table, held in tables]
    if not parts:
        return exp.select(
            *(exp.alias_(typed(exp.null(), kind), c, quoted=True) for c, kind in columns.items())
        ).where(exp.false())
    union: exp.Query = parts[0]
    for part in parts[1:]:
        union = exp.union(union, part, distinct=False, copy=False)
    return union


def _conform(table: str, held: Sequence[Sequence[Held]], columns: Mapping[str, str]) -> exp.Select:
    """Select what the contract promises from a table that may hold less, or other types.

    ``held`` says for each column where its value is; of several places the first that has one.
    """
    chosen = []
    for (name, kind), places in zip(columns.items(), held, strict=True):
        values = [as_promised(place, kind) for place in places]
        value = exp.Coalesce(this=values[0], expressions=values[1:]) if values[1:] else values[0]
        chosen.append(exp.alias_(value, name, quoted=True, copy=False))
    return (
        exp.Select(expressions=chosen)
        .from_(Table("events", table).node())
        .where(
            exp.LT(this=exp.column("received_at"), expression=exp.Placeholder(this="seen_before"))
        )
    )


def as_promised(place: Held, wanted: str) -> exp.Expr:
    """A column as the type that a contract promises; a value that does not fit is NULL."""
    if place.member:
        found, over = VARCHAR, _FIRST.format(path=_json_path(place.member))
    else:
        found, over = place.kind or "", "x"
    if found == wanted:
        return _over(over, place.column) if place.member else exp.column(place.column, quoted=True)
    text = _CONVERSIONS.get((found, wanted))
    if text is None and found == VARCHAR:
        text = from_text("x", wanted)
    return _over(_X.sub(over, text) if text else f"cast(null as {wanted})", place.column)


_FIRST = "json_text(element_at(json_items(x), 1), '{path}')"
_X = re.compile(r"\bx\b")


def _json_path(member: str) -> str:
    """The path of a member of an object, as the dialect writes it."""
    return "$." + member.replace("'", "''")


@cache
def _expression(text: str) -> exp.Expr:
    expression: exp.Expr = parse(f"select {text}").expressions[0]
    return expression


def _over(text: str, name: str) -> exp.Expr:
    """A SQL text over ``x`` as a tree over a column."""
    tree = exp.paren(_expression(text).copy(), copy=False)
    for node in list(tree.find_all(exp.Column)):
        node.replace(exp.column(name, quoted=True))
    return tree


_CONVERSIONS = {
    (BIGINT, DOUBLE): "cast(x as double)",
    (BIGINT, VARCHAR): "cast(x as varchar)",
    (BIGINT, BOOLEAN): "case x when 1 then true when 0 then false end",
    (DOUBLE, BIGINT): f"case when {IS_INTEGRAL.format(d='x')} then cast(x as bigint) end",
    (DOUBLE, VARCHAR): f"case when {IS_INTEGRAL.format(d='x')} "
    "then cast(cast(x as bigint) as varchar) else double_text(x) end",
    (BOOLEAN, VARCHAR): "cast(x as varchar)",
    (BOOLEAN, BIGINT): "cast(x as bigint)",
    (TIMESTAMP, VARCHAR): "timestamp_text(x)",
    (VARCHAR, BOOLEAN): "case when lower(x) in ('true', 'yes', '1') then true "
    "when lower(x) in ('false', 'no', '0') then false end",
}
"""How a column of another type than promised is read; pairs that are not here are NULL."""


def _none(columns: Mapping[str, str]) -> exp.Select:
    """A table of these columns without a row."""
    return exp.select(
        *(exp.alias_(typed(exp.null(), kind), c, quoted=True) for c, kind in columns.items())
    ).where(exp.false())


def _seed(name: str, settings: Settings) -> exp.Query:
    try:
        if name not in settings_seeds.COLUMNS:
            return _seed_of_file(name, settings_seeds.own_text(name, settings))
        columns, rows = settings_seeds.rows(name, settings)
    except SeedError as error:
        raise InputError("\n".join(error.problems)) from None
    if not rows:
        return _none(columns)
    if name == "attribution_spend":
        return _rows_of_text(columns, rows) or _rows(columns, rows)
    return _rows(columns, rows)


@lru_cache(maxsize=64)
def _seed_of_file(name: str, own: str | None) -> exp.Query:
    columns, rows = seed_files.rows(name, own)
    if len(rows) <= _FEW_ROWS:
        return _rows(columns, rows)
    return _rows_of_text(columns, rows) or _rows(columns, rows)


_FEW_ROWS = 200
_CELLS_OF_TEXT = {
    VARCHAR: "nullif(element_at(cells, {n}), '')",
    BIGINT: "parse_bigint(element_at(cells, {n}))",
    BOOLEAN: "nullif(element_at(cells, {n}), '') = 'true'",
}


def _rows_of_text(columns: Mapping[str, str], rows: list[list[Any]]) -> exp.Query | None:
    """Rows as one text that the engine splits: thousands of literals take seconds to handle.

    The text is cast, because Trino gives a literal's parts the type of its length, and no table's
    column may be as long as that.

    ``None`` where a cell would not come back as it was.
    """
    lines = []
    for row in rows:
        cells = [_text_of_cell(cell) for cell in row]
        if any("\t" in cell or "\n" in cell for cell in cells):
            return None
        lines.append("\t".join(cells))
    chosen = ", ".join(
        f'{_CELLS_OF_TEXT[kind].format(n=n)} as "{name}"'
        for n, (name, kind) in enumerate(columns.items(), start=1)
    )
    query = parse(
        f"select {chosen} from (select split(t.line, '\t') as cells "
        "from unnest(split(cast('lines' as varchar), '\n')) as t (line)) as seed"
    )
    for node in query.find_all(exp.Literal):
        if node.this == "lines":
            node.replace(literal("\n".join(lines)))
    return query


def _text_of_cell(cell: Any) -> str:
    if cell is None:
        return ""
    return str(cell).lower() if isinstance(cell, bool) else str(cell)


def _rows(columns: Mapping[str, str], rows: list[list[Any]]) -> exp.Select:
    values = exp.Values(
        expressions=[exp.Tuple(expressions=[literal(cell) for cell in row]) for row in rows],
        alias=exp.TableAlias(
            this=exp.to_identifier("seed"), columns=[exp.to_identifier(name) for name in columns]
        ),
    )
    return exp.select(
        *(exp.alias_(typed(exp.column(name), kind), name) for name, kind in columns.items())
    ).from_(values)
