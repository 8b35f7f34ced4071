"""Segments: who is meant, by a condition over ``marts.customer_360``, in a YAML file.

A segment's condition is what may stand after ``where``, in Athena's dialect. It is parsed as one
condition and nothing else, checked against the warehouse's allow-list, and put into the query as a
tree; its columns and the types of what it compares are checked against the table before it runs.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any, Literal, cast

import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from sqlglot import exp, parse_one
from sqlglot.errors import ParseError, SqlglotError
from sqlglot.optimizer.annotate_types import annotate_types
from sqlglot.optimizer.qualify import qualify
from sqlglot.schema import MappingSchema

from engagement.errors import WrongInputError
from engagement.messages import explained, unknown_key
from engagement.settings import SettingsError, read_yaml
from engagement.sql.dialect import DialectError, check
from engagement.warehouse import Session, Table, Warehouse
from engagement.warehouse.protocol import columns_of

Channel = Literal["email", "sms"]

CUSTOMERS = Table("marts", "customer_360")

ADDRESSES: dict[Channel, str] = {"email": "email", "sms": "phone"}
"""The column of ``marts.customer_360`` that a channel reaches a person by."""

PERSON_COLUMNS = (
    "person_id",
    "user_id",
    "email",
    "phone",
    "first_name",
    "last_name",
    "city",
    "state",
    "country",
    "postal_code",
    "consent_email",
    "consent_sms",
)
"""What exports need of every person, besides what the segment asks for."""

_NUM, _TEXT, _TIME, _BOOL = "a number", "text", "a date or time", "true or false"

PARAMETERS = {"as_of": "date", "as_of_end": "timestamp(3)"}
"""What a condition may use as ``:name``, and its type: the day that the table stands for, and the
moment in UTC up to which it sees. Windows in hours count back from that moment."""


class AudienceError(WrongInputError):
    """A segment or an export that cannot be made, with every mistake found.

    Attributes
    ----------
    problems
        One sentence per mistake.
    """

    def __init__(self, source: str, problems: Sequence[str]) -> None:
        self.source = source
        self.problems = list(problems)
        count = "1 mistake" if len(self.problems) == 1 else f"{len(self.problems)} mistakes"
        lines = "\n".join(f"  - {problem}" for problem in self.problems)
        super().__init__(f"{count} in {source}:\n{lines}")


class Segment(BaseModel):
    """Who is meant, and how they may be reached.

    ``where`` is the condition over ``marts.customer_360``. ``channels`` are those that a message
    would go by: people are exported for a channel only with an address for it and with consent.
    ``attributes``, ``lists`` and ``metrics`` name further columns to send along: as one text, as
    several (a column whose text separates them by ``|``), and as numbers.
    ``suppressed`` says what becomes of people who must not be contacted: ``leave_out`` (the
    default) keeps them out of every file; ``opt_out`` puts them into the Pinpoint file marked
    ``OptOut=ALL``, so that a tool that knew them as opted in learns of it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(pattern=r"^[a-z][a-z0-9_]{0,49}$")
    description: str = Field(min_length=1)
    where: str
    channels: tuple[Channel, ...] = Field(min_length=1)
    attributes: tuple[str, ...] = ()
    lists: tuple[str, ...] = ()
    metrics: tuple[str, ...] = ()
    suppressed: Literal["leave_out", "opt_out"] = "leave_out"

    @field_validator("where")
    @classmethod
    def _portable(cls, where: str) -> str:
        condition(where)
        return where

    @field_validator("attributes", "lists", "metrics")
    @classmethod
    def _no_addresses(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        addresses = sorted(set(names) & set(ADDRESSES.values()))
        if addresses:
            raise ValueError(
                f"{', '.join(addresses)}: an address goes into a file by its channel, with consent"
            )
        return names

    @field_validator("channels", "attributes", "lists", "metrics")
    @classmethod
    def _once(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"{', '.join(twice)}: named twice")
        return names


# --- reading ------------------------------------------------------------------------------------


def load(path: Path) -> Segment:
    """Read and validate a segment's YAML file.

    Raises
    ------
    AudienceError
        With every mistake of the file.
    """
    source = f"the segment {path.name}"
    try:
        document = read_yaml(path)
    except SettingsError as error:
        raise AudienceError(source, error.problems) from None
    if not isinstance(document, dict):
        raise AudienceError(
            source, ["the file holds no keys: it needs name, description, where and channels"]
        )
    problems: list[str] = []
    segment = None
    try:
        segment = Segment.model_validate(document)
    except ValidationError as error:
        problems += _explain(error)
    name = document.get("name")
    if isinstance(name, str) and name != path.stem:
        problems.append(f"name: '{name}' is not the file's name, '{path.stem}'")
    if problems or segment is None:
        raise AudienceError(source, problems)
    return segment


def load_all(folder: Path) -> list[Segment]:
    """Every segment of a folder, by name.

    Raises
    ------
    AudienceError
        With every mistake of the first file that has any.
    """
    return [load(path) for path in sorted(folder.glob("*.yaml"))]


def frame(segment: Segment) -> pd.DataFrame:
    """A segment as a table, one row per key."""
    rows = [
        ("name", segment.name),
        ("description", " ".join(segment.description.split())),
        ("where", " ".join(segment.where.split())),
        *(
            (key, ", ".join(getattr(segment, key)))
            for key in ("channels", "attributes", "lists", "metrics")
        ),
        ("suppressed", segment.suppressed),
    ]
    return pd.DataFrame(rows, columns=["key", "value"])


def _explain(error: ValidationError) -> Iterator[str]:
    for item, sentence in zip(error.errors(), explained(error, _unknown, _WRITE), strict=True):
        if item["type"] == "literal_error" and item["input"] == "push":
            key = ".".join(str(part) for part in item["loc"])
            yield f"{key}: push needs device tokens, and marts.customer_360 holds none"
        elif item["loc"] == ("where",):
            yield sentence.removesuffix(f" (given: {item['input']!r})")
        else:
            yield sentence


def _unknown(key: str) -> str:
    return unknown_key(key, Segment.model_fields)


_WRITE = {"name": "a name of small letters, digits and '_', 50 at most"}


# --- the condition ------------------------------------------------------------------------------


def condition(where: str) -> exp.Expr:
    """Parse a condition: one expression that both engines read alike, without subqueries.

    Raises
    ------
    ValueError
        When it is no such expression: where, and what to write instead.
    """
    if not where.strip():
        raise ValueError("is empty; 'true' means everybody")
    try:
        tree = cast(exp.Expr, parse_one(where, read="athena", into=exp.Condition))
    except ParseError as error:
        raise ValueError(_syntax(error)) from None
    except SqlglotError as error:
        raise ValueError(str(error).splitlines()[0]) from None
    problems = sorted(set(_unwanted(tree)))
    try:
        check(tree, source="the condition", parameters=PARAMETERS)
    except DialectError as error:
        problems += [line.removeprefix("  - ") for line in str(error).splitlines()[1:]]
    if problems:
        raise ValueError("; ".join(problems))
    return tree


def _syntax(error: ParseError) -> str:
    if not error.errors:
        return "is no condition such as orders_30 > 0"
    first = error.errors[0]
    return (
        f"line {first.get('line')}, column {first.get('col')} near '{first.get('highlight')}': "
        "write one condition, such as orders_30 > 0 and country = 'US'"
    )


def _unwanted(tree: exp.Expr) -> Iterator[str]:
    for node in tree.walk():
        if isinstance(node, (exp.Query, exp.Table)):
            yield f"a subquery: only columns of {CUSTOMERS} may stand here"
        elif isinstance(node, (exp.Window, exp.AggFunc)) and not isinstance(
            node.parent, exp.Window
        ):
            yield f"{node.sql('athena')}: a condition is about one person, not about several rows"
        elif isinstance(node, exp.Column) and node.table:
            yield f"{node.sql('athena')}: write the column without a table, {node.name}"
        elif isinstance(node, exp.Placeholder) and str(node.this or "?") not in PARAMETERS:
            wanted = ", ".join(f":{name}" for name in PARAMETERS)
            yield f"the parameter '{node.sql('athena')}': there is only {wanted}"


def query(segment: Segment) -> exp.Select:
    """The query for a segment's people, one row each, in the order of ``person_id``."""
    return (
        columns_of(CUSTOMERS, columns(segment))
        .where(condition(segment.where), copy=False)
        .order_by(exp.column("person_id", quoted=True))
    )


def columns(segment: Segment) -> list[str]:
    """Columns of ``marts.customer_360`` that an export of a segment reads, each once."""
    asked = [*segment.attributes, *segment.lists, *segment.metrics]
    return list(dict.fromkeys([*PERSON_COLUMNS, *asked]))


def checked(segment: Segment, columns: Mapping[str, str]) -> None:
    """Check a segment against the table: its columns are there, and compared with their like.

    Raises
    ------
    AudienceError
        With every mistake.
    """
    tree = condition(segment.where)
    used = {node.name.lower() for node in tree.find_all(exp.Column)}
    problems = [
        f"where: {_no_column(name, columns)}"
        for name in sorted(used - {c.lower() for c in columns})
    ]
    for key in ("attributes", "lists", "metrics"):
        named = getattr(segment, key)
        problems += [f"{key}: {_no_column(n, columns)}" for n in named if n not in columns]
    for key, wanted in (("lists", _TEXT), ("metrics", _NUM)):
        problems += [
            f"{key}: {name} is {columns[name]}, not {wanted}"
            for name in getattr(segment, key)
            if name in columns and _family(_type(columns[name])) != wanted
        ]
    if not problems:
        problems += [f"where: {problem}" for problem in _mistyped(segment, columns)]
    if not problems:
        problems += [f"where: {problem}" for problem in _not_portable(tree, columns)]
    if problems:
        raise AudienceError(f"the segment {segment.name}", problems)


def _not_portable(tree: exp.Expr, columns: Mapping[str, str]) -> list[str]:
    """What only types can tell: the cast of a double, say."""
    people = exp.select(exp.true()).from_(CUSTOMERS.node()).where(tree)
    try:
        check(people, tables={str(CUSTOMERS): columns}, parameters=PARAMETERS)
    except DialectError as error:
        return [line.removeprefix("  - ") for line in str(error).splitlines()[1:]]
    return []


def _no_column(name: str, columns: Mapping[str, str]) -> str:
    near = difflib.get_close_matches(name.lower(), columns, n=1)
    hint = f"; did you mean '{near[0]}'?" if near else ""
    return f"{CUSTOMERS} has no column '{name}'{hint}"


def _type(text: str) -> exp.DataType:
    return exp.DataType.build(text, dialect="athena")


def _family(kind: exp.DataType | None) -> str | None:
    if kind is None:
        return None
    if kind.is_type(*exp.DataType.NUMERIC_TYPES):
        return _NUM
    if kind.is_type(*exp.DataType.TEXT_TYPES):
        return _TEXT
    if kind.is_type(*exp.DataType.TEMPORAL_TYPES):
        return _TIME
    if kind.is_type(exp.DataType.Type.BOOLEAN):
        return _BOOL
    return None


def _mistyped(segment: Segment, columns: Mapping[str, str]) -> list[str]:
    """What Athena refuses and DuckDB guesses at: unlike things compared, no condition at all."""
    schema = MappingSchema({CUSTOMERS.database: {CUSTOMERS.name: dict(columns)}}, dialect="athena")
    select = exp.select(exp.true()).from_(CUSTOMERS.node()).where(condition(segment.where))
    tree = annotate_types(
        qualify(select, schema=schema, dialect="athena"), schema=schema, dialect="athena"
    )
    where = tree.find(exp.Where)
    if where is None:
        return []
    problems = []
    for node in where.walk():
        if isinstance(node, (exp.Where, exp.And, exp.Or, exp.Not)):
            operands = [part for part in (node.this, node.args.get("expression")) if part]
            problems += [
                f"{_plain(part)} is {family}, not a condition"
                for part in operands
                if (family := _family(part.type)) not in (None, _BOOL)
            ]
        else:
            problems += _unlike(node)
    return sorted(set(problems))


def _unlike(node: exp.Expr) -> list[str]:
    if isinstance(node, exp.Between):
        others = [node.args["low"], node.args["high"]]
    elif isinstance(node, exp.In):
        others = list(node.expressions)
    elif isinstance(node, (exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.Like)):
        others = [node.expression]
    else:
        return []
    left = _family(node.this.type)
    return [
        f"{_plain(node.this)} is {left}, {_plain(other)} is {right}"
        for other in others
        if left and (right := _family(other.type)) and right != left
    ]


def _plain(node: exp.Expr) -> str:
    """An expression as it was written, without what qualifying added."""
    bare = node.copy()
    for column in bare.find_all(exp.Column):
        column.set("table", None)
    for name in bare.find_all(exp.Identifier):
        name.set("quoted", False)
    return bare.sql("athena")


# --- the people ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Selection:
    """The people of a segment as of a day.

    Attributes
    ----------
    people
        One row per person in the order of ``person_id``, columns as of :func:`columns`.
    customers
        People in ``marts.customer_360``, in the segment or not.
    refused
        Per channel, the addresses as stored of all people who refused it, in the segment or not.
    """

    segment: Segment
    as_of: date
    people: pd.DataFrame
    customers: int
    refused: dict[Channel, list[str]]

    def rows(self) -> list[dict[str, Any]]:
        """The people as plain Python values; NULL is ``None``."""
        names = list(self.people.columns)
        columns = [plain_values(self.people[name]) for name in names]
        return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]


def plain_values(column: pd.Series) -> list[Any]:
    """A column's cells as plain Python values; NULL in any form is ``None``."""
    cells = column.astype(object)
    found: list[Any] = cells.where(column.notna(), None).tolist()
    return [v.to_pydatetime() if isinstance(v, pd.Timestamp) else v for v in found]


def select(
    warehouse: Warehouse, segment: Segment, as_of: date, as_of_end: datetime | None = None
) -> Selection:
    """Find the people of a segment.

    Parameters
    ----------
    as_of
        The day that the customer table stands for; ``:as_of`` in the condition.
    as_of_end
        The first moment, as a naive UTC time, that the customer table does not see; ``:as_of_end``
        in the condition, for windows in hours.

    Raises
    ------
    AudienceError
        When there is no customer table yet, or the segment does not fit it.
    """
    source = f"the segment {segment.name}"
    values = _values(segment, as_of, as_of_end)
    with warehouse.session() as session:
        there = session.columns(CUSTOMERS)
        if not there:
            raise AudienceError(source, [f"{CUSTOMERS} does not exist yet: run 03_model_customers"])
        missing = [name for name in PERSON_COLUMNS if name not in there]
        if missing:
            raise AudienceError(
                source,
                [f"{CUSTOMERS} has no column {name}, which exports need" for name in missing],
            )
        checked(segment, there)
        people = session.query(query(segment), values, label=f"segment {segment.name}")
        counted = session.query(f"select count(*) as people from {CUSTOMERS}", label="customers")
        refused = {channel: _refused(session, channel) for channel in segment.channels}
    people = people.sort_values("person_id", kind="stable", ignore_index=True)
    return Selection(segment, as_of, people, int(counted["people"].iloc[0]), refused)


def _values(segment: Segment, as_of: date, as_of_end: datetime | None) -> dict[str, Any]:
    """Values of the parameters that a condition uses."""
    used = {str(node.this) for node in condition(segment.where).find_all(exp.Placeholder)}
    if "as_of_end" in used and as_of_end is None:
        raise AudienceError(
            f"the segment {segment.name}",
            ["where: ':as_of_end' is used, but the moment up to which data is seen was not given"],
        )
    values: dict[str, Any] = {"as_of": as_of, "as_of_end": as_of_end}
    return {name: values[name] for name in PARAMETERS if name in used}


def _refused(session: Session, channel: Channel) -> list[str]:
    address, consent = ADDRESSES[channel], f"consent_{channel}"
    found = session.query(
        exp.select(exp.column(address, quoted=True))
        .distinct()
        .from_(CUSTOMERS.node())
        .where(
            exp.not_(exp.column(consent, quoted=True)),
            exp.column(address, quoted=True).is_(exp.null()).not_(),
        ),
        label=f"addresses that refused {channel}",
    )
    return sorted(str(value) for value in found[address])
