"""The file for Amazon Connect Customer Profiles: who is in it, its header, its batch."""

from __future__ import annotations

import csv
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from botocore.session import get_session

from engagement.audience import customer_profiles
from engagement.audience.customer_profiles import Export
from engagement.audience.reach import contacts
from engagement.audience.segments import AudienceError, Selection
from tests.audience.conftest import person

MakeSelection = Callable[..., Selection]


def export(selection: Selection, folder: Path, most_bytes: int = 10**6) -> Export:
    found = contacts(selection, "deny")
    return customer_profiles.export(
        selection, found, folder / "customer_profiles", folder / "rejects", most_bytes
    )


def rows(done: Export) -> list[dict[str, str]]:
    found: list[dict[str, str]] = []
    for file in done.files:
        with file.path.open(encoding="utf-8", newline="") as stream:
            found += csv.DictReader(stream)
    return found


def test_a_row_holds_the_person_what_was_asked_for_and_the_batch(
    make_selection: MakeSelection, tmp_path: Path
) -> None:
    done = export(
        make_selection(
            person("ann", user_id="u-1", first_name="Ann", last_name="Muster", city="Köln",
                   state="NW", country="DE", postal_code="50667", plan="plus",
                   brands="Acme|Zett", spend_total=Decimal("12.50")),
            attributes=["plan"], lists=["brands"], metrics=["spend_total"],
        ),
        tmp_path,
    )  # fmt: skip
    assert rows(done) == [
        {
            "person_id": "ann",
            "user_id": "u-1",
            "first_name": "Ann",
            "last_name": "Muster",
            "email": "ann@shop.example",
            "phone": "",
            "city": "Köln",
            "state": "NW",
            "country": "DE",
            "postal_code": "50667",
            "segment_batch": "everybody-2026-01-31",
            "plan": "plus",
            "brands": "Acme|Zett",
            "spend_total": "12.50",
        }
    ]
    assert done.batch == "everybody-2026-01-31"


def test_an_address_is_there_only_with_consent_for_its_channel(
    make_selection: MakeSelection, tmp_path: Path
) -> None:
    """Ben's phone is known, but he refused text messages; nobody was asked about Cat's."""
    everybody = [
        person("ann", phone="+1 202 555 0100"),
        person("ben", consent_sms=False),
        person("cat", consent_email=False, phone="+1 202 555 0101"),
        person("dan", consent_email=False, consent_sms=None),
    ]
    both = export(make_selection(*everybody, channels=["email", "sms"]), tmp_path / "both")
    assert [(r["person_id"], r["email"], r["phone"]) for r in rows(both)] == [
        ("ann", "ann@shop.example", "+12025550100"),
        ("ben", "ben@shop.example", ""),
        ("cat", "", "+12025550101"),
    ]
    mail = export(make_selection(*everybody), tmp_path / "mail")
    assert [(r["person_id"], r["phone"]) for r in rows(mail)] == [("ann", ""), ("ben", "")]


def test_who_is_not_in_the_file_is_listed_with_the_reasons(
    make_selection: MakeSelection, tmp_path: Path
) -> None:
    done = export(
        make_selection(person("ann"), person("ben", consent_email=False), suppressed="opt_out"),
        tmp_path,
    )
    assert [r["person_id"] for r in rows(done)] == ["ann"]
    assert done.people == 1
    with done.rejects_file.path.open(encoding="utf-8", newline="") as stream:
        assert list(csv.reader(stream)) == [
            ["person_id", "channel", "what", "reason"],
            ["ben", "", "person", "no channel reaches this person"],
            ["ben", "email", "address", "the latest answer was not yes"],
        ]


def test_values_that_a_profile_cannot_hold_are_left_out_and_listed(
    make_selection: MakeSelection, tmp_path: Path
) -> None:
    done = export(
        make_selection(
            person("ann", city="x" * 255, first_name="A\tnn"),
            person("ben", city="x" * 256),
        ),
        tmp_path,
    )
    assert [(r["first_name"], len(r["city"])) for r in rows(done)] == [("", 255), ("", 0)]
    assert [(r.person_id, r.what, r.reason) for r in done.rejects] == [
        ("ann", "first_name",
         "the value holds a line break, a tab or another control character"),
        ("ben", "city", "the value is longer than 255 characters"),
    ]  # fmt: skip


def test_headers_have_no_dots_and_can_be_mapped(make_selection: MakeSelection) -> None:
    selection = make_selection(person("ann"), attributes=["plan"], metrics=["orders_total"])
    names = [column.name for column in customer_profiles.columns(selection.segment)]
    assert len(set(names)) == len(names)
    assert not [name for name in names if "." in name]
    with pytest.raises(AudienceError, match="a header has letters"):
        customer_profiles.columns(selection.segment.model_copy(update={"attributes": ("a.b",)}))


def test_every_column_goes_to_a_field_that_profiles_have(make_selection: MakeSelection) -> None:
    """Against the service's own model, as botocore ships it."""
    model = get_session().get_service_model("customer-profiles")
    profile = model.operation_model("CreateProfile").input_shape
    segment = make_selection(person("ann"), attributes=["plan"], metrics=["orders_total"]).segment
    for column in customer_profiles.columns(segment):
        start, *path = column.target.split(".")
        assert start == "_profile"
        assert path[0] in profile.members
        if path[0] == "Address":
            assert path[1] in profile.members["Address"].members
        else:
            assert len(path) == (2 if path[0] == "Attributes" else 1)
        assert column.content_type in model.shape_for("FieldContentType").enum
    targets = customer_profiles.mapping_frame(segment)["target"]
    assert targets.is_unique
    # An attribute of the segment's own: another segment's import takes nobody out of this one.
    assert "_profile.Attributes.segment_batch_everybody" in set(targets)


def test_a_file_stays_under_its_limit(make_selection: MakeSelection, tmp_path: Path) -> None:
    selection = make_selection(*(person(f"p{number}") for number in range(5)))
    (whole,) = export(selection, tmp_path / "whole").files
    header, *lines = whole.path.read_bytes().splitlines(keepends=True)
    done = export(selection, tmp_path / "parts", len(header) + 2 * len(lines[0]))
    assert [(f.path.name, f.rows) for f in done.files] == [
        ("everybody-001.csv", 2), ("everybody-002.csv", 2), ("everybody-003.csv", 1),
    ]  # fmt: skip
    assert customer_profiles.MOST_BYTES < 10**9


def test_another_reader_has_every_value_back(make_selection: MakeSelection, tmp_path: Path) -> None:
    odd: list[Any] = ["a,b", 'say "hi"', "back\\slash", "naïve – 漢字 🎁"]
    done = export(
        make_selection(*(person(f"p{n}", city=text) for n, text in enumerate(odd))), tmp_path
    )
    read = pd.read_csv(done.files[0].path, dtype=str, keep_default_na=False)
    assert list(read["city"]) == odd
    assert done.files[0].path.read_bytes()[:3] != b"\xef\xbb\xbf"


def test_nobody_to_export_writes_no_file(make_selection: MakeSelection, tmp_path: Path) -> None:
    done = export(make_selection(person("ann"), where="false"), tmp_path)
    assert (done.people, done.files, done.rejects) == (0, (), ())
