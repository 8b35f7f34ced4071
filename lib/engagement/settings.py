"""Parameters of a run: one YAML file, typed and validated, every mistake reported at once.

A parameter file names everything a run depends on: where the events land, which engine holds the
tables, the reporting time zone, how business concepts map to event names. Dotted overrides
(``sessions.gap_minutes=20``) replace single values. An unknown key is an error, and so is a value
of the wrong kind; all of them are reported together, each by its key.
"""

from __future__ import annotations

import contextlib
import copy
import difflib
import itertools
import os
import re
import types
import typing
import unicodedata
from collections.abc import Iterator, Mapping
from datetime import date
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from zoneinfo import available_timezones

import yaml
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from engagement.mistakes import explained

ROOT = Path(__file__).resolve().parents[2]
"""The project's folder: relative paths in parameter files start here."""

DEFAULT_PARAMS = "params/local.yaml"
PARAMS_VARIABLE = "ENGAGEMENT_PARAMS"


class SettingsError(ValueError):
    """Parameters that cannot be used, with every mistake found.

    Attributes
    ----------
    problems
        One sentence per mistake, each starting with the key it is about.
    """

    def __init__(self, source: str, problems: list[str]) -> None:
        self.source = source
        self.problems = problems
        count = "1 mistake" if len(problems) == 1 else f"{len(problems)} mistakes"
        lines = "\n".join(f"  - {problem}" for problem in problems)
        super().__init__(f"{count} in the parameters ({source}):\n{lines}")


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    @field_validator("*", mode="before")
    @classmethod
    def _no_flag_for_a_number(cls, value: Any, info: ValidationInfo) -> Any:
        wanted = cls.model_fields[str(info.field_name)].annotation
        if isinstance(value, bool) and wanted in (int, float, int | None, float | None):
            raise ValueError("write a number")
        return value


LATEST = "latest"
"""The ``as_of`` that means the moment of the newest event received."""

FIRST_DAY, LAST_DAY = date(2000, 1, 1), date(2199, 12, 31)
"""Days that are believed, of folders and as-of dates. No event was sent beyond them, and libraries
that count nanoseconds from 1970 come to an end in 1677 and 2262."""

Share = Annotated[float, Field(ge=0, le=1)]
Names = Annotated[tuple[Annotated[str, Field(min_length=1)], ...], Field(min_length=1)]
ColumnType = Literal["bigint", "double", "boolean", "string", "timestamp"]

_S3 = r"^s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/.*)?$"


class Landing(_Section):
    """Where Firehose lands the events.

    ``location`` is the folder (or ``s3://`` address) that holds the ``received_at_utc_date=…``
    partitions; ``errors_location`` the one where Firehose puts what it could not deliver, if that
    lies elsewhere: it is summed up, and never read as events. ``from`` and ``to`` bound the
    received dates read, both inclusive, for backfills.
    ``write_keys`` keeps the events of these RudderStack sources only; empty means all of them.
    ``reprocess`` names dates whose files are read again though they did not change: a date, a range
    (``2026-09-01..2026-09-07``) or ``all``. A date none of whose files is left is kept as it was
    taken in, since landings expire, unless ``gone`` is ``remove``. A zipped file that turns out to
    hold more than ``most_file_megabytes`` is set apart.
    """

    location: str = Field(min_length=1)
    errors_location: str | None = Field(default=None, min_length=1)
    from_: date | None = Field(default=None, alias="from")
    to: date | None = None
    write_keys: tuple[str, ...] = ()
    reprocess: tuple[str, ...] = ()
    gone: Literal["keep", "remove"] = "keep"
    most_file_megabytes: int = Field(default=512, ge=1, le=100_000)

    @field_validator("reprocess", mode="before")
    @classmethod
    def _one_or_several(cls, value: Any) -> Any:
        return [value] if isinstance(value, (str, date)) else value or ()

    @field_validator("reprocess", mode="before")
    @classmethod
    def _dates(cls, value: Any) -> Any:
        items = [str(item) for item in value] if isinstance(value, (list, tuple)) else value
        for item in items if isinstance(items, list) else ():
            first, dots, last = item.partition("..")
            try:
                days = [date.fromisoformat(day) for day in (first, last or first)]
            except ValueError:
                days = []
            if item != "all" and (not days or days[0] > days[1] or (dots and not last)):
                raise ValueError(
                    f"'{item}' is no date such as 2026-09-01, no range such as "
                    "2026-09-01..2026-09-07, and not 'all'"
                )
        return items

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.from_ and self.to and self.from_ > self.to:
            raise ValueError(f"'from' ({self.from_}) is after 'to' ({self.to})")
        return self


class DuckDB(_Section):
    """The embedded engine: one local file.

    ``wait_seconds`` is how long to wait for another process that holds the file.
    ``memory_limit`` (as ``4GB``) bounds what a notebook's process may use, with what Python holds
    of the landing while it is read; left out, it is half of the machine's memory, or of what its
    control group allows. What does not fit is spilled to disk, beside the file. ``threads`` is how
    many a statement may use.
    """

    path: str = "warehouse/engagement.duckdb"
    wait_seconds: float = Field(default=60, ge=0)
    memory_limit: str | None = Field(default=None, pattern=r"^\d+(\.\d+)? ?[KMGT]i?B$")
    threads: int | None = Field(default=None, ge=1)

    @field_validator("path")
    @classmethod
    def _no_question_mark(cls, value: str) -> str:
        if "?" in value:
            raise ValueError(
                f"'{value}': the engine reads what follows a '?' as options, not as part of the "
                "file's name; leave the '?' out"
            )
        return value


class Athena(_Section):
    """The production engine: Athena over Glue and S3.

    ``data_location`` is the folder under which every table's files are written, and
    ``output_location`` the one for query results (left out: ``query-results/`` below it).
    ``storage_database`` holds what a run works with (left out: the project's name and
    ``_storage``). ``compression`` is that of tables' Parquet files. ``poll_seconds`` is how often a
    statement is asked after, ``concurrency`` how many run at once, ``attempts`` how often what AWS
    throttles is tried. ``spending_limit_usd`` stops a run before the statement that might pass it;
    a terabyte scanned costs ``usd_per_terabyte``; ``statement_limit_gigabytes`` is the workgroup's
    own cut-off (left out: as it is there). A run that shows no sign of life for ``lease_seconds``
    has lost its lease. ``keep_days`` is the grace period of ``engagement clean``.
    """

    region: str = Field(pattern=r"^[a-z]{2}(-[a-z]+)+-[0-9]$")
    workgroup: str = Field(default="primary", pattern=r"^[a-zA-Z0-9._-]{1,128}$")
    data_location: str = Field(pattern=_S3)
    output_location: str | None = Field(default=None, pattern=_S3)
    storage_database: str | None = Field(default=None, pattern=r"^[a-z][a-z0-9_]{0,120}$")
    compression: Literal["ZSTD", "SNAPPY", "GZIP"] = "ZSTD"
    poll_seconds: float = Field(default=0.5, gt=0, le=60)
    concurrency: int = Field(default=4, ge=1, le=20)
    attempts: int = Field(default=8, ge=1, le=20)
    spending_limit_usd: float | None = Field(default=None, gt=0)
    statement_limit_gigabytes: float | None = Field(default=None, ge=0.01)
    usd_per_terabyte: float = Field(default=5.0, ge=0)
    lease_seconds: int = Field(default=120, ge=1)
    keep_days: int = Field(default=7, ge=0)


class Databases(_Section):
    """Physical names of the three logical databases: DuckDB schemas or Glue databases."""

    landing: str = Field(default="landing", pattern=r"^[a-z][a-z0-9_]{0,120}$")
    events: str = Field(default="events", pattern=r"^[a-z][a-z0-9_]{0,120}$")
    marts: str = Field(default="marts", pattern=r"^[a-z][a-z0-9_]{0,120}$")

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        if len({self.landing, self.events, self.marts}) < 3:
            raise ValueError("the three databases must have three different names")
        return self


class Warehouse(_Section):
    """The engine that holds the tables."""

    engine: Literal["duckdb", "athena"] = "duckdb"
    duckdb: DuckDB = DuckDB()
    athena: Athena | None = None
    databases: Databases = Databases()

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.engine == "athena" and self.athena is None:
            raise ValueError(
                "engine: athena needs a section 'athena' with at least region and data_location"
            )
        return self


class Run(_Section):
    """Where a run leaves its files.

    ``keep_runs`` is how many runs ``landing.run_statements`` remembers what they cost.
    """

    directory: str = "runs"
    keep_runs: int = Field(default=100, ge=1)


class Duplicates(_Section):
    """How long, in days of received date, an earlier copy makes a later one a duplicate."""

    window_days: int = Field(default=7, ge=0, le=365)


class Identity(_Section):
    """Guards of the identity map.

    An anonymous id seen with more than ``max_users_per_device`` user ids is a shared device and
    merges nobody. ``placeholder_ids`` are values that stand for no id at all; case and surrounding
    blanks do not matter, and a blank id is always one.
    """

    max_users_per_device: int = Field(default=1, ge=1)
    placeholder_ids: tuple[str, ...] = ("", "null", "undefined", "0", "anonymous")

    def is_placeholder(self, value: str) -> bool:
        """Whether an id stands for no id at all."""
        bare = _bare(value)
        return not bare or bare in {_bare(placeholder) for placeholder in self.placeholder_ids}

    @property
    def bare_placeholder_ids(self) -> tuple[str, ...]:
        """The placeholders as SQL compares them: trimmed and in lower case, each once."""
        return tuple(dict.fromkeys(_bare(value) for value in self.placeholder_ids))


def _bare(value: str) -> str:
    return value.strip(" \t\r\n").lower()


class Sessions(_Section):
    """When a session ends.

    Events without the SDK's session id are in one session while there are no more than
    ``gap_minutes`` between them; within that time they also join the session of a neighbouring
    event that has an id. Events with one session id are cut where there are more than
    ``silence_hours`` between two of them.
    """

    gap_minutes: int = Field(default=30, ge=1, le=24 * 60)
    silence_hours: int = Field(default=24, ge=1, le=365 * 24)


class Traffic(_Section):
    """``own_domains``: the shop's own; referrers on them and below them are no traffic source.

    A domain may be written as an address (``https://www.shop.example/``): the scheme, the path, the
    port, capitals, ``www.``, ``*.``, dots and blanks around it are left out, and letters beyond
    ASCII are stored in Punycode, as browsers send them.
    """

    own_domains: tuple[str, ...] = ()

    @field_validator("own_domains", mode="before")
    @classmethod
    def _domains(cls, value: Any) -> Any:
        given = [value] if isinstance(value, str) else value
        if not isinstance(given, (list, tuple)):
            return given
        found, problems = [], []
        for item in given:
            domain = _domain(item) if isinstance(item, str) else None
            if domain is None:
                problems.append(
                    f"{item!r} is not a domain of one owner; write it whole, such as shop.example"
                )
            else:
                found.append(domain)
        if problems:
            raise ValueError("; ".join(problems))
        return tuple(dict.fromkeys(found))

    @property
    def hosts(self) -> tuple[str, ...]:
        """The domains as addresses may hold them: in Punycode, and in their own letters."""
        letters = (".".join(map(_letters, domain.split("."))) for domain in self.own_domains)
        return tuple(dict.fromkeys((*self.own_domains, *letters)))


_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")
_SUFFIX_OF_MANY = re.compile(r"(com?|net|org|gov|edu|ac|or|ne)\.[a-z]{2}")


def _domain(text: str) -> str | None:
    """A domain without what addresses and wildcards add to it; ``None`` where it is none.

    A suffix that many domains share (``com``, ``co.uk``) is none: everything would be own.
    """
    host = re.sub(r"^([a-z][a-z0-9+.-]*:)?//", "", text.strip().lower())
    host = re.sub(r"[/?#].*", "", host, flags=re.DOTALL)
    host = re.sub(r":[0-9]*$", "", host)
    host = re.sub(r"^\*?\.+", "", host).rstrip(".").removeprefix("www.")
    labels = [_punycode(label) for label in unicodedata.normalize("NFKC", host).split(".")]
    if not all(_LABEL.fullmatch(label) for label in labels):
        return None
    domain = ".".join(labels)
    if len(labels) == 1 and domain != "localhost":
        return None
    return None if _SUFFIX_OF_MANY.fullmatch(domain) else domain


def _punycode(label: str) -> str:
    return label if label.isascii() else "xn--" + label.encode("punycode").decode("ascii")


def _letters(label: str) -> str:
    if not label.startswith("xn--"):
        return label
    try:
        return label.removeprefix("xn--").encode("ascii").decode("punycode")
    except UnicodeError:
        return label


class Models(_Section):
    """``seeds``: the folder with a team's own rows for the models' small tables.

    A CSV there has the name and the header of one in ``lib/engagement/models/seeds``
    (``known_sources.csv``, ``channel_rules.csv``, ``click_ids.csv``, …). A row whose key the table
    has replaces that row, a row with another key is added, and a row with nothing but a key removes
    the table's row.

    ``stale`` says what happens where a notebook reads tables that were built with other parameters
    than its own: it stops and says which (``refuse``), or builds them again (``rebuild``).
    """

    seeds: str | None = Field(default=None, min_length=1)
    stale: Literal["refuse", "rebuild"] = "refuse"

    @field_validator("seeds")
    @classmethod
    def _there(cls, seeds: str | None) -> str | None:
        if seeds is None or (folder := ROOT / Path(seeds).expanduser()).is_dir():
            return seeds
        if folder.exists():
            raise ValueError(f"'{seeds}' is a file; write the folder that it is in")
        around = folder.parent
        others = [p.name for p in around.iterdir() if p.is_dir()] if around.is_dir() else []
        near = difflib.get_close_matches(folder.name, others, n=1)
        hint = f"; did you mean '{Path(seeds).parent / near[0]}'?" if near else ""
        raise ValueError(f"there is no folder '{seeds}'{hint}")


class Metrics(_Section):
    """``exclude_bots`` leaves flagged bots out of metrics; their rows stay in the tables.

    In the first ``settling_days`` of a landing people seem new who are not: days, periods and
    cohorts that start in them are marked as unsettled.
    """

    exclude_bots: bool = True
    settling_days: int = Field(default=14, ge=0, le=365)


class Currency(_Section):
    """The reporting currency, and what one unit of each other currency is worth in it."""

    reporting: str = Field(default="USD", pattern=r"^[A-Z]{3}$")
    rates: dict[str, Annotated[Decimal, Field(gt=0, lt=10_000_000_000)]] = {}

    @field_validator("rates")
    @classmethod
    def _codes(cls, rates: dict[str, Decimal]) -> dict[str, Decimal]:
        for code, rate in rates.items():
            if not (len(code) == 3 and code.isascii() and code.isalpha() and code.isupper()):
                raise ValueError(f"'{code}' is not a currency code such as EUR")
            if rate < Decimal("0.00000001"):
                raise ValueError(
                    f"{code}: a rate has eight decimal places, and {rate} would be rounded to 0"
                )
        return rates


class Funnel(_Section):
    """``window_days``: how long after its first step a person's funnel stays open."""

    window_days: int = Field(default=7, ge=1, le=365)


class Attribution(_Section):
    """Which touches belong to a conversion.

    ``lookback_days`` is how long before a conversion a touch still counts. With ``reset:
    conversion`` a journey starts after the person's previous conversion; with ``none`` earlier
    touches count again.
    """

    lookback_days: int = Field(default=30, ge=1, le=365)
    reset: Literal["conversion", "none"] = "conversion"


class Concept(_Section):
    """A business concept: the events that mean it, and what the shop calls their properties.

    ``names`` are the events' names as sent; case and spaces do not matter. ``properties`` says, for
    a property of RudderStack's specification, which of the shop's own holds it
    (``order_id: transaction_id``); where an event has both, the shop's own counts. A property of a
    nested object is written with a dot (``ecommerce.transaction_id``), one of a list's first member
    with its place (``items[0].item_id``). Names of the properties of a product
    (``product_id: item_id``) hold within lists of products too. In a parameter file a single name
    or a list of names may stand for the whole.
    """

    names: Names
    properties: dict[str, Annotated[str, Field(min_length=1)]] = {}

    @model_validator(mode="before")
    @classmethod
    def _short_forms(cls, value: Any) -> Any:
        if isinstance(value, str):
            return {"names": (value,)}
        if isinstance(value, (list, tuple)):
            return {"names": value}
        if isinstance(value, Mapping) and isinstance(value.get("names"), str):
            return {**value, "names": (value["names"],)}
        if not isinstance(value, (Mapping, cls)):
            raise ValueError("write a name, a list of names, or keys of names and properties")
        return value


def _named(*names: str) -> Any:
    return Field(default=Concept(names=names))


class Events(_Section):
    """Business concepts, each with the names that the shop's events go by."""

    products_searched: Concept = _named("Products Searched")
    product_list_viewed: Concept = _named("Product List Viewed")
    product_clicked: Concept = _named("Product Clicked")
    product_viewed: Concept = _named("Product Viewed")
    product_added: Concept = _named("Product Added")
    product_removed: Concept = _named("Product Removed")
    product_added_to_wishlist: Concept = _named("Product Added to Wishlist")
    cart_viewed: Concept = _named("Cart Viewed")
    checkout_started: Concept = _named("Checkout Started")
    checkout_step_completed: Concept = _named("Checkout Step Completed")
    payment_info_entered: Concept = _named("Payment Info Entered")
    order_completed: Concept = _named("Order Completed")
    order_updated: Concept = _named("Order Updated")
    order_refunded: Concept = _named("Order Refunded")
    order_cancelled: Concept = _named("Order Cancelled")


class Consent(_Section):
    """Which trait answers whether a person may be contacted, per channel.

    ``traits`` names, per channel, a column of ``events.identifies``. Only a person who never gave
    an answer is silent; for them ``unanswered`` decides: ``deny`` (the default) or ``allow``. An
    answer that cannot be read counts as no.
    """

    traits: dict[Literal["email", "sms", "push"], str] = {
        "email": "consent_email",
        "sms": "consent_sms",
        "push": "consent_push",
    }
    unanswered: Literal["allow", "deny"] = "deny"


class Customers(_Section):
    """Where the scores of RFM change, which stages and segments follow from.

    Each list holds four values, each greater than the one before. ``recency_days``: a last kept
    order less than this many days ago scores 5, 4, 3, 2. ``frequency_orders``: from this many kept
    orders on the score is 2, 3, 4, 5. ``monetary``: from this spend on, in the reporting currency,
    likewise.
    """

    recency_days: tuple[int, ...] = (30, 60, 90, 365)
    frequency_orders: tuple[int, ...] = (2, 3, 4, 6)
    monetary: tuple[Decimal, ...] = (Decimal(50), Decimal(100), Decimal(250), Decimal(500))

    @field_validator("recency_days", "frequency_orders", "monetary")
    @classmethod
    def _rising(cls, values: tuple[Any, ...]) -> tuple[Any, ...]:
        if len(values) != 4 or values[0] <= 0 or any(a >= b for a, b in itertools.pairwise(values)):
            raise ValueError("four values above 0 are expected, each greater than the one before")
        return values

    @field_validator("frequency_orders")
    @classmethod
    def _one_order_scores_1(cls, values: tuple[int, ...]) -> tuple[int, ...]:
        if values[0] < 2:
            raise ValueError("the first value must be 2 or more: one order scores 1")
        return values

    @field_validator("monetary")
    @classmethod
    def _amounts(cls, values: tuple[Decimal, ...]) -> tuple[Decimal, ...]:
        if any(value != round(value, 2) or value >= 10**16 for value in values):
            raise ValueError("amounts have at most two decimal places and are below 10^16")
        return values


class Audience(_Section):
    """The segment that 05 exports: a YAML file under ``params/segments``."""

    segment: str = "params/segments/recent_buyers.yaml"


class Personalize(_Section):
    """Interactions that 06 exports: each concept, and the EVENT_TYPE it becomes."""

    event_types: dict[str, str] = {
        "product_viewed": "View",
        "product_added": "AddToCart",
        "order_completed": "Purchase",
    }

    @field_validator("event_types")
    @classmethod
    def _concepts(cls, event_types: dict[str, str]) -> dict[str, str]:
        for concept in event_types:
            if concept not in Events.model_fields:
                raise ValueError(f"'{concept}' is no concept under 'events'")
        if len(event_types) > 10:
            raise ValueError("Personalize takes at most 10 event types")
        return event_types

    event_weights: dict[str, float] = {"View": 0.2, "AddToCart": 0.6, "Purchase": 1.0}

    @field_validator("event_weights")
    @classmethod
    def _weights(cls, weights: dict[str, float]) -> dict[str, float]:
        for event_type, weight in weights.items():
            if not 0.001 <= weight <= 1:
                raise ValueError(f"{event_type}: a weight is between 0.001 and 1")
        return weights


class Recommendations(_Section):
    """The baselines of 06, see docs/recommendations.md.

    An interest counts half after ``interest_half_life_days``, a trend after
    ``trend_half_life_days``. ``for_you`` is the method that fills
    ``marts.recommendations_for_you``, ``length`` how many products each person gets; what somebody
    bought is left out unless ``show_bought``. ``factors`` is the rank of the matrix factorisation.
    ``tested_people`` is the most people that the evaluation asks, ``resamples`` how often its
    bootstrap draws.
    """

    interest_half_life_days: int = Field(default=30, ge=1, le=3_650)
    trend_half_life_days: int = Field(default=7, ge=1, le=3_650)
    for_you: Literal["matrix_factorisation", "co_visitation", "popular_in_category"] = (
        "matrix_factorisation"
    )
    length: int = Field(default=10, ge=1, le=100)
    show_bought: bool = False
    factors: int = Field(default=16, ge=1, le=256)
    tested_people: int = Field(default=20_000, ge=1, le=200_000)
    resamples: int = Field(default=1_000, ge=100, le=10_000)


class Firehose(_Section):
    """The delivery stream that ``engagement collect`` also puts events to, as RudderStack would."""

    stream: str = Field(pattern=r"^[a-zA-Z0-9_.-]{1,64}$")
    region: str = Field(pattern=r"^[a-z]{2}(-[a-z]+)+-[0-9]$")


class Collect(_Section):
    """The collector of ``engagement collect``, which stands in for a data plane on a laptop.

    It listens on ``host`` and ``port`` (0: any free one) and takes events that come with one of the
    ``write_keys``. It lands files in ``landing`` (left out: ``landing.location``), which has to be
    a folder of its own, not that of the samples. What has not landed yet is in ``wal``, a folder
    beside the landing on the same disk (left out: the landing's name and ``.wal``). A file is
    landed when it would hold ``roll_megabytes``, not packed, or its first event is ``roll_seconds``
    old. With ``firehose`` events are put to a real stream as well, or only there where the landing
    is an ``s3://`` address.
    """

    host: str = Field(default="127.0.0.1", min_length=1)
    port: int = Field(default=8080, ge=0, le=65_535)
    write_keys: Names = ("local",)
    landing: str | None = Field(default=None, min_length=1)
    wal: str | None = Field(default=None, min_length=1)
    roll_megabytes: float = Field(default=8, gt=0, le=128)
    roll_seconds: float = Field(default=10, gt=0, le=900)
    firehose: Firehose | None = None

    @field_validator("write_keys", mode="before")
    @classmethod
    def _one_or_several(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value

    @field_validator("write_keys")
    @classmethod
    def _as_a_header_has_it(cls, keys: tuple[str, ...]) -> tuple[str, ...]:
        for key in keys:
            if ":" in key or not key.isascii() or not key.isprintable():
                raise ValueError("a write key has no ':' and only printable ASCII characters")
        return keys

    @field_validator("landing")
    @classmethod
    def _a_folder(cls, landing: str | None) -> str | None:
        if landing is not None and landing.startswith("s3://"):
            raise ValueError(f"'{landing}' is not a folder; set collect.firehose to reach a bucket")
        return landing


class PlannedProperty(_Section):
    """What a tracking plan says of a property: its type, if it has to have one, and whether every
    event has to have it. A type alone may stand for both.
    """

    type: ColumnType | None = None
    required: bool = False

    @model_validator(mode="before")
    @classmethod
    def _type_alone(cls, value: Any) -> Any:
        if value is None or isinstance(value, str):
            return {"type": value}
        if not isinstance(value, Mapping):
            raise ValueError("write a type such as 'double', or the keys type and required")
        for key in value:
            if key not in cls.model_fields:
                raise ValueError(f"'{key}' is no key of a property: they are type and required")
        return value


class Settings(_Section):
    """Everything a run depends on.

    ``tracking_plan`` says which events there are meant to be, by name (or ``identifies``,
    ``pages``, …), each with its properties: 02 reports what is otherwise. A property with a type
    declares its column: a value that does not fit is NULL and a row of ``events.discards``. In a
    parameter file the plan may also be the path of a YAML file that holds it.
    ``as_of`` is the last day that models see, up to its end (left out: the day before the newest
    event received), or ``latest``: everything received, with a last day that is not over.
    """

    project: str = Field(default="engagement", pattern=r"^[a-z][a-z0-9-]{1,30}$")
    timezone: str = "UTC"
    as_of: date | Literal["latest"] | None = None
    landing: Landing
    warehouse: Warehouse = Warehouse()
    run: Run = Run()
    duplicates: Duplicates = Duplicates()
    tracking_plan: dict[str, dict[str, PlannedProperty]] = {}
    identity: Identity = Identity()
    sessions: Sessions = Sessions()
    traffic: Traffic = Traffic()
    models: Models = Models()
    metrics: Metrics = Metrics()
    currency: Currency = Currency()
    funnel: Funnel = Funnel()
    attribution: Attribution = Attribution()
    events: Events = Events()
    consent: Consent = Consent()
    customers: Customers = Customers()
    audience: Audience = Audience()
    personalize: Personalize = Personalize()
    recommendations: Recommendations = Recommendations()
    collect: Collect = Collect()

    @field_validator("as_of", mode="before")
    @classmethod
    def _day_or_latest(cls, value: Any) -> Any:
        if value is None or value == LATEST:
            return value
        try:
            day = _day(value)
        except ValueError:
            raise ValueError(
                f"'{value}' is not a valid date such as 2026-10-30, and not '{LATEST}'"
            ) from None
        if not FIRST_DAY <= day <= LAST_DAY:
            raise ValueError(f"'{value}' is not between {FIRST_DAY} and {LAST_DAY}")
        return day

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        location, in_s3 = self.landing.location, self.landing.location.startswith("s3://")
        if self.warehouse.engine == "athena" and not in_s3:
            raise ValueError(f"landing.location: Athena reads s3:// addresses, not '{location}'")
        if self.warehouse.engine == "duckdb" and in_s3:
            raise ValueError(
                f"landing.location: DuckDB reads a folder, not '{location}'; for the address, set "
                "warehouse.engine to athena"
            )
        errors = self.landing.errors_location
        if errors is not None and errors.startswith("s3://") != in_s3:
            raise ValueError(
                f"landing.errors_location: '{errors}' is not where the landing is "
                f"('{location}'): both are folders, or both s3:// addresses"
            )
        return self

    @model_validator(mode="after")
    def _no_answer_is_lost(self) -> Self:
        """A declared column drops what does not fit: a boolean one the answer 'unsubscribed'."""
        traits = {_letters_of(trait) for trait in self.consent.traits.values()}
        for name, planned in self.tracking_plan.get("identifies", {}).items():
            if planned.type not in (None, "string") and _letters_of(name) in traits:
                raise ValueError(
                    f"tracking_plan.identifies.{name}: an answer about consent may be any word: "
                    f"declare it as string, not as {planned.type}"
                )
        return self

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, zone: str) -> str:
        if zone not in _zones():
            near = difflib.get_close_matches(zone, _zones(), n=1)
            hint = f"; did you mean '{near[0]}'?" if near else ", such as Europe/Berlin"
            raise ValueError(f"'{zone}' is not a time zone of the IANA database{hint}")
        return zone

    def path(self, value: str) -> Path:
        """Resolve a path of the parameters: relative ones start at the project's folder."""
        return ROOT / Path(value).expanduser()


def _day(value: Any) -> date:
    """A date, or a text that writes one as YYYY-MM-DD; anything else is a ``ValueError``."""
    if type(value) is date:
        return value
    if not isinstance(value, str) or not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", value):
        raise ValueError("no date")
    return date.fromisoformat(value)


def _letters_of(name: str) -> str:
    """What ``consent_email``, ``consent.email`` and ``consentEmail`` have in common."""
    return re.sub("[^a-z0-9]", "", name.lower())


@cache
def _zones() -> frozenset[str]:
    """Names of the time zones; to collect them is to walk through a folder of hundreds of files."""
    return frozenset(available_timezones() - {"Factory", "localtime", "posixrules"})


def load_settings(
    params: str | Path | None = None, overrides: Mapping[str, Any] | None = None
) -> Settings:
    """Read, override and validate a parameter file.

    Parameters
    ----------
    params
        The YAML file. Empty: the file that ``ENGAGEMENT_PARAMS`` names, else
        ``params/local.yaml``. Relative paths are tried from the project's folder first, then
        from the working directory.
    overrides
        Dotted keys and their values, such as ``{"sessions.gap_minutes": 20}``.

    Raises
    ------
    SettingsError
        With every mistake of the file and of the overrides.
    """
    name = str(params or os.environ.get(PARAMS_VARIABLE) or DEFAULT_PARAMS)
    document, problems = _read(name)
    if overrides is not None and not isinstance(overrides, Mapping):
        problem = "overrides: write dotted keys and their values, such as {'timezone': 'UTC'}"
        raise SettingsError(name, [f"{problem} (given: {overrides!r})"])
    for key, value in (overrides or {}).items():
        problem = _put(document, str(key), copy.deepcopy(value))
        if problem:
            problems.append(problem)
    problems += _read_plan(document)
    try:
        settings = Settings.model_validate(document)
    except ValidationError as error:
        problems.extend(explained(error, _unknown, _WRITE))
        raise SettingsError(name, problems) from None
    if problems:
        raise SettingsError(name, problems)
    return settings


def _read_plan(document: dict[str, Any]) -> list[str]:
    """Put the tracking plan of a file in the place of the file's path; says what is wrong with it.

    An event that has no properties may be written without any.
    """
    plan = document.get("tracking_plan")
    problems: list[str] = []
    if isinstance(plan, str):
        path = ROOT / plan if (ROOT / plan).exists() else Path(plan)
        try:
            plan = read_yaml(path)
        except SettingsError as error:
            problems = [f"tracking_plan: {path}: {problem}" for problem in error.problems]
            plan = {}
        if plan is not None and not isinstance(plan, dict):
            problems = [f"tracking_plan: {path}: write the events' names with their properties"]
            plan = {}
    if isinstance(plan, dict):
        plan = {event: {} if found is None else found for event, found in plan.items()}
    if "tracking_plan" in document:
        document["tracking_plan"] = plan or {}
    return problems


def parse_override(text: str) -> tuple[str, Any]:
    """Split ``key=value`` of a command line; the value is read as YAML.

    Raises
    ------
    SettingsError
        When there is no ``=``, or the value is not YAML.
    """
    key, sign, value = text.partition("=")
    if not sign or not key.strip():
        raise SettingsError(
            "--set", [f"{text}: write it as key=value, for example as_of=2026-10-31"]
        )
    too_much = _too_much(value)
    if too_much:
        raise SettingsError("--set", [f"{key}: {too_much}"])
    try:
        return key.strip(), yaml.load(value, Loader=_StrictLoader)  # noqa: S506 (a SafeLoader)
    except yaml.YAMLError as error:
        why = _yaml_problem(error)
        raise SettingsError("--set", [f"{text}: the value cannot be read ({why})"]) from None


_YAML_PROBLEMS = (
    ("mapping values are not allowed", "a ':' cannot be here: put the text in quotes"),
    ("that cannot start any token", "this sign cannot be here: put the text in quotes; no tabs"),
    ("could not determine a constructor", "values with a tag ('!…') are not read"),
    ("expected <block end>", "this does not fit the lines above: check the indentation"),
    ("expected ',' or", "a list or a group of keys is not closed: is a ',' or a bracket missing?"),
    ("did not find expected ',' or", "a list or a group of keys is not closed"),
    ("unexpected end of stream", "a quote is not closed"),
    ("expected the node content", "a value is missing here"),
    ("could not find expected ':'", "a ':' is missing after a key"),
    ("another document", "the file holds several documents, divided by '---': write one"),
    ("undefined alias", "an alias ('*…') is used that no anchor ('&…') gives"),
    ("unhashable key", "a key has to be a text"),
    ("recursive", "a value holds itself"),
)  # fmt: skip
"""What the reader of YAML says, and what it means for who wrote the file."""


def _yaml_problem(error: yaml.YAMLError) -> str:
    said = " ".join(
        str(part)
        for part in (getattr(error, "context", None), getattr(error, "problem", None))
        if part
    )
    for theirs, ours in _YAML_PROBLEMS:
        if theirs in said:
            return ours
    return str(getattr(error, "problem", None) or "it is not YAML")


class _StrictLoader(yaml.SafeLoader):
    """YAML that refuses a key given twice, where the plain loader silently keeps the last.

    Dates stay text, which the settings read: what is passed on to notebooks has to be JSON.
    """


class _QuickLoader(yaml.CSafeLoader):
    """The same by libyaml: ten times as fast, but it places a mistake less well."""


def _strict_mapping(loader: _StrictLoader | _QuickLoader, node: yaml.MappingNode) -> dict[Any, Any]:
    seen: set[Any] = set()
    for key_node, _ in node.value:
        if key_node.tag == "tag:yaml.org,2002:merge":
            continue
        if not isinstance(key_node, yaml.ScalarNode):
            raise yaml.constructor.ConstructorError(
                None, None, "a key has to be a text", key_node.start_mark
            )
        key = loader.construct_object(key_node)
        if key in seen:
            raise yaml.constructor.ConstructorError(
                None, None, f"the key '{key}' is given twice", key_node.start_mark
            )
        seen.add(key)
    return loader.construct_mapping(node, deep=True)


for _loader in (_StrictLoader, _QuickLoader):
    _loader.yaml_implicit_resolvers = {
        first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith(":timestamp")]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
    _loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _strict_mapping)


_DEEPEST = 50
_MOST_NODES = 200_000


def _too_much(text: str) -> str:
    """Why a YAML text is not read although it may be valid; empty for one that is.

    A few lines may stand for billions of values, by aliases of lists of aliases, and brackets
    within brackets exhaust the parser. What is no YAML is left to the parser to say.
    """
    sizes: dict[str, int] = {}
    open_: list[tuple[str | None, int]] = [(None, 0)]

    def close(anchor: str | None, size: int) -> None:
        if anchor is not None:
            sizes[anchor] = size
        above, so_far = open_[-1]
        open_[-1] = (above, so_far + size)

    try:
        for event in yaml.parse(text, Loader=_QuickLoader):
            match event:
                case yaml.CollectionStartEvent():
                    open_.append((event.anchor, 1))
                case yaml.CollectionEndEvent():
                    anchor, size = open_.pop()
                    close(anchor, size)
                case yaml.ScalarEvent():
                    close(event.anchor, 1)
                case yaml.AliasEvent():
                    close(None, sizes.get(str(event.anchor), 1))
            mark = event.start_mark
            where = f"line {mark.line + 1}" if mark else "somewhere"
            if len(open_) > _DEEPEST:
                return f"{where}: nested more than {_DEEPEST} levels deep"
            if open_[-1][1] > _MOST_NODES:
                return f"{where}: its aliases stand for more than {_MOST_NODES:,} values"
    except yaml.YAMLError:
        return ""
    return ""


def read_yaml(path: Path) -> Any:
    """Read a YAML file, refusing keys given twice.

    Raises
    ------
    SettingsError
        When the file is missing, unreadable or not YAML, with the line where it stops being it.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise SettingsError(str(path), ["there is no such file"]) from None
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(str(path), [f"the file cannot be read ({error})"]) from None
    too_much = _too_much(text)
    if too_much:
        raise SettingsError(str(path), [too_much])
    with contextlib.suppress(yaml.YAMLError):
        return yaml.load(text, Loader=_QuickLoader)  # noqa: S506 (a SafeLoader)
    try:
        return yaml.load(text, Loader=_StrictLoader)  # noqa: S506 (a SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f"line {mark.line + 1}, column {mark.column + 1}" if mark else "somewhere"
        raise SettingsError(str(path), [f"{where}: {_yaml_problem(error)}"]) from None
    except yaml.YAMLError as error:
        raise SettingsError(
            str(path), [f"the file is not valid YAML ({str(error).splitlines()[0]})"]
        ) from None


def _read(name: str) -> tuple[dict[str, Any], list[str]]:
    path = ROOT / name if (ROOT / name).exists() else Path(name)
    document = read_yaml(path)
    if document is None:
        return {}, []
    if not isinstance(document, dict):
        return {}, ["the file holds no keys with values, such as 'timezone: UTC'"]
    return document, []


def _put(document: dict[str, Any], dotted: str, value: Any) -> str | None:
    *parents, last = dotted.split(".")
    here = document
    for depth, part in enumerate(parents):
        inner = here.setdefault(part, {})
        if inner is None:
            inner = here[part] = {}
        if not isinstance(inner, dict):
            return f"{dotted}: '{'.'.join(parents[: depth + 1])}' is a value, not a section"
        here = inner
    here[last] = value
    return None


_WRITE = {
    "warehouse.duckdb.memory_limit": "a size such as 4GB",
    "warehouse.athena.region": "an AWS region such as eu-central-1",
    "warehouse.athena.workgroup": "a workgroup's name: letters, digits, dots, '-' and '_'",
    "warehouse.athena.data_location": "an address such as s3://bucket/folder",
    "warehouse.athena.output_location": "an address such as s3://bucket/folder",
    "warehouse.athena.storage_database": "a name of small letters, digits and '_'",
    "warehouse.databases.landing": "a name of small letters, digits and '_'",
    "warehouse.databases.events": "a name of small letters, digits and '_'",
    "warehouse.databases.marts": "a name of small letters, digits and '_'",
    "currency.reporting": "a currency code such as EUR",
    "project": "a name of small letters, digits and '-'",
}
"""What to write where a text has to have some form, by key."""


def _unknown(key: str) -> str:
    known = list(known_keys())
    if key in known:
        return f"{key}: write '{key.rpartition('.')[2]}' below '{key.rpartition('.')[0]}:'"
    near = difflib.get_close_matches(key, known, n=1, cutoff=0.75)
    if not near:
        last = key.rpartition(".")[2]
        near = [other for other in known if other.rpartition(".")[2] == last][:1]
    hint = f"; did you mean '{near[0]}'?" if near else ""
    return f"{key}: there is no such key{hint}"


def known_keys(model: type[BaseModel] = Settings, prefix: str = "") -> Iterator[str]:
    """Every key a parameter file may hold, dotted, sections included."""
    for name, field in model.model_fields.items():
        key = prefix + (field.alias or name)
        yield key
        inner = _section(field.annotation)
        if inner is not None:
            yield from known_keys(inner, key + ".")


def _section(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        for part in typing.get_args(annotation):
            if (inner := _section(part)) is not None:
                return inner
    return None
