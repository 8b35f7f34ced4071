"""Which columns are about people, and how a query gets to see something else in their place.

The tables of a query are replaced before it runs: each by a query over it that gives masked columns
instead of those about people. Whatever the query does with a column then (an alias, a function, a
condition, a join), it never has the value. So nothing has to be traced through a query, and nothing
can be learnt by asking which rows fulfil a condition on a masked column.

What is not known is masked: of models' texts and of what shops send, only columns named here are
shown. An id becomes a pseudonym, which joins and counts as the id does, by a key that is drawn when
the server starts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from sqlglot import exp

from engagement.privacy import FEWEST_PEOPLE, TOO_FEW
from engagement.settings.mcp import Mcp
from engagement.sql.dialect import LOGICAL, Table, parse, typed

MASKED = "(masked)"
"""What stands for a text that is there and is not shown."""

How = Literal["shown", "pseudonym", "few", "masked"]

_IDS = frozenset(
    """
    anonymous_id candidate_id cart_id checkout_id click_id entry_id event_id first_event_id id
    impression initial_user_id journey_id order_id person_id recommendation_id refund_id row_id
    session_id user_id
    """.split()
)

_TEXTS: dict[str, frozenset[str]] = {
    "marts": frozenset(
        """
        action addressable_channels anchor answer arm brand browser campaign campaign_sources
        category channel concept country country_source currency definition device_type direction
        entry_step event event_type favourite_brand favourite_category first_touch_campaign
        first_touch_channel first_touch_medium first_touch_source form from_state from_step
        geo_country id_type item_id kind label left_out lifecycle_stage locale measure medium method
        metric model month os os_name other_product_id payment_method payment_methods period plan
        platform product product_id property reachable_channels received_at_utc_date referrer_host
        rfm_segment role segment segment_by similar_product_id sku source status step timezone
        to_state to_step top_category_by_orders top_category_by_spend type unvalued_reason variant
        """.split()
    ),
    "landing": frozenset(
        """
        error event file label notebook path query_id reason received_at_utc_date run_id status type
        """.split()
    ),
    "events": frozenset(
        """
        channel column_name event event_text original_timestamp reason received_at
        received_at_utc_date sent_at table_name timestamp type
        """.split()
    ),
}
"""Columns that are shown as they are: of models and of the landing texts, of events any."""

_NAMES_OF_PRODUCTS = frozenset({"order_event_lines", "order_items", "personalize_items"})
"""Tables of models whose ``name`` is a product's, beside those called after products."""

_NUMBERS = frozenset("age birthday_month initial_age largest_integer sdk_session_id".split())
"""Columns that are no texts, and about a person all the same."""

_AS_SENT = frozenset({"rudderstack_events", "profile"})
"""Tables of ``landing`` that hold what was sent."""

_COUNTED = {
    "search_terms.term": "searchers",
    "page_engagement.page": "viewers",
}
"""Texts that people may have typed, with the column that counts the people they are of."""

_PLAIN_TYPES = ("bigint", "int", "double", "boolean", "date", "timestamp", "decimal", "real")


@dataclass(frozen=True)
class Mask:
    """What is shown to whom asks.

    Attributes
    ----------
    settings
        What the parameters allow.
    key
        What pseudonyms are made with; nobody outside of the server knows it.
    """

    settings: Mcp
    key: str

    def how(self, table: Table, column: str, columns: Mapping[str, str]) -> How:
        """How a column of a table is shown, by its name and type."""
        if self.settings.show_personal or f"{table}.{column}" in self.settings.show_columns:
            return "shown"
        name, kind = column.lower(), columns[column].lower()
        if name in _IDS and kind.startswith("varchar"):
            return "pseudonym"
        if _COUNTED.get(f"{table.name}.{name}") in columns and table.database == "marts":
            return "few"
        return "shown" if _is_public(table, name, kind) else "masked"

    def masked_columns(self, table: Table, columns: Mapping[str, str]) -> list[str]:
        """Names of the columns of a table that are not shown as they are."""
        return [name for name in columns if self.how(table, name, columns) != "shown"]

    def over(self, query: exp.Query, columns: Mapping[Table, Mapping[str, str]]) -> exp.Query:
        """A query that sees masked tables, however it names what they hold.

        Parameters
        ----------
        columns
            Athena types of the columns of each table that it reads.
        """
        if self.settings.show_personal:
            return query
        query = query.copy()
        for node in [*query.find_all(exp.Table)]:
            table = Table(node.db, node.name)
            if node.db in LOGICAL:
                node.replace(self._seen(node, table, columns[table]))
        return query

    def _seen(self, node: exp.Table, table: Table, columns: Mapping[str, str]) -> exp.Subquery:
        inner = exp.select(
            *(exp.alias_(self._column(table, name, columns), name, quoted=True) for name in columns)
        ).from_(table.node())
        alias = node.args.get("alias")
        if not isinstance(alias, exp.TableAlias):
            alias = exp.TableAlias(this=exp.to_identifier(node.name, quoted=True))
        elif not alias.this:
            alias = alias.copy()
            alias.set("this", exp.to_identifier(node.name, quoted=True))
        seen = exp.Subquery(this=inner, alias=alias)
        for part in ("joins", "laterals", "sample"):
            if node.args.get(part):
                seen.set(part, node.args[part])
        return seen

    def _column(self, table: Table, name: str, columns: Mapping[str, str]) -> exp.Expr:
        column = exp.column(name, quoted=True)
        kind = columns[name]
        how = self.how(table, name, columns)
        if how == "shown":
            return column
        if how == "pseudonym":
            return _made(f"'id-' || substr(sha256_hex('{self.key}' || x), 1, 16)", column)
        if how == "few":
            counted = exp.column(_COUNTED[f"{table.name}.{name.lower()}"], quoted=True)
            made = (
                f"case when n >= {FEWEST_PEOPLE} then x when x is null then x else '{TOO_FEW}' end"
            )
            return _made(made, column, counted)
        if kind.lower().startswith("varchar"):
            return _made(f"case when x is null then null else '{MASKED}' end", column)
        return typed(exp.null(), kind)


def _made(text: str, column: exp.Expr, counted: exp.Expr | None = None) -> exp.Expr:
    """An expression over ``x``, a column, and ``n``, the one that counts people."""
    found = parse(f"select {text} as made").expressions[0].this
    places = {"x": column, "n": counted}

    def put(node: exp.Expr) -> exp.Expr:
        place = places.get(node.name) if isinstance(node, exp.Column) else None
        return place.copy() if place is not None else node

    made: exp.Expr = found.transform(put)
    return made


def _is_public(table: Table, name: str, kind: str) -> bool:
    if table.database == "events" or (table.database == "landing" and table.name in _AS_SENT):
        return name in _TEXTS["events"]
    if name in _NUMBERS:
        return False
    if kind.startswith(_PLAIN_TYPES):
        return True
    if table.database == "marts" and name == "name":
        return table.name in _NAMES_OF_PRODUCTS or table.name.startswith("product_")
    return name in _TEXTS.get(table.database, ())


def limited(query: exp.Query, rows: int) -> exp.Query:
    """A query of at most so many rows, in its own order."""
    query = query.copy()
    limit = query.args.get("limit")
    count = limit.expression if isinstance(limit, exp.Limit) else None
    if isinstance(count, exp.Literal) and count.name.isdigit() and int(count.name) <= rows:
        return query
    query.set("limit", exp.Limit(expression=exp.Literal.number(rows)))
    return query


def read_by(query: exp.Query, known: Iterable[Table]) -> list[Table]:
    """Tables of the warehouse that a query reads, in order."""
    names = {(node.db, node.name) for node in query.find_all(exp.Table)}
    return sorted((table for table in known if (table.database, table.name) in names), key=str)
