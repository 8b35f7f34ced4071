"""Datasets of Personalize: rows checked against the schemas, files that other readers read."""

from __future__ import annotations

import io
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import fastavro
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engagement.personalize import datasets
from engagement.personalize.datasets import Lengths, Name, PersonalizeError, Reject, categories
from engagement.settings import Personalize
from tests.personalize import small


def interaction(user: str | None = "u1", item: str | None = "p1", **more: Any) -> dict[str, Any]:
    return {"user_id": user, "item_id": item, "event_type": "View", "epoch_seconds": 100,
            "device_type": "mobile", "repeats": 1, **more}  # fmt: skip


def item(id_: str = "p1", **more: Any) -> dict[str, Any]:
    return {"item_id": id_, "category": "Kitchen", "brand": "Acme", "name": "Pan",
            "price": Decimal("19.90"), **more}  # fmt: skip


def user(id_: str = "u1", **more: Any) -> dict[str, Any]:
    return {"user_id": id_, "membership": "member", "gender": "female", "age": 31,
            "country": "DE", "plan": "free", **more}  # fmt: skip


def prepare(name: Name, *rows: dict[str, Any], **more: Any) -> small.Dataset:
    return small.prepare(name, pd.DataFrame(rows), **more)


# --- schemas ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("interactions", ["USER_ID", "ITEM_ID", "EVENT_TYPE", "TIMESTAMP", "DEVICE_TYPE"]),
        ("items", ["ITEM_ID", "PRICE", "CATEGORY_L1", "CATEGORY_L2", "CATEGORY_L3", "BRAND",
                   "PRODUCT_DESCRIPTION"]),
        ("users", ["USER_ID", "MEMBERSHIP", "GENDER", "AGE", "COUNTRY", "PLAN"]),
    ],
)  # fmt: skip
def test_schemas_are_flat_avro_in_the_form_that_personalize_takes(
    name: Name, fields: list[str]
) -> None:
    document = json.loads(small.schema_text(name))
    fastavro.parse_schema(document)
    assert (document["type"], document["name"].lower()) == ("record", name)
    assert document["namespace"] == "com.amazonaws.personalize.schema"
    assert document["version"] == "1.0"
    assert [field["name"] for field in document["fields"]] == fields
    required = {"USER_ID", "ITEM_ID", "EVENT_TYPE", "TIMESTAMP", "PRICE", "CATEGORY_L1",
                "MEMBERSHIP"}  # fmt: skip
    for field in document["fields"]:
        kinds = field["type"] if isinstance(field["type"], list) else [field["type"]]
        assert set(kinds) <= {"null", "string", "int", "long", "float"}
        assert ("null" in kinds) == (field["name"] not in required)
        assert kinds[0] == "null" or len(kinds) == 1
        own_text = "string" in kinds and field["name"] not in {"USER_ID", "ITEM_ID", "EVENT_TYPE"}
        assert own_text == bool(field.get("categorical") or field.get("textual"))


def test_the_schema_is_one_that_the_service_takes() -> None:
    """The text fits create_schema, by the service's own model (10,000 characters at most)."""
    from botocore.session import get_session

    model = get_session().get_service_model("personalize")
    most = model.operation_model("CreateSchema").input_shape.members["schema"].metadata["max"]
    assert all(len(small.schema_text(name)) <= most for name in small.NAMES)


# --- rows ---------------------------------------------------------------------------------------


def test_rows_take_the_names_and_types_of_the_schema() -> None:
    assert prepare("interactions", interaction()).rows == (
        {"USER_ID": "u1", "ITEM_ID": "p1", "EVENT_TYPE": "View", "TIMESTAMP": 100,
         "DEVICE_TYPE": "mobile"},
    )  # fmt: skip
    assert prepare("items", item()).rows == (
        {"ITEM_ID": "p1", "PRICE": 19.9, "CATEGORY_L1": "Kitchen", "CATEGORY_L2": None,
         "CATEGORY_L3": None, "BRAND": "Acme", "PRODUCT_DESCRIPTION": "Pan"},
    )  # fmt: skip
    assert prepare("users", user()).rows == (
        {"USER_ID": "u1", "MEMBERSHIP": "member", "GENDER": "female", "AGE": 31, "COUNTRY": "DE",
         "PLAN": "free"},
    )  # fmt: skip


@pytest.mark.parametrize("missing", [None, np.nan, pd.NA])
def test_what_is_unknown_is_null_where_the_schema_lets_it(missing: Any) -> None:
    (row,) = prepare("users", user(gender=missing, age=missing, plan=missing)).rows
    assert (row["GENDER"], row["AGE"], row["PLAN"]) == (None, None, None)


def test_a_row_without_what_the_schema_needs_is_listed() -> None:
    dataset = prepare("items", item("p1"), item("p2", price=None), item("p3", category=None))
    assert [row["ITEM_ID"] for row in dataset.rows] == ["p1"]
    assert dataset.rejects == (
        Reject("p2", "PRICE", "is missing"),
        Reject("p3", "CATEGORY_L1", "is missing"),
    )
    assert dataset.found == 3


def test_values_beyond_the_services_lengths_are_listed() -> None:
    lengths = Lengths(id=5, categorical=7, textual=9)
    dataset = prepare(
        "items",
        item("12345", category="1234567", name="123456789"),
        item("123456"),
        item("cat", category="12345678"),
        item("brand", brand="12345678"),
        item("name", name="1234567890"),
        lengths=lengths,
    )
    assert [row["ITEM_ID"] for row in dataset.rows] == ["12345"]
    assert dataset.rejects == (
        Reject("123456", "ITEM_ID", "is longer than 5 characters"),
        Reject("brand", "BRAND", "is longer than 7 characters"),
        Reject("cat", "CATEGORY_L1", "is longer than 7 characters"),
        Reject("name", "PRODUCT_DESCRIPTION", "is longer than 9 characters"),
    )
    assert Lengths(256, 1_000, 20_000) == datasets.LENGTHS


def test_values_of_another_type_than_the_schemas_are_listed() -> None:
    dataset = prepare(
        "interactions",
        interaction("ok"),
        interaction("a", epoch_seconds="100"),
        interaction("b", epoch_seconds=2**63),
        interaction("c", item=7),
        interaction("d", event_type=None),
        interaction(" "),
        interaction("e\tf"),
    )
    assert [row["USER_ID"] for row in dataset.rows] == ["ok"]
    assert dataset.rejects == (
        Reject(" ", "USER_ID", "is blank"),
        Reject("a", "TIMESTAMP", "is not of the schema's type"),
        Reject("b", "TIMESTAMP", "is not of the schema's type"),
        Reject("c", "ITEM_ID", "is not of the schema's type"),
        Reject("d", "EVENT_TYPE", "is missing"),
        Reject("e\tf", "USER_ID", "holds a line break, a tab or another control character"),
    )


def test_a_price_that_is_no_finite_number_is_listed() -> None:
    dataset = prepare("items", item("p1", price=float("inf")))
    assert dataset.rejects == (Reject("p1", "PRICE", "is no finite number"),)


def test_metadata_stand_on_one_line() -> None:
    (row,) = prepare("items", item(name=" Pan\n with\tlid ", brand=" ")).rows
    assert (row["PRODUCT_DESCRIPTION"], row["BRAND"]) == ("Pan with lid", None)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (None, (None, None, None)),
        ("", (None, None, None)),
        ("Kitchen", ("Kitchen", None, None)),
        ("Kitchen|Gifts", ("Kitchen|Gifts", None, None)),
        ("Home > Kitchen", ("Home", "Kitchen", None)),
        ("Home>Kitchen>Pans", ("Home", "Kitchen", "Pans")),
        ("Home > Kitchen > Pans > Cast iron", ("Home", "Kitchen", "Pans > Cast iron")),
        ('["Kitchen", "Gifts"]', ("Kitchen|Gifts", None, None)),
        ('["Home > Kitchen", "Home > Gifts"]', ("Home", "Kitchen|Gifts", None)),
        ('["Kitchen", "Kitchen", ""]', ("Kitchen", None, None)),
        ('["Kitchen|Gifts", "Sale"]', ("Kitchen|Gifts|Sale", None, None)),
        ('["Home > Kitchen|Garden > Pots"]', ("Home|Garden", "Kitchen|Pots", None)),
        ("Home > Kitchen|Garden > Pots", ("Home|Garden", "Kitchen|Pots", None)),
        ('["Kitchen|Gifts"', ('["Kitchen|Gifts"', None, None)),
        pytest.param("[" * 100_000 + "a|b", ("[" * 100_000 + "a|b", None, None), id="too deep"),
        ("[sale]", ("[sale]", None, None)),
        (" > ", (None, None, None)),
    ],
)
def test_several_categories_and_levels_of_them(
    text: str | None, expected: tuple[str | None, str | None, str | None]
) -> None:
    assert categories(text) == expected


def test_event_types_must_be_about_single_products() -> None:
    datasets.check_settings(Personalize())
    with pytest.raises(PersonalizeError, match="what products_searched, cart_viewed is about"):
        datasets.check_settings(
            Personalize(event_types={"products_searched": "Search", "cart_viewed": "Cart"})
        )


# --- files --------------------------------------------------------------------------------------


def test_the_file_of_interactions_to_the_letter() -> None:
    dataset = prepare(
        "interactions",
        interaction("u2", epoch_seconds=101),
        interaction("u1", epoch_seconds=101, device_type=None),
        interaction("u9", epoch_seconds=100, event_type="Purchase"),
    )
    assert small.csv_bytes(dataset) == (
        b"USER_ID,ITEM_ID,EVENT_TYPE,TIMESTAMP,DEVICE_TYPE\n"
        b"u9,p1,Purchase,100,mobile\n"
        b"u1,p1,View,101,\n"
        b"u2,p1,View,101,mobile\n"
    )


def test_quotation_marks_and_backslashes_have_a_backslash_before_them() -> None:
    dataset = prepare("items", item(name='27" Monitor, matt', brand="A\\B", category="a|b"))
    assert small.csv_bytes(dataset).decode().splitlines()[1] == (
        r'p1,19.9,a|b,,,A\\B,"27\" Monitor, matt"'
    )


def test_pandas_writes_the_same_with_the_settings_that_the_service_documents() -> None:
    rows = [item("p1", name='27" Monitor'), item("p2", name="a, b"), item("p3", name="ö – 漢")]
    dataset = prepare("items", *rows)
    expected = pd.DataFrame(list(dataset.rows)).to_csv(
        index=False, doublequote=False, escapechar="\\", lineterminator="\n"
    )
    assert small.csv_bytes(dataset).decode("utf-8") == expected


ODD = ['say "hi"', "a,b", "back\\slash", '\\"', "ends with \\", "ö – 漢字 🎁", "'", "=1+1", '"']


def test_other_readers_have_every_value_back(tmp_path: Path) -> None:
    dataset = prepare("items", *(item(f"p{n}", name=text) for n, text in enumerate(ODD)))
    path = small.write(dataset, tmp_path).path
    read = pd.read_csv(
        path, doublequote=False, escapechar="\\", keep_default_na=False, encoding="utf-8"
    )
    assert list(read["PRODUCT_DESCRIPTION"]) == ODD
    lines = path.read_text(encoding="utf-8").split("\n")[1:-1]
    assert [_spark_cells(line)[-1] for line in lines] == ODD
    quoted = duckdb.read_csv(
        str(path), header=True, escapechar="\\", quotechar='"', all_varchar=True, strict_mode=False
    )
    assert [row[0] for row in quoted.fetchall()] == [f"p{n}" for n in range(len(ODD))]


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=12), max_size=4))
def test_any_text_comes_back(names: list[str]) -> None:
    dataset = prepare("items", *(item(f"p{n}", name=name) for n, name in enumerate(names)), item())
    lines = small.csv_bytes(dataset).decode("utf-8").split("\n")[1:-1]
    expected = [row["PRODUCT_DESCRIPTION"] or "" for row in dataset.rows]
    assert [_spark_cells(line)[-1] for line in lines] == expected
    assert len(lines) == len(names) + 1


def _spark_cells(line: str) -> list[str]:
    """Cells as a reader has them that takes a backslash to mean the next character, anywhere."""
    cells, cell, quoted, characters = [], "", False, iter(line)
    for character in characters:
        if character == "\\":
            cell += next(characters)
        elif character == '"':
            quoted = not quoted
        elif character == "," and not quoted:
            cells, cell = [*cells, cell], ""
        else:
            cell += character
    return [*cells, cell]


def test_the_header_is_the_schemas_fields_without_quotation_marks(tmp_path: Path) -> None:
    rows = {"interactions": interaction(), "items": item(), "users": user()}
    for name in small.NAMES:
        path = small.write(prepare(name, rows[name]), tmp_path).path
        header = path.read_bytes().split(b"\n")[0].decode()
        fields = json.loads(small.schema_text(name))["fields"]
        assert header == ",".join(field["name"] for field in fields)
        assert '"' not in header


def test_every_row_of_a_file_is_an_avro_record_of_its_schema(tmp_path: Path) -> None:
    """Written as Avro and read back by fastavro: what passes the check can be stored."""
    dataset = prepare("users", user("u1"), user("u2", age=None, plan=None))
    stream = io.BytesIO()
    fastavro.writer(stream, fastavro.parse_schema(small.schema("users")), dataset.rows)
    stream.seek(0)
    assert list(fastavro.reader(stream)) == list(dataset.rows)


def test_the_same_rows_give_the_same_bytes_in_any_order(tmp_path: Path) -> None:
    rows = [interaction(f"u{n % 3}", f"p{n % 4}", epoch_seconds=100 + n % 2) for n in range(12)]
    one = small.write(prepare("interactions", *rows), tmp_path / "1")
    two = small.write(prepare("interactions", *reversed(rows)), tmp_path / "2")
    assert one.sha256 == two.sha256
    assert one.path.read_bytes() == two.path.read_bytes()


def test_there_may_be_no_row(tmp_path: Path) -> None:
    for name in small.NAMES:
        empty = small.prepare(name, pd.DataFrame(columns=["user_id", "item_id"]))
        assert small.write(empty, tmp_path).rows == 0
        assert empty.found == 0
