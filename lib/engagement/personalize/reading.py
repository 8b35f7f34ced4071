"""Rows of the data sets as the marts have them, a page at a time and in a fixed order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd
from sqlglot import exp

from engagement.as_of import AsOf
from engagement.personalize import product_file, row_values
from engagement.personalize.datasets import PersonalizeError
from engagement.personalize.fields import Column, Set
from engagement.settings import Settings
from engagement.sql.dialect import Table
from engagement.warehouse import Session
from engagement.warehouse.unloading import unloading

_HOUR = 3_600

Pages = Iterable[pd.DataFrame]


@dataclass
class Reader:
    """A session with what decides which rows are read."""

    session: Session
    settings: Settings
    as_of: AsOf
    since: AsOf | None
    page_rows: int
    _items: pd.DataFrame | None = field(default=None, repr=False)
    _kinds: dict[str, str] = field(default_factory=dict)

    def catalogue(self) -> product_file.Catalogue:
        """The shop's own catalogue; one without rows where none is named."""
        named = self.settings.personalize.catalogue
        if named is None:
            return product_file.EMPTY
        return product_file.read(self.settings.path(named), self.as_of.day)

    def received(self) -> exp.Expr | None:
        """What keeps the rows of an increment: received from one moment on, before the other."""
        if self.since is None:
            return None
        received = exp.column("received_at", quoted=True)
        return exp.and_(
            exp.GTE(this=received, expression=exp.Placeholder(this="since")),
            exp.LT(this=received.copy(), expression=exp.Placeholder(this="until")),
        )

    def query(self, select: exp.Select, label: str, **parameters: Any) -> pd.DataFrame:
        """Run a query, which may ask for ``:since`` and ``:until``."""
        return self.session.query(select, parameters | self._moments(), label=label)

    def _moments(self) -> dict[str, Any]:
        if self.since is None:
            return {}
        return {"since": self.since.seen_before, "until": self.as_of.seen_before}

    def columns_of(self, table: Table) -> dict[str, str]:
        """Columns and types of a table, which has to be there."""
        found = self.session.columns(table)
        if not found:
            raise PersonalizeError(f"{table} does not exist yet: build the models first")
        return found

    def count(self, table: Table, where: exp.Expr | None) -> int:
        """Rows of a table that meet a condition."""
        self.columns_of(table)
        select = exp.select(exp.alias_(exp.Count(this=exp.Star()), "found")).from_(table.node())
        return int(self.query(select.where(where) if where else select, "rows")["found"][0])

    def profile(self, table: Table, names: Sequence[str]) -> dict[str, Column]:
        """Rows with a value, the longest or largest, and how many different, of some columns."""
        kinds = self.columns_of(table)
        chosen: list[exp.Expr] = [exp.alias_(exp.Count(this=exp.Star()), "rows")]
        for number, name in enumerate(names):
            column = exp.column(name, quoted=True)
            text = kinds[name].startswith("varchar")
            most: exp.Expr = exp.Max(this=exp.Length(this=column.copy())) if text else exp.null()
            if not text and not kinds[name].startswith("boolean"):
                most = exp.Max(this=exp.Abs(this=column.copy()))
            different = exp.Count(this=exp.Distinct(expressions=[column.copy()]))
            chosen += [
                exp.alias_(exp.Count(this=column.copy()), f"present_{number}"),
                exp.alias_(most, f"longest_{number}"),
                exp.alias_(different, f"distinct_{number}"),
            ]
        found = self.query(exp.select(*chosen).from_(table.node()), f"profile {table}").iloc[0]
        return {
            name: Column(
                kinds[name],
                int(found[f"present_{number}"]),
                int(found["rows"]),
                _number(found[f"longest_{number}"]),
                int(found[f"distinct_{number}"]),
            )
            for number, name in enumerate(names)
        }

    def user_columns(self) -> dict[str, Column]:
        """What is known of the columns of users, features among them."""
        own = self.profile(
            Table("marts", "personalize_users"), ["membership", "gender", "age", "country", "plan"]
        )
        features = self.settings.personalize.user_features
        if not features:
            return own
        # Of everybody, so that what only buyers have is told apart from what all users have.
        return own | self.profile(Table("marts", "customer_360"), features)

    def items(self, catalogue: product_file.Catalogue) -> pd.DataFrame:
        """Every item, the catalogue's values before those of events, by id."""
        if self._items is None:
            table = Table("marts", "personalize_items")
            names = ("item_id", "category", "brand", "name", "price")
            self.columns_of(table)
            select = exp.select(*(exp.column(name, quoted=True) for name in names))
            found = self.query(select.from_(table.node()), "dataset items")
            self._items = row_values.joined(found, catalogue)
        return self._items

    def item_columns(
        self, catalogue: product_file.Catalogue
    ) -> tuple[dict[str, Column], list[str]]:
        """What is known of the columns of items, and the names of the catalogue's own."""
        rows = self.items(catalogue)
        own = [name.upper() for name in catalogue.own]
        kinds = {
            "PRICE": "double",
            "CREATION_TIMESTAMP": "bigint",
            **{
                name.upper(): product_file.number_kind(
                    row[name] for row in catalogue.rows.values() if name in row
                )
                for name in catalogue.own
            },
        }
        made = row_values.items(rows, kinds)
        columns = {}
        for name in made.columns.drop("ITEM_ID"):
            values, kind = made[name].dropna(), kinds.get(name, "varchar")
            sizes = values.str.len() if kind == "varchar" else values.astype(float).abs()
            longest = float(sizes.max()) if len(values) else 0.0
            columns[name] = Column(kind, len(values), len(made), longest, values.nunique())
        self._kinds.update(kinds)
        return columns, own

    def sources(self, catalogue: product_file.Catalogue) -> dict[Set, Callable[[], Pages]]:
        """Where the rows of each data set come from."""
        if not self._kinds:
            self.item_columns(catalogue)
        values = self.settings.personalize.event_values
        return {
            "interactions": lambda: (
                row_values.interactions(page, values) for page in self.interactions()
            ),
            # Of an increment, too: what the catalogue adds or changes bears no date.
            "items": lambda: [row_values.items(self.items(catalogue), self._kinds)],
            "users": lambda: (
                row_values.users(page, self.settings.personalize.user_features)
                for page in self.users()
            ),
            "actions": lambda: [pd.DataFrame(action_rows(self.settings), dtype=object)],
            "action_interactions": lambda: (
                row_values.action_interactions(page) for page in self.action_interactions()
            ),
        }

    def interactions(self) -> Pages:
        """Interactions by time, then user, item and event type."""
        names = (
            *("user_id", "item_id", "event_type", "epoch_seconds"),
            *("device_type", "impression", "recommendation_id"),
        )
        order = ("epoch_seconds", "user_id", "item_id", "event_type")
        return self._by_time(Table("marts", "personalize_interactions"), names, order)

    def action_interactions(self) -> Pages:
        """Action interactions likewise."""
        names = ("user_id", "action_id", "event_type", "epoch_seconds")
        order = ("epoch_seconds", "user_id", "action_id", "event_type")
        return self._by_time(Table("marts", "personalize_action_interactions"), names, order)

    def _by_time(self, table: Table, names: Sequence[str], order: Sequence[str]) -> Pages:
        """Rows in pages of whole hours, in the order of time."""
        self.columns_of(table)
        hour = exp.Cast(
            this=exp.Floor(
                this=exp.Div(
                    this=exp.Cast(
                        this=exp.column("epoch_seconds", quoted=True),
                        to=exp.DataType.build("double"),
                    ),
                    expression=exp.Literal.number(_HOUR),
                )
            ),
            to=exp.DataType.build("bigint"),
        )
        counts = (
            exp.select(exp.alias_(hour, "hour"), exp.alias_(exp.Count(this=exp.Star()), "found"))
            .from_(table.node())
            .group_by(hour.copy())
        )
        counts = counts.where(self.received()) if self.since else counts
        found = self.query(counts, f"hours of {table}").sort_values("hour")
        for first, last in _pages(found, self.page_rows):
            select = (
                exp.select(*(exp.column(name, quoted=True) for name in names))
                .from_(table.node())
                .where(
                    exp.GTE(
                        this=exp.column("epoch_seconds", quoted=True),
                        expression=exp.Literal.number(first * _HOUR),
                    ),
                    exp.LT(
                        this=exp.column("epoch_seconds", quoted=True),
                        expression=exp.Literal.number((last + 1) * _HOUR),
                    ),
                )
            )
            select = select.where(self.received()) if self.since else select
            page = self.query(select, f"dataset {table.name}")
            yield page.sort_values(list(order), kind="stable", ignore_index=True)

    def users(self) -> Pages:
        """Users in pages by id, with their features."""
        table, customers = Table("marts", "personalize_users"), Table("marts", "customer_360")
        self.columns_of(table)
        own = ("user_id", "membership", "gender", "age", "country", "plan")
        select = exp.select(
            *(exp.column(name, table="u", quoted=True) for name in own),
            *(
                exp.column(name, table="c", quoted=True)
                for name in self.settings.personalize.user_features
            ),
        ).from_(exp.alias_(table.node(), "u", table=True))
        if self.settings.personalize.user_features:
            select = select.join(
                exp.alias_(customers.node(), "c", table=True),
                on=exp.EQ(
                    this=exp.column("person_id", table="u", quoted=True),
                    expression=exp.column("person_id", table="c", quoted=True),
                ),
                join_type="left",
            )
        if self.since:
            met = (
                exp.select(exp.column("user_id", quoted=True))
                .from_(Table("marts", "personalize_interactions").node())
                .where(self.received())
            )
            select = select.where(
                exp.In(this=exp.column("user_id", table="u", quoted=True), query=met.subquery())
            )
        last = ""
        while True:
            following = select.where(
                exp.GT(
                    this=exp.column("user_id", table="u", quoted=True),
                    expression=exp.Placeholder(this="last"),
                )
            ).order_by(exp.Ordered(this=exp.column("user_id", table="u", quoted=True)))
            if last and (unloads := unloading(self.session)):
                # There is more than a page: the engine writes the rest to S3 in one statement.
                yield from unloads.unloaded_pages(
                    following,
                    {"last": last} | self._moments(),
                    rows=self.page_rows,
                    label="dataset users: unloaded",
                )
                return
            page = self.query(following.limit(self.page_rows), "dataset users", last=last)
            if len(page):
                yield page.sort_values("user_id", kind="stable", ignore_index=True)
            if len(page) < self.page_rows:
                return
            last = str(page["user_id"].max())


def _number(value: Any) -> float:
    return 0.0 if value is None or pd.isna(value) else float(value)


def _pages(hours: pd.DataFrame, most: int) -> Iterator[tuple[int, int]]:
    """First and last hour of each page: as many hours as fit, at least one."""
    first: int | None = None
    last = rows = 0
    for hour, found in zip(hours["hour"].tolist(), hours["found"].tolist(), strict=True):
        if first is not None and rows + found > most:
            yield first, last
            first, rows = None, 0
        first = int(hour) if first is None else first
        last, rows = int(hour), rows + int(found)
    if first is not None:
        yield first, last


def action_rows(settings: Settings) -> list[dict[str, Any]]:
    """The actions of Next-Best-Action, as the parameters have them."""
    return [
        {
            "ACTION_ID": name,
            "VALUE": action.value,
            "REPEAT_FREQUENCY": action.repeat_after_days,
        }
        for name, action in sorted(settings.personalize.actions.items())
    ]
