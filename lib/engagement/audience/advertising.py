"""Members as files for advertising: Google Ads Customer Match and Meta Custom Audiences.

Each service compares hashes of what it knows with hashes of what it is given, so each value is
brought into the one form that the service's own rules ask for before it is hashed (SHA-256 of the
UTF-8, in lower-case hexadecimal). The rules, as published:

- Google: "Customer Match: formatting guidelines" and ``OfflineUserAddressInfo`` of the Google Ads
  API. E-mail addresses in lower case without blanks; numbers in E.164; first names in lower case
  without extra blanks, last names also without punctuation. Country and postal code stay plain, and
  a postal address counts only whole: both names, country and postal code.
- Meta: "Customer file custom audiences: hashing and normalising". E-mail addresses trimmed, in
  lower case; numbers as digits with their country code, without ``+`` and leading zeros; names and
  cities in lower case without punctuation, cities and states without blanks; postal codes in lower
  case without blanks and hyphens, of the US the first five digits; countries as two letters. All of
  them are hashed.

Nothing is called: these are files, for people to upload.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from engagement.audience.files import ExportedFile
from engagement.audience.stream import Format, Writer, write_manifest

Row = Mapping[str, str]
Normaliser = Callable[[Row], str]


@dataclass(frozen=True)
class Field:
    """A column of a file: its header, how its value is made, and whether it is hashed."""

    header: str
    value: Normaliser
    hashed: bool = True


@dataclass(frozen=True)
class Service:
    """A service's file.

    Attributes
    ----------
    whole
        Headers that count only together: where one is empty, all of them are.
    """

    name: str
    fields: tuple[Field, ...]
    whole: tuple[str, ...] = ()


@dataclass(frozen=True)
class AdExport:
    """What was written: people in the files, and people of whom nothing could be matched."""

    people: int
    unmatched: int
    files: tuple[ExportedFile, ...]


# --- forms of values ------------------------------------------------------------------------------

_BLANKS = re.compile(r"\s+")


def _bare(text: str) -> str:
    """A text without blanks around it, composed (NFC), so that the same letters hash the same."""
    return unicodedata.normalize("NFC", text).strip()


def _without_punctuation(text: str) -> str:
    """A text without signs that are neither letters, marks, digits nor blanks."""
    return "".join(s for s in text if unicodedata.category(s)[0] in "LMN" or s.isspace())


def google_email(text: str) -> str:
    """In lower case, without any blank.

    Dots and what follows a plus stay: that they are taken out of Gmail's addresses is a rule of
    enhanced conversions, not of Customer Match.
    """
    return _BLANKS.sub("", _bare(text)).lower()


def google_phone(text: str) -> str:
    """In E.164, with its ``+``."""
    return _bare(text)


def google_first_name(text: str) -> str:
    """In lower case, one blank between words."""
    return _BLANKS.sub(" ", _bare(text)).lower()


def google_last_name(text: str) -> str:
    """As a first name, without punctuation."""
    return _BLANKS.sub(" ", _without_punctuation(_bare(text))).strip().lower()


def google_country(text: str) -> str:
    """The two letters of ISO 3166-1, plain."""
    code = _bare(text).upper()
    return code if re.fullmatch(r"[A-Z]{2}", code) else ""


def meta_email(text: str) -> str:
    """Trimmed, in lower case."""
    return _bare(text).lower()


def meta_phone(text: str) -> str:
    """Digits with the country code: no ``+``, no sign, no leading zero."""
    return re.sub(r"[^0-9]", "", text).lstrip("0")


def meta_name(text: str) -> str:
    """In lower case without punctuation; letters of any alphabet, as UTF-8."""
    return _BLANKS.sub(" ", _without_punctuation(_bare(text))).strip().lower()


def meta_place(text: str) -> str:
    """A city or a state: in lower case without punctuation and blanks."""
    return _BLANKS.sub("", _without_punctuation(_bare(text))).lower()


def meta_postal_code(text: str, country: str) -> str:
    """In lower case without blanks and hyphens; of the US the first five digits."""
    code = re.sub(r"[\s\-]", "", _bare(text)).lower()
    return code[:5] if meta_country(country) == "us" else code


def meta_country(text: str) -> str:
    """The two letters of ISO 3166-1, in lower case."""
    return google_country(text).lower()


def hashed(text: str) -> str:
    """SHA-256 of a value, as hexadecimal digits; of nothing: nothing."""
    return hashlib.sha256(text.encode("utf-8")).hexdigest() if text else ""


def _of(column: str, form: Callable[[str], str]) -> Normaliser:
    return lambda row: form(row[column])


GOOGLE = Service(
    "google_ads",
    (
        Field("Email", _of("email", google_email)),
        Field("Phone", _of("phone", google_phone)),
        Field("First Name", _of("first_name", google_first_name)),
        Field("Last Name", _of("last_name", google_last_name)),
        Field("Country", _of("country", google_country), hashed=False),
        Field("Zip", _of("postal_code", _bare), hashed=False),
    ),
    whole=("First Name", "Last Name", "Country", "Zip"),
)

META = Service(
    "meta",
    (
        Field("email", _of("email", meta_email)),
        Field("phone", _of("phone", meta_phone)),
        Field("fn", _of("first_name", meta_name)),
        Field("ln", _of("last_name", meta_name)),
        Field("ct", _of("city", meta_place)),
        Field("st", _of("state", meta_place)),
        Field("zip", lambda row: meta_postal_code(row["postal_code"], row["country"])),
        Field("country", _of("country", meta_country)),
    ),
)

MATCHED_BY = {"google_ads": ("Email", "Phone", "First Name"), "meta": ("email", "phone")}
"""Headers of which a row needs one: by the others alone nobody is found."""

COLUMNS = ("email", "phone", "first_name", "last_name", "city", "state", "country", "postal_code")


def values(service: Service, row: Row) -> list[str]:
    """A person as the file has them; all cells are empty where nothing of them can be matched."""
    plain = {field.header: field.value(row) for field in service.fields}
    if not all(plain[header] for header in service.whole):
        plain |= dict.fromkeys(service.whole, "")
    if not any(plain[header] for header in MATCHED_BY[service.name]):
        return [""] * len(service.fields)
    return [hashed(plain[f.header]) if f.hashed else plain[f.header] for f in service.fields]


def export(
    service: Service,
    segment: str,
    members: Iterable[pd.DataFrame],
    folder: Path,
    how: Format | None = None,
) -> AdExport:
    """Write members as a service's file: ``<folder>/<segment>-001.csv``.

    Parameters
    ----------
    members
        Frames with the columns of :data:`COLUMNS`; ``email`` and ``phone`` only where the person
        agreed to be reached by them.
    """
    people = unmatched = 0
    with Writer(folder, segment, [f.header for f in service.fields], how) as writer:
        for frame in members:
            rows = [values(service, row) for row in _rows(frame)]
            kept = [row for row in rows if any(row)]
            people += len(kept)
            unmatched += len(rows) - len(kept)
            if kept:
                writer.write([pa.array(cells, pa.string()) for cells in zip(*kept, strict=True)])
    files = tuple(writer.files)
    about = {"service": service.name, "unmatched": unmatched}
    write_manifest(folder, segment, files, about)
    return AdExport(people, unmatched, files)


def _rows(frame: pd.DataFrame) -> Iterable[dict[str, str]]:
    columns = {name: [_text(v) for v in frame[name].tolist()] for name in COLUMNS}
    for cells in zip(*columns.values(), strict=True):
        yield dict(zip(columns, cells, strict=True))


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
