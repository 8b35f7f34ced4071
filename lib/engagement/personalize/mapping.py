"""One mapping file for live events: what the replayer sends, and what RudderStack is told to send.

RudderStack's own Personalize destination makes one call of each event, by rules ``{from, to}``: the
property ``from`` becomes the field ``to``. A destination makes one kind of call, so there are up to
three of them: ``put_events`` for track events, ``put_users`` for identify events, ``put_items`` for
track events that describe a product. The same rules are applied here:

- the event type is the event's name; the user is ``userId``; the session is ``anonymousId``, else
  ``userId``, else ``context.sessionId``; the time is ``originalTimestamp``;
- an event without one of the properties that the rules name is not sent at all;
- ``ITEM_ID``, ``EVENT_VALUE`` (a number), ``IMPRESSION`` (a list) and ``RECOMMENDATION_ID`` are
  fields of the call; everything else goes into its properties, named in camel case, as text;
- where no rule gives ``ITEM_ID``, the item is the message's id.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, Self

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from engagement.errors import WrongInputError
from engagement.settings import SettingsError, read_yaml

Call = Literal["PutEvents", "PutUsers", "PutItems"]

LONGEST_ID = 256
LONGEST_PROPERTIES: dict[Call, int] = {"PutEvents": 1_024, "PutUsers": 24_000, "PutItems": 32_000}
LONGEST_EVENT = 10_240
MOST_IMPRESSIONS = 25
LONGEST_RECOMMENDATION = 40

ITEM, VALUE, IMPRESSION, RECOMMENDATION = (
    "ITEM_ID",
    "EVENT_VALUE",
    "IMPRESSION",
    "RECOMMENDATION_ID",
)
FROM_THE_EVENT = ("USER_ID", "SESSION_ID", "EVENT_TYPE", "TIMESTAMP")


class MappingError(WrongInputError):
    """A mapping file that cannot be used: every mistake, by its key."""

    def __init__(self, source: str, problems: list[str]) -> None:
        self.problems = problems
        count = "1 mistake" if len(problems) == 1 else f"{len(problems)} mistakes"
        lines = "\n".join(f"  - {problem}" for problem in problems)
        super().__init__(f"{count} in the mapping ({source}):\n{lines}")


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class Rule(_Strict):
    """The property or trait ``from`` becomes the field ``to``, named as in the dataset's schema."""

    from_: str = Field(alias="from", min_length=1, max_length=100)
    to: str = Field(pattern=r"^[A-Z][A-Z0-9_]{0,99}$")

    @field_validator("to")
    @classmethod
    def _not_of_the_event(cls, to: str) -> str:
        if to in FROM_THE_EVENT:
            raise ValueError(f"{to} comes from the event itself and takes no rule")
        return to


class Destination(_Strict):
    """The rules of one destination. ``disable_stringify`` leaves property values as they are."""

    mapping: tuple[Rule, ...] = ()
    disable_stringify: bool = False

    @field_validator("mapping")
    @classmethod
    def _each_once(cls, mapping: tuple[Rule, ...]) -> tuple[Rule, ...]:
        names = [rule.to for rule in mapping]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"several rules have the same 'to': {', '.join(twice)}")
        return mapping


class LiveMapping(_Strict):
    """The mapping file: a section for each kind of call that is to be made."""

    put_events: Destination | None = None
    put_users: Destination | None = None
    put_items: Destination | None = None

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        if not any((self.put_events, self.put_users, self.put_items)):
            raise ValueError("write put_events, put_users or put_items, with their rules")
        if self.put_items and ITEM not in [rule.to for rule in self.put_items.mapping]:
            raise ValueError("put_items: a rule has to give ITEM_ID")
        for name in ("put_users", "put_items"):
            destination: Destination | None = getattr(self, name)
            if destination and not any(rule.to != ITEM for rule in destination.mapping):
                raise ValueError(f"{name}: no rule gives anything besides the id")
        return self

    def destinations(self) -> Iterator[tuple[Call, Destination]]:
        """The sections that are there, each with its call."""
        for call, destination in (
            ("PutEvents", self.put_events),
            ("PutUsers", self.put_users),
            ("PutItems", self.put_items),
        ):
            if destination is not None:
                yield call, destination  # type: ignore[misc]


def load_mapping(path: Path) -> LiveMapping:
    """Read a mapping file.

    Raises
    ------
    MappingError
        With every mistake of the file.
    """
    try:
        document = read_yaml(path)
    except SettingsError as error:
        raise MappingError(str(path), error.problems) from None
    if not isinstance(document, dict):
        raise MappingError(
            str(path), ["write put_events, put_users or put_items, with their rules"]
        )
    try:
        return LiveMapping.model_validate(document)
    except ValidationError as error:
        raise MappingError(str(path), [_told(mistake) for mistake in error.errors()]) from None


def _told(mistake: Any) -> str:
    where = ".".join(str(part + 1) if isinstance(part, int) else part for part in mistake["loc"])
    kind, given = mistake["type"], mistake["input"]
    if kind == "value_error":
        said = str(mistake["ctx"]["error"])
        return f"{where}: {said}" if where else said
    told = {
        "extra_forbidden": "there is no such key",
        "missing": "is missing",
        "string_pattern_mismatch": f"'{given}' is no field of a schema: capitals, digits and '_'",
        "string_too_short": "is blank",
        "string_too_long": "is too long",
        "string_type": "write a text",
        "bool_parsing": "write true or false",
        "bool_type": "write true or false",
        "tuple_type": "write a list of rules, each {from: …, to: …}",
        "model_type": "write keys with their values",
        "model_attributes_type": "write keys with their values",
    }.get(kind, "cannot be read")
    return f"{where}: {told}"


# --- what becomes of an event -------------------------------------------------------------------


@dataclass(frozen=True)
class Put:
    """An entry of a call.

    ``group`` is what all entries of a call share: the user (or none) and the session for
    PutEvents, nothing for the others. ``id`` identifies the event that the entry comes from.
    """

    call: Call
    group: tuple[str | None, str | None]
    id: str
    entry: Mapping[str, Any]


@dataclass(frozen=True)
class Refused:
    """An event that the destination does not send, and why; nothing of the event is in it."""

    call: Call
    reason: str


class _NoError(Exception):
    """The reason why an event is not sent."""


def puts(event: Mapping[str, Any], text: str, mapping: LiveMapping) -> Iterator[Put | Refused]:
    """What becomes of an event: entries of calls, or reasons why there are none.

    Parameters
    ----------
    text
        The record as it landed: it identifies an event that has no id.
    """
    kind = str(event.get("type") or "").lower()
    for call, destination in mapping.destinations():
        if kind != ("identify" if call == "PutUsers" else "track"):
            continue
        try:
            yield _MAKERS[call](event, message_id(event, text), destination)
        except _NoError as refusal:
            yield Refused(call, str(refusal))


def message_id(event: Mapping[str, Any], text: str) -> str:
    """The event's id, as the flattened tables have it; at most 256 characters.

    A blank one becomes ``auto-`` and the sha256 of the record.
    """
    given = _text(event.get("messageId"))
    if given is None:
        return f"auto-{hashlib.sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()}"
    if len(given) > LONGEST_ID:
        return f"long-{hashlib.sha256(given.encode('utf-8', 'surrogatepass')).hexdigest()}"
    return given


def _event(event: Mapping[str, Any], id_: str, destination: Destination) -> Put:
    name = _text(event.get("event"))
    if name is None:
        raise _NoError("the event has no name")
    fields = _fields(event.get("properties"), destination)
    user = _text(event.get("userId"))
    context = event.get("context")
    own = context.get("sessionId") if isinstance(context, dict) else None
    session = _text(event.get("anonymousId")) or user or _text(own)
    if session is None:
        raise _NoError("there is no anonymousId, no userId and no session")
    entry: dict[str, Any] = {
        "eventId": id_,
        "eventType": _short(name, "the event's name"),
        "sentAt": _seconds(event),
        "itemId": _short(_id(fields.pop(ITEM, id_), ITEM), ITEM),
    }
    if VALUE in fields:
        entry["eventValue"] = _number(fields.pop(VALUE))
    if IMPRESSION in fields:
        entry["impression"] = _list(fields.pop(IMPRESSION))
    if RECOMMENDATION in fields:
        given = _id(fields.pop(RECOMMENDATION), RECOMMENDATION)
        if len(given) > LONGEST_RECOMMENDATION:
            raise _NoError(f"{RECOMMENDATION} is longer than {LONGEST_RECOMMENDATION} characters")
        entry["recommendationId"] = given
    if fields:
        entry["properties"] = _properties(fields, destination, "PutEvents")
    if len(orjson.dumps(entry)) > LONGEST_EVENT:
        raise _NoError(f"the event is larger than {LONGEST_EVENT:,} bytes")
    group = (None if user is None else _short(user, "userId"), _short(session, "the session"))
    return Put("PutEvents", group, id_, entry)


def _user(event: Mapping[str, Any], id_: str, destination: Destination) -> Put:
    user = _text(event.get("userId"))
    if user is None:
        raise _NoError("there is no userId")
    context = event.get("context")
    traits = context.get("traits") if isinstance(context, dict) else None
    both = {
        **(traits if isinstance(traits, dict) else {}),
        **(event["traits"] if isinstance(event.get("traits"), dict) else {}),
    }
    fields = _fields(both, destination)
    entry = {
        "userId": _short(user, "userId"),
        "properties": _properties(fields, destination, "PutUsers"),
    }
    return Put("PutUsers", (None, None), id_, entry)


def _item(event: Mapping[str, Any], id_: str, destination: Destination) -> Put:
    fields = _fields(event.get("properties"), destination)
    entry = {
        "itemId": _short(_id(fields.pop(ITEM), ITEM), ITEM),
        "properties": _properties(fields, destination, "PutItems"),
    }
    return Put("PutItems", (None, None), id_, entry)


_MAKERS = {"PutEvents": _event, "PutUsers": _user, "PutItems": _item}


def _fields(given: Any, destination: Destination) -> dict[str, Any]:
    properties = given if isinstance(given, dict) else {}
    fields = {rule.to: properties.get(rule.from_) for rule in destination.mapping}
    for rule in destination.mapping:
        if fields[rule.to] is None:
            raise _NoError(f"there is no {rule.from_}, which {rule.to} is taken from")
    return fields


def _properties(fields: Mapping[str, Any], destination: Destination, call: Call) -> str:
    try:
        named = {
            camel_case(name): value if destination.disable_stringify else as_text(value)
            for name, value in fields.items()
        }
        text = json.dumps(named, ensure_ascii=False, separators=(",", ":"))
    except RecursionError:
        raise _NoError("a property is nested too deeply") from None
    if len(text) > LONGEST_PROPERTIES[call]:
        raise _NoError(f"its properties are longer than {LONGEST_PROPERTIES[call]:,} characters")
    return text


def camel_case(name: str) -> str:
    """A schema's field as the live calls name it.

    Examples
    --------
    >>> camel_case("CATEGORY_L1"), camel_case("DEVICE_TYPE")
    ('categoryL1', 'deviceType')
    """
    first, *rest = [word for word in name.lower().split("_") if word]
    return first + "".join(word.capitalize() for word in rest)


def as_text(value: Any) -> str:
    """A value as text: numbers without a needless fraction, lists and objects as JSON.

    Examples
    --------
    >>> as_text(5.0), as_text(True), as_text(["a", 1])
    ('5', 'true', '["a",1]')
    """
    if isinstance(value, str):
        return value
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e21:
        return str(int(value))
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _text(value: Any) -> str | None:
    """An id as text; ``None`` where there is none, or a blank one."""
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        return None
    text = as_text(value)
    return text if text.strip() else None


def _id(value: Any, field: str) -> str:
    text = _text(value)
    if text is None:
        raise _NoError(f"{field} is no id")
    return text


def _short(text: str, what: str) -> str:
    if len(text) > LONGEST_ID:
        raise _NoError(f"{what} is longer than {LONGEST_ID} characters")
    return text


_NUMBER = re.compile(r"\s*[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?\s*", re.ASCII)


def _number(value: Any) -> float:
    is_text = isinstance(value, str) and _NUMBER.fullmatch(value)
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    try:
        number = float(value) if is_text or is_number else math.nan
    except OverflowError:
        number = math.nan
    if not math.isfinite(number):
        raise _NoError(f"{VALUE} does not read as a number")
    return number


def _list(value: Any) -> list[str]:
    items = value if isinstance(value, list) else [value]
    ids = [_short(_id(item, IMPRESSION), IMPRESSION) for item in items]
    if not 0 < len(ids) <= MOST_IMPRESSIONS:
        raise _NoError(f"{IMPRESSION} has not 1 to {MOST_IMPRESSIONS} items")
    return ids


def _seconds(event: Mapping[str, Any]) -> int:
    """When it was sent, in seconds since 1970: as the client said, else as it was received."""
    for name in ("originalTimestamp", "timestamp", "sentAt", "receivedAt"):
        given = event.get(name)
        if isinstance(given, str):
            try:
                moment = datetime.fromisoformat(given)
            except ValueError:
                continue
            moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
            return math.floor(moment.timestamp())
    raise _NoError("there is no time that can be read")


# --- RudderStack's side -------------------------------------------------------------------------


def destination_configs(
    mapping: LiveMapping, region: str, tracking_id: str, dataset_arns: Mapping[str, str]
) -> list[dict[str, Any]]:
    """The same rules as RudderStack's configuration has them: one destination for each call.

    Entries of ``destinations`` of a source in ``workspaceConfig.json``. Ids and credentials are not
    in them: the destinations take the role that the data plane runs with.

    Parameters
    ----------
    dataset_arns
        ``users`` and ``items``: the datasets of PutUsers and PutItems.
    """
    configs = []
    for call, destination in mapping.destinations():
        config: dict[str, Any] = {
            "roleBasedAuth": True,
            "iamRoleARN": "env.PERSONALIZE_ROLE_ARN",
            "region": region,
            "eventChoice": call,
            "customMappings": [{"from": rule.from_, "to": rule.to} for rule in destination.mapping],
            "disableStringify": destination.disable_stringify,
        }
        if call == "PutEvents":
            config["trackingId"] = tracking_id
        else:
            config["datasetARN"] = dataset_arns["users" if call == "PutUsers" else "items"]
        configs.append(
            {
                "name": f"Amazon Personalize, {call}",
                "enabled": True,
                "config": config,
                "destinationDefinition": {"name": "PERSONALIZE", "displayName": "AWS Personalize"},
            }
        )
    return configs


def render_destinations(
    mapping: LiveMapping, region: str, tracking_id: str, dataset_arns: Mapping[str, str]
) -> str:
    """The fragment of ``workspaceConfig.json``, as text."""
    configs = destination_configs(mapping, region, tracking_id, dataset_arns)
    return json.dumps({"destinations": configs}, ensure_ascii=False, indent=2) + "\n"
