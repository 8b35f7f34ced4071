"""The file format that Amazon Pinpoint imported: CSV with repeated headers, and newline JSON.

Pinpoint's engagement features ended on 2026-10-30; the format lives on in archives and in other
tools that read it. The rules kept here are those of its user guide, "Importing segments", and of
its quotas: see :class:`Limits`.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from itertools import groupby
from pathlib import Path
from typing import Any

import pandas as pd

from engagement.audience.files import ExportedFile, Reject, RejectsFile, csv_line
from engagement.audience.members import contacts_of_row
from engagement.audience.reach import (
    MEANING,
    SUPPRESSED,
    Contact,
    Outcome,
    address_key,
    masked,
)
from engagement.audience.seen import Seen
from engagement.audience.segments import AudienceError, Segment, Selection
from engagement.audience.selection import plain_rows
from engagement.audience.stream import Lines, defused
from engagement.privacy import shown

CHANNEL_TYPES = {"email": "EMAIL", "sms": "SMS"}

RETIRED = date(2026, 10, 30)
"""The day on which Pinpoint's endpoints, segments, campaigns, journeys and analytics ended."""


@dataclass(frozen=True)
class Limits:
    """What an import takes; a kilobyte is taken as a thousand bytes, the stricter reading."""

    attribute_names: int = 250
    name_characters: int = 50
    value_characters: int = 100
    values: int = 50
    endpoint_bytes: int = 15_000
    endpoints_per_user: int = 15
    job_bytes: int = 1_000_000_000


LIMITS = Limits()

_FIRST = 5


@dataclass(frozen=True)
class Endpoint:
    """One address of one person.

    ``location`` and the attributes are by name, without the prefix that the file writes before it
    (``Location.``, ``Attributes.``, ``User.UserAttributes.``); ``opt_out`` is ``ALL`` or ``NONE``.
    """

    id: str
    channel_type: str
    address: str
    user_id: str
    opt_out: str = "NONE"
    location: Mapping[str, str] = field(default_factory=dict)
    attributes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    user_attributes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)

    def document(self) -> dict[str, Any]:
        """The endpoint as the JSON format nests it; what is not known is not there."""
        parts: dict[str, Any] = {
            "Id": self.id,
            "ChannelType": self.channel_type,
            "Address": self.address,
            "OptOut": self.opt_out,
            "Location": dict(self.location),
            "Attributes": {name: list(values) for name, values in self.attributes.items()},
            "Metrics": dict(self.metrics),
            "User": {
                "UserId": self.user_id,
                "UserAttributes": {n: list(v) for n, v in self.user_attributes.items()},
            },
        }
        if not parts["User"]["UserAttributes"]:
            del parts["User"]["UserAttributes"]
        return {name: part for name, part in parts.items() if part != {}}

    def json_line(self) -> bytes:
        """The endpoint as one line of the JSON format."""
        text = json.dumps(
            self.document(),
            ensure_ascii=False,
            sort_keys=True,
            separators=(",", ":"),
            allow_nan=False,
        )
        return text.encode("utf-8") + b"\n"


@dataclass(frozen=True)
class Export:
    """What an export wrote.

    Attributes
    ----------
    endpoints
        How many there are in the files.
    first
        The first few of them, to look at.
    left_out
        How many are not in the files, by channel, what and reason; the file of rejects lists them.
    """

    endpoints: int
    first: tuple[Endpoint, ...]
    csv: tuple[ExportedFile, ...]
    json: tuple[ExportedFile, ...]
    left_out: Counter[tuple[str, str, str]]
    rejects_file: ExportedFile

    @property
    def files(self) -> list[ExportedFile]:
        """The files to import, without the list of rejects."""
        return [*self.csv, *self.json]


# --- values -------------------------------------------------------------------------------------

_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")

COUNTRIES = frozenset(
    """
    AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS
    BT BV BW BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE
    EG EH ER ES ET FI FJ FK FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM
    HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC
    LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV MW MX MY MZ NA
    NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW
    SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO
    TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW
    """.split()
)
"""Codes of ISO 3166-1 alpha-2."""


def texts(value: Any) -> tuple[str, ...]:
    """A cell as the texts that an attribute takes: none, one, or those of an array.

    An array may also be the JSON text that flattening makes of one. Blank ones are none.
    """
    if isinstance(value, str) and value.startswith("["):
        found = _json_array(value)
        value = value if found is None else found
    members = value if isinstance(value, (list, tuple)) else [value]
    return tuple(text for member in members if (text := _text(member)).strip())


def _json_array(text: str) -> list[Any] | None:
    try:
        found = json.loads(text)
    except ValueError:
        return None
    return found if isinstance(found, list) else None


def _text(value: Any) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case datetime():
            return value.isoformat(timespec="seconds")
        case date():
            return value.isoformat()
        case float() if math.isnan(value):
            return ""
        case float() if value.is_integer() and abs(value) < 2**53:
            return str(int(value))
        case dict() | list():
            return json.dumps(value, ensure_ascii=False, sort_keys=True)
    return str(value)


def metric(value: Any) -> float | None:
    """A cell as the number that a metric takes, an integer where it is one; NULL: none."""
    if value is None or isinstance(value, bool):
        return None
    number = float(value)
    if not math.isfinite(number):
        return None
    return int(number) if number.is_integer() and abs(number) < 2**53 else number


class _Values:
    """The values of one endpoint that may go into a file; what may not is listed."""

    def __init__(self, person_id: str, channel: str, limits: Limits) -> None:
        self.rejects: list[Reject] = []
        self._person_id, self._channel, self._limits = person_id, channel, limits

    def reject(self, what: str, reason: str) -> None:
        self.rejects.append(Reject(self._person_id, self._channel, what, reason))

    def keep(self, name: str, value: Any) -> tuple[str, ...]:
        """Several values of an attribute, each once, in the order given."""
        kept: list[str] = []
        for text in dict.fromkeys(texts(value)):
            problem = self._problem(text)
            if problem is None and len(kept) == self._limits.values:
                problem = f"more than {self._limits.values} values"
            if problem:
                self.reject(name, problem)
            else:
                kept.append(text)
        return tuple(kept)

    def _problem(self, text: str) -> str | None:
        if _UNPRINTABLE.search(text):
            return "the value holds a line break, a tab or another control character"
        if len(text) > self._limits.value_characters:
            return f"the value is longer than {self._limits.value_characters} characters"
        return None

    def keep_one(self, name: str, value: Any) -> str | None:
        kept = self.keep(name, value)
        return kept[0].strip() if kept else None


# --- endpoints ----------------------------------------------------------------------------------


Person = tuple[Mapping[str, Any], Sequence[Contact]]
"""A row of the segment's people, and what came of each channel."""


class _Maker:
    """Makes the endpoints of people, one after the other.

    ``Id`` is the person and the channel, so that a later import of the same person with another
    address updates the endpoint; ``User.UserId`` is the person.
    """

    def __init__(self, segment: Segment, people: Callable[[], Iterable[Person]], limits: Limits):
        _check_names(segment, limits)
        self._segment, self._limits = segment, limits
        self._used = Seen()
        if segment.suppressed == "opt_out":
            # The file must not say two things of one address, whoever comes first.
            for _, contacts in people():
                for contact in contacts:
                    if contact.outcome is Outcome.REACHABLE and contact.address:
                        self._used.add(_place(contact.channel, contact.address))

    def endpoints(self, person: Person) -> tuple[list[Endpoint], list[Reject]]:
        """A person's endpoints; and, for everything else, the reason."""
        row, contacts = person
        made: list[Endpoint] = []
        rejects: list[Reject] = []
        for contact in contacts:
            endpoint, reason = self._endpoint(row, contact, rejects)
            if endpoint is not None and len(made) == self._limits.endpoints_per_user:
                endpoint = None
                reason = f"a user has at most {self._limits.endpoints_per_user} endpoints"
            if endpoint is not None:
                made.append(endpoint)
            else:
                rejects.append(Reject(contact.person_id, contact.channel, "endpoint", reason))
        return made, rejects

    def _endpoint(
        self, row: Mapping[str, Any], contact: Contact, rejects: list[Reject]
    ) -> tuple[Endpoint | None, str]:
        opt_out = _opt_out(contact, self._segment)
        if opt_out is None or contact.address is None:
            detail = f": {contact.detail}" if contact.detail else ""
            return None, MEANING[contact.outcome] + detail
        if opt_out == "ALL":
            place = _place(contact.channel, contact.address)
            if place in self._used:
                return None, MEANING[Outcome.SAME_ADDRESS]
            self._used.add(place)
        values = _Values(contact.person_id, contact.channel, self._limits)
        endpoint = _endpoint(row, contact.address, contact, opt_out, self._segment, values)
        rejects += values.rejects
        problem = _endpoint_problem(endpoint, self._limits)
        return (None, problem) if problem else (endpoint, "")


def _place(channel: str, address: str) -> str:
    return f"{channel} {address_key(address)}"


def _opt_out(contact: Contact, segment: Segment) -> str | None:
    if contact.outcome is Outcome.REACHABLE:
        return "NONE"
    if segment.suppressed == "opt_out" and contact.outcome in SUPPRESSED:
        return "ALL"
    return None


def _check_names(segment: Segment, limits: Limits) -> None:
    names = list(dict.fromkeys([*segment.attributes, *segment.lists, *segment.metrics]))
    problems = [
        f"{name}: an attribute's name has at most {limits.name_characters} characters, "
        f"this one has {len(name)}"
        for name in names
        if len(name) > limits.name_characters
    ]
    if len(names) > limits.attribute_names:
        problems.append(
            f"attributes, lists and metrics: {len(names)} names, an application takes "
            f"{limits.attribute_names}"
        )
    if problems:
        raise AudienceError(f"the segment {segment.name}", problems)


def _endpoint(
    row: Mapping[str, Any],
    address: str,
    contact: Contact,
    opt_out: str,
    segment: Segment,
    values: _Values,
) -> Endpoint:
    if opt_out == "ALL":
        # Nothing else is needed to know whom not to contact.
        return Endpoint(
            id=f"{contact.person_id}-{contact.channel}",
            channel_type=CHANNEL_TYPES[contact.channel],
            address=address,
            user_id=contact.person_id,
            opt_out=opt_out,
        )
    user_attributes = {
        **{name: values.keep(name, row[name]) for name in segment.attributes},
        **{name: values.keep(name, (row[name] or "").split("|")) for name in segment.lists},
    }
    metrics = {name: metric(row[name]) for name in segment.metrics}
    return Endpoint(
        id=f"{contact.person_id}-{contact.channel}",
        channel_type=CHANNEL_TYPES[contact.channel],
        address=address,
        user_id=contact.person_id,
        opt_out=opt_out,
        location=_location(row, values),
        user_attributes={name: kept for name, kept in user_attributes.items() if kept},
        metrics={name: number for name, number in metrics.items() if number is not None},
    )


def _location(row: Mapping[str, Any], values: _Values) -> dict[str, str]:
    found = {
        "Country": values.keep_one("country", row["country"]),
        "Region": values.keep_one("state", row["state"]),
        "City": values.keep_one("city", row["city"]),
        "PostalCode": values.keep_one("postal_code", row["postal_code"]),
    }
    country = (found["Country"] or "").upper()
    if country and country not in COUNTRIES:
        values.reject("country", "the country is no code of ISO 3166-1 alpha-2, such as US")
        found["Country"] = None
    elif country:
        found["Country"] = country
    return {name: value for name, value in found.items() if value}


def _endpoint_problem(endpoint: Endpoint, limits: Limits) -> str | None:
    if _UNPRINTABLE.search(endpoint.id + endpoint.address + endpoint.user_id):
        return "the id or the address holds a control character"
    size = len(endpoint.json_line()) - 1
    if size > limits.endpoint_bytes:
        return f"the endpoint is larger than {limits.endpoint_bytes:,} bytes"
    return None


# --- files --------------------------------------------------------------------------------------


class _Columns:
    """Columns of the CSV format: each header, and how often it stands there.

    A header stands there as often as the endpoint with the most values needs it.
    """

    def __init__(self) -> None:
        self._first = {"Id": 1, "ChannelType": 1, "Address": 1, "OptOut": 1, "User.UserId": 1}
        self._more: dict[str, int] = {}

    def add(self, endpoint: Endpoint) -> None:
        for name, values in _cells(endpoint).items():
            if name not in self._first:
                self._more[name] = max(self._more.get(name, 1), len(values))

    def all(self) -> list[tuple[str, int]]:
        return [*self._first.items(), *sorted(self._more.items())]


def _cells(endpoint: Endpoint) -> dict[str, tuple[str, ...]]:
    return {
        "Id": (endpoint.id,),
        "ChannelType": (endpoint.channel_type,),
        "Address": (endpoint.address,),
        "OptOut": (endpoint.opt_out,),
        "User.UserId": (endpoint.user_id,),
        **{f"Location.{name}": (value,) for name, value in endpoint.location.items()},
        **{f"Attributes.{name}": values for name, values in endpoint.attributes.items()},
        **{f"User.UserAttributes.{n}": v for n, v in endpoint.user_attributes.items()},
        **{f"Metrics.{name}": (repr(number),) for name, number in endpoint.metrics.items()},
    }


def _csv_cells(endpoint: Endpoint, columns: Sequence[tuple[str, int]]) -> list[str]:
    """A row of the CSV format; missing values are empty cells."""
    cells = _cells(endpoint)
    row: list[str] = []
    for name, times in columns:
        values = cells.get(name, ())
        row += [*values, *[""] * (times - len(values))]
    return row


def _of_line(line: bytes) -> Endpoint:
    """The endpoint that is a line of the JSON format."""
    found = json.loads(line)
    user = found["User"]
    lists = [found.get("Attributes", {}), user.get("UserAttributes", {})]
    attributes, user_attributes = (
        {name: tuple(values) for name, values in one.items()} for one in lists
    )
    return Endpoint(
        id=found["Id"],
        channel_type=found["ChannelType"],
        address=found["Address"],
        user_id=user["UserId"],
        opt_out=found["OptOut"],
        location=found.get("Location", {}),
        attributes=attributes,
        user_attributes=user_attributes,
        metrics=found.get("Metrics", {}),
    )


def export(
    selection: Selection,
    contacts: Sequence[Contact],
    folder: Path,
    rejects_folder: Path,
    limits: Limits = LIMITS,
) -> Export:
    """As :func:`export_members`, of people who are in memory already."""
    rows = {row["person_id"]: row for row in selection.rows()}
    people = [
        (rows[person], list(own)) for person, own in groupby(contacts, lambda one: one.person_id)
    ]
    return _export(selection.segment, lambda: people, folder, rejects_folder, limits)


def export_members(
    segment: Segment,
    pages: Callable[[], Iterable[pd.DataFrame]],
    folder: Path,
    rejects_folder: Path,
    limits: Limits = LIMITS,
) -> Export:
    """Write a segment in both formats, each within the size that one import job takes.

    Memory holds a page of people. In the CSV files, what a spreadsheet would run as a formula has
    an apostrophe before it, as in other exports (:mod:`engagement.audience.stream`); the JSON files
    have every value as it is.

    Parameters
    ----------
    pages
        Gives the members, as :meth:`~engagement.audience.members.Members.pages` does; asked twice
        where people who opted out are in the files, too.
    folder
        Where the files go: ``<segment>-001.csv``, ``<segment>-001.json``. An import of a whole
        folder reads whatever lies in it, so nothing else is put there: no manifest, either.
    rejects_folder
        Where ``pinpoint-<segment>.csv`` goes, the list of what is not in the files.

    Raises
    ------
    AudienceError
        When the segment asks for more than an import takes.
    """

    def people() -> Iterator[Person]:
        for page in pages():
            for row in plain_rows(page):
                yield row, contacts_of_row(row, segment.channels)

    return _export(segment, people, folder, rejects_folder, limits)


def _export(
    segment: Segment,
    people: Callable[[], Iterable[Person]],
    folder: Path,
    rejects_folder: Path,
    limits: Limits,
) -> Export:
    name, most = segment.name, limits.job_bytes
    maker = _Maker(segment, people, limits)
    columns, first, number = _Columns(), list[Endpoint](), 0
    rejects = RejectsFile(rejects_folder / f"pinpoint-{name}.csv")
    with Lines(folder, name, "json", b"", most) as documents, rejects:
        for person in people():
            made, left = maker.endpoints(person)
            for endpoint in made:
                documents.add(endpoint.json_line())
                columns.add(endpoint)
                number += 1
                if number <= _FIRST:
                    first.append(endpoint)
            for reject in sorted(left):
                rejects.add(reject)
        # Which columns there are is known only now: the rows are made of the JSON lines.
        known = columns.all()
        header = csv_line([name for name, times in known for _ in range(times)])
        with Lines(folder, name, "csv", header, most) as table:
            for draft in documents.end():
                with draft.open("rb") as stream:
                    for line in stream:
                        cells = _csv_cells(_of_line(line), known)
                        safe = [defused(cell) for cell in cells]
                        changed = sum(a != b for a, b in zip(cells, safe, strict=True))
                        table.add(csv_line(safe), changed)
    return Export(
        number,
        tuple(first),
        tuple(table.files),
        tuple(documents.files),
        rejects.counts,
        rejects.file(),
    )


def preview(found: Sequence[Endpoint], rows: int = 5) -> pd.DataFrame:
    """The first endpoints as they may be shown: addresses masked, ids shortened, no places."""
    chosen = [
        {
            "ChannelType": endpoint.channel_type,
            "Address": masked(endpoint.address),
            "OptOut": endpoint.opt_out,
            "User.UserId": f"{endpoint.user_id[:6]}…",
            "Location.Country": endpoint.location.get("Country", ""),
            **{n: " | ".join(values) for n, values in sorted(endpoint.user_attributes.items())},
            **dict(sorted(endpoint.metrics.items())),
        }
        for endpoint in found[:rows]
    ]
    return shown(pd.DataFrame(chosen).fillna(""))
