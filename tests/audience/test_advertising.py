"""Files for advertising: each service's own form before the hash, worked out by hand."""

from __future__ import annotations

import csv
import hashlib
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from engagement.audience import advertising, reverse_etl
from engagement.audience.advertising import COLUMNS, GOOGLE, META, Service, export
from engagement.audience.errors import AudienceError
from engagement.audience.stream import read_manifest, read_rows


def sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def person(**known: Any) -> dict[str, Any]:
    return dict.fromkeys(COLUMNS) | known


ZOE = person(
    email="  Zoë.Pérez+News@Gmail.COM ",
    phone="+4915550100999",
    first_name=" Zoë  Marie ",
    last_name="O'Pérez-Smith Jr.",
    city="St. Gallen",
    state="St. Gallen",
    country="ch",
    postal_code="9000 ",
)


def rows(service: Service, folder: Path, *people: dict[str, Any]) -> list[dict[str, str]]:
    frames = [pd.DataFrame([one], columns=list(COLUMNS)) for one in people]
    done = export(service, "everybody", frames, folder)
    found = []
    for file in done.files:
        with file.path.open(encoding="utf-8", newline="") as stream:
            found += list(csv.DictReader(stream))
    return found


def test_google_has_its_own_forms_and_country_and_zip_stay_plain(tmp_path: Path) -> None:
    assert rows(GOOGLE, tmp_path, ZOE) == [
        {
            "Email": sha("zoë.pérez+news@gmail.com"),
            "Phone": sha("+4915550100999"),
            "First Name": sha("zoë marie"),
            "Last Name": sha("opérezsmith jr"),
            "Country": "CH",
            "Zip": "9000",
        }
    ]


def test_meta_has_its_own_forms_and_hashes_all_of_them(tmp_path: Path) -> None:
    assert rows(META, tmp_path, ZOE) == [
        {
            "email": sha("zoë.pérez+news@gmail.com"),
            "phone": sha("4915550100999"),
            "fn": sha("zoë marie"),
            "ln": sha("opérezsmith jr"),
            "ct": sha("stgallen"),
            "st": sha("stgallen"),
            "zip": sha("9000"),
            "country": sha("ch"),
        }
    ]


def test_published_hashes_are_met() -> None:
    """The example of both services' guides: test@example.com, and +1 (650) 555-1212 for Meta."""
    known = "973dfe463ec85785f5f95af5ba3906eedb2d931c24e69824a89ea65dba4e813b"
    assert advertising.hashed(advertising.google_email(" Test@Example.com")) == known
    assert advertising.hashed(advertising.meta_email(" Test@Example.com")) == known
    assert advertising.meta_phone("+1 (650) 555-1212") == "16505551212"
    assert advertising.meta_phone("0044 844 412 4653") == "448444124653"


@pytest.mark.parametrize(
    ("code", "country", "form"),
    [("94303-5300", "US", "94303"), ("WC2H 8LG", "GB", "wc2h8lg"), ("1234-567", "PT", "1234567")],
)
def test_postal_codes(code: str, country: str, form: str) -> None:
    assert advertising.meta_postal_code(code, country) == form


def test_the_same_name_written_in_two_ways_has_one_hash() -> None:
    assert advertising.meta_name("Zoe\u0308") == advertising.meta_name("Zo\u00eb")


def test_google_s_address_counts_only_whole(tmp_path: Path) -> None:
    partly = person(email="a@shop.example", first_name="Ann", last_name="Muster", country="DE")
    assert rows(GOOGLE, tmp_path, partly) == [
        {"Email": sha("a@shop.example"), "Phone": "", "First Name": "", "Last Name": "",
         "Country": "", "Zip": ""},
    ]  # fmt: skip


def test_who_cannot_be_matched_is_counted_and_not_written(tmp_path: Path) -> None:
    nobody = person(first_name="Ann", city="Köln")
    frames = [pd.DataFrame([nobody, ZOE, nobody], columns=list(COLUMNS))]
    for service in (GOOGLE, META):
        done = export(service, "everybody", frames, tmp_path / service.name)
        assert (done.people, done.unmatched) == (1, 2)
        noted = read_manifest(tmp_path / service.name)["everybody"]
        assert (noted["rows"], noted["unmatched"], noted["service"]) == (1, 2, service.name)


def test_no_plain_address_name_or_number_is_in_a_file(tmp_path: Path) -> None:
    for service in (GOOGLE, META):
        export(service, "everybody", [pd.DataFrame([ZOE])], tmp_path / service.name)
        text = (tmp_path / service.name / "everybody-001.csv").read_text(encoding="utf-8").lower()
        for planted in ("zoë", "pérez", "gmail", "4915550100999", "gallen"):
            assert planted not in text


def test_a_mapping_names_the_columns_of_a_plain_file(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {"person_id": ["ann", "ben"], "email": ["a@x.example", None], "orders_total": [3, 0]}
    )
    mapping = {"Contact ID": "person_id", "Orders": "orders_total", "E-Mail": "email"}
    (file,) = reverse_etl.export("everybody", [frame], mapping, tmp_path)
    assert list(read_rows(file.path)) == [
        {"Contact ID": "ann", "Orders": "3", "E-Mail": "a@x.example"},
        {"Contact ID": "ben", "Orders": "0", "E-Mail": ""},
    ]
    assert read_manifest(tmp_path)["everybody"]["columns"] == mapping
    with pytest.raises(AudienceError, match="did you mean 'orders_total'"):
        reverse_etl.export("everybody", [frame], {"Orders": "order_total"}, tmp_path)
