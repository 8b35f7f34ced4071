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
import os
import re
import types
import typing
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
            raise ValueError("a number is wanted")
        return value


Share = Annotated[float, Field(ge=0, le=1)]
Names = Annotated[tuple[str, ...], Field(min_length=1)]
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
    taken in, since landings expire, unless ``gone`` is ``remove``.
    """

    location: str = Field(min_length=1)
    errors_location: str | None = Field(default=None, min_length=1)
    from_: date | None = Field(default=None, alias="from")
    to: date | None = None
    write_keys: tuple[str, ...] = ()
    reprocess: tuple[str, ...] = ()
    gone: Literal["keep", "remove"] = "keep"

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
    ``memory_limit`` (as ``4GB``) and ``threads`` bound what a statement may use.
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
    merges nobody. ``placeholder_ids`` are values that stand for no id at all.
    """

    max_users_per_device: int = Field(default=1, ge=1)
    placeholder_ids: tuple[str, ...] = ("", "null", "undefined", "0", "anonymous")


class Sessions(_Section):
    """Sessions end after this many minutes without an event, where the SDK sent no session id."""

    gap_minutes: int = Field(default=30, ge=1, le=24 * 60)


class Traffic(_Section):
    """``own_domains``: referrers on them are internal, never a traffic source."""

    own_domains: tuple[str, ...] = ()


class Metrics(_Section):
    """``exclude_bots`` leaves flagged bots out of metrics; their rows stay in the tables."""

    exclude_bots: bool = True


class Currency(_Section):
    """The reporting currency, and what one unit of each other currency is worth in it."""

    reporting: str = Field(default="USD", pattern=r"^[A-Z]{3}$")
    rates: dict[str, Annotated[Decimal, Field(gt=0)]] = {}

    @field_validator("rates")
    @classmethod
    def _codes(cls, rates: dict[str, Decimal]) -> dict[str, Decimal]:
        for code in rates:
            if not (len(code) == 3 and code.isascii() and code.isalpha() and code.isupper()):
                raise ValueError(f"'{code}' is not a currency code such as EUR")
        return rates


class Funnel(_Section):
    """``window_days``: how long after its first step a person's funnel stays open."""

    window_days: int = Field(default=7, ge=1, le=365)


class Attribution(_Section):
    """``lookback_days``: how long before a conversion a touch still counts."""

    lookback_days: int = Field(default=30, ge=1, le=365)


class Events(_Section):
    """Business concepts, each with the names the shop's events go by (as sent, any case)."""

    products_searched: Names = ("Products Searched",)
    product_list_viewed: Names = ("Product List Viewed",)
    product_clicked: Names = ("Product Clicked",)
    product_viewed: Names = ("Product Viewed",)
    product_added: Names = ("Product Added",)
    product_removed: Names = ("Product Removed",)
    product_added_to_wishlist: Names = ("Product Added to Wishlist",)
    cart_viewed: Names = ("Cart Viewed",)
    checkout_started: Names = ("Checkout Started",)
    checkout_step_completed: Names = ("Checkout Step Completed",)
    payment_info_entered: Names = ("Payment Info Entered",)
    order_completed: Names = ("Order Completed",)
    order_updated: Names = ("Order Updated",)
    order_refunded: Names = ("Order Refunded",)
    order_cancelled: Names = ("Order Cancelled",)


class Consent(_Section):
    """Which trait answers whether a person may be contacted, per channel.

    ``traits`` names, per channel, a column of ``events.identifies``. Where a person never
    answered, ``unanswered`` decides: ``deny`` (the default) or ``allow``.
    """

    traits: dict[Literal["email", "sms", "push"], str] = {
        "email": "consent_email",
        "sms": "consent_sms",
        "push": "consent_push",
    }
    unanswered: Literal["allow", "deny"] = "deny"


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
            raise ValueError("a type such as 'double' is wanted, or keys of type and required")
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
    """

    project: str = Field(default="engagement", pattern=r"^[a-z][a-z0-9-]{1,30}$")
    timezone: str = "UTC"
    as_of: date | None = None
    landing: Landing
    warehouse: Warehouse = Warehouse()
    run: Run = Run()
    duplicates: Duplicates = Duplicates()
    tracking_plan: dict[str, dict[str, PlannedProperty]] = {}
    identity: Identity = Identity()
    sessions: Sessions = Sessions()
    traffic: Traffic = Traffic()
    metrics: Metrics = Metrics()
    currency: Currency = Currency()
    funnel: Funnel = Funnel()
    attribution: Attribution = Attribution()
    events: Events = Events()
    consent: Consent = Consent()
    audience: Audience = Audience()
    personalize: Personalize = Personalize()

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
        raise SettingsError(
            name, [f"overrides: a mapping of dotted keys is wanted, not {overrides!r}"]
        )
    for key, value in (overrides or {}).items():
        problem = _put(document, str(key), copy.deepcopy(value))
        if problem:
            problems.append(problem)
    problems += _read_plan(document)
    try:
        settings = Settings.model_validate(document)
    except ValidationError as error:
        problems.extend(_explain(error))
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
            problems = [f"tracking_plan: {path}: a mapping of events is wanted"]
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
        why = " ".join(str(error).split())
        raise SettingsError("--set", [f"{key}: the value is not YAML ({why})"]) from None


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
        raise SettingsError(str(path), [f"{where}: {error.problem}"]) from None
    except yaml.YAMLError as error:
        raise SettingsError(
            str(path), [f"this is no YAML ({str(error).splitlines()[0]})"]
        ) from None


def _read(name: str) -> tuple[dict[str, Any], list[str]]:
    path = ROOT / name if (ROOT / name).exists() else Path(name)
    document = read_yaml(path)
    if document is None:
        return {}, []
    if not isinstance(document, dict):
        return {}, [f"the file holds a {type(document).__name__}; a mapping of keys is wanted"]
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


_IN_YAML = (
    (r"valid dictionary( or instance of \w+)?", "mapping of keys"),
    (r"valid tuple", "list"),
    (r"^tuple should", "the list should"),
    (r" after validation", ""),
)
"""What pydantic calls things, and what they are in a parameter file."""


def _explain(error: ValidationError) -> Iterator[str]:
    for item in error.errors():
        key = ".".join(str(part) for part in item["loc"])
        match item["type"]:
            case "extra_forbidden":
                yield _unknown(key)
            case "missing":
                yield f"{key}: is missing"
            case _:
                given = item["input"]
                message = item["msg"].removeprefix("Value error, ")
                message = message[:1].lower() + message[1:]
                for theirs, ours in _IN_YAML:
                    message = re.sub(theirs, ours, message)
                shown = "" if isinstance(given, dict) else f" (given: {given!r})"
                # What is about several keys at once names them itself.
                yield f"{key}: {message}{shown}" if key else message


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
