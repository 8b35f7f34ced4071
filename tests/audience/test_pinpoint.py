"""Pinpoint's import file: its header, its values, its limits, and the same bytes every time."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pytest

from engagement.as_of import whole_day
from engagement.audience import pinpoint
from engagement.audience.members import members
from engagement.audience.pinpoint import Endpoint, Export, Limits
from engagement.audience.reach import contacts
from engagement.audience.segments import AudienceError, Segment, Selection, select
from engagement.audience.stream import restored
from engagement.settings import Settings
from engagement.warehouse import Warehouse
from tests.audience.conftest import AS_OF, person

MakeSelection = Callable[..., Selection]


def export(
    selection: Selection, folder: Path, limits: Limits = pinpoint.LIMITS, unanswered: Any = "deny"
) -> Export:
    found = contacts(selection, unanswered)
    return pinpoint.export(selection, found, folder / "pinpoint", folder / "rejects", limits)


def table(export: Export) -> tuple[list[str], list[list[str]]]:
    """The CSV file as an independent reader has it: the header, repeats and all, and the rows."""
    with export.csv[0].path.open(encoding="utf-8", newline="") as stream:
        header, *rows = csv.reader(stream)
    return header, rows


def documents(export: Export) -> list[dict[str, Any]]:
    text = export.json[0].path.read_text(encoding="utf-8")
    return [json.loads(line) for line in text.split("\n")[:-1]]


def rejects(export: Export) -> list[tuple[str, str, str, str]]:
    with export.rejects_file.path.open(encoding="utf-8", newline="") as stream:
        header, *rows = csv.reader(stream)
    assert header == ["person_id", "channel", "what", "reason"]
    return [(a, b, c, d) for a, b, c, d in rows]


ANN = {"city": "Köln", "state": "NW", "country": "de", "postal_code": "50667", "plan": "plus"}


def test_an_endpoint_has_its_fields_under_pinpoints_headers(
    make_selection: MakeSelection, tmp_path: Path
) -> None:
    done = export(
        make_selection(
            person("ann", **ANN, orders_total=3, spend_total=Decimal("12.50")),
            attributes=["plan"],
            metrics=["orders_total", "spend_total"],
        ),
        tmp_path,
    )
    header, (row,) = table(done)
    assert dict(zip(header, row, strict=True)) == {
        "Id": "ann-email",
        "ChannelType": "EMAIL",
        "Address": "ann@shop.example",
        "OptOut": "NONE",
        "User.UserId": "ann",
        "Location.City": "Köln",
        "Location.Country": "DE",
        "Location.PostalCode": "50667",
        "Location.Region": "NW",
        "Metrics.orders_total": "3",
        "Metrics.spend_total": "12.5",
        "User.UserAttributes.plan": "plus",
    }
    assert documents(done) == [
        {
            "Id": "ann-email",
            "ChannelType": "EMAIL",
            "Address": "ann@shop.example",
            "OptOut": "NONE",
            "Location": {"Country": "DE", "Region": "NW", "City": "Köln", "PostalCode": "50667"},
            "Metrics": {"orders_total": 3, "spend_total": 12.5},
            "User": {"UserId": "ann", "UserAttributes": {"plan": ["plus"]}},
        }
    ]


def test_a_document_has_only_members_that_the_service_knows(
    make_selection: MakeSelection, tmp_path: Path
) -> None:
    """Against the service's own model, as botocore ships it."""
    from botocore.session import get_session
    from botocore.validate import ParamValidator

    done = export(
        make_selection(person("ann", **ANN, orders_total=1), attributes=["plan"],
                       metrics=["orders_total"], channels=["email", "sms"]),
        tmp_path,
    )  # fmt: skip
    shape = get_session().get_service_model("pinpoint").shape_for("EndpointBatchItem")
    assert len(documents(done)) == 2
    for document in documents(done):
        document["Metrics"] = {n: float(v) for n, v in document["Metrics"].items()}
        assert not ParamValidator().validate(document, shape).has_errors()
        assert document.keys() <= shape.members.keys()
        assert document["Location"].keys() <= shape.members["Location"].members.keys()
        assert document["ChannelType"] in shape.members["ChannelType"].enum


def test_several_values_repeat_the_header(make_selection: MakeSelection, tmp_path: Path) -> None:
    done = export(
        make_selection(
            person("ann", brands="Acme|Zett|Acme"),
            person("ben", brands="Acme|Bolt|Corp"),
            person("cat", brands="Zett"),
            person("dan"),
            lists=["brands"],
        ),
        tmp_path,
    )
    header, rows = table(done)
    assert header[5:] == ["User.UserAttributes.brands"] * 3
    assert [row[5:] for row in rows] == [
        ["Acme", "Zett", ""],  # each value once
        ["Acme", "Bolt", "Corp"],
        ["Zett", "", ""],
        ["", "", ""],
    ]
    assert [d["User"].get("UserAttributes") for d in documents(done)] == [
        {"brands": ["Acme", "Zett"]},
        {"brands": ["Acme", "Bolt", "Corp"]},
        {"brands": ["Zett"]},
        None,
    ]


def test_text_messages_go_to_numbers_in_e164(make_selection: MakeSelection, tmp_path: Path) -> None:
    done = export(
        make_selection(
            person("ann", phone="+1 (555) 010-0199"),
            person("ben", phone="555-0100"),
            channels=["sms"],
        ),
        tmp_path,
    )
    assert [row[:5] for row in table(done)[1]] == [
        ["ann-sms", "SMS", "+15550100199", "NONE", "ann"]
    ]
    reason = (
        "the address cannot be used: the number has no country code, and the person's country is "
        "not known"
    )
    assert rejects(done) == [("ben", "sms", "endpoint", reason)]


def test_who_must_not_be_contacted_is_left_out_and_listed(
    make_selection: MakeSelection, tmp_path: Path
) -> None:
    done = export(
        make_selection(
            person("ann"), person("ben", consent_email=False), person("cat", consent_email=None)
        ),
        tmp_path,
    )
    assert [row[0] for row in table(done)[1]] == ["ann-email"]
    assert rejects(done) == [
        ("ben", "email", "endpoint", "the latest answer was not yes"),
        ("cat", "email", "endpoint",
         "the person never answered, and consent.unanswered is deny"),
    ]  # fmt: skip


def test_or_they_are_marked_as_opted_out_with_nothing_but_their_address(
    make_selection: MakeSelection, tmp_path: Path
) -> None:
    done = export(
        make_selection(
            person("ann", **ANN),
            person("ben", **ANN, consent_email=False),
            person("cat", **ANN, consent_email=False, email="unusable"),
            attributes=["plan"],
            suppressed="opt_out",
        ),
        tmp_path,
    )
    assert [(d["Id"], d["OptOut"], len(d)) for d in documents(done)] == [
        ("ann-email", "NONE", 6),
        ("ben-email", "ALL", 5),
    ]
    assert rejects(done) == [("cat", "email", "endpoint", "the latest answer was not yes")]


def test_the_file_says_one_thing_of_an_address(
    make_selection: MakeSelection, tmp_path: Path
) -> None:
    """Ann said yes, Ben with the same mailbox never answered; Cat and Dan share one and said no."""
    done = export(
        make_selection(
            person("ann", email="one@shop.example"),
            person("ben", email="One@shop.example", consent_email=None),
            person("cat", email="two@shop.example", consent_email=False),
            person("dan", email="two@shop.example", consent_email=False),
            suppressed="opt_out",
        ),
        tmp_path,
    )
    assert [(d["Id"], d["OptOut"]) for d in documents(done)] == [
        ("ann-email", "NONE"),
        ("cat-email", "ALL"),
    ]
    reason = "another person of the segment has this address"
    assert rejects(done) == [
        ("ben", "email", "endpoint", reason),
        ("dan", "email", "endpoint", reason),
    ]


# --- limits -------------------------------------------------------------------------------------


def test_values_that_an_import_does_not_take_are_left_out_and_listed(
    make_selection: MakeSelection, tmp_path: Path
) -> None:
    done = export(
        make_selection(
            person("ann", plan="x" * 100),
            person("ben", plan="x" * 101),
            person("cat", plan="a\tb"),
            person("dan", plan="a\nb", country="Deutschland"),
            person("eve", plan="a\u2028b", country="UK"),  # the United Kingdom's code is GB
            person("fay", plan=" ", country="gb"),
            attributes=["plan"],
        ),
        tmp_path,
    )
    control = "the value holds a line break, a tab or another control character"
    country = "the country is no code of ISO 3166-1 alpha-2, such as US"
    assert rejects(done) == [
        ("ben", "email", "plan", "the value is longer than 100 characters"),
        ("cat", "email", "plan", control),
        ("dan", "email", "country", country),
        ("dan", "email", "plan", control),
        ("eve", "email", "country", country),
        ("eve", "email", "plan", control),
    ]
    kept = {d["Id"]: (d["User"].get("UserAttributes"), d.get("Location")) for d in documents(done)}
    assert kept == {
        "ann-email": ({"plan": ["x" * 100]}, None),
        "ben-email": (None, None),
        "cat-email": (None, None),
        "dan-email": (None, None),
        "eve-email": (None, None),
        "fay-email": (None, {"Country": "GB"}),
    }


def test_at_most_fifty_values_of_an_attribute(
    make_selection: MakeSelection, tmp_path: Path
) -> None:
    brands = [f"brand {number:02d}" for number in range(52)]
    done = export(
        make_selection(person("ann", brands="|".join(brands)), lists=["brands"]), tmp_path
    )
    assert documents(done)[0]["User"]["UserAttributes"]["brands"] == brands[:50]
    assert rejects(done) == [("ann", "email", "brands", "more than 50 values")] * 2


def test_an_endpoint_that_is_too_large_is_left_out(
    make_selection: MakeSelection, tmp_path: Path
) -> None:
    selection = make_selection(person("ann", plan="ä" * 50), person("ben"), attributes=["plan"])
    (file,) = export(selection, tmp_path / "all").json
    size = max(len(line) for line in file.path.read_bytes().splitlines())
    fits = export(selection, tmp_path / "fits", Limits(endpoint_bytes=size))
    assert [d["Id"] for d in documents(fits)] == ["ann-email", "ben-email"]
    done = export(selection, tmp_path / "not", Limits(endpoint_bytes=size - 1))
    assert [d["Id"] for d in documents(done)] == ["ben-email"]
    reason = f"the endpoint is larger than {size - 1:,} bytes"
    assert rejects(done) == [("ann", "email", "endpoint", reason)]


def test_a_user_has_at_most_so_many_endpoints(
    make_selection: MakeSelection, tmp_path: Path
) -> None:
    selection = make_selection(person("ann"), channels=["email", "sms"])
    done = export(selection, tmp_path, Limits(endpoints_per_user=1))
    assert [d["Id"] for d in documents(done)] == ["ann-email"]
    assert rejects(done) == [("ann", "sms", "endpoint", "a user has at most 1 endpoints")]


def test_too_many_or_too_long_names_are_the_segments_mistake(
    make_selection: MakeSelection, tmp_path: Path
) -> None:
    selection = make_selection(
        person("ann"), attributes=["plan"], lists=["brands"], metrics=["orders_total"]
    )
    with pytest.raises(AudienceError) as caught:
        export(selection, tmp_path, Limits(attribute_names=2, name_characters=10))
    assert caught.value.problems == [
        "orders_total: an attribute's name has at most 10 characters, this one has 12",
        "attributes, lists and metrics: 3 names, an application takes 2",
    ]
    assert not list(tmp_path.rglob("*.*sv"))


def test_the_limits_are_those_of_the_service() -> None:
    """Amazon Pinpoint's quotas: endpoints, segments, imports."""
    assert Limits(250, 50, 100, 50, 15_000, 15, 1_000_000_000) == pinpoint.LIMITS


def test_more_than_one_job_takes_goes_into_several_files(
    make_selection: MakeSelection, tmp_path: Path
) -> None:
    selection = make_selection(*(person(f"p{number}") for number in range(9)))
    (whole,) = export(selection, tmp_path / "whole").csv
    header, *lines = whole.path.read_bytes().splitlines(keepends=True)
    most = len(header) + 4 * len(lines[0])
    done = export(selection, tmp_path / "parts", Limits(job_bytes=most))
    assert [(file.path.name, file.rows) for file in done.csv] == [
        ("everybody-001.csv", 4),
        ("everybody-002.csv", 4),
        ("everybody-003.csv", 1),
    ]
    parts = [file.path.read_bytes() for file in done.csv]
    assert all(len(part) <= most and part.startswith(header) for part in parts)
    assert b"".join(part.removeprefix(header) for part in parts) == b"".join(lines)
    assert sum(file.rows for file in done.json) == 9
    assert all(file.path.stat().st_size <= most for file in done.json)

    again = export(selection, tmp_path / "parts")
    assert sorted(path.name for path in (tmp_path / "parts/pinpoint").iterdir()) == [
        "everybody-001.csv",
        "everybody-001.json",
    ]
    assert again.csv[0].sha256 == whole.sha256


# --- files --------------------------------------------------------------------------------------


def test_the_same_people_give_the_same_bytes_in_any_order(
    make_selection: MakeSelection, tmp_path: Path
) -> None:
    people = [person(f"p{n}", brands="b|a", orders_total=n, **ANN) for n in range(5)]
    first = export(make_selection(*people, lists=["brands"]), tmp_path / "1")
    second = export(make_selection(*reversed(people), lists=["brands"]), tmp_path / "2")
    assert [f.path.read_bytes() for f in first.files] == [f.path.read_bytes() for f in second.files]
    assert b"\r" not in first.csv[0].path.read_bytes()


def test_an_independent_reader_has_every_value_back(
    make_selection: MakeSelection, tmp_path: Path
) -> None:
    """Commas, quotation marks, backslashes, leading signs, letters of any script."""
    odd = ["a,b", 'say "hi"', "back\\slash", "=1+1", "naïve – 漢字 🎁", " spaced ", "'"]
    done = export(
        make_selection(*(person(f"p{n}", plan=text) for n, text in enumerate(odd)),
                       attributes=["plan"]),
        tmp_path,
    )  # fmt: skip
    # What a spreadsheet would run has an apostrophe, which a reader takes off; JSON has none.
    assert [row[-1] for row in table(done)[1]] == [
        "'=1+1" if text == "=1+1" else text for text in odd
    ]
    assert done.csv[0].defused == 1
    read = duckdb.sql(
        f"select * from read_csv('{done.csv[0].path}', header=true, all_varchar=true, "
        "delim=',', quote='\"', escape='\"')"
    ).fetchall()
    assert [restored(row[-1]) for row in read] == odd
    assert [d["User"]["UserAttributes"]["plan"][0] for d in documents(done)] == odd


def test_pages_of_members_give_the_files_of_people_in_memory(
    make_shop: Callable[..., Warehouse], make_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    """Ben refused and is in the files as such; Cat has the address of Ann, and refused it for both.
    Abe is on the list of people not to contact, and has the address of p0, who is not.
    """
    listed = tmp_path / "listed.csv"
    listed.write_text("person_id\nabe\n", encoding="utf-8")
    people = [
        person("abe", email="p0@shop.example", phone=None),
        person("ann", brands="b|a", orders_total=1, **ANN),
        person("ben", consent_email=False, brands="c", spend_total=Decimal("9.50")),
        person("cat", email="ann@shop.example", consent_email=False),
        person("dan", email="no address", phone=None),
        *(person(f"p{number}", brands="a|b|c", plan="x\ty") for number in range(4)),
    ]
    keys = {
        "name": "everybody", "description": "All.", "where": "true", "channels": ["email", "sms"],
        "attributes": ["plan"], "lists": ["brands"], "metrics": ["orders_total", "spend_total"],
        "suppressed": "opt_out",
    }  # fmt: skip
    segment = Segment.model_validate(keys)
    warehouse, settings = make_shop(people), make_settings(audience__suppression=[str(listed)])
    selection = select(warehouse, segment, AS_OF)
    who = members(warehouse, settings, segment, whole_day(AS_OF, settings.timezone))
    assert who.count() == (9, 9)
    whole = export(selection, tmp_path / "whole", unanswered=who.policy)
    asked = 0

    def pages() -> Iterator[pd.DataFrame]:
        nonlocal asked
        asked += 1
        return who.pages(3)

    folder = tmp_path / "pages"
    done = pinpoint.export_members(segment, pages, folder / "pinpoint", folder / "rejects")
    assert asked == 2
    assert [(f.path.name, f.sha256, f.rows) for f in (*done.files, done.rejects_file)] == [
        (f.path.name, f.sha256, f.rows) for f in (*whole.files, whole.rejects_file)
    ]
    assert done.first == whole.first
    assert len(done.first) == 5
    assert done.endpoints == sum(file.rows for file in done.csv) == 13
    assert done.left_out == whole.left_out
    assert done.left_out.total() == done.rejects_file.rows == len(rejects(done))
    assert {d["Id"] for d in documents(done) if d["OptOut"] == "ALL"} == {
        "ann-email",
        "ben-email",
    }
    abe = ("abe", "email", "endpoint", "another person of the segment has this address")
    assert abe in rejects(done)


def test_nobody_to_export_writes_no_file_to_import(
    make_selection: MakeSelection, tmp_path: Path
) -> None:
    export(make_selection(person("ann")), tmp_path)
    done = export(make_selection(person("ann", consent_email=False)), tmp_path)
    assert (done.files, done.endpoints, done.first) == ([], 0, ())
    assert list((tmp_path / "pinpoint").iterdir()) == []
    assert len(rejects(done)) == 1


def test_a_file_that_cannot_be_finished_leaves_the_old_one(
    make_selection: MakeSelection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = export(make_selection(person("ann")), tmp_path)
    before = first.csv[0].path.read_bytes()

    def full(_: int) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr("engagement.audience.files.os.fsync", full)
    with pytest.raises(OSError, match="no space"):
        export(make_selection(person("ann"), person("ben")), tmp_path)
    assert first.csv[0].path.read_bytes() == before
    assert sorted(path.name for path in (tmp_path / "pinpoint").iterdir()) == [
        "everybody-001.csv",
        "everybody-001.json",
    ]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, ()),
        (float("nan"), ()),
        ("  ", ()),
        ("a", ("a",)),
        (True, ("true",)),
        (3, ("3",)),
        (3.0, ("3",)),
        (0.1, ("0.1",)),
        (Decimal("1.50"), ("1.50",)),
        (["a", None, "b"], ("a", "b")),
        ('["a", 1, null, "b"]', ("a", "1", "b")),  # what flattening makes of an array
        ("[draft]", ("[draft]",)),
        ("[]", ()),
        ('["[draft]"]', ("[draft]",)),
    ],
)
def test_cells_become_texts(value: Any, expected: tuple[str, ...]) -> None:
    assert pinpoint.texts(value) == expected


def test_a_preview_shows_no_address_no_place_and_no_whole_id() -> None:
    endpoint = Endpoint(
        id="0123456789-email",
        channel_type="EMAIL",
        address="ann.smith@shop.example",
        user_id="0123456789",
        location={"City": "Springfield", "Country": "US", "PostalCode": "99999"},
        user_attributes={"brands": ("Acme", "Zett")},
    )
    shown = pinpoint.preview([endpoint]).to_csv()
    assert "a…@s….example" in shown
    assert "Acme | Zett" in shown
    for secret in ("smith", "shop.", "Springfield", "99999", "0123456789"):
        assert secret not in shown
    assert pinpoint.preview([]).empty
