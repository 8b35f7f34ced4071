"""The people of a segment as of a day, from the customer table."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import pandas as pd
from sqlglot import exp

from engagement.as_of import AsOf
from engagement.audience.conditions import CUSTOMERS
from engagement.audience.errors import AudienceError
from engagement.audience.happenings import Known, known
from engagement.audience.rendering import Renderer
from engagement.audience.validation import checked
from engagement.models import inputs, provenance
from engagement.settings import Settings
from engagement.warehouse import Session, Warehouse

if TYPE_CHECKING:
    from engagement.audience.segments import Segment

Q = TypeVar("Q", bound=exp.Query)

Channel = Literal["email", "sms"]

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


def columns(segment: Segment) -> list[str]:
    """Columns of ``marts.customer_360`` that an export of a segment reads, each once."""
    asked = [*segment.attributes, *segment.lists, *segment.metrics]
    return list(dict.fromkeys([*PERSON_COLUMNS, *asked]))


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
        Per channel, the addresses as stored of all people who refused it, in the segment or not,
        each with its country, which a telephone number may need.
    """

    segment: Segment
    as_of: date
    people: pd.DataFrame = field(repr=False)
    customers: int
    refused: dict[Channel, list[tuple[str, str | None]]] = field(repr=False)

    def rows(self) -> list[dict[str, Any]]:
        """The people as plain Python values; NULL is ``None``."""
        return plain_rows(self.people)


def plain_rows(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """A frame's rows as plain Python values; NULL is ``None``."""
    names = [str(name) for name in frame.columns]
    cells = [plain_values(frame[name]) for name in names]
    return [dict(zip(names, row, strict=True)) for row in zip(*cells, strict=True)]


def plain_values(column: pd.Series) -> list[Any]:
    """A column's cells as plain Python values; NULL in any form is ``None``."""
    cells = column.astype(object)
    found: list[Any] = cells.where(column.notna(), None).tolist()
    return [v.to_pydatetime() if isinstance(v, pd.Timestamp) else v for v in found]


def select(
    warehouse: Warehouse,
    segment: Segment,
    as_of: AsOf | date,
    as_of_end: datetime | None = None,
    settings: Settings | None = None,
) -> Selection:
    """Find the people of a segment.

    Parameters
    ----------
    as_of
        The day that the customer table stands for; ``:as_of`` in the condition.
    as_of_end
        The first moment, as a naive UTC time, that the customer table does not see; ``:as_of_end``
        in the condition, for windows in hours. An :class:`~engagement.as_of.AsOf` knows it.
    settings
        The parameters; what people did and did not do cannot be read without them.

    Raises
    ------
    AudienceError
        When there is no customer table yet, or the segment does not fit it.
    """
    with warehouse.session() as session:
        known_ = fitting(session, segment, settings)
        values = parameters(segment, as_of, as_of_end, settings)
        tree = expanded(Renderer(known_).query(segment, columns(segment)), session, settings)
        people = session.query(tree, values, label=f"segment {segment.name}")
        counted = session.query(f"select count(*) as people from {CUSTOMERS}", label="customers")
        refused = {channel: refusals(session, channel) for channel in segment.channels}
    people = people.sort_values("person_id", kind="stable", ignore_index=True)
    day = as_of.day if isinstance(as_of, AsOf) else as_of
    return Selection(segment, day, people, int(counted["people"].iloc[0]), refused)


def fitting(session: Session, segment: Segment, settings: Settings | None) -> Known:
    """What rules may name, after a check that the segment fits it.

    Raises
    ------
    AudienceError
        When there is no customer table yet, or the segment does not fit it.
    """
    source = f"the segment {segment.name}"
    there = session.columns(CUSTOMERS)
    if not there:
        raise AudienceError(source, [f"{CUSTOMERS} does not exist yet: run 03_model_customers"])
    missing = [name for name in PERSON_COLUMNS if name not in there]
    if missing:
        raise AudienceError(
            source, [f"{CUSTOMERS} has no column {name}, which exports need" for name in missing]
        )
    known_ = Known(there)
    if settings is not None:
        known_ = known(settings, session, segment.events)
    checked(segment, known_)
    return known_


def standing_for(session: Session, settings: Settings, as_of: AsOf) -> None:
    """See to it that the customer table stands for a day.

    Raises
    ------
    AudienceError
        When it was built as of another day, or of another moment of it.
    """
    there = session.published(CUSTOMERS)
    built = provenance.built_with(there.version).get("as_of") if there else None
    wanted = provenance.current(settings, inputs.parameters(settings, as_of))["as_of"]
    if built is not None and built != wanted:
        raise AudienceError(
            str(CUSTOMERS), [f"it stands for {built}, not for {wanted}: run 03_model_customers"]
        )


def expanded(query: Q, session: Session, settings: Settings | None) -> exp.Query:
    """A query with what ``sources.*`` and ``seeds.*`` stand for."""
    if settings is None:
        return query
    return inputs.expand(query, session, settings)


def parameters(
    segment: Segment,
    as_of: AsOf | date,
    as_of_end: datetime | None = None,
    settings: Settings | None = None,
) -> dict[str, Any]:
    """Values of the parameters that a segment's query may use.

    Raises
    ------
    AudienceError
        When the rule needs one that was not given.
    """
    if settings is not None and (isinstance(as_of, AsOf) or as_of_end is None):
        return inputs.parameters(settings, as_of)
    day, end = (as_of.day, as_of.end) if isinstance(as_of, AsOf) else (as_of, as_of_end)
    values: dict[str, Any] = inputs.parameters(settings, day) if settings is not None else {}
    values["as_of"] = day
    if end is not None:
        values["as_of_end"] = end
    used = {str(node.this) for node in _placeholders(segment)}
    missing = sorted(used - values.keys())
    if missing:
        what = "the moment up to which data is seen" if "as_of_end" in missing else "settings"
        raise AudienceError(
            f"the segment {segment.name}",
            [f"where: ':{name}' is used, but {what} was not given" for name in missing],
        )
    return values


def _placeholders(segment: Segment) -> list[exp.Placeholder]:
    from engagement.audience.conditions import condition

    found = list(condition(segment.where).find_all(exp.Placeholder)) if segment.where else []
    for other in segment.others.values():
        found += _placeholders(other)
    return found


def refusals(session: Session, channel: Channel) -> list[tuple[str, str | None]]:
    """Addresses as stored of all people who refused a channel, each with its country."""
    address, consent = ADDRESSES[channel], f"consent_{channel}"
    found = session.query(
        exp.select(exp.column(address, quoted=True), exp.column("country", quoted=True))
        .distinct()
        .from_(CUSTOMERS.node())
        .where(
            exp.not_(exp.column(consent, quoted=True)),
            exp.column(address, quoted=True).is_(exp.null()).not_(),
        ),
        label=f"addresses that refused {channel}",
    )
    pairs = zip(plain_values(found[address]), plain_values(found["country"]), strict=True)
    return sorted(((str(a), c) for a, c in pairs), key=lambda pair: (pair[0], pair[1] or ""))
